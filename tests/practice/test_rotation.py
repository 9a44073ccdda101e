"""Who is on call, against a slow walk of the clock."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.practice.rotation import (
    HORIZON,
    Cadence,
    Calendar,
    Gap,
    Rotation,
    Shift,
    WallShift,
    gaps,
    next_shift,
    on_call,
    shifts,
    shifts_of,
)
from andon.practice.walltime import instant, wall
from tests.practice.wall import local, utc

STEP = timedelta(minutes=15)

DAY = timedelta(days=1)
WEEKDAYS = frozenset(range(5))

# Days around which the clocks of the zones (or the calendar itself) do something unusual.
EDGES = {
    "Europe/Berlin": [date(2026, 3, 29), date(2026, 10, 25)],
    "America/New_York": [date(2026, 3, 8), date(2026, 11, 1)],
    "Australia/Lord_Howe": [date(2026, 4, 5), date(2026, 10, 4)],
    "Asia/Kathmandu": [date(2026, 1, 1)],
    "Pacific/Apia": [date(2011, 12, 30)],
    "America/Sao_Paulo": [date(2018, 11, 4), date(2019, 2, 17)],
    "UTC": [date(2028, 2, 29)],
}


# --- a slow walk of the clock, from first principles -------------------------------------------------------


class Walk:
    """Looks at the wall clocks every 15 minutes and asks of each layer by hand who is on call.

    A wall clock that goes back shows times it has shown before; those count once, so each zone's clock is
    watched by the latest time that it has shown so far.
    """

    def __init__(self, layers, overrides, start, end):
        self.layers = layers
        self.overrides = overrides
        self.instants = list(ticks(start, end))
        self.latest = {}
        self.turns = {}

    def seen(self, zone):
        if zone not in self.latest:
            place, high, shown = ZoneInfo(zone), local(1, 1, 1), {}
            for tick in ticks(self.instants[0] - 2 * DAY, self.instants[-1] + STEP):
                high = max(high, tick.astimezone(place).replace(tzinfo=None))
                shown[tick] = high
            self.latest[zone] = shown
        return self.latest[zone]

    def people(self):
        return {tick: self.who(tick) for tick in self.instants}

    def who(self, tick):
        for override in reversed(self.overrides):
            if override.starts <= self.seen(override.zone)[tick] < override.ends:
                return override.participant, "override"
        for number in range(len(self.layers), 0, -1):
            layer = self.layers[number - 1]
            if layer.valid_from and tick < layer.valid_from:
                continue
            if layer.valid_until and tick >= layer.valid_until:
                continue
            find = self.in_calendar if isinstance(layer, Calendar) else self.in_rotation
            if person := find(layer, tick):
                return person, f"layer {number}"
        return None

    def in_calendar(self, layer, tick):
        for shift in reversed(layer.shifts):
            if shift.starts <= self.seen(shift.zone)[tick] < shift.ends:
                return shift.participant
        return None

    def in_rotation(self, layer, tick):
        now = self.seen(layer.zone)[tick]
        if not layer.participants or now < datetime.combine(layer.start, layer.handover):
            return None
        if not is_active(layer, now):
            return None
        handed_over_on = now.date() if now.time() >= layer.handover else now.date() - DAY
        key = (layer, handed_over_on)
        if key not in self.turns:
            self.turns[key] = count_handovers(layer, handed_over_on)
        return layer.participants[self.turns[key] % len(layer.participants)]


def ticks(start, end):
    while start < end:
        yield start
        start += STEP


def is_active(layer, now):
    today, yesterday = now.weekday(), (now.date() - DAY).weekday()
    if layer.window is None:
        return today in layer.weekdays
    opens, closes = layer.window
    if opens < closes:
        return today in layer.weekdays and opens <= now.time() < closes
    evening = today in layer.weekdays and now.time() >= opens
    return evening or (yesterday in layer.weekdays and now.time() < closes)


def count_handovers(layer, until):
    """One day after the other from the start: how often has the layer been handed over?"""
    handovers, waited, day = 0, None, layer.start
    while day <= until:
        if layer.cadence is Cadence.WEEKLY:
            counts = day.weekday() == layer.start.weekday()
        else:
            counts = not layer.skip_inactive or day.weekday() in layer.weekdays
        if counts:
            waited = 0 if waited is None else waited + 1
            if waited == layer.every:
                handovers, waited = handovers + 1, 0
        day += DAY
    return handovers


# --- samples -----------------------------------------------------------------------------------------------

quarters = st.builds(
    time,
    # Small hours often: that is where clocks change.
    st.one_of(st.integers(0, 4), st.integers(0, 23)),
    st.sampled_from([0, 15, 30, 45]),
)
people = st.sampled_from(["ada", "ben", "cyd", "dov"])
zones = st.sampled_from(sorted(EDGES))


@st.composite
def wall_shifts(draw, zone, day):
    starts = datetime.combine(day + DAY * draw(st.integers(-4, 4)), draw(quarters))
    return WallShift(draw(people), starts, starts + STEP * draw(st.integers(1, 300)), zone)


@st.composite
def rotations(draw, zone, day):
    instants = st.none() | st.builds(lambda n: datetime.combine(day, time(), UTC) + STEP * n, st.integers(-200, 200))
    valid = [draw(instants), draw(instants)]
    if None not in valid:
        valid.sort()
    return Rotation(
        participants=tuple(draw(st.lists(people, max_size=4))),
        zone=zone,
        # Some begin inside the range, some long before it.
        start=day - DAY * draw(st.integers(-3, 20) | st.integers(0, 700)),
        handover=draw(quarters),
        cadence=draw(st.sampled_from(Cadence)),
        every=draw(st.integers(1, 3)),
        weekdays=draw(st.just(frozenset(range(7))) | st.just(WEEKDAYS) | st.frozensets(st.integers(0, 6), min_size=1)),
        window=draw(st.none() | st.tuples(quarters, quarters)),
        skip_inactive=draw(st.booleans()),
        valid_from=valid[0],
        valid_until=valid[1],
    )


@st.composite
def schedules(draw):
    home = draw(zones)
    day = draw(st.sampled_from(EDGES[home]))
    zone = st.just(home) | zones
    layers = []
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.integers(0, 3)):
            layers.append(draw(rotations(draw(zone), day)))
        else:
            fixed = [draw(wall_shifts(draw(zone), day)) for _ in range(draw(st.integers(0, 4)))]
            layers.append(Calendar(tuple(fixed)))
    overrides = [draw(wall_shifts(draw(zone), day)) for _ in range(draw(st.integers(0, 2)))]
    # Short ranges within hours of the edge as well as days around it.
    starts, length = draw(st.sampled_from([((-60, 40), 16), ((-400, 50), 600)]))
    start = datetime.combine(day, time(), UTC) + STEP * draw(st.integers(*starts))
    return layers, overrides, start, start + STEP * draw(st.integers(1, length))


some = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@some
@given(schedules())
def test_shifts_are_what_a_walk_of_the_clock_finds(schedule):
    expected = Walk(*schedule).people()
    found = {}
    for shift in shifts(*schedule):
        for tick in ticks(shift.starts, shift.ends):
            found[tick] = (shift.participant, shift.source)
    assert {tick: found.get(tick) for tick in expected} == expected
    assert found.keys() <= expected.keys()


@some
@given(schedules())
def test_shifts_and_gaps_partition_the_range(schedule):
    _, _, start, end = schedule
    found = shifts(*schedule)
    pieces = sorted([*found, *gaps(*schedule)], key=lambda piece: piece.starts)
    assert pieces[0].starts == start
    assert pieces[-1].ends == end
    assert all(piece.starts < piece.ends for piece in pieces)
    for one, other in itertools.pairwise(pieces):
        assert one.ends == other.starts
        assert not (isinstance(one, Gap) and isinstance(other, Gap))
    for one, other in itertools.pairwise(found):
        assert (one.ends, one.participant, one.source) != (other.starts, other.participant, other.source)


@some
@given(schedules(), st.data())
def test_on_call_is_the_shift_that_holds(schedule, data):
    layers, overrides, start, end = schedule
    moment = start + (end - start) * data.draw(st.floats(0, 1, exclude_max=True))
    held = on_call(layers, overrides, moment)
    wide = shifts(layers, overrides, moment - HORIZON, moment + HORIZON)
    assert held == next((s for s in wide if s.starts <= moment < s.ends), None)
    assert [s.participant for s in shifts(layers, overrides, moment, moment + timedelta(microseconds=1))] == (
        [held.participant] if held else []
    )


@some
@given(schedules(), st.data())
def test_next_shift_is_the_first_by_somebody_else(schedule, data):
    layers, overrides, start, end = schedule
    moment = start + (end - start) * data.draw(st.floats(0, 1, exclude_max=True))
    horizon = timedelta(days=data.draw(st.sampled_from([0, 1, 8, 20, 60])))
    held, found = on_call(layers, overrides, moment), next_shift(layers, overrides, moment, horizon)
    later = [
        s
        for s in shifts(layers, overrides, moment, moment + horizon)
        if s.starts > moment and (held is None or s.participant != held.participant)
    ]
    assert (found and (found.participant, found.starts, found.source)) == (
        (later[0].participant, later[0].starts, later[0].source) if later else None
    )
    if found:
        assert found.ends >= later[0].ends


@some
@given(schedules())
def test_the_shifts_of_each_person_are_all_the_shifts(schedule):
    whole = shifts(*schedule)
    of_each = [s for who in ("ada", "ben", "cyd", "dov") for s in shifts_of(who, *schedule)]
    assert sorted(of_each, key=lambda s: s.starts) == whole


@some
@given(schedules(), st.data())
def test_a_range_asked_in_two_halves_gives_the_same_answer(schedule, data):
    layers, overrides, start, end = schedule
    middle = start + (end - start) * data.draw(st.floats(0, 1))
    halves = [*shifts(layers, overrides, start, middle), *shifts(layers, overrides, middle, end)]
    joined = []
    for s in halves:
        last = joined[-1] if joined else None
        if last and (last.ends, last.participant, last.source) == (s.starts, s.participant, s.source):
            joined[-1] = Shift(s.participant, last.starts, s.ends, s.source)
        else:
            joined.append(s)
    assert joined == shifts(layers, overrides, start, end)


# --- wall time ---------------------------------------------------------------------------------------------


@some
@given(zones, st.data())
def test_an_instant_is_the_first_at_which_the_clock_shows_the_time_or_a_later_one(zone, data):
    day = datetime.combine(data.draw(st.sampled_from(EDGES[zone])), time())
    asked = day + timedelta(seconds=data.draw(st.integers(-86400, 2 * 86400)))
    place, tick = ZoneInfo(zone), (day - 3 * DAY).replace(tzinfo=UTC)
    # By the minute up to it, then by the second: all these clocks change on a full minute.
    while tick.astimezone(place).replace(tzinfo=None) + timedelta(minutes=1) <= asked:
        tick += timedelta(minutes=1)
    while tick.astimezone(place).replace(tzinfo=None) < asked:
        tick += timedelta(seconds=1)
    assert instant(asked, zone) == tick


@some
@given(zones, st.data())
def test_instants_keep_the_order_of_wall_times(zone, data):
    day = datetime.combine(data.draw(st.sampled_from(EDGES[zone])), time())
    one, other = (day + timedelta(microseconds=data.draw(st.integers(-(10**11), 2 * 10**11))) for _ in range(2))
    if one > other:
        one, other = other, one
    assert instant(one, zone) <= instant(other, zone)


def test_a_time_that_the_clock_jumps_over_is_the_moment_of_the_jump():
    assert {instant(local(2026, 3, 29, 2, m), "Europe/Berlin") for m in range(60)} == {utc(2026, 3, 29, 1)}
    assert instant(local(2026, 3, 29, 2, 30, 0, 1), "Europe/Berlin") == utc(2026, 3, 29, 1)
    assert instant(local(2026, 10, 4, 2, 15), "Australia/Lord_Howe") == utc(2026, 10, 3, 15, 30)
    assert instant(local(2018, 11, 4, 0, 0), "America/Sao_Paulo") == utc(2018, 11, 4, 3)
    assert instant(local(2011, 12, 30, 17, 0), "Pacific/Apia") == utc(2011, 12, 30, 10)


def test_a_time_that_comes_twice_is_its_first_occurrence():
    assert instant(local(2026, 10, 25, 2, 30), "Europe/Berlin") == utc(2026, 10, 25, 0, 30)
    assert instant(local(2026, 10, 25, 2, 30).replace(fold=1), "Europe/Berlin") == utc(2026, 10, 25, 0, 30)
    assert instant(local(2026, 4, 5, 1, 45), "Australia/Lord_Howe") == utc(2026, 4, 4, 14, 45)


def test_the_wall_clock_shows_a_time_without_zone_or_fold():
    shown = wall(utc(2026, 10, 25, 1, 30), "Europe/Berlin")
    assert (shown, shown.tzinfo, shown.fold) == (local(2026, 10, 25, 2, 30), None, 0)
