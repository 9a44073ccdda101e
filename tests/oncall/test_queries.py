"""Who is on call, as rows in the database say it."""

from datetime import date, timedelta

import pytest

from andon.kit import clock
from andon.oncall import queries
from andon.oncall.models import Override, StepTarget
from andon.people.models import ContactPoint
from tests.oncall.support import make_schedule, utc, wall

pytestmark = pytest.mark.django_db


def test_the_hand_over_stays_at_nine_when_the_clocks_go_forward(time, cast):
    schedule = make_schedule("primary", cast.lena, cast.tomas)
    # Berlin goes to summer time on 29 March 2026 at 02:00: 09:00 is 08:00 UTC before, 07:00 UTC after.
    before = queries.who_is_on_call(schedule, utc(2026, 3, 28, 8, 0))
    assert (before.starts, before.ends) == (utc(2026, 3, 28, 8, 0), utc(2026, 3, 29, 7, 0))
    assert before.person == cast.lena
    assert queries.who_is_on_call(schedule, utc(2026, 3, 29, 6, 59)).person == cast.lena
    assert queries.who_is_on_call(schedule, utc(2026, 3, 29, 7, 0)).person == cast.tomas


def test_an_override_over_the_edge_ends_by_the_clock_on_the_wall(time, cast):
    schedule = make_schedule("primary", cast.lena)
    Override.objects.create(
        schedule=schedule,
        person=cast.sam,
        starts_local=wall("2026-03-28 22:00"),
        ends_local=wall("2026-03-29 06:00"),
        time_zone="Europe/Berlin",
    )
    held = queries.who_is_on_call(schedule, utc(2026, 3, 29, 0, 30))
    assert held.person == cast.sam
    assert held.source == "override"
    assert held.ends == utc(2026, 3, 29, 4, 0)
    assert held.ends - held.starts == timedelta(hours=7)
    assert queries.who_is_on_call(schedule, utc(2026, 3, 29, 4, 0)).person == cast.lena


def test_a_cancelled_override_still_says_who_was_on_call_until_then(time, cast):
    schedule = make_schedule("primary", cast.lena)
    time.set(utc(2026, 3, 3, 12, 0))
    override = Override.objects.create(
        schedule=schedule,
        person=cast.sam,
        starts_local=wall("2026-03-03 13:00"),
        ends_local=wall("2026-03-03 20:00"),
        time_zone="Europe/Berlin",
    )
    Override.objects.filter(pk=override.pk).update(cancelled_at=utc(2026, 3, 3, 15, 0))
    assert queries.who_is_on_call(schedule, utc(2026, 3, 3, 14, 59)).person == cast.sam
    assert queries.who_is_on_call(schedule, utc(2026, 3, 3, 15, 0)).person == cast.lena


def test_an_override_written_late_does_not_reach_into_the_past(time, cast):
    schedule = make_schedule("primary", cast.lena)
    time.set(utc(2026, 3, 3, 15, 0))
    Override.objects.create(
        schedule=schedule,
        person=cast.sam,
        starts_local=wall("2026-03-03 10:00"),
        ends_local=wall("2026-03-03 20:00"),
        time_zone="Europe/Berlin",
    )
    assert queries.who_is_on_call(schedule, utc(2026, 3, 3, 14, 0)).person == cast.lena
    assert queries.who_is_on_call(schedule, utc(2026, 3, 3, 15, 0)).person == cast.sam


def test_now_and_next_of_many_schedules_take_five_queries(time, cast, django_assert_max_num_queries):
    for number in range(20):
        make_schedule(f"s{number:02}", cast.lena, cast.tomas, cadence="weekly")
    with django_assert_max_num_queries(6):
        rows = queries.board(queries.schedules(), utc(2026, 3, 4, 12, 0))
    assert len(rows) == 20
    assert {(row.now.person, row.next.person) for row in rows} == {(cast.lena, cast.tomas)}


def test_gaps_are_where_nobody_is(time, cast):
    schedule = make_schedule("office", cast.lena, weekdays=[0, 1, 2, 3, 4])
    gaps = queries.gaps_between(schedule, utc(2026, 3, 6, 12, 0), utc(2026, 3, 9, 12, 0))
    assert [(g.starts, g.ends) for g in gaps] == [(utc(2026, 3, 6, 23, 0), utc(2026, 3, 8, 23, 0))]
    assert queries.who_is_on_call(schedule, utc(2026, 3, 7, 12, 0)) is None


def test_frozen_targets_reach_people_once_and_only_who_is_there(time, cast):
    schedule = make_schedule("primary", cast.lena, cast.tomas)
    step = cast.chain.steps.first()
    StepTarget.objects.create(step=step, schedule=schedule)
    StepTarget.objects.create(step=step, team=cast.credit_team)
    cast.omar.is_active = False
    cast.omar.save()
    frozen = queries.freeze(cast.chain)
    assert [s["wait_minutes"] for s in frozen["steps"]] == [5, 5, 5]
    assert [t["kind"] for t in frozen["steps"][0]["targets"]] == ["person", "schedule", "team"]
    reached = queries.people_reached(frozen["steps"][0]["targets"], utc(2026, 3, 3, 9, 0))
    assert [(r.person.name, r.via) for r in reached] == [
        ("Lena", "named in the chain"),
        ("Tomas", "on call for Primary"),
    ]


def test_without_a_chain_there_are_no_steps_and_the_fallback_is_found(time, cast):
    assert queries.freeze(None)["steps"] == []
    assert queries.fallback().slug == "fallback"


def test_a_broken_contact_point_does_not_count(time, cast):
    point = cast.lena.contact_points.get()
    assert queries.working_contact_points(cast.lena) == [point]
    ContactPoint.objects.filter(pk=point.pk).update(broken_at=clock.now())
    assert queries.working_contact_points(cast.lena) == []
    assert queries.reachable([cast.lena.pk, cast.tomas.pk]) == {cast.tomas.pk}


def test_one_person_for_good_is_not_said_to_end_where_the_look_ahead_does(cast, time, signed_in):
    schedule = make_schedule("alone", cast.lena, start=date(2026, 2, 2))
    board = queries.board([schedule], clock.now())[0]
    assert board.now.lasting
    assert "with no hand-over in sight" in signed_in(cast.lena).get(f"/schedules/{schedule.slug}").content.decode()
    taken_in_turns = queries.board([make_schedule("turns", cast.lena, cast.omar, start=date(2026, 2, 2))], clock.now())[
        0
    ]
    assert not taken_in_turns.now.lasting
