"""Of a batch what can be read is taken: answered with 2xx and what was not, and kept as taken in part, both ways."""

import asyncio
import copy
import json

import pytest
from django.urls import reverse

from andon.intake.actions import create_integration
from andon.intake.adapters import adapters
from andon.intake.events import Request
from andon.intake.models import Delivery, Integration, Signal
from andon.intake.trying import sample, try_signal
from andon.people.policy import Actor
from tests.intake.test_asgi import post, running
from tests.intake.test_at_once import request, talk

pytestmark = pytest.mark.django_db(transaction=True)


def alert(name, **changes):
    return {"status": "firing", "labels": {"alertname": name}, "startsAt": "2026-11-28T08:00:00Z", **changes}


def event(about, **changes):
    return {"specversion": "1.0", "id": about, "source": "/m", "type": "x.detected", "subject": about, **changes}


BATCHES = {
    "alertmanager": ({"alerts": [alert("A"), alert("B", status="odd"), alert("C")]}, "1 alert was not taken. alerts[1].status: "),
    "grafana": ({"alerts": [alert("A"), alert("B", labels=[]), alert("C")]}, "1 alert was not taken. alerts[1].labels: "),
    "generic": ([{"title": "A"}, {"title": "B", "severity": "bad\x00"}, {"title": "C"}], "1 object was not taken. [1].severity: "),
    "cloudevents": ([event("A"), event("B", subject=""), event("C")], "1 event was not taken. [1].subject: "),
}  # fmt: skip
TRUNCATED = {**BATCHES["alertmanager"][0], "alerts": [alert("A"), alert("C")], "truncatedAlerts": 12}


@pytest.fixture
def connected(cast):
    """Connects a sender of a kind; its token."""
    return lambda kind: create_integration(slug="s", name="Sender", kind=kind, by=Actor.of(cast.omar))[1]


def long_way(kind, token, body):
    async def story():
        async with running() as app:
            answer = await post(app, body=body, token=token, path=f"/intake/{kind}/s")
            return answer.status, answer.body

    return asyncio.run(story())


def short_way(kind, token, body):
    async def story(app, line):
        await line.send(request(token, b"x", path=f"/intake/{kind}/s"))
        await line.answer()  # refused; the integration is remembered by now
        await line.send(request(token, body, path=f"/intake/{kind}/s"))
        status, _, said = await line.answer()
        return status, said, app.ways

    status, said, ways = talk(story)
    assert ways == ["called for", "at once"] if status == 200 else ["called for"] * 2
    return status, said


WAYS = pytest.mark.parametrize("way", [short_way, long_way])
KINDS = pytest.mark.parametrize("kind", BATCHES)


@WAYS
@KINDS
def test_what_can_be_read_is_taken_and_the_answer_says_what_was_not(connected, kind, way):
    body, why = BATCHES[kind]
    status, said = way(kind, connected(kind), json.dumps(body).encode())
    assert (status, said["status"], said["signals"], said["left_out"]) == (200, "partly", 2, 1)
    assert said["why"].startswith(why)
    assert Signal.objects.filter(status="firing").count() == 2
    kept = Delivery.objects.get(pk=said["delivery"])
    assert (kept.outcome, kept.signals) == ("partly", 2)
    assert kept.error == said["why"].replace("\x00", "\ufffd")


@WAYS
@KINDS
def test_where_nothing_can_be_read_all_is_refused_and_kept(connected, kind, way):
    body = copy.deepcopy(BATCHES[kind][0])
    listed = body["alerts"] if isinstance(body, dict) else body
    listed[:] = [listed[1]] * 2
    status, said = way(kind, connected(kind), json.dumps(body).encode())
    assert (status, said["title"]) == (400, "Not understood")
    assert "0]" in said["field"]
    assert not Signal.objects.exists()
    assert set(Delivery.objects.values_list("outcome", flat=True)) == {"rejected"}


