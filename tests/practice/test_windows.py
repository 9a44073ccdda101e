"""Weekly windows in wall time: found at every instant, an hour shorter or longer when the clocks change, never lost."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from andon.practice.windows import Span, Weekly, current, following, occurrences

BERLIN = "Europe/Berlin"
times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
weeklies = st.builds(
    Weekly,
    st.frozensets(st.integers(0, 6), min_size=1),
    times,
    times,
    st.sampled_from([BERLIN, "America/New_York", "UTC", "Australia/Lord_Howe", "Pacific/Apia"]),
).filter(lambda weekly: weekly.starts != weekly.ends)
moments = st.integers(0, 5_000_000).map(lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


@given(weeklies, moments)
def test_the_current_window_holds_the_instant_and_lasts_beyond_it(weekly, at):
    found = current(weekly, at)
    if found is not None:
        assert found.starts <= at < found.ends
        assert found.starts.astimezone(ZoneInfo(weekly.zone)).weekday() in {
            day % 7 for day in (*weekly.weekdays, *(d + 1 for d in weekly.weekdays))
        }


@given(weeklies, moments)
def test_the_next_window_begins_later_and_within_eight_days(weekly, at):
    ahead = following(weekly, at)
    assert ahead is not None
    assert at < ahead.starts <= at + timedelta(days=8, hours=2)
    assert current(weekly, ahead.starts) is not None


@given(weeklies, moments)
def test_windows_come_in_order_and_are_not_empty(weekly, at):
    found = list(occurrences(weekly, at, 30))
    assert all(span.starts < span.ends for span in found)
    assert found == sorted(found, key=lambda span: span.starts)
    assert len(found) >= 4


def test_over_midnight_and_over_the_clock_change():
    saturday_night = Weekly(frozenset({5}), time(22), time(4), BERLIN)
    # 28 March 2026, the clocks go forward at 02:00: the night is an hour shorter.
    assert current(saturday_night, utc(2026, 3, 29, 0, 30)) == Span(utc(2026, 3, 28, 21), utc(2026, 3, 29, 2))
    # 24 October 2026, back at 03:00: an hour longer.
    assert current(saturday_night, utc(2026, 10, 25, 2, 30)) == Span(utc(2026, 10, 24, 20), utc(2026, 10, 25, 3))
    assert current(saturday_night, utc(2026, 3, 29, 2)) is None


def test_a_window_that_the_clocks_jump_over_is_left_out():
    assert current(Weekly(frozenset({6}), time(2, 10), time(2, 40), BERLIN), utc(2026, 3, 29, 1)) is None


def test_a_span_may_be_open_on_either_side():
    at = utc(2026, 1, 1)
    assert Span(None, None).holds(at)
    assert Span(at, None).holds(at)
    assert not Span(None, at).holds(at)
