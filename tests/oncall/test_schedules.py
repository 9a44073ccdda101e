"""Schedules, their layers and overrides: what an edit does, and what it never does."""

from datetime import date, timedelta
from datetime import time as at_time

import pytest

from andon.kit import clock
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.oncall import actions, chains, queries
from andon.oncall.facts import RotationFacts, StepFacts
from andon.oncall.models import Chain, Layer, Override
from andon.people.policy import Actor
from tests.oncall.support import make_schedule, utc, wall

pytestmark = pytest.mark.django_db


def rotation(*people, **changes):
    facts = {
        "participants": people,
        "time_zone": "Europe/Berlin",
        "start_date": date(2026, 2, 23),
        "handover": at_time(9),
        "name": "primary",
    }
    return RotationFacts(**facts | changes)


def override(cast, schedule, by, person, starts="2026-03-04 20:00", ends="2026-03-05 06:00"):
    return actions.take_over(
        by=Actor.of(by),
        schedule=schedule,
        person=person,
        starts_local=wall(starts),
        ends_local=wall(ends),
        time_zone="Europe/Berlin",
    )


def test_yesterday_stays_as_it_was_after_an_edit(time, cast):
    by = Actor.of(cast.omar)
    schedule = actions.create_schedule(by=by, name="Credit", time_zone="Europe/Berlin")
    layer = actions.set_rotation(by=by, schedule=schedule, facts=rotation(cast.lena))
    yesterday = time.now()
    today = time.forward(timedelta(days=1))
    actions.set_rotation(by=by, schedule=schedule, facts=rotation(cast.tomas), position=1, replaces=str(layer.pk))

    assert queries.who_is_on_call(schedule, yesterday).person == cast.lena
    assert queries.who_is_on_call(schedule, today - timedelta(microseconds=1)).person == cast.lena
    assert queries.who_is_on_call(schedule, today).person == cast.tomas
    assert Layer.objects.filter(schedule=schedule).count() == 2

    actions.remove_layer(by=by, schedule=schedule, position=1)
    assert queries.who_is_on_call(schedule, time.forward(timedelta(hours=1))) is None
    assert queries.who_is_on_call(schedule, yesterday).person == cast.lena


def test_a_new_layer_says_nothing_of_the_time_before_it(time, cast):
    by = Actor.of(cast.omar)
    schedule = actions.create_schedule(by=by, name="Credit", time_zone="UTC")
    time.set(utc(2026, 3, 20, 12))
    actions.set_rotation(by=by, schedule=schedule, facts=rotation(cast.lena))
    assert queries.who_is_on_call(schedule, utc(2026, 3, 20, 11)) is None
    assert queries.who_is_on_call(schedule, utc(2026, 3, 20, 12)).person == cast.lena


def test_whoever_edits_what_somebody_else_changed_is_told(time, cast):
    by = Actor.of(cast.omar)
    schedule = make_schedule("credit", cast.lena)
    looked_at = str(schedule.layers.get().pk)
    actions.set_rotation(by=by, schedule=schedule, facts=rotation(cast.tomas), position=1, replaces=looked_at)
    with pytest.raises(Conflict, match="meanwhile"):
        actions.set_rotation(by=by, schedule=schedule, facts=rotation(cast.sam), position=1, replaces=looked_at)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"participants": ()}, "participants"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"every": 0}, "every"),
        ({"weekdays": (7,)}, "weekdays"),
        ({"window_from": at_time(9)}, "window_until"),
    ],
)
def test_a_rotation_that_cannot_be_is_refused_by_field(time, cast, changes, field):
    schedule = make_schedule("credit", cast.lena)
    with pytest.raises(Invalid) as refused:
        actions.set_rotation(
            by=Actor.of(cast.omar), schedule=schedule, facts=rotation(**{"participants": (cast.lena,)} | changes)
        )
    assert refused.value.field == field
    assert Layer.objects.count() == 1


def test_somebody_who_left_takes_no_turns(time, cast):
    cast.sam.is_active = False
    cast.sam.save()
    with pytest.raises(Invalid, match="deactivated"):
        actions.set_rotation(by=Actor.of(cast.omar), schedule=make_schedule("credit"), facts=rotation(cast.sam))


def test_a_responder_takes_over_for_themselves_and_gives_back(time, cast):
    schedule = make_schedule("credit", cast.lena)
    row = override(cast, schedule, cast.tomas, cast.tomas)
    assert queries.who_is_on_call(schedule, utc(2026, 3, 4, 23)).person == cast.tomas
    actions.cancel_override(by=Actor.of(cast.tomas), override=row)
    assert queries.who_is_on_call(schedule, utc(2026, 3, 4, 23)).person == cast.lena
    assert Override.objects.get().cancelled_at == time.now()
    with pytest.raises(Conflict, match="already"):
        actions.cancel_override(by=Actor.of(cast.tomas), override=row)


