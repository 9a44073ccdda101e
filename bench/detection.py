"""Detection: the goals that were set for it beside what is measured, with river's detectors on the same streams.

    .venv/bin/python bench/detection.py           all of it: some minutes
    .venv/bin/python bench/detection.py --quick   fewer runs: less than a minute, and wider of the truth

Delays and counts do not depend on the machine. Speeds are per second of processor time, medians of five.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from bench.detecting import ours, streams  # noqa: E402
from bench.measuring import keep, table  # noqa: E402

PEERS = ROOT / ".venv-peers" / "detectors" / "bin" / "python"
Row = dict[str, Any]
INFINITE = float("inf")


def main() -> int:
    """Measure, print the goal table and what lies behind it, keep it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    quick = parser.parse_args().quick
    theirs = peers(quick=quick)
    behind = {
        "False alarms: mean observations between them over a budget of 10,000": false_alarms(theirs, quick=quick),
        "Rate 5%, change after 2,000: observations until the alarm": found_in(theirs, quick=quick),
        "Other rises at a budget of 10,000: median observations until the alarm (missed)": rises(quick=quick),
        "Windows, means, estimated baselines, late labels, harmless shift": others(quick=quick),
        "Daily metric with a week, AR(0.3), scatter 1.2 times binomial, eight weeks of reference": days(
            theirs, quick=quick
        ),
        "2,000 watches over 40 days of hourly windows, 40 of them degrade": watches(quick=quick),
        "Onset interval of 90%": onsets(quick=quick),
        "Million observations per second of one core": speeds(theirs, quick=quick),
    }
    goals = goal_table(behind)
    for title, rows in behind.items():
        print(f"\n{title}\n{table(rows)}")
    print(f"\nGoals\n{table(goals)}")
    missed = [row["goal"] for row in goals if row["met"] != "yes"]
    print("\nEvery goal is met." if not missed else f"\nNOT MET: {'; '.join(missed)}.")
    keep("detection", goals, quick=quick, behind=behind)
    return 0


