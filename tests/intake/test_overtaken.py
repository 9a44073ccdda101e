"""An end that arrives before its beginning, where both are episodes of their own: the beginning opens nothing.

Nothing that may be new is taken for that: where the sender's times leave a doubt, or it gives none, it fires.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from andon.incidents.models import Incident
from andon.intake import own
from andon.intake.actions import create_integration
from andon.intake.adapters import adapters
from andon.intake.events import Request
from andon.intake.models import Integration, Signal
from andon.intake.recording import Heard, record
from andon.kit import ids
from andon.people.policy import Actor
from tests.intake.test_asgi import ask, post
from tests.intake.test_echoes import echoes
from tests.rules.test_routing_by_rules import route

pytestmark = pytest.mark.django_db(transaction=True)

RAW = {"x-amz-sns-rawdelivery": "true"}
ARN = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:errors"
BEGAN, ENDED, AGAIN = "2026-03-02T01:00:00.000+0000", "2026-03-02T01:05:00.000+0000", "2026-03-02T01:10:00.000+0000"


def cloudwatch(state, at):
    said = {"AlarmName": "errors", "AlarmArn": ARN, "NewStateValue": state, "StateChangeTime": at}
    return "sns", said, RAW


def cloudevent(kind, at, number):
    said = {"specversion": "1.0", "id": str(number), "source": "/m", "type": f"x.{kind}", "subject": "s", "time": at}
    return "cloudevents", said, {"content-type": "application/cloudevents+json"}


def langfuse(severity, at, number):
    payload = {"monitorId": "m", "severity": severity, "message": {"title": "Groundedness"}, "timestamp": at}
    said = {"id": str(number), "type": "monitor-alert", "timestamp": "2026-03-02T01:30:00Z", "payload": payload}
    return "langfuse", said, {}


def sentry(action, second):
    said = {"action": action, "data": {"issue": {"id": "7", "title": "ZeroDivisionError"}}}
    return "sentry", said, {"sentry-hook-resource": "issue", "sentry-hook-timestamp": str(second)}


def alertmanager(status, at):
    alert = {"status": status, "labels": {"alertname": "Errors"}, "startsAt": at, "fingerprint": "a1"}
    return "alertmanager", {"version": "4", "status": status, "alerts": [alert]}, {}


@pytest.fixture
def tell(cast, time):
    """Requests one after the other, as they arrive at their sender's address; an integration for each kind of sender."""
    tokens = {}

    def tell(*said):
        for kind, body, headers in said:
            if kind not in tokens:
                _, tokens[kind] = create_integration(slug=kind, name=kind, kind=kind, by=Actor.operator())
            (answer,) = ask(lambda app, about=(kind, body, headers): request(app, *about, tokens[about[0]]))
            assert answer.status == 200
            time.forward(timedelta(seconds=1))

    return tell


def request(app, kind, body, headers, token):
    path = f"/intake/{kind}/{kind}"
    return post(app, body=json.dumps(body).encode(), path=path, query=f"token={token}", headers=headers)


def events(said):
    kind, body, headers = said
    return adapters()[kind].parse(Request(json.dumps(body).encode(), headers), {}).events


class Asker:
    """Waits for the answer to what is taken at once."""

    def __init__(self):
        self.answered = asyncio.get_running_loop().create_future()

    def answer(self, status, *_, **__):
        self.answered.set_result(status)


def states():
    return [(row.status, row.dedup_reason) for row in Signal.objects.order_by("first_at", "pk")]


@pytest.mark.parametrize(
    ("end", "beginning"),
    [
        (cloudwatch("OK", ENDED), cloudwatch("ALARM", BEGAN)),
        (cloudevent("resolved", ENDED, 2), cloudevent("detected", BEGAN, 1)),
        (langfuse("ok", ENDED, 2), langfuse("alert", BEGAN, 1)),
    ],
    ids=["cloudwatch", "cloudevents", "langfuse"],
)
def test_a_beginning_that_its_end_has_overtaken_is_noted_at_the_end_and_pages_nobody(tell, time, end, beginning):
    tell(end, beginning)
    assert echoes() == [("resolved", 0, "overtaken", 1)]
    route(time)
    assert not Incident.objects.exists()


def test_so_it_is_on_the_short_way(cast):
    _, token = create_integration(slug="cloudevents", name="C", kind="cloudevents", by=Actor.operator())

    async def both(app):
        assert (await request(app, *cloudevent("resolved", ENDED, 2), token)).status == 200
        _, body, headers = cloudevent("detected", BEGAN, 1)
        asker, path, query = Asker(), "/intake/cloudevents/cloudevents", f"token={token}".encode()
        assert app.take_at_once(path, query, headers, json.dumps(body).encode(), asker)
        return await asyncio.wait_for(asker.answered, 30)

    assert ask(both) == [200]
    assert echoes() == [("resolved", 0, "overtaken", 1)]


