"""The cube: 10 million decisions, 20 columns, 50 segments, read as a watch reads them beside DuckDB's own SQL.

    .venv/bin/python bench/cube.py [--rows 10000000] [--peers] [--key]

With --key each decision has a key, one in a hundred comes twice, and each counts once in its window: by hand as one
would write it, a group by key beneath the figures.

Each line is the processor time (user and system, all threads) of a process of its own, so that neither is warmed by the
other and peak memory is its own. "By hand" is the SQL that somebody would write for exactly the same figures.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench import measuring

ROOT = Path(__file__).parent.parent
COLUMNS, SEGMENTS, HOURS = 20, 50, 24
TWICE = 100
"""One decision in so many comes twice, where there are keys."""
SINCE = datetime(2026, 1, 5, tzinfo=UTC)
EDGES = tuple(edge / 20 for edge in range(1, 20))
PEER_ROWS = 1_000_000


def write(path: Path, rows: int) -> None:
    """Decisions over a day: when, in which segment, and 20 numbers between 0 and 1."""
    import duckdb

    step = HOURS * 3_600_000_000 / rows
    numbers = ", ".join(f"((hash(i * {n + 1}) % 1000003) / 1000003.0)::double as x{n}" for n in range(COLUMNS))
    at = f"timestamp '2026-01-05' + to_microseconds((i * {step})::bigint)"
    key = f"case when i % {TWICE} = 1 then i - 1 else i end as id"
    of = f"(select i, {key} from range({rows}) r(i))"  # noqa: S608
    numbers = numbers.replace("hash(i *", "hash(id *")
    made = f"select {at} as happened, id, (hash(id) % {SEGMENTS})::int as segment, {numbers} from {of}"  # noqa: S608
    duckdb.sql(f"copy ({made}) to '{path}' (row_group_size 122880)")


def by_watch(path: Path, *, bins: bool, key: bool) -> Callable[[], int]:
    """20 watches of one log in a turn: reading and adding up, to the tallies that a watch writes."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.conf import settings

    from andon.practice.words import Measure
    from andon.watch.reading import Place, Wanted, read_together
    from andon.watch.reading.places import LogEngine

    settings.LOG_DIRS = [path.parent]
    place = Place("decisions", LogEngine.FILES, path.name)
    asked = [
        Wanted(
            measure=Measure.MEAN,
            what=f"x{column}",
            time="happened",
            window=timedelta(hours=1),
            since=SINCE,
            until=SINCE + timedelta(hours=HOURS),
            segments=("segment",),
            bins=EDGES if bins else None,
            key="id" if key else "",
        )
        for column in range(COLUMNS)
    ]
    return lambda: sum(
        len(found.tallies) for outcomes in read_together(place, asked, seconds=600) for found in outcomes.values()
    )


def by_hand(path: Path, *, bins: bool, key: bool) -> Callable[[], int]:
    """DuckDB's own SQL for the same figures: a statement for each column, and its rows in Python."""
    import duckdb

    def statement(x: str) -> str:
        cases = " ".join(f"when {x} < {edge} then {n}" for n, edge in enumerate(EDGES))
        keys, at = ("1, 2, 3", f"case {cases} else 19 end as bin, ") if bins else ("1, 2", "")
        figures = f"count({x}) as n, sum({x}) as total, sum({x} * {x}) as squares"
        once = f"select any_value(happened) as happened, segment, any_value({x}) as {x}"
        hour = "date_trunc('hour', happened)"
        of = f"({once} from '{path}' group by {hour}, segment, id)" if key else f"'{path}'"
        return f"select {hour}, segment, {at}{figures} from {of} group by {keys}"  # noqa: S608

    def work() -> int:
        found = [duckdb.sql(statement(f"x{column}")).fetchall() for column in range(COLUMNS)]
        return sum(len({row[:2] for row in rows}) for rows in found)

    return work


def at_once(path: Path, *, bins: bool, key: bool) -> Callable[[], int]:  # noqa: ARG001  20 times 20 bins are no statement
    """DuckDB's own SQL for all columns in one pass."""
    import duckdb

    figures = ", ".join(f"count(x{n}), sum(x{n}), sum(x{n} * x{n})" for n in range(COLUMNS))
    hour, values = "date_trunc('hour', happened)", ", ".join(f"any_value(x{n}) as x{n}" for n in range(COLUMNS))
    once = f"(select any_value(happened) as happened, segment, {values} from '{path}' group by {hour}, segment, id)"  # noqa: S608
    asked = f"select {hour}, segment, {figures} from {once if key else repr(str(path))} group by 1, 2"  # noqa: S608
    return lambda: COLUMNS * len(duckdb.sql(asked).fetchall())


