"""Values that a log should not hold, and what is normal at the very end of what can be: no verdict is made of them."""

import sqlite3
from datetime import timedelta, timezone

import pytest

from andon.engine import watching
from andon.engine.watching import Watching
from andon.practice.words import Direction, Measure
from andon.watch import actions, gaps
from andon.watch.actions import running
from andon.watch.actions.writing import question_of
from andon.watch.judging import Phase
from andon.watch.questions import Window
from andon.watch.reading import Place, Wanted, looking, read
from andon.watch.reading.places import LogEngine
from tests.watch.conftest import MONDAY, decisions

HOUR = timedelta(hours=1)
ABROAD = timezone(timedelta(hours=5, minutes=30))
TIMES = [MONDAY + n * HOUR / 2 for n in range(48)]


def kept_in_sqlite(folder, kinds, rows):
    with sqlite3.connect(folder / "d.sqlite") as base:
        base.execute(f"CREATE TABLE decisions (at {kinds[0]}, failed {kinds[1]})")
        base.executemany("INSERT INTO decisions VALUES (?, ?)", rows)
    return Place("loose", LogEngine.SQLITE, "decisions", "d.sqlite")


def asked(since=0, until=24, **more):
    given = {"measure": Measure.RATE, "what": "failed", "time": "at", "window": HOUR}
    return Wanted(**given | {"since": MONDAY + since * HOUR, "until": MONDAY + until * HOUR} | more)


@pytest.mark.parametrize("kind", ["TIMESTAMP", "DATETIME", "TEXT"])
@pytest.mark.parametrize(
    "written",
    [
        lambda at: at.replace(tzinfo=None).isoformat(),
        lambda at: at.replace(tzinfo=None).isoformat(sep=" "),
        lambda at: at.isoformat().replace("+00:00", "Z"),
        lambda at: at.astimezone(ABROAD).isoformat(),
    ],
    ids=["T", "space", "Z", "abroad"],
)
def test_whatever_sqlite_calls_a_column_of_times_its_texts_are_read_as_instants(folder, kind, written):
    place = kept_in_sqlite(folder, (kind, "INTEGER"), [(written(at), n % 2) for n, at in enumerate(TIMES)])
    found = read(place, asked(6, 12)).windows()
    assert {start: (tally.n, tally.total) for start, tally in found.items()} == {
        MONDAY + hour * HOUR: (2, 1.0) for hour in range(6, 12)
    }


def test_unix_time_in_a_column_that_sqlite_calls_a_time_is_read_as_such(folder):
    rows = [(int(at.timestamp()) * (1 if n % 2 else 1000), 1) for n, at in enumerate(TIMES)]
    found = read(kept_in_sqlite(folder, ("DATETIME", "INTEGER"), rows), asked(6, 12)).windows()
    assert {start: tally.n for start, tally in found.items()} == {MONDAY + hour * HOUR: 2 for hour in range(6, 12)}


@pytest.mark.parametrize("kind", ["INTEGER", "REAL", "BOOLEAN", "DECIMAL(3, 1)"])
def test_text_in_a_column_of_numbers_of_sqlite_is_no_number(folder, kind):
    values = ["n/a", "true", None, 1, 0, 1]
    place = kept_in_sqlite(folder, ("TEXT", kind), [(MONDAY.isoformat(), value) for value in values])
    (tally,) = read(place, asked()).windows().values()
    assert (tally.n, tally.total, tally.invalid) == (3, 2.0, 3)


