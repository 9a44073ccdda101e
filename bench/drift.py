"""A drift report over 20 columns, 1M rows against 1M: counting included; Evidently and NannyML on the same rows.

Ours: edges of 20 bins from a sample of the reference, histograms of both sides by DuckDB (or by numpy over arrays,
which is what the peers get), then for each column four distances, what chance alone gives, and the evidence for a move.
The peers run in the environments of `make peers`: Evidently's report of drift as it is, NannyML with four distances.
Half of the columns have moved; the bench fails if ours does not find exactly these.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import scipy.special  # noqa: F401 - what our figures need is loaded before they are measured, as for the peers
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from andon.detect import drift
from andon.detect.distance import Distance, chance, distance
from bench.measuring import keep, table
from tests.support import peers

COLUMNS, BINS, SAMPLE = 20, 20, 20_000
MOVED = 10
PIECE = 1 << 15
Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
SETUP = """
import sys, time, json
import numpy as np
import pandas as pd
both = [pd.DataFrame(np.load(file), columns=[f"c{n}" for n in range(20)]) for file in sys.argv[1:3]]
"""
PEERS = {
    "evidently": SETUP + """
from evidently import Dataset, DataDefinition, Report
from evidently.presets import DataDriftPreset
wall, cpu = time.perf_counter(), time.process_time()
definition = DataDefinition(numerical_columns=list(both[0].columns))
reference, current = (Dataset.from_pandas(rows, data_definition=definition) for rows in both)
done = Report([DataDriftPreset()]).run(current, reference)
done.dict()
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))
""",
    "nannyml": SETUP + """
import nannyml
wall, cpu = time.perf_counter(), time.process_time()
names = list(both[0].columns)
calculator = nannyml.UnivariateDriftCalculator(
    column_names=names, chunk_number=1,
    continuous_methods=["kolmogorov_smirnov", "jensen_shannon", "wasserstein", "hellinger"],
).fit(both[0])
calculator.calculate(both[1]).to_df()
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))
""",
}  # fmt: skip


def main() -> int:
    """Measure, print; 1 if other columns are found than those that moved."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=1_000_000, help="on each side")
    asked.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS), help="Evidently takes minutes")
    given = asked.parse_args()
    rng = np.random.default_rng(1)
    reference, current = (rng.standard_normal((given.rows, COLUMNS), dtype=np.float32) for _ in range(2))
    current[:, :MOVED] += 20 / given.rows**0.5
    print(f"{given.rows:,} rows against {given.rows:,}, {COLUMNS} columns")
    found: list[dict[str, Any]] = []
    arrays = [np.ascontiguousarray(rows.T) for rows in (reference, current)]
    with duckdb.connect() as con:
        for name, rows in zip(("reference", "current"), arrays, strict=True):
            con.register("given", {f"c{at}": column for at, column in enumerate(rows)})
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")  # noqa: S608 - a name of our own
            con.unregister("given")
        moved = measured("DuckDB counts", given.rows, lambda: report(*by_duckdb(con)), found)
        measured("DuckDB counts, distances only", given.rows, lambda: distances(*by_duckdb(con)), found)
        measured("DuckDB reads every column, sums only", given.rows, lambda: scanned(con), found)
    also = measured("numpy counts", given.rows, lambda: report(*by_numpy(*arrays)), found)
    measured("numpy counts, distances only", given.rows, lambda: distances(*by_numpy(*arrays)), found)
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / f"{name}.npy") for name in ("reference", "current")]
        for file, rows in zip(files, (reference, current), strict=True):
            np.save(file, rows)
        for name in given.peers:
            beside(name, PEERS[name], files, given.rows, found)
    for one in found:
        one["times ours"] = one["CPU s"] / found[0]["CPU s"]
    print(table(found))
    keep("drift", found, moved=moved)
    wanted = list(range(MOVED))
    if moved != wanted or also != wanted:
        print(f"Columns {wanted} have moved; found were {moved} and {also}.")
    return int(moved != wanted or also != wanted)


