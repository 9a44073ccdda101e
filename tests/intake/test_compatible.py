"""Addresses that senders cannot be talked out of: `/v2/enqueue` and `/v2/alerts`, known by their token alone."""

import asyncio
import gzip
import json
from urllib.parse import quote

import pytest

from andon.intake.actions import create_integration
from andon.intake.models import Delivery, Signal
from andon.intake.recording import BODY_KEPT
from andon.kit import ids
from andon.people.policy import Actor
from andon.registry.models import ChangeEvent
from andon.site.asgi import Router
from tests.intake.test_asgi import ask, post, running

pytestmark = pytest.mark.django_db(transaction=True)


def made(kind, **facts):
    integration, token = create_integration(slug=kind, name=kind, kind=kind, by=Actor.operator(), **facts)
    integration.token = token
    return integration


@pytest.fixture
def pagerduty(db):
    return made("pagerduty")


@pytest.fixture
def opsgenie(db):
    return made("opsgenie")


def enqueue(app, key, action="trigger", *, path="/v2/enqueue", **facts):
    body = {"routing_key": key, "event_action": action, "dedup_key": "errors",
            "payload": {"summary": "Errors", "source": "s", "severity": "error"}, **facts}  # fmt: skip
    return post(app, body=json.dumps(body).encode(), path=path)


def genie(app, key, path="/v2/alerts", body=None, *, method="POST", query=""):
    return post(
        app, body=json.dumps(body or {}).encode(), path=path, query=query, method=method,
        headers={"authorization": f"GenieKey {key}"},
    )  # fmt: skip


def in_turn(*requests):
    """Requests (functions of the app) one after the other; each may use the answers so far."""

    async def story():
        answers = []
        async with running() as app:
            for request in requests:
                answers.append(
                    await request(app, *answers[-1:]) if request.__code__.co_argcount > 1 else await request(app)
                )
        return answers

    return asyncio.run(story())


def test_a_routing_key_is_a_token_of_32_letters_and_digits(pagerduty):
    assert len(pagerduty.token) == 32
    assert pagerduty.token.isalnum()


def test_what_is_kept_of_a_request_holds_no_routing_key(pagerduty):
    key = pagerduty.token
    header = {"authorization": f"Bearer {key}"}
    broken = b'{"event_action": "trigger", "routing_key": "' + key.encode() + b'", '
    large = {"details": "x" * (BODY_KEPT - 230)}  # so that the key lies across where what is kept ends
    first, refused, unread, cut = in_turn(
        lambda app: enqueue(app, key),
        lambda app: enqueue(app, key, action="celebrate"),
        lambda app: post(app, body=broken, path="/intake/pagerduty/pagerduty", headers=header),
        lambda app: post(
            app, path="/v2/enqueue", headers={"content-encoding": "gzip"},
            body=gzip.compress(json.dumps({"event_action": "no", **large, "routing_key": key}).encode()),
        ),
    )  # fmt: skip
    assert [first.status, refused.status, unread.status, cut.status] == [202, 400, 400, 400]
    kept = [bytes(delivery.body).decode(errors="replace") for delivery in Delivery.objects.all()]
    assert len(kept) == 4
    assert not any(key[:12] in body for body in kept)
    assert sum("[token]" in body for body in kept) >= 3


@pytest.mark.parametrize("kept_of_the_key", range(1, 33, 6))
@pytest.mark.parametrize("before", [0, 1, 3], ids="{} before it".format)
def test_no_beginning_of_a_routing_key_is_kept_where_a_body_was_cut(pagerduty, before, kept_of_the_key):
    """Each key that was taken out before it moved what lies behind the bound into what is kept."""
    key, header = pagerduty.token, {"authorization": f"Bearer {pagerduty.token}"}
    begin = b'{"event_action": "no", "details": "' + key.encode() * before

    def reaching(bound):
        name = b'", "routing_key": "'
        return begin + b"x" * (bound - kept_of_the_key - len(name) - len(begin)) + name + key.encode() + b'"}'

    packed, large = in_turn(
        lambda app: post(
            app, path="/v2/enqueue", headers={**header, "content-encoding": "gzip"},
            body=gzip.compress(reaching(BODY_KEPT + len(key))),
        ),
        lambda app: post(
            app, path="/v2/enqueue", headers=header, body=reaching(BODY_KEPT) + b" " * 600_000,
        ),
    )  # fmt: skip
    assert [packed.status, large.status] == [400, 413]
    kept = [bytes(delivery.body).decode() for delivery in Delivery.objects.all()]
    assert len(kept) == 2
    for body in kept:
        assert "x" * 1000 in body
        assert not body.rstrip().endswith(key[:kept_of_the_key])
        assert key[:4] not in body