def peers(*, quick: bool) -> Mapping[str, Any] | None:
    """River in its own environment, and numba's speed there; None, loudly, where it is missing."""
    if not PEERS.exists():
        print("NO PEERS, and no compiled path: run `make peers` (or tools/peers.py detectors).")
        return None
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    flags = ["--quick"] if quick else []
    compiled = "import json; from bench.detecting.ours import speed; print('\\x1e' + json.dumps(speed(8_000_000)))"
    told = []
    for command in (["-m", "bench.detecting.peers", *flags], ["-c", compiled]):
        done = subprocess.run(
            [str(PEERS), "-W", "ignore", *command],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(json.loads(done.stdout.rpartition("\x1e")[2]))
    return {**told[0], "compiled": told[1].get("compiled")}


def false_alarms(theirs: Mapping[str, Any] | None, *, quick: bool) -> list[Row]:
    """Ours at 10,000 and at each rate, untuned; theirs with one setting for all rates."""
    length = 1_000_000 if quick else 8_000_000
    row: Row = {"detector": "ours, untuned"}
    for rate in streams.RATES:
        found = ours.arl(ours.rate(rate), streams.quiet(rate, length, 2))
        row |= {f"{rate:.1%}": round(found["ratio"], 2), f"± {rate:.1%}": round(found["error"], 2)}
    rows = [row]
    for name, counts in (theirs or {"arl": {}})["arl"].items():
        them: Row = {"detector": f"river {name}"}
        for rate in streams.RATES:
            count = counts[str(rate)]
            ratio = theirs["length"] / 1e4 / max(count, 1) if theirs else 0
            them |= {f"{rate:.1%}": round(ratio, 2) if count else f"> {ratio:.0f}", f"± {rate:.1%}": ""}
        rows.append(them)
    return rows


def found_in(theirs: Mapping[str, Any] | None, *, quick: bool) -> list[Row]:
    """The two changes by which detectors are compared."""
    runs = 300 if quick else 1_000
    changes = (streams.JUMP, streams.RAMP)
    rows = [
        _delay_row(
            f"ours, guaranteed {budget:,.0f}", [ours.delay(one, _fixed(one.rate, budget), runs) for one in changes]
        )
        for budget in (1e4, 1e6)
    ]
    length = 300_000 if quick else 2_000_000
    rows.append(_delay_row("CUSUM told the new rate, 10,000", [ours.oracle(one, runs, length) for one in changes]))
    for name, waits in (theirs or {"delays": {}})["delays"].items():
        them = [ours.delays(found, change, of) for (found, of), change in zip(waits, changes, strict=True)]
        rows.append(_delay_row(f"river {name}", them))
    return rows


def _fixed(rate: float, budget: float) -> Any:
    plan = ours.rate(rate, budget)
    return lambda _seed: plan


def _delay_row(name: str, found: list[Mapping[str, Any]]) -> Row:
    row: Row = {"detector": name}
    for change, one in zip(("jump", "ramp"), found, strict=True):
        row |= {
            change: one["median"],
            f"{change} missed": f"{one['missed']:.0%}",
            f"{change} early": f"{one['early']:.0%}",
        }
    return row


def rises(*, quick: bool) -> list[Row]:
    """Jumps by 1.2, 1.5 and 2, and ramps to the double, at each rate."""
    rows = []
    for rate in streams.RATES:
        row: Row = {"rate": f"{rate:.1%}"}
        shapes = [(f"×{times}", times, 0) for times in (1.2, 1.5, 2)]
        shapes += [] if quick else [(f"×2 over {ramp:,}", 2, ramp) for ramp in (500, 2_000, 10_000)]
        for name, times, ramp in shapes:
            change = streams.Change(name, rate, rate * times, ramp, 2_000, 52_000)
            found = ours.delay(change, _fixed(rate, 1e4), 20 if quick else 60)
            row[name] = f"{found['median']:,.0f} ({found['missed']:.0%})"
        rows.append(row)
    return rows


def others(*, quick: bool) -> list[Row]:
    """What the goal table does not name."""
    runs = 50 if quick else 300
    rows = []
    for size in (20, 100, 500, 5_000):
        found = ours.windows(size, 0.05, 20_000 if quick else 100_000)
        rows.append({"case": f"windows of {size:,} at 5%: ×1.5", "ratio": found["ratio"], "delay": found["median"]})
    quiet, rise = ours.bounded(runs, 200_000 if quick else 1_000_000)
    rows.append({"case": "scores of mean 0.3: to 0.35", "ratio": quiet["ratio"], "delay": rise["median"]})
    for n in (500, 2_000, 20_000):
        quiet, rise = ours.estimated(0.05, n, runs)
        rows.append({"case": f"5% estimated from {n:,}: jump to 10%", "ratio": quiet["ratio"], "delay": rise["median"]})
    late = ours.late_labels(runs)
    rows.append({"case": "jump, labels 500 later on average", "ratio": "", "delay": late["median"]})
    shift = ours.harmless(20 if quick else 100)
    ratio = shift["allowed"] / max(shift["alarms"], 1)
    return [*rows, {"case": "shift that does not hurt: stays silent", "ratio": ratio, "delay": ""}]


def days(theirs: Mapping[str, Any] | None, *, quick: bool) -> list[Row]:
    """Ours, the rules of two and three sigma, and river's detectors, on a daily metric."""
    import numpy as np

    def sigma(times: float) -> Any:
        def alarms(values: Any) -> list[int]:
            reference = values[: streams.REFERENCE]
            apart = np.abs(values[streams.REFERENCE :] - reference.mean())
            return [int(at) for at in np.flatnonzero(apart > times * reference.std(ddof=1))]

        return alarms

    found = {"ours": ours.seasonal(50 if quick else 274)}
    found |= {f"{times} sigma": ours.daily_figures(sigma(times), 50 if quick else 274) for times in (2, 3)}
    rows = [
        {
            "rule": name,
            "false per 100,000 days": one["false"],
            "recall": one["step"]["recall"],
            "days": one["step"]["median"],
            "ramp recall": one["ramp"]["recall"],
            "ramp days": one["ramp"]["median"],
        }
        for name, one in found.items()
    ]
    for name, one in (theirs or {"daily": {}})["daily"].items():
        waits = [wait for wait in one["waits"] if wait is not None]
        rows.append(
            {
                "rule": f"river {name}",
                "false per 100,000 days": one["false"],
                "recall": len(waits) / len(one["waits"]),
                "days": statistics.median(waits) if waits else "never",
                "ramp recall": "",
                "ramp days": "",
            }
        )
    return rows


def watches(*, quick: bool) -> list[Row]:
    """One budget over all watches."""
    count, degrading = (400, 8) if quick else (2_000, 40)
    names = {
        "share": "ours, one alarm in 40 days over all",
        "together": "the same with e-d-BH",
        "three sigma": "3 sigma",
    }
    return [{"rule": names[name], **found} for name, found in ours.many(count, 960, degrading).items()]


def onsets(*, quick: bool) -> list[Row]:
    """Coverage and width at the alarm and later; bench/onset.py has more."""
    return [
        {"case": f"{change.name}, {when}", "coverage": held, "width": width}
        for change in (streams.JUMP, streams.RAMP)
        for when, held, width in ours.coverage(change, 40 if quick else 400)
    ]


def speeds(theirs: Mapping[str, Any] | None, *, quick: bool) -> list[Row]:
    """Ours by numpy and compiled, theirs as they come."""
    found = {"ours, numpy": ours.speed(2_000_000 if quick else 8_000_000)["numpy"]}
    if theirs:
        found["ours, compiled"] = theirs["compiled"]
        found |= {f"river {name}": speed for name, speed in theirs["speed"].items()}
    return [{"detector": name, "M/s": speed / 1e6} for name, speed in found.items()]


def goal_table(behind: Mapping[str, list[Row]]) -> list[Row]:
    """The goals in figures: measured beside wanted."""
    arl, delay, _, other, daily, many, onset, speed = behind.values()
    ratios = [arl[0][f"{rate:.1%}"] for rate in streams.RATES]
    at_1e4, at_1e6, on_days, of_many = delay[0], delay[1], daily[0], many[0]
    figures: list[tuple[str, list[float], list[tuple[float, float]]]] = [
        ("false alarms over budget, lowest and highest of all rates", [min(ratios), max(ratios)], [(1, 2), (1, 2)]),
        ("jump, ramp at 10,000", [at_1e4["jump"], at_1e4["ramp"]], [(0, 180), (0, 1_400)]),
        ("jump, ramp at 1,000,000", [at_1e6["jump"], at_1e6["ramp"]], [(0, 420), (0, 2_300)]),
        ("jump, ramp at 10,000 over CUSUM told the rate",
         [at_1e4["jump"] / delay[2]["jump"], at_1e4["ramp"] / delay[2]["ramp"]], [(0, 1.15), (0, 1.15)]),
        ("ramp: coverage of its onset at the alarm, later",
         [onset[2]["coverage"], onset[3]["coverage"]], [(0.9, 1), (0.9, 1)]),
        ("daily: false per 100,000, recall, days",
         [on_days["false per 100,000 days"], on_days["recall"], on_days["days"]], [(0, 50), (0.995, 1), (0, 5)]),
        ("2,000 watches: false, recall in 24 h", [of_many["false"], of_many["recall in 24 h"]], [(0, 1), (0.99, 1)]),
        ("shift that does not hurt: allowed over raised", [other[-1]["ratio"]], [(1, INFINITE)]),
        ("numpy, M/s", [speed[0]["M/s"]], [(20, INFINITE)]),
        *([("compiled, M/s", [speed[1]["M/s"]], [(100, INFINITE)])] if len(speed) > 1 else []),
    ]  # fmt: skip
    return [
        {
            "goal": goal,
            "target": ", ".join(_between(*limits) for limits in wanted),
            "measured": ", ".join(f"{one:,.4g}" for one in got),
            "met": "yes" if all(low <= one <= high for one, (low, high) in zip(got, wanted, strict=True)) else "NO",
        }
        for goal, got, wanted in figures
    ]


def _between(low: float, high: float) -> str:
    if high == INFINITE:
        return f">= {low:g}"
    return f"<= {high:,g}" if low == 0 else f"{low:g}-{high:g}"


if __name__ == "__main__":
    raise SystemExit(main())
