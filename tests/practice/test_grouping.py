from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.grouping import (
    IN_DOUBT,
    SET_BACK,
    DedupAction,
    DedupReason,
    Known,
    RouteAction,
    RouteReason,
    compare_episodes,
    dedup,
    group_key,
    newest_end,
    route,
)
from andon.practice.severity import Severity
from andon.practice.words import IncidentKind, IncidentType

AT = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
TEN, ELEVEN, NOON = "2026-11-03T10:00:00Z", "2026-11-03T11:00:00.000Z", "2026-11-03T14:00:00+02:00"


def fires(episode=""):
    return Known("firing", episode)


def ends(episode=""):
    return Known("resolved", episode)


def firing(episode=""):
    return Known("firing", episode)


def over(episode=""):
    return Known("resolved", episode)


@pytest.mark.parametrize(
    ("known_open", "known_last", "event", "action", "reason"),
    [
        (None, None, fires(TEN), DedupAction.NEW, DedupReason.FIRST_HEARD),
        (firing(TEN), None, fires(TEN), DedupAction.REPEAT, DedupReason.STILL_FIRING),
        (firing(TEN), None, fires(), DedupAction.REPEAT, DedupReason.STILL_FIRING),
        (firing(TEN), None, fires(ELEVEN), DedupAction.REPEAT, DedupReason.SENDER_RESTARTED),
        (firing("a"), None, fires("b"), DedupAction.REPEAT, DedupReason.SENDER_RESTARTED),
        (firing(TEN), None, ends(TEN), DedupAction.RESOLVE, DedupReason.ENDED),
        (firing(TEN), None, ends(), DedupAction.RESOLVE, DedupReason.ENDED),
        (firing(), None, ends(TEN), DedupAction.RESOLVE, DedupReason.ENDED),
        (None, None, ends(TEN), DedupAction.IGNORE_RESOLVE, DedupReason.NOTHING_OPEN),
        (None, None, ends(), DedupAction.IGNORE_RESOLVE, DedupReason.NOTHING_OPEN),
        (None, over(TEN), ends(TEN), DedupAction.IGNORE_RESOLVE, DedupReason.ALREADY_ENDED),
        (None, over(TEN), ends(), DedupAction.IGNORE_RESOLVE, DedupReason.ALREADY_ENDED),
        (None, over(), ends(), DedupAction.IGNORE_RESOLVE, DedupReason.ALREADY_ENDED),
        (None, over(), ends(TEN), DedupAction.IGNORE_RESOLVE, DedupReason.NOTHING_OPEN),
        (None, over(TEN), fires(TEN), DedupAction.LATE, DedupReason.EPISODE_OVER),
        (firing(ELEVEN), over(TEN), fires(TEN), DedupAction.LATE, DedupReason.EPISODE_OVER),
        (None, over(TEN), fires(ELEVEN), DedupAction.NEW, DedupReason.NEW_EPISODE),
        (None, over(TEN), fires(), DedupAction.NEW, DedupReason.NO_EPISODE),
        (None, over(), fires(), DedupAction.NEW, DedupReason.NO_EPISODE),
        (firing(ELEVEN), None, ends(TEN), DedupAction.IGNORE_RESOLVE, DedupReason.OLDER_EPISODE),
        (firing(ELEVEN), over(TEN), ends(TEN), DedupAction.IGNORE_RESOLVE, DedupReason.ALREADY_ENDED),
        (firing(TEN), None, ends(ELEVEN), DedupAction.RESOLVE, DedupReason.ENDED),
        (firing("b"), None, ends("a"), DedupAction.RESOLVE, DedupReason.ENDED),
    ],
)
def test_what_becomes_of_an_event(known_open, known_last, event, action, reason):
    decision = dedup(known_open, known_last, event)
    assert (decision.action, decision.reason) == (action, reason)
    changes_nothing = {DedupReason.EPISODE_OVER, DedupReason.ALREADY_ENDED, DedupReason.OLDER_EPISODE}
    assert decision.echo is (reason in changes_nothing)