@pytest.mark.parametrize(
    "body",
    [
        b'{"routing_key": "R0ABCDEFGHIJKLMNOPQRSTUVWXYZ0123", "event_action": ',
        b'{"event_action": "trigger", "routing_key" :\n"R0ABCDEFGHIJKLMNOP',
        b'{"event_action": "trigger", "routing_key": "R0ABC',
        b'{"event_action": "celebrate", "routing_key": "R0ABC\\u0044EFGHIJKLMNOPQRSTUVWXYZ0123"}',
    ],
)
def test_the_key_of_another_service_is_not_kept_either(pagerduty, body):
    header = {"authorization": f"Bearer {pagerduty.token}"}
    (answer,) = in_turn(lambda app: post(app, body=body, path="/v2/enqueue", headers=header))
    assert answer.status == 400
    kept = bytes(Delivery.objects.get().body)
    assert b"R0ABC" not in kept
    assert b'"[token]' in kept


def test_a_word_in_place_of_a_routing_key_is_taken_out_of_nothing(pagerduty):
    header = {"authorization": f"Bearer {pagerduty.token}"}
    event = {"routing_key": "e", "event_action": "trigger", "payload": {"summary": "Errors"}}
    (answer,) = in_turn(lambda app: post(app, body=json.dumps(event).encode(), path="/v2/enqueue", headers=header))
    assert answer.status == 202
    assert json.loads(bytes(Delivery.objects.get().body)) == event


def test_a_trigger_its_repeat_and_its_end_are_one_signal_and_another_trigger_is_another(pagerduty):
    key = pagerduty.token
    answers = in_turn(
        lambda app: enqueue(app, key),
        lambda app: enqueue(app, key),
        lambda app: enqueue(app, key, "resolve"),
        lambda app: enqueue(app, key, "resolve"),
        lambda app: enqueue(app, key),
    )
    assert [answer.status for answer in answers] == [202] * 5
    assert answers[0].body == {"status": "success", "message": "Event processed", "dedup_key": "errors"}
    ended, open_ = (Signal.objects.get(status=status, count__gt=0) for status in ("resolved", "firing"))
    assert (ended.count, open_.count) == (2, 1)


def test_an_acknowledgement_is_kept_at_the_open_signal_once_and_a_late_one_is_dropped(pagerduty):
    key = pagerduty.token
    answers = in_turn(
        lambda app: enqueue(app, key, "acknowledge", client="Batch monitor"),
        lambda app: enqueue(app, key),
        lambda app: enqueue(app, key, "acknowledge", client="Batch monitor"),
        lambda app: enqueue(app, key, "acknowledge", client="Batch monitor"),
    )
    assert [answer.status for answer in answers] == [202] * 4
    signal = Signal.objects.get()
    assert [(note.by, note.text) for note in signal.notes.all()] == [("Batch monitor", "Acknowledged at the sender.")]
    assert signal.status == "firing"
    assert signal.route_at, "an acknowledgement over there does not take it off the list here"


def test_a_key_is_made_where_there_is_none(pagerduty):
    (answer,) = ask(lambda app: enqueue(app, pagerduty.token, dedup_key=None))
    assert Signal.objects.get().fingerprint == answer.body["dedup_key"] != ""


def test_a_change_event_stands_with_its_system_and_opens_nothing(cast, pagerduty):
    body = json.dumps({
        "routing_key": pagerduty.token,
        "payload": {"summary": "v7 deployed", "timestamp": "2026-03-02T03:00:00Z",
                    "custom_details": {"andon_system": "credit-scorer", "andon_change": "deployed"}},
    }).encode()  # fmt: skip
    answers = ask(*(lambda app: post(app, body=body, path="/v2/change/enqueue") for _ in range(3)))
    assert [answer.status for answer in answers] == [202] * 3
    change = ChangeEvent.objects.get()
    assert (change.system, change.title, change.kind, change.source) == (
        cast.credit_scorer, "v7 deployed", "deployed", "pagerduty"
    )  # fmt: skip
    assert not Signal.objects.exists()


def test_a_key_that_is_nobodys_or_of_another_kind_is_refused(pagerduty, opsgenie):
    answers = ask(
        lambda app: enqueue(app, "0" * 32),
        lambda app: enqueue(app, ""),
        lambda app: enqueue(app, opsgenie.token),
        lambda app: genie(app, pagerduty.token, body={"message": "m"}),
        lambda app: post(app, path="/v2/alerts"),
        lambda app: post(app, body=b"{", path="/v2/enqueue"),
    )
    assert [answer.status for answer in answers] == [401] * 6
    assert not Delivery.objects.exists()


def test_what_is_not_understood_is_said_as_the_api_says_it_and_kept(pagerduty, opsgenie):
    no_key, no_message = ask(
        lambda app: enqueue(app, pagerduty.token, "resolve", dedup_key=None),
        lambda app: genie(app, opsgenie.token, body={"message": ""}),
    )
    assert (no_key.status, no_key.body["status"]) == (400, "invalid event")
    assert no_key.body["errors"] == ["dedup_key: To resolve say which: give its dedup_key."]
    assert (no_message.status, no_message.body["message"]) == (400, "message: Say in a line what happened.")
    assert Delivery.objects.filter(outcome="rejected").count() == 2


