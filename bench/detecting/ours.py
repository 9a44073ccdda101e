"""What our detectors do on the streams."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from andon.detect import budget, cusum, onset, season, sequential, sweep
from andon.detect.sequential import Baseline, Direction, Measure, Plan
from bench.detecting.streams import REFERENCE, Change, Floats, daily, hourly, quiet

Result = dict[str, Any]
BEFORE = 20
"""Windows before a change of counts."""
QUIET_DAYS = 60
"""Days between a reference and a change of a daily metric."""
EARLY = 0.1
"""The share of a budget below which an alarm would be one of a broken promise."""
A_DAY = 24
SHIFT = 10_000
"""Where the harmless shift and the rise of scores begin, in observations."""


def spans(plan: Plan, values: Floats) -> Floats:
    """Observations between alarms on a stream on which nothing changes."""
    found, _ = sequential.alarms(plan, values)
    return np.diff([-1, *(one.index for one in found)])


def arl(plan: Plan, values: Floats) -> Result:
    """Mean observations between alarms over the budget, and the standard error of that."""
    between = spans(plan, values)
    error = between.std() / math.sqrt(len(between)) / plan.budget if len(between) else math.inf
    return {"ratio": float(len(values) / plan.budget / max(len(between), 1)), "error": float(error)}


def delay(change: Change, plan_for: Callable[[int], Plan], runs: int) -> Result:
    """Observations from the change to the alarm in runs without a false one before it."""
    found = []
    for seed in range(runs):
        at = next((one.index for one in sequential.alarms(plan_for(seed), change.bits(seed))[0]), change.length)
        if at >= change.begin:
            found.append(at - change.begin + 1)
    return delays(found, change, runs)


def delays(found: list[int], change: Change, runs: int) -> Result:
    """Told alike for ours and the peers'."""
    last = change.length - change.begin
    middle = float(np.median(found)) if found else math.nan
    return {
        "median": middle if middle <= last else math.inf,
        "missed": sum(one > last for one in found) / max(len(found), 1),
        "early": 1 - len(found) / runs,
    }


def rate(mean: float, budget_of: float = 1e4, n: int | None = None) -> Plan:
    """The plan of `andon watch try`: both directions."""
    return Plan(Measure.RATE, Baseline(mean, n), budget_of)


def estimated(rate_now: float, n: int, runs: int) -> tuple[Result, Result]:
    """With a baseline that every run estimates from n observations: false alarms, and the jump."""
    rng = np.random.default_rng(17)
    first = []
    for seed in range(runs):
        plan = Plan(Measure.RATE, Baseline(rng.binomial(n, rate_now) / n, n), 1e3)
        found = sequential.scan(plan, quiet(rate_now, 40_000, seed))
        first.append(40_000 if found.alarm_at is None else found.alarm_at + 1)
    change = Change("jump", rate_now, 2 * rate_now)
    chosen = np.random.default_rng(18).binomial(n, rate_now, runs) / n
    return (
        {"ratio": float(np.mean(first)) / 1e3, "below": float(np.mean(np.array(first) < EARLY * 1e3))},
        delay(change, lambda seed: Plan(Measure.RATE, Baseline(chosen[seed], n), 1e4), runs),
    )


def oracle(change: Change, runs: int, length: int) -> Result:
    """CUSUM, told the new rate, at a threshold that gives 10,000 on this stream."""
    values = quiet(change.rate, length, 5)
    low, high = 2.0, math.log(1e4)
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (middle, high) if _cusum_alarms(values, change, middle) > length / 1e4 else (low, middle)
    found = []
    for seed in range(runs):
        over = cusum.cusum(change.bits(seed), change.rate, change.changed) >= high
        at = int(np.argmax(over)) if over.any() else change.length
        if at >= change.begin:
            found.append(at - change.begin + 1)
    return delays(found, change, runs) | {"threshold": high}


def _cusum_alarms(values: Floats, change: Change, threshold: float) -> int:
    begin = alarms = 0
    while begin < len(values):
        part = values[begin : begin + 20_000]
        over = cusum.cusum(part, change.rate, change.changed) >= threshold
        begin += int(np.argmax(over)) + 1 if over.any() else len(part)
        alarms += bool(over.any())
    return alarms


