from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from andon.kit.spans import clock_time, day, interval, relative, span

NOW = datetime(2026, 5, 4, 1, 22, tzinfo=UTC)
VIENNA = ZoneInfo("Europe/Vienna")


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=40), "40 s"),
        (timedelta(minutes=12, seconds=59), "12 min"),
        (timedelta(hours=1, minutes=50), "1 h 50 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
        (timedelta(days=23, hours=4), "23 d"),
        (-timedelta(minutes=5), "5 min"),
    ],
)
def test_a_length_is_said_in_at_most_two_units(length, said):
    assert span(length) == said


def test_an_instant_is_said_from_where_one_stands():
    assert relative(NOW - timedelta(minutes=12), NOW) == "12 min ago"
    assert relative(NOW + timedelta(hours=2), NOW) == "in 2 h"
    assert relative(NOW + timedelta(seconds=2), NOW) == "now"


def test_the_date_is_said_only_where_it_is_another_on_the_viewers_wall():
    late = datetime(2026, 5, 3, 23, 30, tzinfo=UTC)  # already the 4th in Vienna
    assert clock_time(late, VIENNA, beside=NOW) == "01:30"
    assert clock_time(late, UTC, beside=NOW) == "3 May 23:30"
    assert day(NOW - timedelta(days=200), UTC, beside=NOW) == "16 Oct 2025"


def test_an_interval_is_no_longer_than_it_needs_to_be():
    dash = "\N{EN DASH}"
    assert interval(NOW, NOW + timedelta(minutes=50), UTC, beside=NOW) == f"01:22{dash}02:12"
    assert interval(NOW - timedelta(days=2), NOW, UTC, beside=NOW) == f"2{dash}4 May"
    assert interval(NOW - timedelta(days=6), NOW, UTC, beside=NOW) == f"28 Apr{dash}4 May"