def test_an_end_that_overtook_its_beginning_is_kept_and_the_beginning_opens_nothing():
    early = dedup(None, None, ends(TEN))
    assert early.keep
    assert dedup(None, over(early.episode), fires(TEN)).action is DedupAction.LATE


def test_the_signal_goes_by_the_newest_episode_and_an_end_of_the_older_does_not_end_it():
    restarted = dedup(firing(TEN), None, fires(ELEVEN))
    assert restarted.episode == ELEVEN
    assert dedup(firing(restarted.episode), None, ends(TEN)).reason is DedupReason.OLDER_EPISODE
    assert dedup(firing(ELEVEN), None, fires(TEN)).episode == ELEVEN


def test_an_episode_that_ended_long_ago_is_late_too():
    assert dedup(None, over(NOON), fires(TEN), ended_episodes={TEN}).action is DedupAction.LATE


def test_an_opaque_episode_that_fires_again_after_anothers_end_is_heard():
    ended = dedup(firing("b"), None, ends("a"))
    assert dedup(None, over(ended.episode), fires("b")).action is DedupAction.NEW


@pytest.mark.parametrize(
    ("one", "other", "order"),
    [
        (TEN, ELEVEN, -1),
        (NOON, ELEVEN, 1),
        ("2026-11-03T12:00:00Z", NOON, 0),
        ("9", "10", -1),
        ("a", "a", 0),
        ("", "", None),
        ("a", "b", None),
        ("", TEN, None),
        ("²", "3", None),
        ("2026-11-03T10:00:00", TEN, None),
    ],
)
def test_episodes_compare_only_where_they_say_a_time_or_a_number(one, other, order):
    assert compare_episodes(one, other) == order
    assert compare_episodes(other, one) == (None if order is None else -order)


RESOLVED_BY_A_PERSON = "resolved by a person"


def replay(events):
    """A store as intake keeps it: one open row, the last that ended, and every name that an ended one had."""
    known_open, known_last, names, ended, opened, let_go = None, None, set(), set(), [], False
    for event in events:
        if event == RESOLVED_BY_A_PERSON:
            let_go = known_open is not None
            continue
        decision = dedup(known_open, known_last, event, ended_episodes=ended, let_go=let_go)
        if decision.action is DedupAction.NEW:
            if known_open is not None:
                assert let_go
                known_last = over(known_open.episode)
                ended |= names
            let_go = False
            known_open, names = firing(decision.episode), {event.episode}
            opened.append(event.episode)
        elif decision.action is DedupAction.REPEAT:
            known_open = firing(decision.episode)
            names.add(event.episode)
        elif decision.action is DedupAction.RESOLVE:
            known_last, known_open, let_go = over(decision.episode), None, False
            ended |= names | {decision.episode}
        elif decision.keep:
            known_last = over(decision.episode)
            ended.add(decision.episode)
    return opened, known_open


episodes = [f"2026-11-03T1{hour}:00:00Z" for hour in range(4)]
events = st.builds(Known, st.sampled_from(["firing", "resolved"]), st.sampled_from(episodes))


@given(st.lists(events | st.just(RESOLVED_BY_A_PERSON), max_size=30))
def test_no_episode_ever_opens_twice_however_often_and_in_whatever_order_it_comes(heard):
    opened, _ = replay(heard)
    assert len(opened) == len(set(opened))


@given(st.permutations([fires(episodes[0])] * 3 + [ends(episodes[0])] * 2))
def test_one_episode_in_any_order_ends_closed(heard):
    opened, still_open = replay(heard)
    assert len(opened) <= 1
    assert still_open is None


@given(st.lists(events | st.just(RESOLVED_BY_A_PERSON), max_size=20))
def test_a_fresh_episode_is_always_heard(heard):
    fresh = "2026-11-04T00:00:00Z"
    opened, still_open = replay([*heard, fires(fresh)])
    assert still_open.episode == fresh
    assert opened


