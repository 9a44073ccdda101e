"""Times without a zone are of the place that their log names, on every engine the same."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.kit import zones
from andon.kit.errors import Invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLACES = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Tehran",
]
WALLS = st.datetimes(datetime(2001, 1, 1), datetime(2039, 1, 1))  # noqa: DTZ001  what a clock on a wall shows


@given(place=st.sampled_from(PLACES), wall=WALLS)
@settings(deadline=None)
def test_a_time_on_the_wall_is_the_instant_that_python_says(place, wall):
    seconds = int((wall.replace(tzinfo=UTC, microsecond=0) - EPOCH).total_seconds())
    expected = wall.replace(tzinfo=ZoneInfo(place), microsecond=0).timestamp()
    assert zones.clock(place).instant(seconds) == expected


@given(place=st.sampled_from(PLACES), wall=WALLS, hours=st.integers(1, 2_000))
@settings(max_examples=30, deadline=None)
def test_what_is_asked_for_a_time_is_what_is_asked_for_ever(place, wall, hours):
    since = wall.replace(tzinfo=UTC, microsecond=0)
    until = since + timedelta(hours=hours)
    seconds = range(int(since.timestamp()) - 50_000, int(until.timestamp()) + 50_000, 7_919)
    narrow, wide = zones.clock(place, since, until), zones.clock(place)
    assert [narrow.instant(one) for one in seconds] == [wide.instant(one) for one in seconds]


def test_a_zone_is_an_iana_name():
    assert zones.named("  Europe/Berlin ") == "Europe/Berlin"
    assert zones.named("") == "UTC"
    with pytest.raises(Invalid, match=r"“CEST” is no time zone\. Use a name of the IANA database"):
        zones.named("CEST")
    assert {"Etc/GMT-3", *PLACES} <= available_timezones()
