"""Fairness of 10M decisions over 60 intersections: 4 metrics with intervals, counting included; fairlearn beside it.

Counts come from DuckDB by one query; `andon.detect.fairness` makes rates, gaps and intervals of them, for the 60 finest
groups and for all 125 that single columns and their intersections make. fairlearn computes the same four metrics for
the same 60 groups on its own rows in the environment of `make peers`, without intervals; aif360 does it for two groups.
All gaps are compared with fairlearn's on the rows that it had, and a difference fails the bench.
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

sys.path.insert(0, str(Path(__file__).parents[1]))

from andon.detect.fairness import Counts, Metric, Reading, read_all, roll_up
from bench.measuring import keep, table
from tests.support import peers

COLUMNS = {"sex": 2, "origin": 5, "age": 6}
METRICS = [Metric.SELECTION_RATE, Metric.TPR, Metric.FPR, Metric.PPV]
COUNT = """
SELECT sex, origin, age, count(*), sum(output), count(*), sum(output & label), sum(output & (1 - label)),
       sum((1 - output) & label)
FROM decisions GROUP BY ALL ORDER BY ALL
"""
FAIRLEARN = """
import sys, time, json, warnings
import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from sklearn.metrics import precision_score
names = ["sex", "origin", "age", "output", "label"]
rows = pd.DataFrame(np.load(sys.argv[1], mmap_mode="r")[:int(sys.argv[2])], columns=names)
wall, cpu = time.perf_counter(), time.process_time()
frame = MetricFrame(
    metrics={"selection_rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate,
             "ppv": precision_score},
    y_true=rows.label, y_pred=rows.output, sensitive_features=rows[["sex", "origin", "age"]],
)
gaps = frame.difference(method="between_groups").to_dict()
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "gaps": gaps}))
"""
AIF360 = """
import sys, time, json, warnings
warnings.filterwarnings("ignore")
import numpy as np
import pandas as pd
from aif360.datasets import BinaryLabelDataset
from aif360.metrics import ClassificationMetric
names = ["sex", "origin", "age", "output", "label"]
rows = pd.DataFrame(np.load(sys.argv[1], mmap_mode="r")[:int(sys.argv[2])], columns=names)
wall, cpu = time.perf_counter(), time.process_time()
own = rows[["sex", "label"]].astype(float)
truth = BinaryLabelDataset(df=own, label_names=["label"], protected_attribute_names=["sex"])
said = truth.copy()
said.labels = rows[["output"]].to_numpy(dtype=float)
metric = ClassificationMetric(truth, said, unprivileged_groups=[{"sex": 1}], privileged_groups=[{"sex": 0}])
gaps = {"selection_rate": metric.statistical_parity_difference(), "tpr": metric.equal_opportunity_difference(),
        "fpr": metric.false_positive_rate_difference(),
        "ppv": metric.precision(privileged=False) - metric.precision(privileged=True)}
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "gaps": gaps}))
"""


def main() -> int:
    """Measure, compare, print; 1 if figures differ from the peers'."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=10_000_000)
    asked.add_argument("--peer-rows", type=int, default=1_000_000, help="of fairlearn and aif360, which take longer")
    given = asked.parse_args()
    rows = drawn(given.rows)
    count, con = counting(rows)
    print(f"{given.rows:,} decisions, {len(METRICS)} metrics, {np.prod(list(COLUMNS.values()))} intersections")
    found: list[dict[str, Any]] = []
    found.append(measured("count in DuckDB", given.rows, count, "-"))
    found.append(measured("read 60 groups", given.rows, lambda: read_all(cells(count()), METRICS), "yes"))
    found.append(measured("read all 125", given.rows, lambda: read_all(rolled(count()), METRICS), "yes"))
    wrong = beside(rows[: given.peer_rows], found)
    con.close()
    print(table(found))
    keep("fairness", found, decisions=given.rows, of_peers=given.peer_rows, wrong=wrong)
    for line in wrong:
        print(line)
    return bool(wrong)


