"""SNS through the whole intake: confirmed once it is on disk, refused when forged, asked again when it cannot be told."""

import json

import pytest

from andon.intake.actions import create_integration
from andon.intake.adapters import adapters
from andon.intake.adapters.sns.envelope import Certificates
from andon.intake.models import Delivery, Signal
from andon.kit import outbound
from andon.people.policy import Actor
from tests.intake.test_asgi import ask, post
from tests.support import sns
from tests.support.listener import listening

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def host(monkeypatch):
    """SNS's host on loopback; the real `outbound` goes there in place of the real address."""
    with listening() as listener:
        host = sns.Host(listener)
        monkeypatch.setattr(adapters()["sns"], "_certificates", Certificates(host.fetch))
        monkeypatch.setattr(outbound, "get", host.fetch)
        yield host


@pytest.fixture
def deliver(host):
    _, token = create_integration(slug="aws", name="AWS", kind="sns", by=Actor.operator())

    def deliver(message, token=token):
        body = json.dumps(message).encode()
        (answer,) = ask(lambda app: post(app, body=body, path="/intake/sns/aws", query=f"token={token}"))
        return answer

    return deliver


def asked(host):
    return [heard.path for heard in host.listener.heard if "Action=" in heard.path]


def test_a_subscription_is_confirmed_once_and_kept(deliver, host):
    assert deliver(sns.signed(sns.confirmation())).status == 200
    assert asked(host) == ["/?Action=ConfirmSubscription&TopicArn=x&Token=abc"]
    assert Delivery.objects.get().outcome == "accepted"


def test_a_confirmation_that_fails_is_asked_for_again(deliver, host):
    def answer(handler):
        host.listener.say(handler, 500 if "Action" in handler.path else 200, host.pem)

    host.listener.answer = answer
    assert deliver(sns.signed(sns.confirmation())).status == 503


def test_a_forged_confirmation_calls_nobody_and_leaves_nothing(deliver, host):
    forged = {**sns.signed(sns.confirmation()), "SubscribeURL": sns.SUBSCRIBE_URL + "x"}
    assert deliver(forged).status == 401
    assert asked(host) == []
    assert not Delivery.objects.exists()


def test_a_good_signature_without_the_token_is_not_enough(deliver):
    assert deliver(sns.signed(sns.notification("Disk is full")), token="andon_in_wrong").status == 401
    assert not Signal.objects.exists()


def test_while_the_certificate_cannot_be_had_sns_is_asked_to_come_again(deliver, host):
    host.listener.always(500)
    message = sns.signed(sns.notification("Disk is full", Subject="Disk"))
    answer = deliver(message)
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert not Delivery.objects.exists()
    host.listener.answer = lambda handler: host.listener.say(handler, 200, host.pem)
    assert deliver(message).status == 200
    assert Signal.objects.get().title == "Disk"
