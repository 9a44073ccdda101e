"""Has it changed? A test after every observation or window, with a promise about its false alarms.

The test is a mixture e-Shiryaev-Roberts detector (Shin, Ramdas and Rinaldo 2023, doi 10.51387/23-NEJSDS51). Each bet k
of `andon.detect.bets` multiplies its stake by a factor L whose mean is at most 1 while nothing has changed. A new stake
is laid down at every step, since the change may begin at any of them:

    M_k = (M_k + 1) L_k          M = sum of w_k M_k          alarm when M >= A

**What is proven.** While the mean, given all that was seen before, is not beyond the baseline and its tolerance, M - t
is a supermartingale, so the mean time to a false alarm is at least A = `budget`, whatever the data otherwise look like:
no independence, no shape and no tuning is assumed. The unit of the budget is one step: an observation in `scan`, a
window in `advance`. Windows with nothing in them are no steps. In both directions together M is one sum, so the bound
is for false alarms of both.

If the baseline was estimated from n observations, bets are laid against limits that the estimate passes with
probability `DOUBT`, and A is budget / (1 - DOUBT): the mean over references and streams is still at least the budget,
and for nine references of ten it is more than that. That part needs what the limits need: see `andon.detect.baseline`.

Beyond the proof: measured mean times between false alarms are 1.2 to 1.3 budgets for single binary observations of
known baseline, since M jumps over A; for large windows it jumps further, and an estimated baseline adds its margin. A
change that lies within the mildest bet (odds 1.1 times the baseline's, about) may never alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from andon.detect.baseline import Baseline, Measure
from andon.detect.bets import SIDE, STAKES, Bets, Floats
from andon.detect.sweep import Lines, closely, sweep

DOUBT: Final = 0.1
"""The probability with which the limits of an estimated baseline may be passed."""
COMMON_SHARE: Final = 0.03
"""In both directions: what is staked on the common outcome becoming more common; the rest is on the rare one."""
CHUNKS: Final = (256, 8192)
"""Steps taken at once, at first and at most: little is read beyond an alarm, and memory is bounded."""
ROUNDING: Final = 1e-6
"""By how much sums of floating point numbers may be off, relatively."""
LARGEST: Final = 700.0
"""Logarithm of the largest statistic that is told."""

Number = TypeVar("Number", np.float64, np.intp)

__all__ = [
    "Alarm",
    "Baseline",
    "Direction",
    "Evidence",
    "Measure",
    "Plan",
    "Progress",
    "advance",
    "alarms",
    "scan",
    "start",
]


class Direction(StrEnum):
    """Which changes count."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tested.

    `budget` is how many steps (observations in `scan`, windows in `advance`) shall pass between false alarms on
    average, at least. `tolerance`, in the unit of the measure, is how far beyond the baseline is still all right.
    Raises ValueError for a plan by which nothing can be found.
    """

    measure: Measure
    baseline: Baseline
    budget: float = 10_000
    direction: Direction = Direction.BOTH
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        """Check."""
        object.__setattr__(self, "measure", Measure(self.measure))
        object.__setattr__(self, "direction", Direction(self.direction))
        if not math.isfinite(self.budget) or self.budget <= 1:
            raise ValueError(f"A budget is more than one step between false alarms, and this is {self.budget}.")
        if not math.isfinite(self.tolerance) or self.tolerance < 0:
            raise ValueError(f"A tolerance is a number of 0 or more, and this is {self.tolerance}.")
        _table(self)

    @property
    def threshold(self) -> float:
        """The statistic from which on it is an alarm."""
        return self.budget if self.baseline.n is None else self.budget / (1 - DOUBT)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen so far: ln(1 + M_k) of each bet, rises first."""

    values: tuple[float, ...] = (0.0,) * (2 * SIDE)

    def to_list(self) -> list[float]:
        """For a JSON column."""
        return list(self.values)

    @classmethod
    def from_list(cls, values: Sequence[float]) -> Evidence:
        """What `to_list` gave; ValueError for anything else."""
        if len(values) != 2 * SIDE or not all(math.isfinite(value) and value >= 0 for value in values):
            raise ValueError(f"Evidence is {2 * SIDE} numbers of 0 or more; start anew.")
        return cls(tuple(float(value) for value in values))


