"""How a sender is heard."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from andon.practice.hearing import Heard, Hearing, hearing

NOW = datetime(2026, 3, 2, 3, 12, tzinfo=UTC)
times = st.none() | st.integers(0, 10_000).map(lambda minutes: NOW - timedelta(minutes=minutes))


def test_the_story_of_a_sender():
    assert hearing(Heard(False, None, None, 0)) is Hearing.NEVER
    assert hearing(Heard(False, NOW, None, 0)) is Hearing.WELL
    assert hearing(Heard(False, NOW, NOW, 1)) is Hearing.GARBLED
    assert hearing(Heard(False, NOW, NOW - timedelta(hours=1), 3)) is Hearing.PARTLY
    assert hearing(Heard(False, NOW, NOW - timedelta(days=3), 0)) is Hearing.WELL
    assert hearing(Heard(True, NOW, NOW, 3)) is Hearing.DISABLED


@given(st.booleans(), times, times, st.integers(0, 5))
def test_it_is_well_only_if_something_came_and_nothing_of_the_last_day_was_refused(disabled, last, refused, today):
    told = hearing(Heard(disabled, last, refused, today))
    if told is Hearing.WELL:
        assert not disabled
        assert last is not None
        assert today == 0
        assert refused is None or refused < last
    else:
        assert told.next, "whatever is not well says what to do"
