"""Several watches of one log are one reading, and one that cannot be read takes no other with it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from andon.engine.watching import Watching
from andon.kit.errors import Refused
from andon.watch import actions
from andon.watch.actions import running
from andon.watch.models import Watch
from andon.watch.reading import Cells, Place, Unreadable, read, read_together
from andon.watch.reading.places import LogEngine
from andon.watch.reading.together import statements
from tests.support import warehouses
from tests.watch.conftest import MONDAY, decisions

PLACES = {
    "files": Place("decisions", LogEngine.FILES, "decisions.parquet"),
    "sqlite": Place("decisions", LogEngine.SQLITE, "decisions", "decisions.sqlite"),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    warehouses.write_parquet(folder / "decisions.parquet")
    warehouses.write_sqlite(folder / "decisions.sqlite")
    return folder


@pytest.fixture
def asked(lake, settings):
    """Readings of every kind, some of which go together: all of one hour's windows, and each once more by segment."""
    settings.LOG_DIRS = [lake]
    found = list(warehouses.wanted().values())
    return found + [replace(one, segments=("old",)) for one in found]


def together(place, asked):
    return {at: one for outcomes in read_together(place, asked) for at, one in outcomes.items()}


@pytest.mark.parametrize("name", PLACES)
def test_together_they_bring_what_each_brings_by_itself(asked, name):
    found = together(PLACES[name], asked)
    assert sorted(found) == list(range(len(asked)))
    for at, one in enumerate(asked):
        assert warehouses.plain(found[at]) == warehouses.plain(read(PLACES[name], one)), one.what


def test_what_has_the_same_rows_windows_and_segments_is_one_statement(asked):
    groups = list(statements(asked))
    assert sorted(at for group in groups for at in group) == list(range(len(asked)))
    assert len(groups) < len(asked)
    assert max(len(group) for group in groups) >= 5  # those of all rows, and those of one column
    for group in groups:
        first = asked[group[0]]
        for one in (asked[at] for at in group[1:]):
            assert (one.segments, one.only, one.key, one.bins) == (first.segments, first.only, first.key, None)


def test_one_that_cannot_be_read_takes_no_other_with_it(asked):
    rates = [one for one in asked if one.bins is None]
    missing, no_time = replace(rates[0], what="nothing = 1"), replace(rates[0], time="seg")
    many = replace(rates[0], segments=("id", "x", "happened"))
    given = [rates[0], missing, *rates[1:], no_time, many]
    found = together(PLACES["files"], given)
    assert "no column “nothing”" in str(found[1])
    assert isinstance(found[1], Refused)
    assert sorted(at for at, one in found.items() if not isinstance(one, Cells)) == [1]
    assert not found[len(given) - 2].tallies  # no text is a time, so no row lies in a window


def test_a_log_that_is_away_is_said_for_each_of_its_readings(asked):
    found = together(Place("decisions", LogEngine.FILES, "away.parquet"), asked)
    assert len(found) == len(asked)
    assert {type(one) for one in found.values()} == {Unreadable}


@pytest.fixture
def several(written, connected, watched, time):
    """A log of two days with three watches of one length, one of another, and one that names no column that there is."""
    time.set(MONDAY + timedelta(hours=48, minutes=5))
    written(decisions(48, 20, lambda _hour: 1))
    log = connected()
    good = [watched(log, what=what, name=what) for what in ("failed", "latency_ms > 140", "approved")]
    daily = watched(log, "volume", window_minutes=1440)
    bad = watched(log, what="failed", segments=["region"], name="bad")
    Watch.objects.filter(pk=bad.pk).update(segments=["gone"])
    return [*good, daily, bad]


def run_out(time):
    """Let the engine work until nothing is due: on a slow machine one round settles less."""
    watching = Watching(readers=0)
    for _ in range(100):
        if not watching.run_once(time.now(), 10):
            return
    raise AssertionError("There is work without end.")


@pytest.mark.django_db
def test_all_watches_of_a_log_that_are_due_are_one_turn_and_each_is_settled_by_itself(several, watched, time):
    pushed = watched(None, "error_rate", name="pushed")
    turns = running.claim(time.now(), 1) + running.claim(time.now(), 1)
    assert sorted(len(turn) for turn in turns) == [1, len(several)]
    assert running.claim(time.now(), 10) == []
    for turn in turns:
        for reading in running.read(turn):
            assert running.settle(reading, time.now())
    *good, daily, bad = [Watch.objects.get(pk=watch.pk) for watch in several]
    assert {watch.read_until for watch in good} == {daily.read_until} == {MONDAY + timedelta(hours=48)}
    assert "no column “gone”" in bad.error
    assert bad.stale_since is not None
    assert Watch.objects.filter(lease_until=None).count() == len(several) + 1
    assert Watch.objects.get(pk=pushed.pk).ran_at == time.now()


@pytest.mark.django_db
def test_what_a_turn_does_not_come_to_stays_due_and_is_read_in_the_next(several, time, monkeypatch):
    monkeypatch.setattr(running, "PATIENCE", -1.0)
    (turn,) = running.claim(time.now(), 1)
    for reading in running.read(turn):
        running.settle(reading, time.now())
    assert not Watch.objects.exclude(read_until=None).exists()
    assert Watch.objects.filter(lease_until=None, next_run_at__lte=time.now()).count() == len(several)
    monkeypatch.undo()
    run_out(time)
    assert Watch.objects.exclude(read_until=None).count() == len(several) - 1


@pytest.mark.django_db
def test_a_turn_without_room_leaves_the_rest(several, time, monkeypatch):
    monkeypatch.setattr(running, "MOST_CELLS", 10)
    (turn,) = running.claim(time.now(), 1)
    found = list(running.read(turn))
    assert {reading.claim.token for reading in found} == {one.token for one in turn}
    assert sum(reading.left for reading in found) == len(several) - 3  # the three of one statement were read


@pytest.mark.django_db
def test_the_engine_reads_and_settles_all_of_them(several, time):
    run_out(time)
    assert Watch.objects.filter(lease_until=None, next_run_at__gt=time.now()).count() == len(several)
    assert actions.claim(time.now(), 10) == []
