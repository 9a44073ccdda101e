"""Pages to PagerDuty, and its incident that follows ours: never lost, told the last state, told again after a crash."""

import json
from datetime import timedelta
from typing import Any

import pytest

from andon.incidents.models import Incident
from andon.kit.errors import Invalid
from andon.paging import mirroring
from andon.paging.adapters import find, setup
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.message import Message
from andon.paging.mirrored import Mirrors, Stands, stands
from andon.paging.models import Mirror
from andon.paging.providers import actions as providers
from andon.people.models import ChannelKind
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind
from andon.response import acknowledging, containing, resolving
from tests.paging.channels.conftest import PAGE, SEVERAL, TEST, hostile, is_another_try
from tests.support.cast import Cast
from tests.support.listener import Listener
from tests.support.paging import Story, kinds, open_incident

KEY = "R0123456789abcdef0123456789abcdE"


def send(listener: Listener, message: Message = PAGE) -> Receipt:
    return find("pagerduty").send(message, Destination(KEY, settings={"server": listener.url}))


def events(listener: Listener) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in listener.heard]


def acts(listener: Listener) -> list[str]:
    return [one["event_action"] for one in events(listener)]


# The event.


def test_it_triggers_under_the_incidents_own_key(listener: Listener):
    listener.always(202)
    assert send(listener).outcome is Outcome.SENT
    assert listener.heard[0].path == "/v2/enqueue"
    (event,) = events(listener)
    assert (event["routing_key"], event["event_action"]) == (KEY, "trigger")
    assert event["dedup_key"] == "http://testserver/incidents/42"
    payload = event["payload"]
    assert (payload["summary"], payload["severity"]) == (PAGE.subject, "critical")
    assert payload["custom_details"]["first"] == list(PAGE.first)
    assert event["links"] == [{"href": PAGE.link, "text": PAGE.link_label}]


def test_the_double_of_a_page_has_the_same_key(listener: Listener):
    send(listener)
    send(listener)
    first, second = events(listener)
    assert first == second


def test_a_test_message_is_mild_and_an_incident_of_its_own(listener: Listener):
    send(listener, TEST)
    (event,) = events(listener)
    assert (event["payload"]["severity"], event["dedup_key"]) == ("info", TEST.key)


def test_several_incidents_are_several_there(listener: Listener):
    assert send(listener, SEVERAL).outcome is Outcome.SENT
    assert [one["dedup_key"].rsplit("/", 1)[1] for one in events(listener)] == ["42", "43"]
    assert [one["payload"]["component"] for one in events(listener)] == ["INC-42", "INC-43"]
    assert [one["payload"]["severity"] for one in events(listener)] == ["warning", "info"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(202, Outcome.SENT), (400, Outcome.BROKEN), (403, Outcome.BROKEN), (429, Outcome.RETRY), (500, Outcome.RETRY)],
)
def test_what_each_answer_means(listener: Listener, status: int, outcome: Outcome):
    listener.always(status)
    assert send(listener).outcome is outcome


@hostile
@pytest.mark.usefixtures("hurried")
def test_a_hostile_server_costs_another_try_and_no_more(listener: Listener, hostility: Any):
    hostility(listener)
    is_another_try(send(listener))


@pytest.mark.parametrize("wrong", ["", "short", "x" * 31, "x" * 33, "x" * 31 + "!"])
def test_what_is_no_key_is_refused(wrong: str):
    with pytest.raises(Invalid):
        setup("pagerduty").way.check(wrong)


def test_it_is_a_channel_that_mirrors_and_the_others_that_say_so_are_too():
    assert isinstance(find("pagerduty"), Mirrors)
    assert not isinstance(find("webhook"), Mirrors)


# What follows.


@pytest.fixture
def story(time: Any, cast: Cast, listener: Listener) -> Story:
    """Lena is paged by PagerDuty, which is the listener; everybody else over the recording channel."""
    listener.always(202)
    providers.set_up(ChannelKind.PAGERDUTY, {"server": listener.url}, by=Actor.of(cast.nadia))
    cast.lena.contact_points.update(kind=ChannelKind.PAGERDUTY, address=KEY)
    one = Story(time)
    for module in one.engine.modules:
        if hasattr(module, "_find"):
            module._find = lambda kind: find(kind) if kind == "pagerduty" else one.channel
    return one


@pytest.fixture
def incident(cast: Cast, story: Story) -> Incident:
    made = open_incident(cast.credit_scorer, cast.vera)
    story.run()
    return made


def test_an_incident_is_acknowledged_and_resolved_there_too(
    cast: Cast, story: Story, incident: Incident, listener: Listener
):
    by = Actor.of(cast.tomas)
    acknowledging.acknowledge(incident, by=by, via="page")
    story.run()
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="v6", by=by)
    story.run()
    resolving.resolve(incident, summary="Two batches in the band.", by=by)
    story.run()
    assert acts(listener) == ["trigger", "acknowledge", "resolve"]
    assert len({one["dedup_key"] for one in events(listener)}) == 1
    assert Mirror.objects.get().due_at is None


