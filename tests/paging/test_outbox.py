"""The outbox: what is queued, what a cancellation reaches, and what a crash leaves behind."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from andon.incidents.models import Incident
from andon.incidents.timeline import hold
from andon.paging import actions, sending
from andon.paging.actions import Call, Reach
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.message import Message
from andon.paging.models import Page
from andon.paging.outcomes import ATTEMPTS, BACKOFF, Next, decide, settle
from andon.paging.wire import Room
from andon.people.models import ChannelKind, ContactPoint, Person
from tests.support.cast import Cast
from tests.support.paging import Story, kinds, state_of


def queue(incident: Incident, *people: Person, first: bool = True) -> list[Page]:
    reached = [Reach(person, "on call in Credit models") for person in people]
    call = Call(incident, reached, step=1, round=1, on_fallback=False, first=first)
    return actions.queue([call], incident.created_at)[0]


def test_only_contact_points_that_work_are_paged(incident: Incident, cast: Cast):
    now = incident.created_at
    kwargs = {"person": cast.lena, "kind": ChannelKind.EMAIL, "address": "x@example.org"}
    ContactPoint.objects.create(**kwargs)  # never verified
    ContactPoint.objects.create(**kwargs, verified_at=now, broken_at=now)
    ContactPoint.objects.create(**kwargs, verified_at=now, removed_at=now)
    assert [page.channel for page in queue(incident, cast.lena)] == ["log"]


def test_somebody_reached_twice_is_paged_once_and_told_both_ways(incident: Incident, cast: Cast):
    people = [Reach(cast.lena, "on call in Credit models"), Reach(cast.lena, "member of Credit models")]
    call = Call(incident, people, step=2, round=3, on_fallback=True, first=False)
    ((page,),) = actions.queue([call], incident.created_at)
    assert page.reason == "fallback, step 2: on call in Credit models; member of Credit models"


def test_nobody_with_a_working_contact_point_leaves_nothing(incident: Incident, cast: Cast):
    cast.lena.contact_points.update(broken_at=incident.created_at)
    assert queue(incident, cast.lena) == []


def test_people_who_left_are_not_paged(incident: Incident, cast: Cast):
    cast.lena.is_active = False
    cast.lena.save()
    assert queue(incident, cast.lena) == []


def test_a_key_is_given_once(incident: Incident, cast: Cast):
    (page,) = queue(incident, cast.lena)
    assert len(page.key) == 32
    with pytest.raises(IntegrityError):
        Page.objects.filter(pk=queue(incident, cast.lena)[0].pk).update(key=page.key)


def test_cancel_reaches_what_waits_and_leaves_what_is_over(incident: Incident, cast: Cast, story: Story):
    queue(incident, cast.lena)
    story.engine.modules[2].run_once(story.time.now(), 100)
    queue(incident, cast.tomas)
    assert actions.cancel(hold(incident.pk), "resolved", story.time.now()) == 1
    assert sorted(state_of(incident)) == ["cancelled", "sent"]
    entry = incident.timeline.get(kind="page_cancelled")
    assert entry.body["reason"] == "resolved"
    assert entry.body["pages"][0]["person"] == str(cast.tomas.pk)
    assert actions.cancel(hold(incident.pk), "resolved", story.time.now()) == 0
    assert kinds(incident).count("page_cancelled") == 1


def test_a_page_cancelled_between_claim_and_sending_is_not_sent(incident: Incident, cast: Cast, story: Story):
    queue(incident, cast.lena)
    (page,) = sending.claim(story.time.now(), 10, "one")
    actions.cancel(hold(incident.pk), "acknowledged", story.time.now())
    sending.attempt(page, story.channel)
    assert story.channel.attempts == []
    assert state_of(incident) == ["cancelled"]


def test_a_page_cancelled_while_on_the_wire_finishes_honestly_as_sent(incident: Incident, cast: Cast, story: Story):
    def acknowledged_meanwhile(_message: Message, _destination: Destination) -> Receipt:
        actions.cancel(hold(incident.pk), "acknowledged", story.time.now())
        return Receipt.sent()

    story.channel.answers = acknowledged_meanwhile
    queue(incident, cast.lena)
    (page,) = sending.claim(story.time.now(), 10, "one")
    sending.attempt(page, story.channel)
    assert state_of(incident) == ["sent"]
    assert incident.timeline.get(kind="page_sent").body["after_cancel"] is True


def test_a_page_cancelled_while_a_failing_attempt_ran_stays_cancelled(incident: Incident, cast: Cast, story: Story):
    def acknowledged_meanwhile(_message: Message, _destination: Destination) -> Receipt:
        actions.cancel(hold(incident.pk), "acknowledged", story.time.now())
        return Receipt.retry("busy")

    story.channel.answers = acknowledged_meanwhile
    queue(incident, cast.lena)
    (page,) = sending.claim(story.time.now(), 10, "one")
    sending.attempt(page, story.channel)
    assert state_of(incident) == ["cancelled"]


class Crash(BaseException):
    """The process dies here: no handler of ours runs."""


@pytest.mark.parametrize("after_sending", [False, True])
def test_a_crash_in_mid_sending_is_sent_again_under_the_same_key(
    incident: Incident, cast: Cast, story: Story, after_sending: bool
):
    def die(_message: Message, _destination: Destination) -> Receipt:
        raise Crash

    story.channel.answers = die
    queue(incident, cast.lena)
    Incident.objects.filter(pk=incident.pk).update(next_page_at=None, acknowledged_at=story.time.now())
    (page,) = sending.claim(story.time.now(), 10, "the one that dies")
    if after_sending:
        with pytest.raises(Crash):
            sending.attempt(page, story.channel)
    story.channel.answers = lambda _m, _d: Receipt.sent()
    before = len(story.channel.attempts)

    story.time.forward(sending.LEASE - timedelta(seconds=1))
    assert sending.claim(story.time.now(), 10, "another") == []  # it may still be alive
    story.time.forward(timedelta(seconds=1))
    story.run()
    assert [message.key for message in story.channel.attempts[before:]] == [page.key]
    page.refresh_from_db()
    assert (page.state, page.attempts) == ("sent", 2)
    assert kinds(incident).count("page_sent") == 1


def test_an_outcome_that_comes_too_late_does_not_overwrite_the_next_attempt(
    incident: Incident, cast: Cast, story: Story
):
    queue(incident, cast.lena)
    (slow,) = sending.claim(story.time.now(), 10, "same engine")
    story.time.forward(sending.LEASE)
    (again,) = sending.claim(story.time.now(), 10, "same engine")
    assert not settle([(slow, Receipt.broken("too late", gone=True))], story.time.now())
    assert state_of(incident) == ["sending"]
    assert cast.lena.contact_points.get().works
    assert settle([(again, Receipt.sent(ref="<id@host>"))], story.time.now())
    assert Page.objects.get().provider_ref == "<id@host>"


def test_a_channel_that_breaks_is_an_outcome_and_stops_nothing(incident: Incident, cast: Cast, story: Story):
    def broken(message: Message, _destination: Destination) -> Receipt:
        if message.to == "Lena":
            raise ZeroDivisionError
        return Receipt.sent()

    story.channel.answers = broken
    queue(incident, cast.lena, cast.tomas)
    story.engine.modules[2].run_once(story.time.now(), 100)
    pages = {page.person.name: page for page in Page.objects.select_related("person")}
    assert pages["Tomas"].state == "sent"
    assert pages["Lena"].state == "pending"
    assert "ZeroDivisionError" in pages["Lena"].last_error


def test_first_pages_then_whoever_was_paged_least_recently(incident: Incident, cast: Cast, story: Story):
    for person in (cast.lena, cast.tomas, cast.omar):
        queue(incident, person)
        story.engine.modules[2].run_once(story.time.now(), 100)
        story.time.forward(timedelta(seconds=10))
    queue(incident, cast.omar, first=False)
    queue(incident, cast.tomas, first=False)
    queue(incident, cast.lena, first=False)
    queue(incident, cast.omar, first=True)
    queue(incident, cast.sam, first=False)
    story.channel.attempts.clear()
    story.engine.modules[2].run_once(story.time.now(), 100)
    assert [message.to for message in story.channel.attempts] == ["Omar", "Sam", "Lena", "Tomas", "Omar"]


def test_a_claim_takes_no_more_than_it_may(incident: Incident, cast: Cast, story: Story):
    for _ in range(5):
        queue(incident, cast.lena)
    assert len(sending.claim(story.time.now(), 2, "a")) == 2
    assert len(sending.claim(story.time.now(), 2, "b")) == 2
    assert len(sending.claim(story.time.now(), 2, "c")) == 1
    assert sending.claim(story.time.now(), 2, "d") == []


def test_the_wait_grows_and_ends(time: object):
    waits = [decide(Receipt.retry("busy"), attempts).wait for attempts in range(1, ATTEMPTS)]
    assert waits == list(BACKOFF)
    assert decide(Receipt.retry("busy"), ATTEMPTS).what is Next.GIVE_UP
    assert decide(Receipt.retry("busy", timedelta(seconds=40)), 1).wait == timedelta(seconds=40)
    assert decide(Receipt.broken("no"), 1).what is Next.GIVE_UP
    assert decide(Receipt.unable("no"), 1).what is Next.GIVE_UP
    assert decide(Receipt.sent(), ATTEMPTS + 5).what is Next.SENT


def test_every_outcome_is_decided():
    assert {decide(Receipt(outcome), 1).what for outcome in Outcome} == set(Next)


def test_the_timeline_and_the_log_never_hold_an_address(incident: Incident, cast: Cast, story: Story, caplog):
    queue(incident, cast.lena)
    story.channel.answers = lambda _m, destination: Receipt.retry(f"no {destination}")
    story.engine.modules[2].run_once(story.time.now(), 100)
    said = caplog.text + str(list(incident.timeline.values_list("body", flat=True)))
    assert "lena@example.org" not in said
    assert "hidden" in Page.objects.get().last_error


def test_the_claim_is_answered_by_the_index_of_what_is_due(incident: Incident, cast: Cast, story: Story):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL scans small tables whatever the index; the plan is judged on SQLite")
    queue(incident, cast.lena)
    with CaptureQueriesContext(connection) as asked:
        sending.claim(story.time.now(), 10, "one")
    first = next(query["sql"] for query in asked.captured_queries if query["sql"].startswith("SELECT"))
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {first}")
        plan = " ".join(str(row[3]) for row in cursor.fetchall())
    assert "page_due" in plan


def test_what_finds_no_sender_is_not_taken_up_again_and_again(incident: Incident, cast: Cast, story: Story):
    for _ in range(20):
        queue(incident, cast.lena)
    with CaptureQueriesContext(connection) as asked:
        claimed = sending.claim(story.time.now(), 4, "one", Room(of_channel=2))
    assert len(claimed) == 2
    assert sum(query["sql"].startswith(("BEGIN", "SAVEPOINT")) for query in asked.captured_queries) == 1
    assert len(sending.claim(story.time.now(), 18, "one", Room(of_channel=18))) == 18


def test_the_database_refuses_a_waiting_page_without_a_time(incident: Incident, cast: Cast):
    (page,) = queue(incident, cast.lena)
    with pytest.raises(IntegrityError):
        Page.objects.filter(pk=page.pk).update(due_at=None)


def claimed_twice(incident: Incident, story: Story, cast: Cast) -> tuple[Page, Page]:
    """A page whose channel is slower than its lease: the attempt that has lost it, and the one that has it now."""
    queue(incident, cast.lena)
    (first,) = sending.claim(story.time.now(), 10, "one")
    story.time.forward(sending.LEASE)
    (second,) = sending.claim(story.time.now(), 10, "two")
    return first, second


def test_a_channel_that_is_slower_than_its_lease_ends_all_the_same(incident: Incident, story: Story, cast: Cast):
    first, second = claimed_twice(incident, story, cast)
    assert settle([(first, Receipt.sent())], story.time.now()) == 1
    assert state_of(incident) == ["sent"]
    assert settle([(second, Receipt.retry("too slow"))], story.time.now()) == 0
    assert settle([(second, Receipt.sent())], story.time.now()) == 0
    assert state_of(incident) == ["sent"]
    assert kinds(incident).count("page_sent") == 1


@pytest.mark.parametrize("late", [Receipt.retry("late"), Receipt.broken("gone")])
def test_an_outcome_that_is_no_longer_its_claims_to_write_leaves_the_page_to_the_newer_one(
    incident: Incident, story: Story, cast: Cast, late: Receipt
):
    first, second = claimed_twice(incident, story, cast)
    assert settle([(first, late)], story.time.now()) == 0
    assert state_of(incident) == ["sending"]
    assert settle([(second, Receipt.sent())], story.time.now()) == 1
    assert state_of(incident) == ["sent"]


@pytest.mark.parametrize("newer", [Receipt.retry("busy"), Receipt.broken("gone")])
def test_a_page_that_went_out_late_is_sent_also_where_a_newer_attempt_comes_back_with_it(
    incident: Incident, story: Story, cast: Cast, newer: Receipt
):
    first, second = claimed_twice(incident, story, cast)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    settle([(second, newer), (first, Receipt.sent(ref="<first@example>"))], story.time.now())
    page = Page.objects.get()
    assert (page.state, page.due_at, page.provider_ref) == ("sent", None, "<first@example>")
    assert kinds(incident).count("page_sent") == 1