@dataclass(frozen=True, slots=True)
class Progress:
    """What came of some more data.

    `statistics` holds one for each step that was taken, the last being that of the alarm; what follows it was not read.
    `alarm_at` is its index in what was given, or None; `direction` is the one that it speaks for.
    """

    evidence: Evidence
    statistics: Floats
    threshold: float
    alarm_at: int | None = None
    direction: Direction | None = None


def start(plan: Plan) -> Evidence:  # noqa: ARG001 - every plan has the same number of bets so far
    """Nothing seen yet: the start of a watch, and again after each alarm."""
    return Evidence()


def advance(
    plan: Plan, evidence: Evidence, n: ArrayLike, total: ArrayLike, squares: ArrayLike | None = None
) -> Progress:
    """Take in windows, oldest first: how many observations, their sum, and for means the sum of their squares.

    Stops at the first alarm. Raises ValueError where the figures cannot be those of a window, naming the first.
    """
    counts, totals = _numbers("n", n), _numbers("total", total)
    powers = None if squares is None else _numbers("squares", squares)
    _check_windows(plan, counts, totals, powers)
    full = np.flatnonzero(counts > 0)
    table = _table(plan)
    blocks = (
        table.on_windows(counts[rows], totals[rows], None if powers is None else powers[rows]) for rows in _chunks(full)
    )
    found = _walk(plan, table, evidence, blocks)
    return _with_empty_windows(found, full, len(counts), _statistic(table, evidence))