def test_a_body_of_more_than_half_a_mebibyte_is_too_large_for_events(pagerduty):
    (answer,) = ask(lambda app: enqueue(app, pagerduty.token, client="x" * 512 * 1024))
    assert answer.status == 413


def test_the_integrations_own_address_takes_the_same(pagerduty):
    own, deeper = ask(
        lambda app: enqueue(app, pagerduty.token, path="/intake/pagerduty/pagerduty"),
        lambda app: enqueue(app, pagerduty.token, path="/intake/pagerduty/pagerduty/v2/enqueue"),
    )
    assert (own.status, deeper.status) == (202, 202)
    assert Signal.objects.get().count == 2


def test_an_alert_is_created_closed_and_asked_after(opsgenie):
    key, alias = opsgenie.token, "credit/errors"
    created, asked, noted, closed, again = in_turn(
        lambda app: genie(app, key, body={"message": "Errors", "alias": alias, "priority": "P2"}),
        lambda app, last: genie(app, key, f"/v2/alerts/requests/{last.body['requestId']}", method="GET"),
        lambda app, last: genie(
            app, key, f"/v2/alerts/{last.body['data']['alertId']}/acknowledge", {"user": "Lena"},
        ),
        lambda app: genie(app, key, f"/v2/alerts/{alias}/close", query="identifierType=alias"),
        lambda app: genie(app, key, f"/v2/alerts/{quote(alias)}/close", query="identifierType=alias"),
    )  # fmt: skip
    assert [answer.status for answer in (created, asked, noted, closed, again)] == [202, 200, 202, 202, 202]
    assert created.body["result"] == "Request will be processed"
    assert (asked.body["data"]["success"], asked.body["data"]["alias"]) == (True, alias)
    signal = Signal.objects.get(count=1)
    assert (signal.status, signal.severity_hint, signal.fingerprint) == ("resolved", 2, alias)
    assert [note.by for note in signal.notes.all()] == ["Lena"]


def test_what_became_of_a_request_is_said_to_its_own_sender_alone(opsgenie):
    other, token = create_integration(slug="other", name="Other", kind="opsgenie", by=Actor.operator())
    created, theirs, nonsense, unknown = in_turn(
        lambda app: genie(app, opsgenie.token, body={"message": "Errors"}),
        lambda app, last: genie(app, token, f"/v2/alerts/requests/{last.body['requestId']}", method="GET"),
        lambda app: genie(app, opsgenie.token, "/v2/alerts/requests/nonsense", method="GET"),
        lambda app: genie(app, opsgenie.token, f"/v2/alerts/requests/{ids.new()}", method="GET"),
    )
    assert created.status == 202
    assert [answer.status for answer in (theirs, nonsense, unknown)] == [404] * 3
    assert other.slug == "other"


def test_updates_of_an_alert_that_was_sent_anew_before_them_are_answered_and_change_nothing(opsgenie):
    """As Alertmanager does it, with `update_alerts: true`."""
    key = opsgenie.token

    def put(what):
        return lambda app: genie(
            app, key, f"/v2/alerts/errors/{what}", {what: "P1"}, method="PUT", query="identifierType=alias"
        )

    def create(app):
        return genie(app, key, body={"message": "Errors", "alias": "errors", "priority": "P3"})

    *fine, priority = in_turn(create, put("message"), put("description"), create, put("message"), put("priority"))
    assert [answer.status for answer in fine] == [202] * 5
    assert (priority.status, "send the alert again" in priority.body["message"]) == (400, True)
    signal = Signal.objects.get()
    assert (signal.title, signal.count, signal.severity_hint, signal.notes.count()) == ("Errors", 2, 3, 0)


def test_other_methods_and_addresses_under_v2_are_told_so(opsgenie):
    patch, elsewhere, event = ask(
        lambda app: genie(app, opsgenie.token, method="PATCH"),
        lambda app: genie(app, opsgenie.token, "/v2/schedules"),
        lambda app: post(app, path="/v2/enqueue", method="GET"),
    )
    assert (patch.status, patch.headers["allow"]) == (405, "POST, GET, PUT")
    assert patch.body["message"] == patch.body["detail"]
    assert (elsewhere.status, event.status) == (404, 405)


def test_the_router_brings_both_addresses_to_the_intake(pagerduty):
    router = Router()

    async def story():
        await router.intake.start()
        try:
            return await enqueue(lambda scope, *rest: router({"type": "http", **scope}, *rest), pagerduty.token)
        finally:
            await router.intake.stop()

    assert asyncio.run(story()).status == 202