@WAYS
def test_what_alertmanager_left_out_by_its_limit_is_said(connected, way):
    status, said = way("alertmanager", connected("alertmanager"), json.dumps(TRUNCATED).encode())
    assert (status, said["status"], said["signals"], said["left_out"]) == (200, "partly", 2, 12)
    kept = Delivery.objects.get(pk=said["delivery"])
    assert (kept.outcome, kept.error) == ("partly", said["why"])
    assert "Raise max_alerts" in kept.error


@WAYS
@pytest.mark.parametrize("kind", ["alertmanager", "grafana", "azure", "langsmith", "gcp"])
def test_a_page_is_not_lost_for_its_time(connected, kind, way):
    body = json.loads(sample(kind).body)
    where = {
        "azure": lambda: body["data"]["essentials"],
        "gcp": lambda: body["incident"],
        "langsmith": lambda: body,
    }.get(kind, lambda: body["alerts"][0])()
    names = {"startsAt", "firedDateTime", "started_at", "timestamp"} & set(where)
    where |= dict.fromkeys(names, "28/11/2026")
    assert names
    status, said = way(kind, connected(kind), json.dumps(body).encode())
    assert (status, said["status"]) == (200, "accepted")
    signal = Signal.objects.get()
    assert (signal.status, signal.starts_at) == ("firing", None)
    assert signal.first_at is not None


def test_a_page_by_pagerduty_is_not_lost_for_a_link(connected):
    body = json.loads(sample("pagerduty").body) | {"links": [{"href": None}]}
    status, _ = long_way("pagerduty", connected("pagerduty"), json.dumps(body).encode())
    assert status == 202
    assert Signal.objects.filter(status="firing").count() == 1


def test_the_integrations_page_and_a_test_signal_say_it(connected, cast, signed_in):
    token = connected("alertmanager")
    long_way("alertmanager", token, json.dumps(BATCHES["alertmanager"][0]).encode())
    shown = signed_in(cast.omar).get(reverse("integration", args=["s"])).content.decode()
    assert "Its newest request was taken in part" in shown
    assert "1 alert was not taken. alerts[1].status: " in shown
    assert "taken in part, 2 signals raised" in shown

    long_way("alertmanager", token, json.dumps(TRUNCATED).encode())
    shown = signed_in(cast.omar).get(reverse("integration", args=["s"])).content.decode()
    assert "12 alerts were left out by the sender itself" in shown

    for body in (BATCHES["alertmanager"][0], TRUNCATED):
        trial = try_signal(Integration.objects.get(), by=Actor.of(cast.omar), body=json.dumps(body))
        assert (trial.problem, len(trial.signals)) == ("", 2)
        assert trial.left_out == adapters()["alertmanager"].parse(Request(json.dumps(body).encode()), {}).why
    page = signed_in(cast.omar).post(reverse("integration_test", args=["s"]), {"body": json.dumps(TRUNCATED)})
    assert "12 alerts were left out by the sender itself" in page.content.decode()


def test_the_same_batch_again_counts_what_it_took_and_says_it_again(connected):
    token = connected("alertmanager")
    body = json.dumps(BATCHES["alertmanager"][0]).encode()
    answers = [long_way("alertmanager", token, body) for _ in range(3)]
    assert {(status, said["status"], said["signals"]) for status, said in answers} == {(200, "partly", 2)}
    assert sorted(Signal.objects.values_list("count", flat=True)) == [3, 3]


def test_an_alert_whose_start_cannot_be_read_is_the_one_that_fires_already_and_its_end_ends_it(connected):
    token = connected("alertmanager")
    for changes in ({}, {"startsAt": "then"}, {"startsAt": "then", "status": "resolved"}):
        status, _ = long_way("alertmanager", token, json.dumps({"alerts": [alert("A", **changes)]}).encode())
        assert status == 200
    signal = Signal.objects.get()
    assert (signal.status, signal.count, signal.episode) == ("resolved", 2, "2026-11-28T08:00:00+00:00")