def by_duckdb(con: duckdb.DuckDBPyConnection) -> tuple[Floats, Floats]:
    """Histograms of both tables by (column, bin)."""
    taken = f"SELECT * FROM reference USING SAMPLE reservoir({SAMPLE} ROWS) REPEATABLE (1)"  # noqa: S608 - a number
    sample = con.execute(taken).fetchnumpy()
    edges = [cuts(column) for column in sample.values()]
    asked = ", ".join(f"histogram(c{at}, {cut.tolist()}::FLOAT[])" for at, cut in enumerate(edges))
    both = []
    for name in ("reference", "current"):
        row = con.execute(f"SELECT {asked} FROM {name}").fetchone() or ()  # noqa: S608 - as above
        both.append(np.array([list(one.values()) for one in row], dtype=float))
    return both[0], both[1]


def by_numpy(reference: Rows, current: Rows) -> tuple[Floats, Floats]:
    """The same over arrays of (column, row), a piece at a time that stays in the processor's cache."""
    both = []
    edges = [cuts(column[:: max(1, len(column) // SAMPLE)]) for column in reference]
    for rows in (reference, current):
        below = np.zeros((COLUMNS, BINS - 1))
        for at, own in enumerate(edges):
            for begin in range(0, rows.shape[1], PIECE):
                piece = rows[at, begin : begin + PIECE]
                below[at] += [np.count_nonzero(piece <= cut) for cut in own]
        both.append(np.diff(below, axis=1, prepend=0, append=rows.shape[1]))
    return both[0], both[1]


def scanned(con: duckdb.DuckDBPyConnection) -> list[int]:
    """The least that a pass over both tables can take."""
    asked = ", ".join(f"sum(c{at})" for at in range(COLUMNS))
    for name in ("reference", "current"):
        con.execute(f"SELECT {asked} FROM {name}").fetchone()  # noqa: S608 - names of our own
    return []


def cuts(column: Any) -> Rows:
    """The 19 edges between bins that hold equally much."""
    return np.asarray(np.quantile(column, np.arange(1, BINS) / BINS), dtype=np.float32)


def report(reference: Floats, current: Floats) -> list[int]:
    """Every figure of a report; which columns have moved, with a budget of 1,000 reports over all of them."""
    moved = []
    for at, (before, now) in enumerate(zip(reference, current, strict=True)):
        for kind in Distance:
            distance(before, now, kind)
            chance(before, int(now.sum()), kind)
        plan = drift.DriftPlan(tuple(before.tolist()), budget=1_000 * COLUMNS)
        if drift.advance(plan, drift.start(plan), now[None]).alarm_at is not None:
            moved.append(at)
    return moved


def distances(reference: Floats, current: Floats) -> list[int]:
    """What NannyML is asked for: the distances, without what they mean."""
    for before, now in zip(reference, current, strict=True):
        for kind in Distance:
            distance(before, now, kind)
    return []


def measured(what: str, size: int, work: Callable[[], list[int]], found: list[dict[str, Any]]) -> list[int]:
    """Once, with nothing remembered from before."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    found.append(line(what, size, time.perf_counter() - wall, time.process_time() - cpu))
    return result


def line(what: str, size: int, wall: float, cpu: float) -> dict[str, Any]:
    """One of the table."""
    return {"what": what, "rows a side": size, "wall s": wall, "CPU s": cpu}


def beside(name: str, code: str, files: list[str], size: int, found: list[dict[str, Any]]) -> None:
    """What a peer measured of itself."""
    if not (peers.python(name).parent.parent / ".installed").exists():
        print(f"{name.upper()} NOT MEASURED: run `make peers`")
        return
    done = subprocess.run(
        [str(peers.python(name)), "-W", "ignore", "-c", code, *files],
        env=peers.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3_000:]}")
    theirs = json.loads(done.stdout.splitlines()[-1])
    found.append(line(name, size, theirs["wall"], theirs["cpu"]))


if __name__ == "__main__":
    raise SystemExit(main())
