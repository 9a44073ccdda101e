"""How a sender is heard."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from andon.practice.hearing import Heard, Hearing, hearing

NOW = datetime(2026, 3, 2, 3, 12, tzinfo=UTC)
times = st.none() | st.integers(0, 300).map(lambda minutes: NOW - timedelta(minutes=minutes))
anything = st.builds(Heard, st.booleans(), times, times, times, st.integers(0, 5))


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def test_the_story_of_a_sender():
    assert hearing(Heard(False, None, None, None, 0)) is Hearing.NEVER
    assert hearing(Heard(False, None, None, NOW, 1)) is Hearing.UNREAD
    assert hearing(Heard(False, NOW, None, None, 0)) is Hearing.WELL
    assert hearing(Heard(False, ago(1), None, NOW, 1)) is Hearing.GARBLED
    assert hearing(Heard(False, NOW, None, ago(1), 3)) is Hearing.PARTLY
    assert hearing(Heard(False, ago(1), NOW, ago(2), 3)) is Hearing.LEFT_OUT
    assert hearing(Heard(False, None, NOW, None, 1)) is Hearing.LEFT_OUT
    assert hearing(Heard(False, NOW, ago(1), None, 1)) is Hearing.PARTLY
    assert hearing(Heard(False, NOW, None, ago(72), 0)) is Hearing.WELL
    assert hearing(Heard(True, NOW, None, NOW, 3)) is Hearing.DISABLED


@given(anything)
def test_it_is_well_only_if_the_newest_was_taken_wholly_and_nothing_of_the_last_day_was_in_trouble(known):
    told = hearing(known)
    if told is Hearing.WELL:
        assert not known.disabled
        assert known.troubled == 0
        assert known.wholly_at is not None
        assert all(at is None or at < known.wholly_at for at in (known.partly_at, known.refused_at))
    else:
        assert told.next, "whatever is not well says what to do"


@given(anything, times, st.integers(0, 5))
def test_what_is_refused_never_says_when_a_sender_was_heard(known, refused_at, troubled):
    other = replace(known, refused_at=refused_at, troubled=troubled)
    assert other.last_at == known.last_at
    assert (known.last_at is None) == (known.wholly_at is None and known.partly_at is None)
    assert known.last_at is None or known.last_at >= max(at for at in (known.wholly_at, known.partly_at) if at)


@given(anything)
def test_a_sender_of_which_nothing_was_taken_is_never_said_to_be_heard(known):
    told = hearing(replace(known, disabled=False))
    assert (told in {Hearing.NEVER, Hearing.UNREAD}) == (known.last_at is None)
    if known.last_at is None:
        assert (told is Hearing.UNREAD) == (known.refused_at is not None)


@given(anything)
def test_of_what_came_at_one_instant_the_worst_is_told(known):
    alike = replace(known, disabled=False, wholly_at=NOW, refused_at=None)
    assert hearing(replace(alike, partly_at=NOW)) is Hearing.LEFT_OUT
    assert hearing(replace(alike, partly_at=NOW, refused_at=NOW)) is Hearing.GARBLED