def test_who_may_put_whom_on_call(time, cast):
    schedule = make_schedule("credit", cast.lena)
    with pytest.raises(Forbidden):
        override(cast, schedule, cast.tomas, cast.sam)
    with pytest.raises(Forbidden):
        override(cast, schedule, cast.vera, cast.vera)
    row = override(cast, schedule, cast.omar, cast.sam)
    with pytest.raises(Forbidden):
        actions.cancel_override(by=Actor.of(cast.tomas), override=row)
    actions.cancel_override(by=Actor.of(cast.sam), override=row)


@pytest.mark.parametrize(
    ("starts", "ends", "says"),
    [
        ("2026-03-05 06:00", "2026-03-04 20:00", "after the start"),
        ("2026-03-01 06:00", "2026-03-01 20:00", "history"),
        ("2026-03-05 06:00", "2026-09-04 20:00", "at most 90 days"),
        # In Berlin, 02:10 to 02:50 on 29 March never is.
        ("2026-03-29 02:10", "2026-03-29 02:50", "after the start"),
    ],
)
def test_an_override_that_cannot_be_is_refused(time, cast, starts, ends, says):
    schedule = make_schedule("credit", cast.lena)
    with pytest.raises(Invalid, match=says):
        override(cast, schedule, cast.sam, cast.sam, starts, ends)


def test_a_schedule_that_a_chain_asks_is_not_archived(time, cast):
    by = Actor.of(cast.omar)
    schedule = make_schedule("credit", cast.lena)
    chain = chains.create_chain(by=by, name="Night", steps=[StepFacts(5, (schedule,))])
    with pytest.raises(Conflict, match="Night"):
        actions.archive_schedule(by=by, schedule=schedule)
    chains.archive_chain(by=by, chain=chain)
    actions.archive_schedule(by=by, schedule=schedule)
    assert list(queries.schedules()) == []
    with pytest.raises(Conflict, match="archived"):
        actions.set_rotation(by=by, schedule=schedule, facts=rotation(cast.lena))


def test_an_edit_of_a_chain_does_not_reach_what_was_frozen(time, cast):
    by = Actor.of(cast.omar)
    frozen = queries.freeze(cast.chain)
    chains.change_chain(by=by, chain=cast.chain, name="Credit", steps=[StepFacts(9, (cast.sam, cast.sam))], repeats=0)
    assert [t["label"] for s in frozen["steps"] for t in s["targets"]] == ["Lena", "Tomas", "Omar"]
    [reached] = queries.people_reached(frozen["steps"][0]["targets"], clock.now())
    assert reached.person == cast.lena
    now = queries.freeze(cast.chain)
    assert [[t["label"] for t in s["targets"]] for s in now["steps"]] == [["Sam"]]


def test_the_fallback_is_one_chain(time, cast):
    by = Actor.of(cast.omar)
    chains.make_fallback(by=by, chain=cast.chain)
    assert queries.fallback() == cast.chain
    assert Chain.objects.filter(is_fallback=True).count() == 1
    with pytest.raises(Conflict, match="fallback"):
        chains.archive_chain(by=by, chain=cast.chain)


def test_a_chain_that_a_system_has_is_not_archived(time, cast):
    with pytest.raises(Conflict, match="Credit scorer"):
        chains.archive_chain(by=Actor.of(cast.omar), chain=cast.chain)


@pytest.mark.parametrize("role", ["lena", "vera", "rui"])
def test_only_leads_change_schedules_and_chains(time, cast, role):
    by = Actor.of(getattr(cast, role))
    schedule = make_schedule("credit", cast.lena)
    steps = [StepFacts(5, (cast.lena,))]
    for attempt in (
        lambda: actions.create_schedule(by=by, name="New one", time_zone="UTC"),
        lambda: actions.change_schedule(by=by, schedule=schedule, name="X", time_zone="UTC", team=None),
        lambda: actions.archive_schedule(by=by, schedule=schedule),
        lambda: actions.set_rotation(by=by, schedule=schedule, facts=rotation(cast.lena)),
        lambda: actions.set_calendar(by=by, schedule=schedule, shifts=[]),
        lambda: actions.remove_layer(by=by, schedule=schedule, position=1),
        lambda: chains.create_chain(by=by, name="X", steps=steps),
        lambda: chains.change_chain(by=by, chain=cast.chain, name="X", steps=steps, repeats=1),
        lambda: chains.make_fallback(by=by, chain=cast.chain),
        lambda: chains.archive_chain(by=by, chain=cast.chain),
    ):
        with pytest.raises(Forbidden):
            attempt()


@pytest.mark.parametrize(
    ("steps", "repeats", "says"),
    [([], 1, "at least|from 1"), ([StepFacts(5, ())], 1, "reaches nobody"), (None, 101, "repeats")],
)
def test_a_chain_that_cannot_be_is_refused(time, cast, steps, repeats, says):
    steps = [StepFacts(5, (cast.lena,))] if steps is None else steps
    with pytest.raises(Invalid, match=says):
        chains.create_chain(by=Actor.of(cast.omar), name="Night", steps=steps, repeats=repeats)
    with pytest.raises(Invalid, match="waits"):
        chains.create_chain(by=Actor.of(cast.omar), name="Night", steps=[StepFacts(0, (cast.lena,))])