@pytest.mark.parametrize("engine", [LogEngine.FILES, LogEngine.SQLITE])
def test_rows_without_a_key_are_not_the_same_row(folder, engine):
    rows = [(MONDAY.isoformat(), n % 2, key) for n, key in enumerate(["a", "a", None, None, None, None])]
    lines = ["at,failed,id", *(f"{at},{failed},{key or ''}" for at, failed, key in rows)]
    (folder / "d.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with sqlite3.connect(folder / "d.sqlite") as base:
        base.execute("CREATE TABLE decisions (at TEXT, failed INTEGER, id TEXT)")
        base.executemany("INSERT INTO decisions VALUES (?, ?, ?)", rows)
    files = engine is LogEngine.FILES
    place = Place("keys", engine, "d.csv" if files else "decisions", "" if files else "d.sqlite")
    (tally,) = read(place, asked(key="id")).windows().values()
    assert (tally.n, tally.total, tally.doubled) == (5, 3.0, 1)


def test_a_column_of_texts_that_are_no_times_is_refused_by_name(folder):
    place = kept_in_sqlite(folder, ("TEXT", "INTEGER"), [("02/03/2026 10:00", 1), ("soon", 0)])
    with pytest.raises(
        looking.Invalid,
        match="“at” is string, and no time in any of 2 rows, written like “99/99/9999 99:99”: write times as in 2026",
    ):
        looking.look(place, "at")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "facts", "says"),
    [
        (40, {}, "normal is 1, and no change up"),
        (0, {"direction": Direction.DOWN}, "normal is 0, and no change down"),
        (2, {"baseline": 1.0}, "normal is 1, and no change up"),
        (2, {"tolerance": 2.0}, "normal is 0.05, and no change up"),
    ],
)
def test_where_no_change_could_be_found_the_watch_says_so(written, connected, watched, time, wrong, facts, says):
    time.set(MONDAY + timedelta(hours=60, minutes=5))
    written(decisions(60, 40, lambda _: wrong))
    watch = actions.run_watch(watched(connected(), what="failed", **facts))
    assert says in watch.detector["says"]
    assert watch.detector.get("phase", Phase.LEARNING) == Phase.LEARNING
    assert watch.judged_until == MONDAY + 60 * HOUR
    assert not watch.alarms.exists()


@pytest.mark.django_db
def test_a_distance_that_no_change_could_pass_is_said_and_so_are_groups_without_number(
    written, connected, watched, time
):
    time.set(MONDAY + timedelta(hours=60, minutes=5))
    written(decisions(60, 40, lambda _: 2))
    log = connected()
    far = actions.run_watch(watched(log, "input_drift", what="region", tolerance=5.0, window_minutes=60))
    assert far.detector["says"].startswith("No verdict: A tolerance of 5 leaves no room for a change")
    many = actions.run_watch(watched(log, "fairness_gap", what="failed", segments=["id"], window_minutes=60))
    assert "it has id = 0-0 (1), id = 0-1 (1), id = 0-10 (1)" in many.detector["says"]
    assert many.detector["says"].endswith("id = 0-12 (1) and 2,395 smaller ones.")

    method, question, learnt, one = gaps.Gaps(), question_of(many), {}, [[1.0], [0.0], [0.0]]
    for part in range(3):
        rows = {f"id = {part}-{row}": one for row in range(2_000)}
        method.take(question, learnt, Window(MONDAY + part * timedelta(hours=1), 2_000, 0, 0, segments=rows))
        assert len(learnt["cells"]) == (4_000 if part == 1 else 2_000 if part == 0 else 0)
    assert method.settle(question, learnt).startswith("id had 6,000 different values in part of the reference")
    method.take(question, learnt, Window(MONDAY + timedelta(hours=3), 2_000, 0, 0, segments=rows))
    assert learnt["cells"] == {}


@pytest.mark.django_db
@pytest.mark.parametrize("part", ["read", "judge_windows"])
def test_a_fault_of_andon_makes_a_watch_stale_and_the_next_run_heals_it(
    written, connected, watched, time, monkeypatch, part
):
    time.set(MONDAY + timedelta(hours=60, minutes=5))
    written(decisions(60, 40, lambda _: 2))
    watch = watched(connected(), what="failed")

    def fails(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as planted:
        planted.setattr(actions if part == "read" else running, part, fails)
        Watching(readers=0).run_once(time.now(), 10)
    watch.refresh_from_db()
    assert (watch.error, watch.stale_since, watch.failures) == (watching.FAULT, time.now(), 1)
    assert watch.next_run_at == time.now() + timedelta(minutes=1)
    assert (watch.read_until, watch.judged_until) == (None, None)
    time.set(watch.next_run_at)
    Watching(readers=0).run_once(time.now(), 10)
    watch.refresh_from_db()
    assert (watch.error, watch.stale_since, watch.judged_until) == ("", None, MONDAY + 60 * HOUR)