def windows(size: int, mean: float, count: int) -> Result:
    """Counts in windows: the ratio to a budget of 500 windows, and windows until a doubling is found."""
    rng, plan = np.random.default_rng(6), Plan(Measure.RATE, Baseline(mean), 500)
    totals, alarms, begin = rng.binomial(size, mean, count).astype(float), 0, 0
    n = np.full(count, float(size))
    while (found := sequential.advance(plan, sequential.start(plan), n[begin:], totals[begin:])).alarm_at is not None:
        alarms, begin = alarms + 1, begin + found.alarm_at + 1
    waits = []
    for _ in range(100):
        total = np.concatenate([rng.binomial(size, mean, BEFORE), rng.binomial(size, 1.5 * mean, 500)]).astype(float)
        at = sequential.advance(plan, sequential.start(plan), np.full(BEFORE + 500, float(size)), total).alarm_at
        if at is None or at >= BEFORE:
            waits.append(501 if at is None else at - BEFORE + 1)
    return {"ratio": count / 500 / max(alarms, 1), "median": float(np.median(waits))}


def seasonal(watches: int) -> Result:
    """A daily metric by season, whitening and tolerance."""
    plan = season.plan(1_000)

    def alarms(values: Floats) -> list[int]:
        steps = np.arange(len(values))
        found = season.fit(steps[:REFERENCE], values[:REFERENCE], 7)
        if isinstance(found, season.NoSeason):
            raise TypeError(found.why)
        return [one.index for one in sequential.alarms(plan, found.scores(steps, values)[REFERENCE:])[0]]

    return daily_figures(alarms, watches)


def daily_figures(alarms: Callable[[Floats], list[int]], watches: int) -> Result:
    """False alarms over a year each; then a step of one percentage point, and a ramp to it over thirty days."""
    days = 365
    false = sum(len(alarms(daily(REFERENCE + days, seed))) for seed in range(watches))
    result: Result = {"false": false / (watches * days) * 1e5}
    for name, ramp in (("step", 0), ("ramp", 30)):
        waits = []
        for seed in range(watches):
            begin = REFERENCE + QUIET_DAYS
            values = daily(begin + 60, 10_000 + seed, step=0.01, begin=begin, ramp=ramp)
            late = (at for at in alarms(values) if at >= QUIET_DAYS)
            waits.append(next((at - QUIET_DAYS + 1 for at in late), math.inf))
        result[name] = {"recall": float(np.mean(np.isfinite(waits))), "median": float(np.median(waits))}
    return result


def many(watches: int, hours: int, degrading: int) -> dict[str, Result]:
    """Many watches with one false alarm allowed over all of them and all the time; beside it three sigma."""
    n, total, begins = hourly(watches, hours, degrading, 11)
    (share, *_) = budget.AlarmBudget(1).shares([hours] * watches)
    plan = Plan(Measure.RATE, Baseline(0.05), share)
    first = np.full(watches, np.inf)
    ratios = np.zeros((watches, hours))
    false = 0
    for watch in range(watches):
        begin, evidence = 0, sequential.start(plan)
        while begin < hours:
            found = sequential.advance(plan, evidence, n[watch, begin:], total[watch, begin:])
            ratios[watch, begin : begin + len(found.statistics)] = found.statistics
            if found.alarm_at is None:
                break
            at, begin, evidence = begin + found.alarm_at, begin + found.alarm_at + 1, sequential.start(plan)
            false += at < begins[watch]
            first[watch] = min(first[watch], at if at >= begins[watch] else np.inf)
    result = {"share": _recall(first, begins, degrading) | {"false": int(false)}}
    vouched, wrong = np.full(watches, np.inf), 0
    for hour in range(hours):
        raised = budget.together(ratios[:, hour], np.full(watches, share)) & np.isinf(vouched)
        wrong += int((raised & (hour < begins)).sum())
        vouched[raised & (hour >= begins)] = hour
    result["together"] = _recall(vouched, begins, degrading) | {"false": wrong}
    sigma = np.abs(total / n - 0.05) > 3 * np.sqrt(0.05 * 0.95 / n)
    late = np.where(sigma & (np.arange(hours) >= begins[:, None]), np.arange(hours), np.inf).min(axis=1)
    result["three sigma"] = _recall(late, begins, degrading) | {
        "false": int((sigma & (np.arange(hours) < begins[:, None])).sum())
    }
    return result