WAYS = {"by_watch": by_watch, "by_hand": by_hand, "at_once": at_once}
NAMES = {"by_watch": "20 watches", "by_hand": "DuckDB, 20 statements", "at_once": "DuckDB, one statement"}


def measured(way: str, path: Path, *, bins: bool, key: bool = False) -> dict[str, float]:
    """Processor seconds and peak memory of one way, in a process of its own."""
    asked = ["--way", way, "--path", str(path), *(["--bins"] if bins else []), *(["--key"] if key else [])]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, *asked], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def one_way(way: str, path: Path, *, bins: bool, key: bool) -> None:
    """Run one way and print what it took, less what starting cost."""
    import duckdb
    import ibis

    ibis.memtable({"x": [1]}).execute()  # imports what it needs
    duckdb.sql("select 1").fetchall()
    work = WAYS[way](path, bins=bins, key=key)
    before = resource.getrusage(resource.RUSAGE_SELF)
    lines = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu": cpu, "megabytes": after.ru_maxrss / 1024, "lines": lines}))


_PEER = """
import resource
import pandas as pd
frame = pd.read_parquet(path)
half = len(frame) // 2
columns = [name for name in frame.columns if name.startswith("x")]
{prepare}
before = resource.getrusage(resource.RUSAGE_SELF)
{work}
after = resource.getrusage(resource.RUSAGE_SELF)
result = [after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024]
"""
PEERS = {
    "evidently": _PEER.format(
        prepare="from evidently import Report\nfrom evidently.presets import DataDriftPreset",
        work="Report([DataDriftPreset()]).run(frame[columns][:half], frame[columns][half:])",
    ),
    "nannyml": _PEER.format(
        prepare="import nannyml",
        work="nannyml.UnivariateDriftCalculator(columns, timestamp_column_name='happened', chunk_number=12)"
        ".fit(frame[:half]).calculate(frame[half:])",
    ),
}
"""What each calls drift: half of the rows against the other half, NannyML in chunks as long as our windows."""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--peers", action="store_true", help="Evidently and NannyML too, where `make peers` made them")
    parser.add_argument("--way", choices=sorted(WAYS))
    parser.add_argument("--path", type=Path)
    parser.add_argument("--bins", action="store_true")
    parser.add_argument("--key", action="store_true", help="each key counts once in its window")
    given = parser.parse_args()
    if given.way:
        one_way(given.way, given.path, bins=given.bins, key=given.key)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.parquet"
        write(path, given.rows)
        rows = [row for bins in (False, True) for row in compared(path, given.turns, bins=bins, key=given.key)]
        rows += peers(path.with_name("tenth.parquet")) if given.peers else []
    print(f"{given.rows:,} decisions, {COLUMNS} columns, {SEGMENTS} segments, {HOURS} windows")
    print(measuring.table(rows))
    measuring.keep("cube_by_key" if given.key else "cube", rows, decisions=given.rows)
    return 0


def compared(path: Path, turns: int, *, bins: bool, key: bool) -> list[dict[str, Any]]:
    """The ways beside each other, in turns; the least that each took."""
    ways = ["by_hand", "by_watch"] + ([] if bins else ["at_once"])
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(turns):
        for way in ways:
            found[way].append(measured(way, path, bins=bins, key=key))
    if len({turn["lines"] for taken in found.values() for turn in taken}) != 1:
        raise SystemExit("The ways differ in what they bring; nothing is to be compared.")
    least = {way: min(turn["cpu"] for turn in taken) for way, taken in found.items()}
    return [
        {
            "figures": "n, sum, squares" + (", 20 bins" if bins else "") + (", each key once" if key else ""),
            "way": NAMES[way],
            "CPU s": least[way],
            "MB": max(turn["megabytes"] for turn in found[way]),
            "to 20 statements": least[way] / least["by_hand"],
        }
        for way in ways
    ]


def peers(small: Path) -> list[dict[str, Any]]:
    """The libraries that are there on a tenth of the rows, and 20 watches on the same tenth."""
    from tests.support.peers import python, run

    write(small, PEER_ROWS)
    ours = measured("by_watch", small, bins=True)
    rows = [
        {"figures": "drift, 1,000,000 rows", "way": NAMES["by_watch"], "CPU s": ours["cpu"], "MB": ours["megabytes"]}
    ]
    for name, code in PEERS.items():
        if not python(name).exists():
            print(f"{name} NOT MEASURED: run `make peers`")
            continue
        cpu, megabytes = run(name, code, path=str(small))
        rows.append({"figures": "drift, 1,000,000 rows", "way": name, "CPU s": cpu, "MB": megabytes})
    return [row | {"to 20 statements": float("nan")} for row in rows]


if __name__ == "__main__":
    raise SystemExit(main())
