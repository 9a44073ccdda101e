"""SNS through the whole intake: confirmed once it is on disk, refused when forged, asked again when it cannot be told."""

import json

import pytest

from andon.intake.actions import create_integration
from andon.intake.adapters import adapters
from andon.intake.adapters.sns.envelope import Certificates
from andon.intake.models import Delivery, Signal
from andon.intake.trying import try_signal
from andon.kit import outbound
from andon.kit.errors import Invalid
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


def test_a_forged_confirmation_calls_nobody_and_is_not_kept(deliver, host):
    forged = {**sns.signed(sns.confirmation()), "SubscribeURL": sns.SUBSCRIBE_URL + "x"}
    assert deliver(forged).status == 401
    assert asked(host) == []
    assert [bytes(told.body) for told in Delivery.objects.all()] == [b""], "why it was refused, and nothing of it"


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


def test_a_body_tried_out_on_the_page_says_why_it_is_not_taken(host):
    integration, _ = create_integration(slug="aws", name="AWS", kind="sns", by=Actor.operator())

    def tried(message):
        return try_signal(integration, by=Actor.operator(), body=json.dumps(message))

    message = sns.signed(sns.notification("Disk is full", Subject="Disk"))
    host.listener.always(500)
    assert "answered 500" in tried(message).problem
    host.listener.answer = lambda handler: host.listener.say(handler, 200, host.pem)
    assert "does not fit" in tried({**message, "Message": "Disk is fine"}).problem
    assert [would.signal.title for would in tried(message).signals] == ["Disk"]
    assert not Signal.objects.exists()


@pytest.mark.parametrize(
    ("kind", "options", "field"),
    [
        ("sns", {"no_data": "yes"}, "no_data"),
        ("sns", {"topic": "andon"}, "topic"),
        ("datatests", {"severity": "high"}, "severity"),
        ("otel", {"limits": "relevance is low"}, "limits"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_by_the_action(kind, options, field):
    with pytest.raises(Invalid) as refused:
        create_integration(slug="x", name="X", kind=kind, by=Actor.operator(), options=options)
    assert refused.value.field == field


def test_settings_that_can_be_meant_are_kept():
    kept, _ = create_integration(
        slug="x", name="X", kind="sns", by=Actor.operator(), options={"topic": sns.TOPIC, "no_data": "fires"}
    )
    assert kept.settings == {"topic": sns.TOPIC, "no_data": "fires"}