def _recall(first: Floats, begins: Any, degrading: int) -> Result:
    waits = first[:degrading] - begins[:degrading] + 1
    return {"recall in 24 h": float((waits <= A_DAY).mean()), "median": float(np.median(waits))}


def harmless(runs: int) -> Result:
    """A group goes from half of all subjects to nine tenths; all have errors in 5% of cases, it and the others."""
    plan, alarms, steps = rate(0.05), 0, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        in_group = rng.random(2 * SHIFT) < np.where(np.arange(2 * SHIFT) < SHIFT, 0.5, 0.9)
        # The group's cases differ in how hard they are, not in how often they go wrong: half at 2% and half at 8%.
        chances = np.where(in_group, np.where(rng.random(2 * SHIFT) < 1 / 2, 0.02, 0.08), 0.05)
        alarms += len(sequential.alarms(plan, (rng.random(2 * SHIFT) < chances).astype(float))[0])
        steps += 2 * SHIFT
    return {"alarms": alarms, "allowed": steps / plan.budget}


def late_labels(runs: int) -> Result:
    """The jump, seen by labels that come 500 decisions later on average: decisions made until the alarm."""
    change, found = Change("jump", 0.05, 0.10), []
    for seed in range(runs):
        bits = change.bits(seed)
        arrivals = np.arange(change.length) + np.random.default_rng(seed + 10**6).geometric(1 / 500, change.length)
        order = np.argsort(arrivals, kind="stable")
        at = next((one.index for one in sequential.alarms(rate(0.05), bits[order])[0]), None)
        seen = change.length if at is None else int(arrivals[order[at]])
        if seen >= change.begin:
            found.append(seen - change.begin + 1)
    return delays(found, change, runs)


def bounded(runs: int, length: int) -> tuple[Result, Result]:
    """Scores between 0 and 1 with mean 0.3 and deviation 0.14: false alarms, and a rise of the mean to 0.35."""
    plan = Plan(Measure.MEAN, Baseline(0.3), 1e3)
    values, found = np.random.default_rng(7).beta(3, 7, length), []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        stream = np.concatenate([rng.beta(3, 7, 500), rng.beta(3.5, 6.5, 4_000)])
        at = next((one.index for one in sequential.alarms(plan, stream)[0]), len(stream))
        if at >= len(stream) - 4_000:
            found.append(at - 499)
    return arl(plan, values), {"median": float(np.median(found))}


def coverage(change: Change, runs: int, more: int = 2_000) -> Iterator[tuple[str, float, float]]:
    """How often the onset's interval of 90% holds the truth, and its median width: at the alarm, and later."""
    inside: dict[str, list[bool]] = {"at the alarm": [], f"{more:,} later": []}
    widths: dict[str, list[int]] = {name: [] for name in inside}
    for seed in range(runs):
        bits = change.bits(seed)
        at = next((one.index for one in sequential.alarms(rate(change.rate), bits)[0]), None)
        if at is None or at < change.begin:
            continue
        for name, end in zip(inside, (at + 1, min(at + 1 + more, change.length)), strict=True):
            ones = np.ones(end)
            found = onset.estimate(ones, bits[:end], Baseline(change.rate), direction=Direction.UP, alarm=at)
            if isinstance(found, onset.Onset):
                inside[name].append(found.low <= change.begin <= found.high)
                widths[name].append(found.high - found.low)
    for name, held in inside.items():
        yield name, float(np.mean(held)), float(np.median(widths[name]))


def speed(length: int) -> Result:
    """Observations a second of processor time, by numpy and, where numba is there, compiled; medians of five."""
    values, plan = quiet(0.05, length, 1), rate(0.05)
    lines = sequential._table(plan).lines()  # noqa: SLF001 - to choose the path, which the public function does by size
    paths = {"numpy": sweep.vectorised}
    if sweep.find_spec("numba") is not None:
        paths["compiled"] = sweep.compiled
        sweep.compiled(lines, plan.threshold, np.zeros(len(lines.weights)), values[:10])
    result = {}
    for name, path in paths.items():
        taken = []
        for _ in range(5):
            began = time.process_time()
            path(lines, plan.threshold, np.zeros(len(lines.weights)), values)
            taken.append(time.process_time() - began)
        result[name] = length / float(np.median(taken))
    return result
