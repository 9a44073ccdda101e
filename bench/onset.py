"""Does the interval of an onset hold the onset? Coverage and width by case, at the alarm and as data arrive.

Streams of 0s and 1s with a known change go through the detector at a budget of 10,000 (its alarms before the change are
left out: they have no onset); then the onset is estimated at the first alarm and again later. A second table plays
changes that end and come again through a replay, as `andon watch try` does: whether the first alarm of the later change
holds that change, and whether all alarms of both do that come after the first of each. Also printed: what one estimate
over a million observations costs.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from andon.detect import sequential
from andon.detect.onset import Onset, estimate
from andon.detect.replay import Replay
from andon.detect.sequential import Baseline, Direction, Measure, Plan

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench import measuring

BUDGET = 10_000


@dataclass(frozen=True)
class Case:
    """A change: `before` observations at the rate p0, then `length` in which it becomes p1."""

    name: str
    p0: float
    p1: float
    length: int
    before: int
    later: int
    """When it is estimated: so many observations after the alarm."""
    reference: int | None = None
    """How many observations the baseline was estimated from."""

    def stream(self, rng: np.random.Generator) -> Any:
        """One run of it, long enough for all that follows."""
        after = np.arange(self.length + 12_000)
        rates = self.p0 + (self.p1 - self.p0) * np.clip((after + 1) / max(self.length, 1), 0, 1)
        return (rng.random(self.before + len(after)) < np.append(np.full(self.before, self.p0), rates)).astype(float)


CASES = [
    Case("jump 5->10%, at the alarm", 0.05, 0.10, 0, 2_000, 0),
    Case("jump 5->10%, 100 later", 0.05, 0.10, 0, 2_000, 100),
    Case("jump 5->10%, 1,000 later", 0.05, 0.10, 0, 2_000, 1_000),
    Case("jump 5->20%, at the alarm", 0.05, 0.20, 0, 2_000, 0),
    Case("jump 5->6.5%, at the alarm", 0.05, 0.065, 0, 2_000, 0),
    Case("ramp 5->8% over 2,000, at the alarm", 0.05, 0.08, 2_000, 2_000, 0),
    Case("ramp 5->8% over 2,000, 500 later", 0.05, 0.08, 2_000, 2_000, 500),
    Case("ramp 5->8% over 2,000, 2,000 later", 0.05, 0.08, 2_000, 2_000, 2_000),
    Case("ramp 5->10% over 500, at the alarm", 0.05, 0.10, 500, 2_000, 0),
    Case("ramp 5->10% over 10,000, at the alarm", 0.05, 0.10, 10_000, 2_000, 0),
    Case("jump 5->10% after 10,000, at the alarm", 0.05, 0.10, 0, 10_000, 0),
    Case("ramp 5->8% after 10,000, at the alarm", 0.05, 0.08, 2_000, 10_000, 0),
    Case("jump 1->2%, at the alarm", 0.01, 0.02, 0, 5_000, 0),
    Case("jump 20->30%, at the alarm", 0.20, 0.30, 0, 2_000, 0),
    Case("ramp 20->30% over 2,000, at the alarm", 0.20, 0.30, 2_000, 2_000, 0),
    Case("jump 5->10%, baseline of 2,000 rows", 0.05, 0.10, 0, 2_000, 0, 2_000),
    Case("ramp 5->8%, baseline of 2,000 rows", 0.05, 0.08, 2_000, 2_000, 0, 2_000),
]


def measured(case: Case, runs: int) -> dict[str, Any]:
    """Coverage, width and error over runs that alarmed after the change."""
    held, widths, errors = [], [], []
    for onset in _estimates(case, runs):
        held.append(onset.low <= case.before <= onset.high)
        widths.append(onset.high - onset.low + 1)
        errors.append(abs(onset.at - case.before))
    return {
        "case": case.name,
        "runs": len(held),
        "coverage": float(np.mean(held)),
        "width": float(np.median(widths)),
        "error": float(np.median(errors)),
    }


def _estimates(case: Case, runs: int) -> Iterator[Onset]:
    rng = np.random.default_rng(2026)
    for _ in range(runs):
        values = case.stream(rng)
        baseline = Baseline(case.p0)
        if case.reference:
            baseline = Baseline(rng.binomial(case.reference, case.p0) / case.reference, case.reference)
        alarm = sequential.scan(Plan(Measure.RATE, baseline, BUDGET, Direction.UP), values).alarm_at
        if alarm is None or alarm < case.before or alarm + case.later >= len(values):
            continue
        seen = values[: alarm + case.later + 1]
        found = estimate(np.ones(len(seen)), seen, baseline, alarm=alarm)
        if isinstance(found, Onset):
            yield found


@dataclass(frozen=True)
class Again:
    """A change that ends and comes again: 2,000 observations at p0, `lasts` at p1, `gone` at p0, `lasts` at p1."""

    name: str
    p0: float
    p1: float
    lasts: int
    gone: int
    of: int = 0
    """Observations are events in windows of so many; -1 = numbers between 0 and 1."""
    reference: int | None = None

    def draw(self, rng: np.random.Generator, rate: float, length: int) -> Any:
        """Observations at a rate."""
        if self.of < 0:
            return rng.beta(8 * rate, 8 * (1 - rate), length)
        return rng.binomial(max(self.of, 1), rate, length).astype(float)


AGAIN = [
    Again("5->10% for 1,000, gone for 600", 0.05, 0.10, 1_000, 600),
    Again("5->10% for 1,000, gone for 1,500", 0.05, 0.10, 1_000, 1_500),
    Again("5->10% for 1,000, gone for 5,000", 0.05, 0.10, 1_000, 5_000),
    Again("5->20% for 600, gone for 100", 0.05, 0.20, 600, 100),
    Again("5->20% for 600, gone for 300", 0.05, 0.20, 600, 300),
    Again("5->20% for 600, gone for 3,000", 0.05, 0.20, 600, 3_000),
    Again("5->20%, baseline of 2,000 rows", 0.05, 0.20, 600, 1_000, reference=2_000),
    Again("20->10% for 1,000, gone for 2,000", 0.20, 0.10, 1_000, 2_000),
    Again("numbers 0.3->0.4, gone for 1,000", 0.30, 0.40, 600, 1_000, -1),
    Again("counts of 50, 5->10%, gone for 40", 0.05, 0.10, 60, 40, 50),
]


def again(case: Again, runs: int) -> dict[str, Any]:
    """Coverage of the later change, at its first alarm and at all that follow the first of each change."""
    rng = np.random.default_rng(2026)
    parts = [(case.p0, 2_000), (case.p1, case.lasts), (case.p0, case.gone), (case.p1, case.lasts)]
    ends = np.cumsum([length for _, length in parts])
    held: tuple[list[bool], list[bool]] = ([], [])
    for _ in range(runs):
        values = np.concatenate([case.draw(rng, rate, length) for rate, length in parts])
        baseline, size = Baseline(case.p0), max(case.of, 1)
        if case.reference:
            baseline = Baseline(float(case.draw(rng, case.p0, case.reference).mean() / size), case.reference * size)
        measure = Measure.MEAN if case.of < 0 else Measure.RATE
        alarms = list(Replay(Plan(measure, baseline, BUDGET), size).take(values))
        for begins, over in ((ends[0], ends[1]), (ends[2], ends[3])):
            mine = [one.onset for one in alarms if begins <= one.index < over]
            inside = [isinstance(one, Onset) and bool(one.low <= begins <= one.high) for one in mine]
            held[0].extend(inside[:1] if begins == ends[2] else [])
            held[1].extend(inside[1:])
    return {
        "case": case.name,
        "runs": len(held[0]),
        "coverage, first alarm of the later": float(np.mean(held[0])),
        "coverage, all that follow": float(np.mean(held[1])) if held[1] else float("nan"),
    }


def cost(length: int) -> dict[str, Any]:
    """Seconds of processor time for one estimate over so many observations."""
    rates = np.where(np.arange(length) < length - length // 10, 0.05, 0.1)
    values = (np.random.default_rng(1).random(length) < rates).astype(float)
    begun = time.process_time()
    estimate(np.ones(length), values, Baseline(0.05))
    return {"observations": length, "CPU seconds": time.process_time() - begun}


def main() -> int:
    """Print the table, keep it, and say whether coverage is at least 90% everywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--again", action="store_true", help="only changes that end and come again")
    given = parser.parse_args()
    runs = given.runs
    come = [again(case, runs) for case in AGAIN]
    print(measuring.table(come))
    if given.again:
        return 0
    rows = [measured(case, runs) for case in CASES]
    costs = [cost(length) for length in (1_000, 1_000_000)]
    print(measuring.table(rows))
    print(measuring.table(costs))
    measuring.keep("onset", rows, again=come, costs=costs, budget=BUDGET, runs=runs)
    least = min(row["coverage"] for row in rows)
    print(f"least coverage {least:.3f} at a nominal 0.90")
    return int(least < 0.9)  # noqa: PLR2004 - the level


if __name__ == "__main__":
    raise SystemExit(main())
