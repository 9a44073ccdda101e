"""Signals gone through once more: without a change nothing moves, and with one the rules of grouping hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from andon.practice.grouping import group_key
from andon.practice.onsets import Interval
from andon.practice.regrouping import Count, Heard, Known, Tally, regroup
from andon.practice.severity import Severity
from andon.practice.words import IncidentType

START = datetime(2026, 3, 2, tzinfo=UTC)
FAILS, UNFAIR = IncidentType.TECHNICAL_FAILURE, IncidentType.FAIRNESS_VIOLATION


def at(hours):
    return START + timedelta(hours=hours)


facts = st.tuples(
    st.integers(0, 20),
    st.sampled_from([None, "one", "two"]),
    st.sampled_from([FAILS, UNFAIR]),
    st.sampled_from([None, Severity.S2, Severity.S4, Severity.S5]),
    st.one_of(st.none(), st.integers(0, 10)),
    st.booleans(),
)


def heard(number, given_):
    began, system, type_, severity, lasts, waits = given_
    return Heard(
        number, at(began), group_key(system, type_, "prom"), severity, type_, system,
        None if lasts is None else at(began + lasts), changed=True, regrouped=True, waits=waits,
    )  # fmt: skip


def as_it_was(signals, courses):
    """The same signals and incidents, as a trial finds them afterwards."""
    known = {n: Known(n, one.group, one.began, one.until, False, one.type, one.system) for n, one in enumerate(courses)}
    home = {key: number for number, one in enumerate(courses) for key in one.members}
    openers = {one.opener for one in courses}
    return [
        replace(one, home=home.get(one.key), opened=one.key in openers, changed=False, regrouped=False)
        for one in signals
    ], list(known.values())


def apart(courses):
    """Of a group no two incidents are open at once."""
    for group in {one.group for one in courses}:
        mine = sorted((one for one in courses if one.group == group), key=lambda one: one.began)
        for earlier, later in pairwise(mine):
            assert earlier.until is not None
            assert earlier.until <= later.began


@given(st.lists(facts, max_size=12))
def test_without_a_change_each_signal_stays_where_it_was(found):
    signals = [heard(number, one) for number, one in enumerate(found)]
    courses = regroup(signals, [])
    again = regroup(*as_it_was(signals, courses))
    assert [(one.known.key, one.opener, one.members) for one in sorted(again, key=lambda one: one.known.key)] == [
        (number, one.opener, one.members) for number, one in enumerate(courses)
    ]


@given(st.lists(facts, max_size=12))
def test_what_is_heard_joins_what_is_open_and_nothing_is_there_twice(found):
    signals = [heard(number, one) for number, one in enumerate(found)]
    courses = regroup(signals, [])
    apart(courses)
    inside = [key for one in courses for key in one.members]
    assert len(inside) == len(set(inside))
    for one in courses:
        opener = signals[one.opener]
        assert one.members[0] == one.opener
        assert (opener.waits, opener.severity is Severity.S5) == (False, False)
    for one in signals:
        if one.key not in inside:
            assert one.waits or one.severity in (Severity.S4, Severity.S5)
            assert not any(c.group == one.group and c.began < one.at and c.open_at(one.at) for c in courses)


@given(st.lists(st.tuples(facts, st.one_of(st.none(), facts)), max_size=12))
def test_after_a_change_no_incident_is_there_twice_and_what_stands_stays(found):
    signals = [heard(number, one) for number, (one, _) in enumerate(found)]
    was, known = as_it_was(signals, regroup(signals, []))
    changed = [
        one
        if new is None
        else replace(one, group=group_key(new[1], new[2], "prom"), system=new[1], type=new[2], severity=new[3])
        for one, (_, new) in zip(was, found, strict=True)
    ]
    changed = [
        replace(one, changed=(one.group, one.severity) != (old.group, old.severity), regrouped=one.group != old.group)
        for one, old in zip(changed, was, strict=True)
    ]
    courses = regroup(changed, known)
    inside = [key for one in courses for key in one.members]
    assert len(inside) == len(set(inside))
    keys = [one.known.key for one in courses if one.known]
    assert len(keys) == len(set(keys))
    openers = {one.opener for one in courses}
    for one in changed:
        if one.key in openers and one.changed:
            assert one.severity is not Severity.S5
            assert not one.waits
    standing = [replace(one, stands=True) for one in known]
    assert {one.known.key for one in regroup(changed, standing) if one.known} == {one.key for one in known}


def one(key, hours, group, **more):
    return Heard(key, at(hours), group, Severity.S2, FAILS, "one", **more)


def test_what_opens_earlier_takes_the_incident_of_its_group_with_it():
    known = Known("X", "g", at(5), at(9), False, FAILS, "one")
    course, *none = regroup(
        [one("a", 1, "g", changed=True, regrouped=True), one("b", 5, "g", home="X", opened=True)], [known]
    )
    assert (course.known, course.opener, course.members, course.began, none) == (known, "a", ["a", "b"], at(1), [])


def test_two_that_count_as_the_same_share_what_opens():
    moved = [one(key, hours, "g", changed=True, regrouped=True) for key, hours in (("a", 1), ("b", 2))]
    assert [course.members for course in regroup(moved, [])] == [["a", "b"]]
    over = [replace(moved[0], until=at(2)), moved[1]]
    assert [course.members for course in regroup(over, [])] == [["a"], ["b"]]


def test_alarms_join_by_when_they_began():
    known = Known("X", "system:one:fairness", at(0), None, True, UNFAIR, "one", (Interval(at(-5), at(-3)),))
    told = {"changed": True, "regrouped": True, "alarm": True}
    together, later, again = (
        one("a", 1, "system:one:fails", onset=Interval(at(-4), at(-2)), **told),
        one("b", 2, "system:one:fails", onset=Interval(at(1), at(2)), **told),
        one("c", 3, "system:one:fails", onset=Interval(at(2), at(3)), **told),
    )
    assert [(course.known, course.members) for course in regroup([together, later, again], [known])] == [
        (known, ["a"]),
        (None, ["b", "c"]),
    ]
    assert not regroup([replace(later, apart=True)], [])


def counted(found, needed, hours):
    """Signals of one system, each another thing, that are counted under one threshold."""
    count = (Count("t", needed, timedelta(hours=hours)),)
    signals = [
        replace(heard(number, one), counted=count, ended_at=None if one[4] is None else at(one[0] + one[4]))
        for number, one in enumerate(found)
    ]
    times = sorted((one.at, one.key) for one in signals)
    return signals, {"t": Tally([when for when, _ in times], [key for _, key in times])}


@given(st.lists(facts, max_size=12), st.integers(2, 4), st.integers(1, 6))
def test_no_incident_opens_with_fewer_than_its_threshold_asks_for(found, needed, hours):
    signals, tallies = counted(found, needed, hours)
    courses = regroup(signals, [], tallies)
    apart(courses)
    inside = [key for one in courses for key in one.members]
    assert len(inside) == len(set(inside))
    for one in courses:
        assert one.began >= signals[one.opener].at
        near = [each for each in signals if one.began - timedelta(hours=hours) < each.at <= one.began]
        assert len(near) >= needed


@given(st.lists(facts, max_size=12))
def test_where_there_are_enough_a_threshold_changes_nothing(found):
    signals, tallies = counted(found, 1, 1)
    with_it = regroup(signals, [], tallies)
    without = regroup([replace(one, counted=()) for one in signals], [])
    assert [(one.opener, one.members) for one in with_it] == [(one.opener, one.members) for one in without]


def test_what_waits_is_let_go_by_the_one_that_is_enough_and_what_has_ended_is_not():
    two = (Count("t", 3, timedelta(hours=4)),)
    told = {"changed": True, "regrouped": True, "counted": two}
    signals = [
        one("a", 0, "g", **told),
        one("b", 1, "g", ended_at=at(2), **told),
        one("c", 1, "h", **told),
        one("d", 3, "g", **told),
    ]
    tally = Tally([at(0), at(1), at(3)], ["a", "b", "d"])
    signals[2] = replace(signals[2], counted=(Count("u", 2, timedelta(hours=4)),))
    courses = regroup(signals, [], {"t": tally, "u": Tally([at(1), at(9)], ["c", "x"])})
    assert [(course.opener, course.members) for course in courses] == [("d", ["d", "a"])]


def test_what_waits_is_looked_at_again_after_the_time_of_its_threshold():
    """Those that came joined another incident, so they were not asked, and let nothing go."""
    known = Known("X", "h", at(-1), None, True, FAILS, "one")
    told = {"changed": True, "regrouped": True, "counted": (Count("t", 2, timedelta(hours=4)),)}
    signals = [one("a", 0, "g", **told), one("b", 3, "h", **told), one("c", 3, "h", **told)]
    tally = Tally([at(0), at(3), at(3)], ["a", "b", "c"])
    standing, opened = regroup(signals, [known], {"t": tally})
    assert (standing.members, opened.opener, opened.began) == (["b", "c"], "a", at(4))
    assert len(regroup(signals, [known], {"t": tally}, at(3))) == 1, "that time is still to come"


def test_what_stays_open_for_longer_takes_in_what_came_after_it():
    known = [
        Known("X", "g", at(0), at(2), False, FAILS, "one", longer=True, later=at(6)),
        Known("Y", "g", at(4), at(9), False, FAILS, "one"),
        Known("Z", "g", at(12), None, False, FAILS, "one"),
    ]
    signals = [
        one("a", 0, "g", home="X", opened=True, until=at(2)),
        one("n", 3, "g"),
        one("b", 4, "g", home="Y", opened=True, until=at(9)),
        one("c", 8, "g", home="Y", until=at(9)),
        one("d", 12, "g", home="Z", opened=True),
    ]
    (course,) = regroup(signals, known)
    assert (course.members, course.until) == (["a", "n", "b", "c", "d"], None), "one of them fires still"
    ended = [replace(signals[1], until=at(5)), *(each for each in signals if each.key != "n")]
    courses = regroup(ended, known)
    assert [(course.known.key, course.members) for course in courses] == [("X", ["a", "n", "b", "c"]), ("Z", ["d"])]
    assert courses[0].until == at(9)


def test_an_alarm_does_not_join_what_is_open_for_longer_and_began_at_another_time():
    known = [
        Known("X", "g", at(0), at(2), True, FAILS, "one", (Interval(at(-5), at(-3)),), longer=True, later=None),
        Known("Y", "g", at(4), None, False, FAILS, "one"),
    ]
    alarm = one("b", 4, "g", home="Y", opened=True, alarm=True, onset=Interval(at(1), at(3)))
    assert [course.members for course in regroup([alarm], known)] == [[], ["b"]]
    together = replace(alarm, onset=Interval(at(-4), at(3)))
    assert [course.members for course in regroup([together], known)] == [["b"]]
