"""Alarms of one system that may have begun at one time are one incident, in whatever order they come."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.grouping import RouteReason
from andon.practice.onsets import Interval, Standing, place
from andon.practice.words import IncidentType

START = datetime(2026, 3, 2, tzinfo=UTC)
DEGRADES, FAILS, UNFAIR = (
    IncidentType.PERFORMANCE_DEGRADATION,
    IncidentType.TECHNICAL_FAILURE,
    IncidentType.FAIRNESS_VIOLATION,
)


def between(low, high):
    return Interval(START + timedelta(hours=low), START + timedelta(hours=high))


intervals = st.tuples(st.integers(0, 50), st.integers(0, 10)).map(lambda given: between(given[0], sum(given)))
alarms = st.tuples(intervals, st.sampled_from([DEGRADES, FAILS, UNFAIR]))


def incidents_of(arriving):
    """What becomes of alarms that arrive one after the other."""
    open_ = []
    for onset, type_ in arriving:
        joined = place(onset, type_, [Standing(key, kind, tuple(onsets)) for key, (kind, onsets) in enumerate(open_)])
        if joined.key is None:
            open_.append((type_, [onset]))
        else:
            open_[joined.key][1].append(onset)
    return open_


@given(st.lists(alarms, min_size=1, max_size=8), st.integers(0, 60))
def test_what_may_have_begun_at_one_instant_is_one_incident_in_any_order(found, hour):
    instant = START + timedelta(hours=hour)
    together = [(Interval(min(onset.low, instant), max(onset.high, instant)), type_) for onset, type_ in found]
    assert len(incidents_of(together)) == 1
    assert len(incidents_of(reversed(together))) == 1


@given(st.lists(alarms, max_size=8))
def test_what_lies_apart_is_never_one_incident_and_what_overlaps_is_never_opened_anew(found):
    open_ = incidents_of(found)
    assert sum(len(onsets) for _, onsets in open_) == len(found)
    for _, onsets in open_:
        for number, onset in enumerate(onsets[1:], start=1):
            assert any(onset.overlap(earlier) is not None for earlier in onsets[:number])
    firsts = [onsets[0] for _, onsets in open_]
    for number, first in enumerate(firsts):
        assert all(first.overlap(earlier) is None for earlier in firsts[:number])


@given(intervals, intervals)
def test_overlap_is_what_the_hours_have_in_common(one, other):
    common = one.overlap(other)
    assert common == other.overlap(one)
    hours = [n for n in range(200) if one.low <= START + timedelta(hours=n) <= one.high]
    both = [n for n in hours if other.low <= START + timedelta(hours=n) <= other.high]
    assert common == (timedelta(hours=len(both) - 1) if both else None)


@pytest.mark.parametrize(
    ("onset", "type_", "standing", "key", "reason"),
    [
        (between(1, 3), FAILS, [], None, RouteReason.NO_INCIDENT_YET),
        (between(1, 3), FAILS, [Standing("a", UNFAIR, (between(3, 9),))], "a", RouteReason.ONSETS_OVERLAP),
        (between(1, 3), FAILS, [Standing("a", FAILS, (between(4, 9),))], None, RouteReason.ONSETS_APART),
        (between(1, 3), FAILS, [Standing("a", FAILS, ())], "a", RouteReason.INCIDENT_OPEN),
        (between(1, 3), FAILS, [Standing("a", UNFAIR, ())], None, RouteReason.NO_INCIDENT_YET),
        (None, FAILS, [Standing("a", FAILS, (between(4, 9),))], "a", RouteReason.INCIDENT_OPEN),
        (None, FAILS, [Standing("a", UNFAIR, (between(4, 9),))], None, RouteReason.NO_INCIDENT_YET),
        (
            between(1, 3),
            FAILS,
            [Standing("a", UNFAIR, (between(0, 9),)), Standing("b", FAILS, (between(3, 9),))],
            "b",
            RouteReason.ONSETS_OVERLAP,
        ),
        (
            between(1, 5),
            FAILS,
            [Standing("a", UNFAIR, (between(5, 9),)), Standing("b", DEGRADES, (between(4, 9),))],
            "b",
            RouteReason.ONSETS_OVERLAP,
        ),
        (
            between(1, 3),
            FAILS,
            [Standing("a", FAILS, ()), Standing("b", UNFAIR, (between(2, 9),))],
            "b",
            RouteReason.ONSETS_OVERLAP,
        ),
    ],
)
def test_where_an_alarm_goes_and_why(onset, type_, standing, key, reason):
    joined = place(onset, type_, standing)
    assert (joined.key, joined.reason) == (key, reason)


def test_an_interval_has_its_ends_in_order():
    with pytest.raises(ValueError, match="too early"):
        between(3, 1)