def scan(plan: Plan, values: ArrayLike, evidence: Evidence | None = None) -> Progress:
    """Take in single observations, oldest first: 0 or 1, or for means between 0 and 1.

    Stops at the first alarm. Raises ValueError for a value that cannot be one, naming the first.
    """
    numbers, table, begin = _observations(plan, values), _table(plan), evidence or start(plan)
    if plan.measure is Measure.SCORE:
        return _walk(plan, table, begin, (table.on_values(part) for part in _chunks(numbers)))
    lines = table.lines()
    told: list[Floats] = [np.empty(0)]
    at, stakes = closely(lines, plan.threshold, _stakes(lines, begin), numbers, told)
    statistics = np.minimum(np.concatenate(told), math.exp(LARGEST))
    way = None if at is None else _direction(stakes)
    return Progress(_left(lines, stakes), statistics, plan.threshold, at, way)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One of several alarms: the index of the observation at which it is raised, the statistic, the direction."""

    index: int
    statistic: float
    direction: Direction


def alarms(plan: Plan, values: ArrayLike, evidence: Evidence | None = None) -> tuple[list[Alarm], Evidence]:
    """Every alarm over single observations, starting anew after each, and the evidence at the end.

    The same as calling `scan` again and again, without the statistics in between and many times as fast.
    """
    numbers = _observations(plan, values)
    begin, table = evidence or start(plan), _table(plan)
    if plan.measure is Measure.SCORE:
        return _again_and_again(plan, numbers, begin)
    lines = table.lines()
    hits, stakes = sweep(lines, plan.threshold, _stakes(lines, begin), numbers)
    found = [Alarm(hit.index, min(hit.statistic, math.exp(LARGEST)), _direction(hit.stakes)) for hit in hits]
    return found, _left(lines, stakes)


def _stakes(lines: Lines, evidence: Evidence) -> Floats:
    return np.asarray(lines.weights * np.expm1(np.minimum(evidence.values, LARGEST)))


def _left(lines: Lines, stakes: Floats) -> Evidence:
    """What `_stakes` came to; of bets on which nothing is staked, nothing is kept."""
    share = np.divide(
        np.minimum(stakes, math.exp(LARGEST)), lines.weights, out=np.zeros(len(stakes)), where=lines.weights > 0
    )
    return Evidence(tuple(map(float, np.log1p(share))))


def _again_and_again(plan: Plan, values: Floats, evidence: Evidence) -> tuple[list[Alarm], Evidence]:
    found: list[Alarm] = []
    begin = 0
    while True:
        one = scan(plan, values[begin:], evidence)
        if one.alarm_at is None or one.direction is None:
            return found, one.evidence
        found.append(Alarm(begin + one.alarm_at, float(one.statistics[-1]), one.direction))
        begin, evidence = begin + one.alarm_at + 1, start(plan)


@dataclass(frozen=True, slots=True)
class _Table:
    sides: tuple[Bets | None, Bets | None]
    weights: Floats
    log_weights: Floats = field(repr=False)

    def on_windows(self, n: Floats, total: Floats, squares: Floats | None) -> Floats:
        return np.hstack([_no_bets(n) if side is None else side.on_windows(n, total, squares) for side in self.sides])

    def on_values(self, values: Floats) -> Floats:
        return np.hstack([_no_bets(values) if side is None else side.on_values(values) for side in self.sides])

    def lines(self) -> Lines:
        up, down = (_NO_LINE if side is None else side.line() for side in self.sides)
        return Lines(self.weights, np.concatenate([up[0], down[0]]), np.concatenate([up[1], down[1]]))


_NO_LINE: Final = (np.ones(SIDE), np.zeros(SIDE))


def _no_bets(steps: Floats) -> Floats:
    return np.zeros((len(steps), SIDE))


@lru_cache(maxsize=256)
def _table(plan: Plan) -> _Table:
    rising = _share_of_rises(plan)
    low, high = plan.baseline.limits(plan.measure, DOUBT * (1 - rising), DOUBT * rising)
    up = down = None
    if plan.direction is not Direction.DOWN:
        up = Bets.against(plan.measure, high + plan.tolerance, 1)
    if plan.direction is not Direction.UP:
        down = Bets.against(plan.measure, low - plan.tolerance, -1)
    if up is None and down is None:
        raise ValueError(
            f"A baseline of {plan.baseline.mean:g} with a tolerance of {plan.tolerance:g} leaves no room for a change"
            f" {'in either direction' if plan.direction is Direction.BOTH else plan.direction}."
        )
    rising = 0.0 if up is None else 1.0 if down is None else rising
    weights = np.outer([rising, 1 - rising], np.divide(STAKES, sum(STAKES))).ravel()
    with np.errstate(divide="ignore"):
        return _Table((up, down), weights, np.log(weights))


def _share_of_rises(plan: Plan) -> float:
    """What is staked on rises, and the part of the doubt about a baseline that they bear."""
    if plan.direction is not Direction.BOTH:
        return 1.0 if plan.direction is Direction.UP else 0.0
    common = plan.measure is not Measure.COUNT and plan.baseline.mean > 1 / 2
    return COMMON_SHARE if common else 1 - COMMON_SHARE


def _walk(plan: Plan, table: _Table, evidence: Evidence, blocks: Iterator[Floats]) -> Progress:
    state = np.array(evidence.values)
    told: list[Floats] = []
    taken = 0
    for factors in blocks:
        # ln M_t = C_t + ln(exp(ln(1 + M_0)) + sum of exp(-C_s) for s = 1 .. t - 1), C being the running sum of ln L.
        running = np.cumsum(factors, axis=0)
        stakes = np.vstack([state, -running[:-1]])
        logs = running + np.logaddexp.accumulate(stakes, axis=0)
        statistics = np.exp(np.minimum(np.logaddexp.reduce(logs + table.log_weights, axis=1), LARGEST))
        over = statistics >= plan.threshold
        if over.any():
            at = int(np.argmax(over))
            told.append(statistics[: at + 1])
            return Progress(
                _evidence(logs[at]),
                np.concatenate(told),
                plan.threshold,
                taken + at,
                _direction(logs[at] + table.log_weights),
            )
        told.append(statistics)
        taken += len(statistics)
        state = np.logaddexp(0.0, logs[-1])
    return Progress(Evidence(tuple(map(float, state))), np.concatenate([*told, np.empty(0)]), plan.threshold)


def _direction(weighted: Floats) -> Direction:
    return Direction.UP if weighted[:SIDE].max() >= weighted[SIDE:].max() else Direction.DOWN


def _evidence(logs: Floats) -> Evidence:
    return Evidence(tuple(map(float, np.logaddexp(0.0, logs))))


def _statistic(table: _Table, evidence: Evidence) -> float:
    return float(table.weights @ np.expm1(np.minimum(evidence.values, LARGEST)))


def _with_empty_windows(found: Progress, full: NDArray[np.intp], windows: int, before: float) -> Progress:
    """The same told for every window: one with nothing in it leaves the statistic where it was."""
    at = None if found.alarm_at is None else int(full[found.alarm_at])
    end = windows if at is None else at + 1
    if len(full) != windows:
        places = np.searchsorted(full, np.arange(end), side="right")
        found = Progress(
            found.evidence,
            np.concatenate([[before], found.statistics])[places],
            found.threshold,
            at,
            found.direction,
        )
    return found


def _chunks(values: NDArray[Number]) -> Iterator[NDArray[Number]]:
    begin, (size, most) = 0, CHUNKS
    while begin < len(values):
        yield values[begin : begin + size]
        begin, size = begin + size, min(2 * size, most)


def _numbers(name: str, given: ArrayLike) -> Floats:
    try:
        numbers = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name.capitalize()} is a list of numbers, and something in it is none: {error}.") from None
    if numbers.ndim != 1:
        raise ValueError(f"{name.capitalize()} is a list of numbers, and this has {numbers.ndim} dimensions.")
    if not np.isfinite(numbers).all():
        at = int(np.argmin(np.isfinite(numbers)))
        raise ValueError(f"{name.capitalize()} {at} is no number ({numbers[at]}). Leave out what was not observed.")
    return numbers


def _observations(plan: Plan, values: ArrayLike) -> Floats:
    numbers = _numbers("value", values)
    if plan.measure is Measure.SCORE:
        return numbers
    if plan.measure is Measure.COUNT:
        raise ValueError("Counts come in windows: give each with its exposure to advance().")
    allowed = (numbers == 0) | (numbers == 1) if plan.measure is Measure.RATE else (numbers >= 0) & (numbers <= 1)
    if not allowed.all():
        at = int(np.argmin(allowed))
        wanted = "0 or 1" if plan.measure is Measure.RATE else "between 0 and 1"
        raise ValueError(f"Value {at} is {numbers[at]:g}, and should be {wanted}.")
    return numbers


def _check_windows(plan: Plan, n: Floats, total: Floats, squares: Floats | None) -> None:
    if len(total) != len(n) or (squares is not None and len(squares) != len(n)):
        raise ValueError("Every window needs an n, a total and, if any has one, its sum of squares.")
    wrong = (n < 0) | ((n == 0) & (total != 0))
    if plan.measure is not Measure.SCORE:
        wrong |= total < 0
    if plan.measure in {Measure.RATE, Measure.MEAN}:
        wrong |= total > n * (1 + ROUNDING)
    if squares is not None:
        # Of values in [0, 1]: x^2 <= x, and the sum of squares is at least what equal values would have.
        wrong |= (squares > total * (1 + ROUNDING)) | (squares * n < total**2 * (1 - ROUNDING))
    if wrong.any():
        at = int(np.argmax(wrong))
        of_squares = "" if squares is None else f" and a sum of squares of {squares[at]:g}"
        within = "of 0 or more" if plan.measure is Measure.COUNT else "between 0 and 1"
        raise ValueError(
            f"Window {at} has n {n[at]:g}, a total of {total[at]:g}{of_squares}:"
            f" these are not {n[at]:g} values {within}."
        )
