"""Pacing in the outbox: what is held and says so, what travels together, and what no crash or click changes."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from andon.incidents.models import Incident
from andon.incidents.timeline import hold
from andon.paging import actions, order, sending
from andon.paging.actions import Call, Reach
from andon.paging.adapters.webhook.adapter import _body
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message
from andon.paging.models import ChannelPace, Page
from andon.paging.outcomes import settle
from andon.paging.wire import Room
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from andon.practice import pacing
from andon.practice.severity import Severity
from andon.practice.words import IncidentKind
from andon.response.acknowledging import acknowledge
from andon.response.assessing import raise_severity
from andon.response.resolving import resolve
from tests.support.cast import Cast
from tests.support.paging import Story, open_incident, state_of

Open = Callable[..., Incident]


@pytest.fixture
def opened(cast: Cast, time: object) -> Open:
    """An incident of a severity, whose chain pages nobody by itself."""

    def make(severity: Severity = Severity.S4, title: str = "Answers are slow") -> Incident:
        incident = open_incident(cast.credit_scorer, cast.vera, title)
        Incident.objects.filter(pk=incident.pk).update(severity=severity, next_page_at=None)
        incident.refresh_from_db()
        return incident

    return make


def queue(incident: Incident, *people: Person, first: bool = False, story: Story) -> list[Page]:
    reached = [Reach(person, "on call in Credit models") for person in people]
    call = Call(hold(incident.pk), reached, step=2, round=1, on_fallback=False, first=first)
    return actions.queue([call], story.time.now())[0]


def deliver(story: Story, rounds: int = 1) -> list[Message]:
    """Only the sending, so that the chain takes no step; the messages that went out."""
    before = len(story.channel.attempts)
    for _ in range(rounds):
        story.engine.modules[2].run_once(story.time.now(), 100)
    return story.channel.attempts[before:]


def pace(kind: ChannelKind = ChannelKind.LOG, **limits: int) -> None:
    ChannelPace.objects.create(channel=kind, **limits)


def test_every_kind_of_channel_has_a_pace_by_default():
    assert set(pacing.DEFAULT_PACES) == set(ChannelKind.values)


# Held


def test_a_repeat_beyond_the_pace_waits_and_the_incidents_page_says_why(
    opened: Open, cast: Cast, story: Story, signed_in
):
    pace(person_a_minute=1)
    queue(opened(Severity.S2), cast.lena, story=story)
    queue(opened(Severity.S2), cast.lena, story=story)
    assert len(deliver(story, 2)) == 1
    waiting = Page.objects.get(state="pending")
    assert (waiting.held, waiting.due_at) == ("person_pace", story.time.now() + timedelta(minutes=1))
    assert waiting.send_after == story.time.now()
    page = signed_in(cast.vera).get(f"/incidents/{waiting.incident.number}").text
    assert "held because many messages had gone to the same person" in page
    assert deliver(story, 2) == []
    story.time.forward(timedelta(minutes=1))
    (message,) = deliver(story, 2)
    assert message.key == waiting.key
    page = signed_in(cast.vera).get(f"/incidents/{waiting.incident.number}").text
    assert "held because many messages had gone to the same person since it was due" in page
    body = waiting.incident.timeline.get(kind="page_sent").body
    assert (body["held"], body["due_at"]) == ("person_pace", waiting.send_after.isoformat())


def test_the_first_pages_of_an_incident_wait_for_nothing(opened: Open, cast: Cast, story: Story):
    pace(person_a_minute=1, channel_a_minute=1)
    Person.objects.filter(pk=cast.lena.pk).update(quiet_from="20:00", quiet_until="08:00")
    for _ in range(30):
        queue(opened(Severity.S4), cast.lena, story=story)
        queue(opened(Severity.S5), cast.lena, first=True, story=story)
    messages = deliver(story, 3)
    assert len(messages) == 30
    assert not any(message.also for message in messages)
    assert Page.objects.filter(state="sent", first=True).count() == 30
    assert set(Page.objects.filter(first=False).values_list("held", flat=True)) == {"quiet_hours"}


def test_quiet_hours_hold_a_mild_repeat_until_they_end(opened: Open, cast: Cast, story: Story):
    Person.objects.filter(pk=cast.lena.pk).update(quiet_from="22:00", quiet_until="07:00")
    mild, grave = opened(Severity.S4), opened(Severity.S3)
    queue(mild, cast.lena, story=story)
    queue(grave, cast.lena, story=story)
    (message,) = deliver(story, 2)
    assert message.about
    assert message.about.ref == grave.ref
    held = mild.pages.get()
    assert held.due_at is not None
    assert held.due_at.isoformat() == "2026-03-02T06:00:00+00:00"  # 07:00 where Lena is
    story.time.forward(held.due_at - story.time.now())
    (message,) = deliver(story, 2)
    assert f"{mild.ref}, due since Mon 02 Mar 04:12 CET," in message.headline
    assert "due since Mon 02 Mar 04:12 CET and was held for quiet hours" in message.why


@pytest.mark.parametrize("end", ["acknowledged", "resolved"])
def test_what_waits_is_cancelled_when_somebody_has_the_incident_or_it_is_over(
    opened: Open, cast: Cast, story: Story, end: str
):
    Person.objects.filter(pk=cast.lena.pk).update(quiet_from="22:00", quiet_until="07:00")
    incident = opened()
    queue(incident, cast.lena, story=story)
    deliver(story)
    by = Actor.of(cast.omar)
    acknowledge(incident, by=by, via="page")
    if end == "resolved":
        Incident.objects.filter(pk=incident.pk).update(containment_waived_at=story.time.now())
        resolve(hold(incident.pk), summary="Answers are fast again.", by=by)
    story.time.forward(timedelta(hours=9))
    assert deliver(story, 2) == []
    assert state_of(incident) == ["cancelled"]


def test_a_severity_that_rises_lets_its_pages_go_at_once(opened: Open, cast: Cast, story: Story):
    Person.objects.filter(pk=cast.lena.pk).update(quiet_from="22:00", quiet_until="07:00")
    incident = opened()
    queue(incident, cast.lena, story=story)
    assert deliver(story) == []
    raise_severity(incident, to=Severity.S2, reason="it spreads", by=Actor.of(cast.omar))
    assert len(deliver(story)) == 1


def test_a_severity_that_rose_between_the_look_and_the_hold_is_seen(opened: Open, cast: Cast, story: Story):
    Person.objects.filter(pk=cast.lena.pk).update(quiet_from="22:00", quiet_until="07:00")
    incident = opened()
    (page,) = queue(incident, cast.lena, story=story)
    found = order.look(story.time.now())
    raise_severity(incident, to=Severity.S2, reason="it spreads", by=Actor.of(cast.omar))
    sending._hold(found, story.time.now())
    page.refresh_from_db()
    assert (page.held, page.due_at) == ("", story.time.now())


def test_the_chain_goes_on_while_pages_wait_for_the_morning(cast: Cast, story: Story):
    """Promise 3: quiet hours hold pages, never steps. Whoever has none is paged at the usual time."""
    Person.objects.exclude(pk=cast.omar.pk).update(quiet_from="18:00", quiet_until="06:00")
    incident = open_incident(cast.credit_scorer, cast.vera)
    Incident.objects.filter(pk=incident.pk).update(severity=Severity.S5)
    assert [message.to for message in story.run()] == ["Lena"]  # the first page waits for nothing
    assert story.forward(minutes=5) == []  # Tomas, where it is 22:17
    assert [message.to for message in story.forward(minutes=5)] == ["Omar"]
    incident.refresh_from_db()
    assert incident.next_page_at is not None
    for _ in range(34):
        story.forward(minutes=5)
        assert Incident.objects.get(pk=incident.pk).next_page_at is not None
    # However often the fallback came round to Nadia in the night, it is one message in the morning.
    held = Page.objects.filter(incident=incident, person=cast.nadia, held="quiet_hours", state="sent")
    assert held.count() > 15
    assert len(set(held.values_list("bundle", flat=True))) == 1
    assert [message.to for message in story.channel.attempts].count("Nadia") < 8


# Together


def test_mild_pages_to_one_address_are_one_message_that_names_all_incidents(opened: Open, cast: Cast, story: Story):
    incidents = [opened(title="Answers are slow"), opened(title="A log is late"), opened(Severity.S3, title="Harm")]
    pages = [queue(incident, cast.lena, story=story)[0] for incident in incidents]
    together, alone = sorted(deliver(story, 2), key=lambda message: -len(message.also))
    assert alone.about
    assert alone.about.severity == "S3"
    assert together.key in {page.key for page in pages[:2]}  # due at one instant: either may stand first
    assert together.headline.startswith("2 incidents wait for you: [S4] ")
    assert all(f"[S4] {incident.ref}" in together.headline for incident in incidents[:2])
    for said in (together.text(), together.html(), _body(together).decode()):
        for incident in incidents[:2]:
            assert incident.ref in said
            assert incident.title in said
        assert incidents[2].ref not in said
    assert len({url for _, url in together.links}) == 2
    for _, url in together.links:
        assert together.text().count(url) == together.html().count(url) == 1
    assert together.text().count("/a/") == 2
    assert [state_of(incident) for incident in incidents] == [["sent"]] * 3
    assert len(set(Page.objects.values_list("key", flat=True))) == 3


def test_each_link_of_a_message_acknowledges_its_own_incident(opened: Open, cast: Cast, story: Story, client):
    incidents = [opened(), opened()]
    for incident in incidents:
        queue(incident, cast.lena, story=story)
    (message,) = deliver(story)
    client.post(message.links[1][1].removeprefix("http://testserver"), follow=True)
    assert [Incident.objects.get(pk=incident.pk).acknowledged_at is None for incident in incidents] == [True, False]


def test_several_pages_of_one_incident_are_said_once_in_its_own_words(opened: Open, cast: Cast, story: Story):
    incident = opened()
    for _ in range(3):
        queue(incident, cast.lena, story=story)
    (message,) = deliver(story)
    assert message.headline == f"[S4] {incident.ref} Credit scorer: {incident.title}"
    assert message.also == ()
    assert message.thread
    assert state_of(incident) == ["sent"] * 3


def test_a_drill_shares_no_message_with_what_is_real(opened: Open, cast: Cast, story: Story):
    real, drill = opened(), opened()
    Incident.objects.filter(pk=drill.pk).update(kind=IncidentKind.DRILL)
    for incident in (real, drill):
        queue(incident, cast.lena, story=story)
    assert sorted(message.headline.startswith("DRILL ") for message in deliver(story)) == [False, True]


def test_the_reads_of_the_look_are_answered_by_indexes(opened: Open, cast: Cast, story: Story):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL scans small tables whatever the index; the plan is judged on SQLite")
    queue(opened(), cast.lena, story=story)
    with CaptureQueriesContext(connection) as asked:
        order.look(story.time.now())
    for query in asked.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan = [str(row[3]) for row in cursor.fetchall()]
        assert not any(line.startswith("SCAN paging_page") and "INDEX" not in line for line in plan), (query, plan)


class Crash(BaseException):
    """The process dies here: no handler of ours runs."""


def test_a_crash_in_mid_sending_sends_the_same_message_again_under_the_same_key(opened: Open, cast: Cast, story: Story):
    def die(_message: Message, _destination: Destination) -> Receipt:
        raise Crash

    story.channel.answers = die
    for _ in range(3):
        queue(opened(), cast.lena, story=story)
    (lead,) = sending.claim(story.time.now(), 10, "the one that dies")
    assert set(Page.objects.values_list("bundle", flat=True)) == {lead.key}  # on disk before the first byte leaves
    with pytest.raises(Crash):
        sending.attempt(lead, story.channel)
    story.channel.answers = lambda _m, _d: Receipt.sent()
    queue(opened(title="New"), cast.lena, story=story)  # joins nothing that was tried
    story.time.forward(sending.LEASE)
    deliver(story)
    first, *again = story.channel.attempts
    same = next(message for message in again if message.key == first.key)
    assert same.headline == first.headline
    assert same.links == first.links
    assert len(again) == 2
    assert set(Page.objects.values_list("state", flat=True)) == {"sent"}


def test_a_message_that_is_tried_again_leaves_out_what_was_acknowledged(opened: Open, cast: Cast, story: Story):
    incidents = [opened(), opened(), opened()]
    for incident in incidents:
        queue(incident, cast.lena, story=story)
    story.answers(Receipt.retry("busy"))
    (first,) = deliver(story)
    assert {page.due_at for page in Page.objects.all()} == {story.time.now() + timedelta(seconds=5)}
    acknowledge(incidents[0], by=Actor.of(cast.lena), via="page")  # the one whose page leads it
    story.time.forward(timedelta(seconds=5))
    (again,) = deliver(story)
    assert again.key == first.key
    assert incidents[0].ref not in again.text()
    assert [state_of(incident) for incident in incidents] == [["cancelled"], ["sent"], ["sent"]]


def test_what_is_acknowledged_between_claim_and_sending_is_not_in_the_message(opened: Open, cast: Cast, story: Story):
    incidents = [opened(), opened()]
    for incident in incidents:
        queue(incident, cast.lena, story=story)
    (lead,) = sending.claim(story.time.now(), 10, "one")
    acknowledge(incidents[0], by=Actor.of(cast.lena), via="page")
    sending.attempt(lead, story.channel)
    (message,) = story.channel.attempts
    assert message.about
    assert message.about.ref == incidents[1].ref
    assert message.key == lead.key
    assert [state_of(incident) for incident in incidents] == [["cancelled"], ["sent"]]


def test_a_message_of_which_a_part_is_gone_is_taken_whole_by_whoever_comes_next(opened: Open, cast: Cast, story: Story):
    for _ in range(3):
        queue(opened(), cast.lena, story=story)
    story.answers(Receipt.retry("busy"))
    deliver(story)
    story.time.forward(timedelta(seconds=5))
    found = order.look(story.time.now())
    taken = Page.objects.filter(attempts=1).order_by("key").last()
    assert taken is not None
    Page.objects.filter(pk=taken.pk).update(due_at=story.time.now() + timedelta(seconds=30))  # as another replica's
    assert sending._take(found.plan.going, story.time.now(), "two", Room()) == []


def test_a_refused_message_counts_once_against_its_contact_point(opened: Open, cast: Cast, story: Story):
    for _ in range(3):
        queue(opened(), cast.lena, story=story)
    story.answers(Receipt.broken("550 no such user"), Receipt.broken("550 no such user"))
    deliver(story)
    assert cast.lena.contact_points.get().works
    queue(opened(), cast.lena, story=story)
    deliver(story)
    assert not cast.lena.contact_points.get().works


def test_a_contact_point_is_noted_as_proved_once_a_day(opened: Open, cast: Cast, story: Story):
    queue(opened(), cast.lena, story=story)
    deliver(story)
    point = ContactPoint.objects.get(person=cast.lena)
    assert point.proved_at == story.time.now()
    story.time.forward(timedelta(hours=2))
    queue(opened(), cast.lena, story=story)
    deliver(story)
    point.refresh_from_db()
    assert point.proved_at == story.time.now() - timedelta(hours=2)


# Late


def test_a_page_that_an_outage_held_up_says_since_when_it_has_been_due(opened: Open, cast: Cast, story: Story):
    incident = opened(Severity.S2)
    queue(incident, cast.lena, first=True, story=story)
    story.time.forward(timedelta(days=60))
    (message,) = deliver(story)
    assert f"{incident.ref}, due since Mon 02 Mar 04:12 CET," in message.headline
    assert "The incident has been open since Mon 02 Mar 04:12 CET." in message.why
    assert "Andon could not send it before" in message.why


def test_a_page_in_time_says_nothing_of_it(opened: Open, cast: Cast, story: Story):
    queue(opened(Severity.S2), cast.lena, first=True, story=story)
    story.time.forward(timedelta(minutes=4))
    (message,) = deliver(story)
    assert "since" not in message.text()


# Reads


def test_the_look_asks_as_much_for_many_pages_as_for_one(opened: Open, cast: Cast, story: Story):
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            order.look(story.time.now())
        return len(queries)

    queue(opened(), cast.lena, story=story)
    few = asked()
    for _ in range(20):
        queue(opened(Severity.S2), cast.lena, cast.tomas, story=story)
    assert asked() == few
    Page.objects.update(first=True)
    assert asked() < few  # first pages are not weighed at all


def test_a_release_touches_only_what_waits(opened: Open, cast: Cast, story: Story):
    incident = opened(Severity.S2)
    queue(incident, cast.lena, story=story)
    story.answers(Receipt.retry("busy"))
    deliver(story)
    assert actions.release(Q(incident=incident), story.time.now()) == 0


def test_a_late_outcome_of_a_message_settles_each_of_its_pages_once(opened: Open, cast: Cast, story: Story):
    for _ in range(2):
        queue(opened(), cast.lena, story=story)
    (lead,) = sending.claim(story.time.now(), 10, "one")
    assert settle([(lead, Receipt.sent())], story.time.now()) == 2
    assert settle([(lead, Receipt.sent())], story.time.now()) == 0


# What people asked other pagers for, and did not get


def test_an_acknowledgement_stops_what_waits_for_its_delay_its_retry_its_pace_and_the_morning(
    opened: Open, cast: Cast, story: Story
):
    """An acknowledgement really stops the page, wherever in its life each one is."""
    incident = opened(Severity.S4)
    ContactPoint.objects.create(
        person=cast.tomas, kind=ChannelKind.LOG, address="later", delay_minutes=10, verified_at=story.time.now()
    )
    Person.objects.filter(pk=cast.lena.pk).update(quiet_from="22:00", quiet_until="07:00")
    pace(person_a_minute=1)
    story.answers(Receipt.sent(), Receipt.retry("busy"))
    queue(incident, cast.omar, story=story)
    deliver(story)  # Omar's one message of this minute
    queue(incident, cast.sam, story=story)
    deliver(story)  # to be tried again
    queue(incident, cast.omar, cast.lena, cast.tomas, story=story)
    deliver(story)
    waiting = Page.objects.filter(state="pending")
    assert set(waiting.values_list("held", flat=True)) == {"", "person_pace", "quiet_hours"}
    assert waiting.count() == 4
    acknowledge(incident, by=Actor.of(cast.omar), via="page")
    incident.promises.all().delete()  # what it promised would page the next in the chain, and is not asked here
    before = len(story.channel.attempts)
    for _ in range(3):
        story.forward(hours=8)
    assert len(story.channel.attempts) == before
    assert sorted(state_of(incident)) == ["cancelled"] * 4 + ["sent"] * 2


@pytest.mark.parametrize("days", [1, 90])
def test_after_a_long_outage_an_open_incident_is_paged_as_old_and_one_that_is_over_not_at_all(
    opened: Open, cast: Cast, story: Story, days: int
):
    over, still_open = opened(Severity.S2, title="Over"), opened(Severity.S2, title="Open")
    for incident in (over, still_open):
        queue(incident, cast.lena, first=True, story=story)
    acknowledge(over, by=Actor.of(cast.omar), via="page")  # the web answers while the engine is down
    story.time.forward(timedelta(days=days, hours=1))
    (message,) = deliver(story, 2)
    assert f"{still_open.ref}, due since Mon 02 Mar 04:12 CET," in message.headline
    assert "open since Mon 02 Mar 04:12 CET" in message.why