def test_it_is_told_the_last_state_when_two_come_while_it_is_away(
    cast: Cast, story: Story, incident: Incident, listener: Listener
):
    by = Actor.of(cast.tomas)
    listener.always(503)
    acknowledging.acknowledge(incident, by=by, via="page")
    story.run()
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="v6", by=by)
    resolving.resolve(incident, summary="Two batches in the band.", by=by)
    listener.always(202)
    story.run()
    story.forward(minutes=10)
    assert acts(listener) == ["trigger", "acknowledge", "resolve"]


def test_a_reopened_incident_is_not_closed_there_by_a_late_telling(
    cast: Cast, story: Story, incident: Incident, listener: Listener
):
    by = Actor.of(cast.tomas)
    listener.always(503)
    acknowledging.acknowledge(incident, by=by, via="page")
    story.run()
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="v6", by=by)
    resolving.resolve(incident, summary="Two batches in the band.", by=by)
    resolving.reopen(incident, reason="It goes on.", by=by)
    listener.always(202)
    story.forward(seconds=30)
    assert "resolve" not in acts(listener)
    assert acts(listener)[-1] == "trigger"


def test_what_a_crash_cuts_off_is_told_when_the_lease_ends(
    cast: Cast, story: Story, incident: Incident, listener: Listener
):
    acknowledging.acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    (row,) = mirroring.claim(story.time.now(), 10, "an engine that dies")
    assert row.attempts == 1
    story.run()
    assert acts(listener) == ["trigger"]
    story.forward(seconds=31)
    assert acts(listener) == ["trigger", "acknowledge"]


def test_a_state_that_changes_while_it_is_told_is_told_too(
    cast: Cast, story: Story, incident: Incident, listener: Listener
):
    by = Actor.of(cast.tomas)
    acknowledging.acknowledge(incident, by=by, via="page")
    (row,) = mirroring.claim(story.time.now(), 10, "one")
    telling = mirroring.prepare(row, find)
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="v6", by=by)
    resolving.resolve(incident, summary="Two batches in the band.", by=by)
    assert isinstance(telling, mirroring.Telling)
    assert mirroring.settle(row, mirroring.tell(telling), story.time.now()) is False
    story.run()
    assert acts(listener) == ["trigger", "acknowledge", "resolve"]


def test_a_trigger_that_was_on_the_wire_when_somebody_took_it_is_taken_back(
    cast: Cast, story: Story, listener: Listener
):
    incident = open_incident(cast.credit_scorer, cast.vera)

    page_module = next(m for m in story.engine.modules if m.name == "delivery")
    before = find("pagerduty").send

    class TakenMeanwhile:
        def send(self, message: Message, destination: Destination) -> Receipt:
            acknowledging.acknowledge(incident, by=Actor.of(cast.tomas), via="page")
            return before(message, destination)

    page_module._find = lambda _kind: TakenMeanwhile()
    story.run()
    assert acts(listener)[0] == "trigger"
    assert acts(listener)[-1] == "acknowledge"


def test_it_gives_up_in_the_end_and_says_so(
    cast: Cast, story: Story, incident: Incident, listener: Listener, signed_in: Any
):
    listener.always(500)
    acknowledging.acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    story.run()
    for wait in (*mirroring.WAITS, timedelta(hours=5)):
        story.time.forward(wait)
        story.run()
    assert acts(listener).count("acknowledge") == len(mirroring.WAITS) + 1
    assert kinds(incident).count("mirror_failed") == 1
    timeline = signed_in(cast.nadia).get(f"/incidents/{incident.number}/timeline").text
    assert "pagerduty was not told for Lena that it is acknowledged" in timeline
    assert "500" in Mirror.objects.get().last_error


def test_a_service_that_was_never_paged_is_told_nothing(cast: Cast, story: Story, listener: Listener):
    cast.lena.contact_points.update(kind=ChannelKind.LOG, address="x")
    incident = open_incident(cast.credit_scorer, cast.vera)
    story.run()
    acknowledging.acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    story.run()
    assert not Mirror.objects.exists()
    assert listener.heard == []


def test_a_removed_contact_point_is_told_nothing(cast: Cast, story: Story, incident: Incident, listener: Listener):
    cast.lena.contact_points.update(removed_at=story.time.now())
    acknowledging.acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    story.run()
    assert acts(listener) == ["trigger"]
    assert Mirror.objects.get().due_at is None


def test_how_an_incident_stands(time: Any):
    now = time.now()
    assert stands(acknowledged_at=None, resolved_at=None) is Stands.WAITING
    assert stands(acknowledged_at=now, resolved_at=None) is Stands.ACKNOWLEDGED
    assert stands(acknowledged_at=now, resolved_at=now) is Stands.RESOLVED
    assert stands(acknowledged_at=None, resolved_at=now) is Stands.RESOLVED
