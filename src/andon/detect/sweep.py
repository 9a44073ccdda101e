"""Many single observations at once, when only the alarms are asked for.

What one observation does to a stake is a line, M -> L M + L, and so is what many do to it: M -> g M + l. So rows of
observations are reduced to two numbers for each bet, all rows side by side, and a row is taken one by one only if the
statistic might reach the threshold within it. That is decided by a bound: for each bet the highest g and the highest l
on the way through the row. Binary data go eight at a time, by a table of what each of the 256 patterns does.

With numba installed (`pip install andon[fast]`) the observations are taken one by one by compiled code instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Final

import numpy as np

from andon.detect.bets import Floats

ROW: Final = 512
"""Observations in a row: an alarm costs looking at one row closely, and a row costs a step of this loop."""
ROWS: Final = 512
"""Rows side by side: what one step reads and writes stays in the processor's cache."""
WIDEST: Final = 600.0
"""The logarithm of the largest product of factors that is formed where none may leave floating point."""
WORTH_COMPILING: Final = 2_000_000
"""Observations from which on it takes less time to compile than to do without."""

Step = tuple[Floats, Floats, Floats, Floats]


@dataclass(frozen=True, slots=True)
class Lines:
    """Of each bet: its weight, the factor of an observation of zero, and what an observation of one adds to it."""

    weights: Floats
    at_zero: Floats
    slope: Floats

    @property
    def safe_length(self) -> int:
        """How many factors can be multiplied without leaving floating point, whatever the observations."""
        furthest = np.abs(np.log([self.at_zero, self.at_zero + self.slope])).max()
        return max(1, int(WIDEST / max(furthest, 1.0)))


@dataclass(frozen=True, slots=True)
class Hit:
    """An alarm: where, the statistic, and the weighted stake of each bet."""

    index: int
    statistic: float
    stakes: Floats


def sweep(lines: Lines, threshold: float, stakes: Floats, values: Floats) -> tuple[list[Hit], Floats]:
    """Every alarm, stakes being laid anew after each, and the weighted stakes at the end."""
    if len(values) >= WORTH_COMPILING and find_spec("numba") is not None:
        return compiled(lines, threshold, stakes, values)
    return vectorised(lines, threshold, stakes, values)