@given(st.lists(events, max_size=20))
def test_what_begins_after_a_person_resolved_is_a_signal_of_its_own(heard):
    fresh = "2026-11-04T00:00:00Z"
    opened, still_open = replay([*heard, RESOLVED_BY_A_PERSON, fires(fresh)])
    assert (opened[-1], still_open.episode) == (fresh, fresh)


@pytest.mark.parametrize(
    ("known_open", "event", "action", "reason"),
    [
        (firing(TEN), fires(ELEVEN), DedupAction.NEW, DedupReason.LET_GO),
        (firing("a"), fires("b"), DedupAction.NEW, DedupReason.LET_GO),
        (firing(TEN), fires(TEN), DedupAction.REPEAT, DedupReason.STILL_FIRING),
        (firing(ELEVEN), fires(TEN), DedupAction.REPEAT, DedupReason.STILL_FIRING),
        (firing(TEN), fires(), DedupAction.REPEAT, DedupReason.STILL_FIRING),
        (firing(TEN), ends(TEN), DedupAction.RESOLVE, DedupReason.ENDED),
        (firing(ELEVEN), ends(TEN), DedupAction.IGNORE_RESOLVE, DedupReason.OLDER_EPISODE),
    ],
)
def test_what_becomes_of_an_event_of_a_signal_whose_incident_a_person_resolved(known_open, event, action, reason):
    decision = dedup(known_open, None, event, let_go=True)
    assert (decision.action, decision.reason) == (action, reason)


@given(
    st.none() | st.builds(firing, st.text(max_size=3)),
    st.none() | st.builds(over, st.text(max_size=3)),
    events,
)
def test_a_new_signal_never_stands_beside_an_open_one(known_open, known_last, event):
    decision = dedup(known_open, known_last, event)
    assert len(decision.reason) <= 40
    if known_open is not None:
        assert decision.action is not DedupAction.NEW
    if decision.action in {DedupAction.REPEAT, DedupAction.RESOLVE}:
        assert known_open is not None


def began(seconds):
    """A beginning so many seconds after the end on record, and what becomes of it."""
    return dedup(None, over("end"), fires("beginning"), began_at=AT + timedelta(seconds=seconds), ended_at=AT)


def test_a_beginning_that_its_end_has_overtaken_opens_nothing_and_is_an_echo():
    decision = began(-300)
    assert (decision.action, decision.reason) == (DedupAction.LATE, DedupReason.OVERTAKEN)
    assert decision.echo


@pytest.mark.parametrize("seconds", [300, 1, 0, -1, -86_401, -(10**9)])
def test_a_beginning_fires_if_it_is_newer_or_in_doubt_or_so_old_that_a_clock_was_set_back(seconds):
    assert began(seconds).reason is DedupReason.NEW_EPISODE


@pytest.mark.parametrize("times", [{}, {"began_at": AT}, {"ended_at": AT + timedelta(minutes=5)}])
def test_where_either_time_is_not_known_nothing_is_gone_by(times):
    assert dedup(None, over("end"), fires("beginning"), **times).action is DedupAction.NEW


@given(
    st.none() | st.builds(firing, st.text(max_size=3)),
    st.none() | st.builds(over, st.text(max_size=3)),
    events,
    st.none() | st.integers(-200_000, 200_000),
)
def test_the_times_take_no_more_than_what_is_older_beyond_doubt_and_never_what_is_open(
    known_open, known_last, event, seconds
):
    began_at = None if seconds is None else AT + timedelta(seconds=seconds)
    without = dedup(known_open, known_last, event)
    decision = dedup(known_open, known_last, event, began_at=began_at, ended_at=AT)
    if decision != without:
        assert (decision.reason, without.action) == (DedupReason.OVERTAKEN, DedupAction.NEW)
        assert known_open is None
        assert IN_DOUBT < AT - began_at <= SET_BACK


def test_an_end_from_the_future_is_not_gone_by_and_an_older_one_takes_nothing_back():
    later = AT + timedelta(minutes=1)
    assert newest_end(AT, AT) == newest_end(AT, later) == newest_end(AT - timedelta(hours=1), later, AT) == AT
    assert newest_end(later, later, AT) == later
    assert newest_end(later, AT) is None
    assert newest_end(later, AT, AT) == newest_end(None, later, AT) == AT


