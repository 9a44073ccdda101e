"""The same watch gives the same aggregates, whatever engine its log lies in."""

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from andon.kit.errors import Invalid
from andon.practice.words import Measure
from andon.watch.reading import Place, looking, read
from andon.watch.reading.places import LogEngine
from tests.support import warehouses
from tests.support.postgres import running_postgres

WANTED = list(warehouses.wanted())


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    warehouses.write_parquet(folder / "decisions.parquet")
    warehouses.write_sqlite(folder / "decisions.sqlite")
    return folder


@pytest.fixture
def on_files(lake, settings):
    """What DuckDB reads of Parquet: what the others are held to."""
    settings.LOG_DIRS = [lake]
    place = Place("decisions", LogEngine.FILES, "decisions.parquet")
    return lambda name: warehouses.plain(read(place, warehouses.wanted()[name]))


def by_hand(name):
    """One reading without any engine: rows in a loop."""
    found = {}
    for row in warehouses.rows():
        key = f"{row['happened']:%H} []"
        tally = found.setdefault(key, [0, 0.0, 0.0, 0, 0, None, None])
        x = row["x"]
        if name == "mean":
            key = f"{row['happened']:%H} {warehouses.json.dumps([row['seg']])}"
            found.pop(f"{row['happened']:%H} []", None)
            tally = found.setdefault(key, [0, 0.0, 0.0, 0, 0, None, None])
        if x is None or not math.isfinite(x):
            tally[3] += 1
        else:
            tally[0], tally[1], tally[2] = tally[0] + 1, tally[1] + x, tally[2] + x * x
    return {
        key: [n, float(f"{total:.9g}"), float(f"{squares:.9g}"), *rest]
        for key, (n, total, squares, *rest) in found.items()
    }


def test_files_hold_what_a_loop_over_the_rows_finds(on_files):
    assert on_files("mean") == by_hand("mean")


@pytest.mark.parametrize("name", WANTED)
def test_sqlite_gives_what_files_give(on_files, name):
    place = Place("decisions", LogEngine.SQLITE, "decisions", "decisions.sqlite")
    found = warehouses.plain(read(place, warehouses.wanted()[name]))
    assert found == on_files(name)
    assert len(found) >= warehouses.HOURS - 1


def texts(zone):
    """Texts of which some say their zone and some do not."""
    one = warehouses.wanted()["times of Los Angeles"]
    return replace(one, time="told", zone=zone, measure=Measure.MEAN, what="id")


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Europe/Berlin"])
@pytest.mark.parametrize("engine", [LogEngine.FILES, LogEngine.SQLITE])
def test_texts_say_their_own_zone_or_are_of_the_log_s(lake, settings, engine, zone):
    settings.LOG_DIRS = [lake]
    place = (
        Place("decisions", engine, "decisions.parquet")
        if engine is LogEngine.FILES
        else Place("decisions", engine, "decisions", "decisions.sqlite")
    )
    wanted, expected = texts(zone), Counter()
    for row in warehouses.rows():
        at = datetime.fromisoformat(row["told"])
        at = (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
        if wanted.since <= at < wanted.until:
            expected[at.replace(minute=0, second=0)] += row["id"]
    assert {at: tally.total for at, tally in read(place, wanted).windows().items()} == expected


@pytest.mark.parametrize(
    ("name", "zone"), [("times of Los Angeles", "America/Los_Angeles"), ("times of Kolkata, by day", "Asia/Kolkata")]
)
def test_times_of_a_place_lie_in_the_windows_of_their_instants(on_files, name, zone):
    wanted, expected, found = warehouses.wanted()[name], Counter(), Counter()
    for row in warehouses.rows():
        at = row["wall"].replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if wanted.since <= at < wanted.until:
            expected[f"{at:%H}"] += row["err"]
    for key, (_, total, *_) in on_files(name).items():
        found[key[:2]] += total
    assert found == expected


def test_an_hour_that_comes_twice_counts_as_the_first(on_files):
    """On 25 October 2026 clocks in Berlin go from 3 back to 2: from 2 to 3 is 0 to 1 o'clock UTC, and then none is."""
    hours = {key[:2]: n for key, (n, *_) in on_files("times of Berlin in the night when clocks go back").items()}
    assert "01" not in hours
    assert hours["00"] == hours["02"] == 60


@pytest.mark.heavy
def test_postgresql_gives_what_files_give(on_files, settings):
    settings.ALLOW_PRIVATE_TARGETS = True
    with running_postgres() as url:
        if url is None:
            pytest.skip("POSTGRESQL AS A LOG NOT TESTED: there is no server here")
        warehouses.write_postgresql(url)
        place = Place("decisions", LogEngine.POSTGRESQL, "risk.decisions", url)
        for name, one in warehouses.wanted().items():
            assert warehouses.plain(read(place, one)) == on_files(name), name
        files = Place("decisions", LogEngine.FILES, "decisions.parquet")
        for zone in ("UTC", "Europe/Berlin"):
            assert read(place, texts(zone)).windows() == read(files, texts(zone)).windows(), zone


@pytest.mark.parametrize("name", ["by Unix time in seconds", "by Unix time in milliseconds"])
def test_unix_time_lies_in_the_windows_of_its_instants(on_files, name):
    hours = {}
    for row in warehouses.rows():
        hours[f"{row['happened']:%H}"] = hours.get(f"{row['happened']:%H}", 0) + 1
    found = {}
    for key, (n, *_) in on_files(name).items():
        found[key[:2]] = found.get(key[:2], 0) + n
    assert found == hours


def test_whole_numbers_that_are_no_unix_time_are_no_times(lake, settings):
    settings.LOG_DIRS = [lake]
    place = Place("decisions", LogEngine.FILES, "decisions.parquet")
    with pytest.raises(
        Invalid,
        match="“id” is int64, and no time in any of 4,000 rows, written like “9”: whole numbers are read as Unix",
    ):
        looking.look(place, "id")