def vectorised(lines: Lines, threshold: float, stakes: Floats, values: Floats) -> tuple[list[Hit], Floats]:
    """By numpy: rows side by side."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _vectorised(lines, threshold, stakes, values)


def _vectorised(lines: Lines, threshold: float, stakes: Floats, values: Floats) -> tuple[list[Hit], Floats]:
    hits: list[Hit] = []
    block = ROW * ROWS
    for begin in range(0, len(values), block):
        part = values[begin : begin + block]
        rows = len(part) // ROW
        for at, (grows, laid, highest_grows, highest_laid) in enumerate(_rows(lines, part[: rows * ROW])):
            # What left floating point is infinite or undefined here, and then the row is looked at closely.
            if highest_grows.dot(stakes) + highest_laid < threshold:
                stakes = grows * stakes + laid
                continue
            first = at * ROW
            stakes = _one_by_one(lines, threshold, stakes, part[first : first + ROW], begin + first, hits)
        rest = rows * ROW
        stakes = _one_by_one(lines, threshold, stakes, part[rest:], begin + rest, hits)
    return hits, stakes


def _rows(lines: Lines, values: Floats) -> Iterable[tuple[Floats, Floats, Floats, float]]:
    """What each row does to the weighted stakes: times, plus, and the highest of both on the way, the plus in all."""
    if not len(values):
        return ()
    shape = (len(values) // ROW, len(lines.weights))
    grows, laid = np.ones(shape), np.zeros(shape)
    highest_grows, highest_laid = np.zeros(shape), np.zeros(shape)
    for times, plus, peak_times, peak_plus in _steps(lines, values.reshape(-1, ROW)):
        np.maximum(highest_grows, grows * peak_times, out=highest_grows)
        np.maximum(highest_laid, laid * peak_times + peak_plus, out=highest_laid)
        grows *= times
        laid *= times
        laid += plus
    return zip(grows, laid * lines.weights, highest_grows, (highest_laid @ lines.weights).tolist(), strict=True)


def _steps(lines: Lines, rows: Floats) -> Iterator[Step]:
    ones = rows == 1
    if np.array_equal(ones, rows):
        patterns = np.ascontiguousarray(np.packbits(ones, axis=1).T)
        tables = _patterns(lines.at_zero.tobytes(), lines.slope.tobytes())
        for column in patterns:
            yield tuple(table.take(column, axis=0) for table in tables)
        return
    for column in rows.T:
        factor = lines.at_zero + np.multiply.outer(column, lines.slope)
        yield factor, factor, factor, factor


@lru_cache(maxsize=16)
def _patterns(at_zero: bytes, slope: bytes) -> Step:
    """What each pattern of eight observations does, the first being the highest bit."""
    zero = np.frombuffer(at_zero)
    factors = np.stack([zero, zero + np.frombuffer(slope)])
    shape = (256, len(zero))
    grows, laid = np.ones(shape), np.zeros(shape)
    highest_grows, highest_laid = np.zeros(shape), np.zeros(shape)
    for bit in range(7, -1, -1):
        factor = factors[(np.arange(256) >> bit) & 1]
        grows, laid = grows * factor, (laid + 1) * factor
        np.maximum(highest_grows, grows, out=highest_grows)
        np.maximum(highest_laid, laid, out=highest_laid)
    return grows, laid, highest_grows, highest_laid


def closely(
    lines: Lines, threshold: float, stakes: Floats, values: Floats, told: list[Floats]
) -> tuple[int | None, Floats]:
    """Up to the first alarm, with the statistic after each observation added to `told`: where, and the stakes there.

    M_t = P_t (M_0 + 1 + sum of 1 / P_s for s < t), P being the running product of the factors.
    """
    begin, most = 0, lines.safe_length
    with np.errstate(over="ignore"):
        while begin < len(values):
            part = values[begin : begin + most]
            products = np.cumprod(lines.at_zero + np.multiply.outer(part, lines.slope), axis=0)
            laid = np.vstack([stakes + lines.weights, lines.weights / products[:-1]])
            on_the_way = products * np.cumsum(laid, axis=0)
            statistics = on_the_way.sum(axis=1)
            over = statistics >= threshold
            if over.any():
                at = int(np.argmax(over))
                told.append(statistics[: at + 1])
                return begin + at, on_the_way[at]
            told.append(statistics)
            stakes, begin = on_the_way[-1], begin + len(part)
    return None, stakes


def _one_by_one(lines: Lines, threshold: float, stakes: Floats, values: Floats, first: int, hits: list[Hit]) -> Floats:
    begin = 0
    while True:
        told: list[Floats] = []
        at, stakes = closely(lines, threshold, stakes, values[begin:], told)
        if at is None:
            return stakes
        hits.append(Hit(first + begin + at, float(told[-1][-1]), stakes))
        stakes, begin = np.zeros_like(stakes), begin + at + 1


def compiled(lines: Lines, threshold: float, stakes: Floats, values: Floats) -> tuple[list[Hit], Floats]:
    """By numba, which must be installed: one by one."""
    step, stakes = _compile(), stakes.copy()
    hits: list[Hit] = []
    begin = 0
    while True:
        at, statistic = step(values, begin, threshold, stakes, lines.weights, lines.at_zero, lines.slope)
        if at < 0:
            return hits, stakes
        hits.append(Hit(at, statistic, stakes.copy()))
        stakes[:] = 0
        begin = at + 1


@lru_cache(maxsize=1)
def _compile() -> Callable[..., tuple[int, float]]:
    import numba

    def step(
        values: Floats,
        begin: int,
        threshold: float,
        stakes: Floats,
        weights: Floats,
        at_zero: Floats,
        slope: Floats,
    ) -> tuple[int, float]:
        for at in range(begin, len(values)):
            statistic = 0.0
            value = values[at]
            for bet in range(len(stakes)):
                stakes[bet] = (stakes[bet] + weights[bet]) * (at_zero[bet] + value * slope[bet])
                statistic += stakes[bet]
            if statistic >= threshold:
                return at, statistic
        return -1, 0.0

    found: Callable[..., tuple[int, float]] = numba.njit(fastmath=True)(step)
    return found