def timed(changes):
    """Changes of a state in the order in which they arrive, each its own episode; whether it fires at the end."""
    known_open = known_last = ended_at = None
    names = set()
    for status, minute in changes:
        at = AT + timedelta(minutes=minute)
        event = Known(status, at.isoformat())
        decision = dedup(known_open, known_last, event, ended_episodes=names, began_at=at, ended_at=ended_at)
        if decision.action in {DedupAction.NEW, DedupAction.REPEAT}:
            known_open = firing(decision.episode)
        elif decision.action is DedupAction.RESOLVE or decision.keep:
            ended_at = newest_end(at, AT + timedelta(days=1), ended_at)
            known_open, known_last = None, over(decision.episode)
            names.add(decision.episode)
    return known_open is not None


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=8, unique=True).flatmap(
    lambda minutes: st.permutations(
        [("firing" if place % 2 == 0 else "resolved", minute) for place, minute in enumerate(sorted(minutes))]
    )
))  # fmt: skip
def test_whatever_the_order_in_which_changes_arrive_it_fires_if_the_newest_says_so(changes):
    newest = max(changes, key=lambda change: change[1])
    assert timed(changes) is (newest[0] == "firing")


def test_signals_group_by_system_and_type_and_unrouted_ones_by_who_heard_them():
    fair, tech = IncidentType.FAIRNESS_VIOLATION, IncidentType.TECHNICAL_FAILURE
    assert group_key(7, fair, "am") == group_key(7, fair, "other")
    assert len({group_key(7, fair, "am"), group_key(7, tech, "am"), group_key(8, fair, "am")}) == 3
    assert group_key(None, fair, "am") == group_key(None, tech, "am") == "unrouted:am"


def test_a_drill_and_the_real_thing_never_share_an_incident():
    args = (7, IncidentType.SAFETY, "am")
    assert group_key(*args, kind=IncidentKind.DRILL) != group_key(*args)


@pytest.mark.parametrize(
    ("severity", "has_system", "incident", "resolved", "action", "reason"),
    [
        (Severity.S2, True, None, False, RouteAction.OPEN, RouteReason.NO_INCIDENT_YET),
        (None, True, None, False, RouteAction.OPEN, RouteReason.NO_INCIDENT_YET),
        (Severity.S2, True, "INC-1", False, RouteAction.JOIN, RouteReason.INCIDENT_OPEN),
        (Severity.S5, True, "INC-1", False, RouteAction.JOIN, RouteReason.INCIDENT_OPEN),
        (Severity.S5, True, None, False, RouteAction.RECORD, RouteReason.HAZARD),
        (Severity.S1, True, None, True, RouteAction.RECORD, RouteReason.ENDED),
        (Severity.S1, True, "INC-1", True, RouteAction.JOIN, RouteReason.INCIDENT_OPEN),
        (Severity.S3, False, None, False, RouteAction.OPEN, RouteReason.UNROUTED),
        (None, False, None, False, RouteAction.OPEN, RouteReason.UNROUTED),
        (Severity.S4, False, None, False, RouteAction.RECORD, RouteReason.UNROUTED_MINOR),
        (Severity.S5, False, None, False, RouteAction.RECORD, RouteReason.HAZARD),
    ],
)
def test_where_a_signal_goes(severity, has_system, incident, resolved, action, reason):
    decision = route(severity, has_system, incident, resolved=resolved)
    assert (decision.action, decision.reason) == (action, reason)


@given(st.none() | st.sampled_from(Severity), st.booleans(), st.none() | st.just("INC-1"), st.booleans())
def test_a_signal_never_opens_a_second_incident(severity, has_system, incident, resolved):
    decision = route(severity, has_system, incident, resolved=resolved)
    assert (decision.action is RouteAction.JOIN) == (incident is not None)
    assert len(decision.reason) <= 60