def test_so_it_is_in_one_batch_and_in_a_transaction_of_the_engine(cast):
    said = [cloudwatch("ALARM", "2026-03-02T00:50:00.000+0000"), cloudwatch("OK", ENDED), cloudwatch("ALARM", BEGAN)]
    sender = Integration.objects.create(slug="aws", name="AWS", kind="sns", token_digest="x")
    record([Heard(ids.new(), sender.pk, b"{}", "", events(one)) for one in said])
    assert echoes() == [("resolved", 1, "overtaken", 1)]
    Signal.objects.all().delete()
    for one in said:
        with transaction.atomic():
            own.say(*events(one))
    assert echoes() == [("resolved", 1, "overtaken", 1)]


@pytest.mark.parametrize(
    ("end", "beginning"),
    [
        (cloudwatch("OK", ENDED), cloudwatch("ALARM", AGAIN)),
        (cloudwatch("OK", ENDED), cloudwatch("ALARM", "2026-03-02T01:05:00.000+0000")),
        (cloudwatch("OK", ENDED), cloudwatch("ALARM", "2026-02-28T01:05:00.000+0000")),
        (cloudwatch("OK", ENDED), cloudwatch("ALARM", "")),
        (cloudwatch("OK", ""), cloudwatch("ALARM", BEGAN)),
        (cloudwatch("OK", "2026-03-02T23:00:00.000+0000"), cloudwatch("ALARM", AGAIN)),
        (cloudevent("resolved", ENDED, 2), cloudevent("detected", None, 1)),
        (cloudevent("resolved", "2026-03-02T01:05:00", 2), cloudevent("detected", "2026-03-02T01:00:00", 1)),
        (langfuse("ok", None, 2), langfuse("alert", BEGAN, 1)),
    ],
    ids=["newer", "the same", "set back", "timeless", "timeless end", "future end", "no time", "no zone", "envelope"],
)
def test_what_may_be_new_fires(tell, end, beginning):
    tell(end, beginning)
    (_, (status, _)) = states()
    assert status == "firing"


def test_after_an_end_that_was_heard_in_its_turn_an_older_beginning_opens_nothing_and_a_newer_one_does(tell):
    tell(cloudwatch("ALARM", BEGAN), cloudwatch("OK", ENDED), cloudwatch("ALARM", "2026-03-02T00:55:00.000+0000"))
    assert echoes() == [("resolved", 1, "overtaken", 1)]
    assert Signal.objects.get().ends_at == datetime(2026, 3, 2, 1, 5, tzinfo=UTC)
    tell(cloudwatch("ALARM", AGAIN))
    assert states()[1:] == [("firing", "new_episode")]


def test_ends_that_overtook_each_other_leave_the_newest_to_go_by(tell):
    tell(cloudwatch("OK", "2026-03-02T01:15:00.000+0000"), cloudwatch("OK", ENDED), cloudwatch("ALARM", AGAIN))
    assert echoes() == [("resolved", 0, None, None), ("resolved", 0, "overtaken", 1)]


def test_a_signal_that_ended_before_this_was_kept_silences_nothing(tell):
    tell(cloudwatch("OK", ENDED))
    Signal.objects.update(ends_at=None)
    tell(cloudwatch("ALARM", BEGAN))
    assert states()[1:] == [("firing", "new_episode")]


def test_of_sentry_no_time_is_gone_by_so_a_regression_fires_whenever_its_hook_was_made(tell, time):
    second = int((time.now() - timedelta(hours=1)).timestamp())
    tell(sentry("created", second), sentry("resolved", second + 300), sentry("unresolved", second + 600))
    assert [status for status, _ in states()] == ["resolved", "firing"]
    tell(sentry("resolved", second + 900), sentry("unresolved", second + 800))
    assert [status for status, _ in states()] == ["resolved", "resolved", "firing"]


def test_what_sentry_resolves_and_reopens_within_a_second_fires_and_a_double_of_its_beginning_does_not(tell, time):
    second = int((time.now() - timedelta(hours=1)).timestamp())
    tell(sentry("created", second - 60), sentry("resolved", second), sentry("unresolved", second))
    assert [status for status, _ in states()] == ["resolved", "firing"]
    tell(sentry("resolved", second), sentry("resolved", second + 1), sentry("unresolved", second))
    assert [status for status, _ in states()] == ["resolved", "resolved"]


def test_of_alertmanager_an_older_start_fires_for_another_prometheus_may_still_see_it(tell):
    tell(*(alertmanager(status, "2026-03-02T01:05:00Z") for status in ("firing", "resolved")))
    tell(alertmanager("firing", "2026-03-02T01:00:00Z"))
    assert [status for status, _ in states()] == ["resolved", "firing"]
