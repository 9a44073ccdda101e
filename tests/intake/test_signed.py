"""An integration that holds its sender's secret: a signature that fits is demanded, and is enough."""

import asyncio
import hashlib
import hmac
import threading
from datetime import timedelta

import pytest

from andon.intake import asgi
from andon.intake.actions import change_integration, create_integration
from andon.intake.adapters import adapters, samples
from andon.intake.events import Event, Malformed, Said, Sender, Unsigned
from andon.intake.models import Delivery, Integration, Signal
from andon.people.policy import Actor
from tests.intake.test_asgi import ask, post, running
from tests.support.listener import listening

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "what Grafana signs with"
BODY = samples("grafana")["firing.json"].body
ADDRESS = "/intake/grafana/grafana"


@pytest.fixture
def grafana(db) -> Integration:
    integration, token = create_integration(
        slug="grafana", name="Grafana", kind="grafana", secret=SECRET, by=Actor.operator()
    )
    integration.token = token
    return integration


def signature(body=BODY, secret=SECRET):
    return {"x-grafana-alerting-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def test_a_signature_that_fits_needs_no_token(grafana):
    (answer,) = ask(lambda app: post(app, body=BODY, path=ADDRESS, headers=signature()))
    assert answer.status == 200
    assert Signal.objects.get().system_hint == "credit-scorer"


def test_a_token_does_not_stand_in_for_a_signature(grafana):
    answers = ask(
        lambda app: post(app, grafana, BODY, path=ADDRESS),
        lambda app: post(app, grafana, BODY, path=ADDRESS, headers=signature(secret="another")),
        lambda app: post(app, body=BODY + b" ", path=ADDRESS, headers=signature()),
        lambda app: post(app, body=BODY, path="/intake/generic/grafana", headers=signature()),
    )
    assert [answer.status for answer in answers] == [401] * 4
    told = Delivery.objects.get()
    assert bytes(told.body) == b"", "what a stranger sends is not kept"
    assert (told.outcome, told.error.split(".")[0]) == ("rejected", "The signature is missing")
    stranger = ask(lambda app: post(app, body=BODY, path="/intake/grafana/nobody"))[0]
    assert all(answer.body == stranger.body for answer in answers)


def test_the_page_says_now_and_then_why_requests_are_refused(grafana, time):
    async def story():
        async with running() as app:
            for _ in range(3):
                await post(app, body=BODY, path=ADDRESS, headers=signature(secret="another"))
            time.forward(timedelta(minutes=5))
            await post(app, body=BODY, path=ADDRESS, headers=signature(secret="another"))

    asyncio.run(story())
    assert Delivery.objects.count() == 2
    assert all(
        error.startswith("The signature does not fit") for error in Delivery.objects.values_list("error", flat=True)
    )


def test_without_the_secret_the_token_counts_again(grafana):
    change_integration(grafana, name="Grafana", system=None, resolves_incidents=False, secret="", by=Actor.operator())
    signed, with_token = ask(
        lambda app: post(app, body=BODY, path=ADDRESS, headers=signature()),
        lambda app: post(app, grafana, BODY, path=ADDRESS),
    )
    assert (signed.status, with_token.status) == (401, 200)


def test_a_secret_of_a_kind_that_signs_nothing_opens_no_door(db):
    integration, token = create_integration(slug="curl", name="Curl", kind="generic", by=Actor.operator())
    Integration.objects.filter(pk=integration.pk).update(secret="left over")
    without, with_token = ask(post, lambda app: post(app, token=token))
    assert (without.status, with_token.status) == (401, 200)


class Slow(Sender):
    """Stands in for a sender whose requests take something else to check: it waits, it refuses, it wants a call back."""

    kind, title, blocking = "slow", "Slow", True
    confirm = ""

    def parse(self, request, settings):
        match request.body:
            case b"unsigned":
                raise Unsigned("The certificate is somebody else's.")
            case b"malformed":
                raise Malformed("Not so.", field="a")
        return Said([Event("f", "", "firing", "Slow")], confirm=self.confirm)


@pytest.fixture
def slow(db, monkeypatch):
    sender = Slow()
    monkeypatch.setattr(asgi, "adapters", lambda: {**adapters(), "slow": sender})
    row, token = create_integration(slug="slow", name="Slow", kind="generic", by=Actor.operator())
    Integration.objects.filter(pk=row.pk).update(kind="slow")
    sender.token = token
    return sender


def to_slow(slow, body=b"fine"):
    return ask(lambda app: post(app, slow, body, path="/intake/slow/slow"))[0]


def test_an_adapter_that_waits_runs_beside_and_refuses_as_any_other(slow):
    assert to_slow(slow).status == 200
    refused = to_slow(slow, b"malformed")
    assert (refused.status, refused.body["field"]) == (400, "a")
    assert to_slow(slow, b"unsigned").status == 401


def test_a_subscription_is_confirmed_after_the_commit_and_before_the_answer(slow, settings):
    settings.ALLOW_PRIVATE_TARGETS = True
    with listening() as listener:
        slow.confirm = f"{listener.url}/confirm?token=1"
        assert to_slow(slow).status == 200
        assert [(heard.command, heard.path) for heard in listener.heard] == [("GET", "/confirm?token=1")]
        listener.always(500)
        assert to_slow(slow).status == 503, "so that the sender asks again"
    assert Signal.objects.get().count == 2
    assert to_slow(slow).status == 503, "nobody listens there any more"


def test_an_address_that_andon_does_not_call_is_not_called(slow, settings):
    settings.ALLOW_PRIVATE_TARGETS = False
    with listening() as listener:
        slow.confirm = f"{listener.url}/confirm"
        assert to_slow(slow).status == 503
        assert listener.heard == []


def test_an_adapter_that_waits_too_long_is_503(slow, monkeypatch):
    monkeypatch.setattr(asgi, "THINK_SECONDS", 0.05)
    go = threading.Event()
    monkeypatch.setattr(slow, "parse", lambda *_: go.wait(5))

    async def story():
        async with running() as app:
            answer = await post(app, slow, b"fine", path="/intake/slow/slow")
            go.set()
            return answer

    assert asyncio.run(story()).status == 503