def drawn(size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Decisions as bytes: three columns of people, the output and the label; groups differ in rates."""
    rng = np.random.default_rng(1)
    people = np.stack([rng.integers(0, levels, size, dtype=np.uint8) for levels in COLUMNS.values()], axis=1)
    label = rng.random(size, dtype=np.float32) < 0.2 + 0.02 * people[:, 1]
    output = rng.random(size, dtype=np.float32) < np.where(label, 0.7, 0.1) + 0.03 * people[:, 0]
    return np.column_stack([people, output.astype(np.uint8), label.astype(np.uint8)])


def counting(rows: np.ndarray[Any, Any]) -> tuple[Callable[[], list[tuple[int, ...]]], duckdb.DuckDBPyConnection]:
    """The query over a table of these rows, in a database of its own."""
    con = duckdb.connect()
    columns = {name: np.ascontiguousarray(rows[:, at]) for at, name in enumerate([*COLUMNS, "output", "label"])}
    con.register("given", columns)
    con.execute("CREATE TABLE decisions AS SELECT * FROM given")
    return lambda: con.execute(COUNT).fetchall(), con


def cells(counted: list[tuple[int, ...]]) -> dict[Any, Counts]:
    """By (sex, origin, age)."""
    return {row[:3]: Counts(*row[3:]) for row in counted}


def rolled(counted: list[tuple[int, ...]]) -> dict[Any, Counts]:
    """By every column and intersection."""
    return roll_up(cells(counted), list(COLUMNS))


def measured(what: str, size: int, work: Callable[[], Any], intervals: str) -> dict[str, Any]:
    """The median of five."""
    work()
    walls, cpus = [], []
    for _ in range(5):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return line(what, size, float(np.median(walls)), float(np.median(cpus)), intervals)


def line(what: str, size: int, wall: float, cpu: float, intervals: str) -> dict[str, Any]:
    """One of the table."""
    return {
        "what": what, "rows": size, "wall s": wall, "CPU s": cpu, "CPU s per 10M": cpu * 1e7 / size,
        "intervals": intervals,
    }  # fmt: skip


def beside(rows: np.ndarray[Any, Any], found: list[dict[str, Any]]) -> list[str]:
    """Let the peers do the same, and say where their gaps are others."""
    if not (peers.python("fairness").parent.parent / ".installed").exists():
        print("FAIRLEARN AND AIF360 NOT MEASURED: run `make peers`")
        return []
    count, con = counting(rows)
    counted = count()
    con.close()
    by_sex = {key: one for key, one in rolled(counted).items() if len(key) == 1 and key[0][0] == "sex"}
    ours = {
        "fairlearn, 60 groups": {one.metric.value: one.widest.value for one in read_all(cells(counted), METRICS)},
        "aif360, 2 groups": {one.metric.value: signed(one) for one in read_all(by_sex, METRICS)},
    }
    wrong = []
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, rows)
        for (what, mine), code in zip(ours.items(), (FAIRLEARN, AIF360), strict=True):
            theirs = peer(code, file.name, len(rows))
            found.append(line(what, len(rows), theirs["wall"], theirs["cpu"], "no"))
            wrong += [
                f"{what}: {name} is {gap} there and {mine[name]} here"
                for name, gap in theirs["gaps"].items()
                if not np.isclose(gap, mine[name], atol=1e-9)
            ]
    return wrong


def signed(reading: Reading) -> float | None:
    """Of two groups, the second minus the first."""
    first, second = (one.value for one in reading.rates)
    return None if first is None or second is None else second - first


def peer(code: str, file: str, size: int) -> dict[str, Any]:
    """What a peer measured of itself."""
    done = subprocess.run(
        [str(peers.python("fairness")), "-W", "ignore", "-c", code, file, str(size)],
        env=peers.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


if __name__ == "__main__":
    raise SystemExit(main())
