"""When did it begin? An estimate and an interval, at the alarm and again whenever more has been seen.

A change is described as a broken line: the mean is that of the baseline before the onset k, moves in a straight line
for a share f of the time since then, and stays where it came to. f = 0 is a jump; f = 1 is still on its way. For every
k the largest log-likelihood over f and the new mean is compared with that of no change:

    l(k) = max over f and change of  log p(data; k, f, change) - log p(data; no change)

**At the alarm** these likelihoods mislead. The data end where they look worst, because that is when a test stops: a
ramp alarms at a chance cluster, and the likelihood calls the cluster the onset. Cut off where a fixed sample allows it,
the interval would hold the onset of a ramp in about half of all cases. What holds after stopping is the test of each k
by itself, inverted, as in Saha and Ramdas (arXiv 2502.06096, 2606.01256). So an onset stays in as long as

    v(k) = l(k) - ln(1 + J (t - k)) / 2  >=  FLOOR     and     max v - v(k) <= REACH

where t is the alarm and J the variance of an observation under the baseline: v is the approximate log of the Bayes
factor for "it began at k" against "nothing changed" (Schwarz 1978, doi 10.1214/aos/1176344136), and the first condition
keeps every k that the data do not speak against.

**Later** the new data are free of that choice, and the usual region holds again: l(k) >= max l - c, where for a jump
(1 - exp(-c))^2 is the coverage (Siegmund 1988, doi 10.2307/1403360), so that c = 2.97 for 90%. The limit moves from the
one to the other with the share of what came after the alarm in all data since the earliest such k, until it is a fifth.

FLOOR and REACH were set by simulation and are not proven: jumps by 1.3 to 4 times and ramps over 500 to 10,000
observations, rates of 0.2% to 20%, budgets of 1,000 to 1,000,000; `bench/onset.py` measures coverage and width again.
They are for an alarm that a change caused: a false one has no onset. A change so slow that finding it takes as long as
the budget cannot be told from a false alarm, and is covered less often.

Overdispersed counts and the spread of bounded values enter by quasi-likelihood (McCullagh 1983,
doi 10.1214/aos/1176346056): all of the above is divided by the dispersion that differences of neighbours show. But for
running sums the cost does not grow with the data: onsets are tried on a grid that is denser towards the alarm, and then
again around what was found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from andon.detect.baseline import Baseline, Measure
from andon.detect.sequential import Direction

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

FLOOR: Final = -1.5
"""At the alarm, for 90%: the least v of an onset."""
REACH: Final = 9.0
"""At the alarm, for 90%: by how much v may lie below its largest."""
FLOOR_PER_DOUBT: Final = 0.45
"""How FLOOR falls as the doubt is divided by e."""
REACH_PER_DOUBT: Final = 1.3
"""How REACH grows as the doubt is divided by e."""
SETTLED: Final = 0.2
"""The share of the data since the onset that must have come after the alarm for the usual region to hold."""
SHARES: Final = np.array([0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0])
"""f: for which share of the time since its onset a change was on its way."""
STAIRS: Final = 8
"""Steps that stand for a slope; the information that is lost is below one part in two hundred."""
RAMP_GAIN: Final = 1.0
"""Nats that a slope must gain over a jump to be called one."""
GRID: Final = 300
"""Onsets tried at first."""
FINER: Final = 40
"""Onsets tried again between two neighbours of that grid."""
NEWTON: Final = 4
"""Steps of Newton's method towards the most likely change."""
EDGE: Final = 1e-6
"""How near to 0 or 1 a rate is taken for possible."""
BACK: Final = 6.0
"""Nats, beside half a Bayes factor for each end, that a normal time in between must gain to part two changes."""
ROUNDS: Final = 4
"""How often the level of a change and the normal time within it are found from each other."""
DISPERSION_FROM: Final = 10
"""Windows from which on their dispersion is estimated."""


class Shape(StrEnum):
    """How it began."""

    STEP = "step"
    RAMP = "ramp"


@dataclass(frozen=True, slots=True)
class Onset:
    """When it began, as indexes of what was given; the onset is the first observation or window that is different.

    The interval from `low` to `high`, both included, holds the onset with a probability of `level`. `low` is 0 where it
    may have begun before the first of the data. `before` and `after` are the mean before the onset and the most likely
    one at the end of the data.
    """

    low: int
    at: int
    high: int
    shape: Shape
    level: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no estimate, and why."""

    why: str


def estimate(
    n: ArrayLike,
    total: ArrayLike,
    baseline: Baseline,
    *,
    level: float = 0.9,
    measure: Measure = Measure.RATE,
    direction: Direction = Direction.UP,
    alarm: int | None = None,
    earlier: int | None = None,
    edges: ArrayLike | None = None,
) -> Onset | Unknown:
    """Estimate the onset of the change that raised an alarm.

    Give the data from where the watch began, or from where it last was normal, up to the alarm or any time later:
    windows with `n` observations (units of exposure for counts) and their `total`, oldest first; single observations
    are windows with n = 1. `alarm` is the index of the window with the alarm, the last one if left out. `direction` is
    that of the alarm; with BOTH the likelier one is taken. What came before the onset improves an estimated baseline.
    `earlier` is the index of an earlier alarm that may have been raised by the same change: if the data leave no onset
    after it, then it was, and the interval ends there.
    `edges` are the times at which the windows begin, and at which the last one ends: needed where they are of unequal
    length, so that a slope is one in time.

    Raises ValueError for figures that cannot be those of windows.
    """
    data = _Data.of(n, total, measure, alarm, edges)
    if not 0 < level < 1:
        raise ValueError(f"A level lies between 0 and 1, as 0.9 does, and this is {level}.")
    if data is None:
        return Unknown("Nothing has been observed yet.")
    grid = _grid(data)
    if direction is Direction.BOTH:
        rise, fall = (_Likelihood(data, baseline, sign) for sign in (1, -1))
        likelihood = max(rise, fall, key=lambda side: float(side.of(grid).worth.max()))
    else:
        likelihood = _Likelihood(data, baseline, -1 if direction is Direction.DOWN else 1)
    if earlier is not None and 0 <= earlier < data.alarm:
        tried = likelihood.of(grid)
        if tried.at[tried.worth >= tried.worth.max() - _usual(level)][-1] <= earlier:
            data = replace(data, alarm=earlier)
            likelihood = _Likelihood(data, baseline, likelihood.sign)
    return _onset(data, likelihood, level)


def normal_again(
    n: ArrayLike,
    total: ArrayLike,
    baseline: Baseline,
    *,
    began: int,
    after: int,
    level: float,
    measure: Measure = Measure.RATE,
    direction: Direction = Direction.UP,
) -> int | None:
    """Where what was normal came back after a change, before the end of the data; None if nowhere.

    Give windows as to `estimate`, with what is known of the change from an earlier alarm: the window of its onset, the
    last window that is surely of it, and the level it came to. Tried is every stretch after that window in which the
    mean was that of the baseline, and beside it that of the change:

        max over stretch and level of  log p(since the onset; normal within, level without) - log p(...; level) >= c

    where c grows as the limits of an onset do, by ln(1 + J (t - k)) / 2 for each of the two ends. What such a stretch
    is too short for cannot be told from chance.
    """
    data = _Data.of(n, total, measure, None)
    if data is None or after + 2 >= len(data.n):
        return None
    likelihood = _Likelihood(data, baseline, -1 if direction is Direction.DOWN else 1)
    normal = np.asarray(likelihood.mean)
    rows, sums = data.n[-1] - data.n[began], data.total[-1] - data.total[began]
    alone, other = (likelihood.possible(mean) for mean in (sums / max(rows, EDGE), level))
    steps, totals = np.diff(data.n[after + 1 :]), np.diff(data.total[after + 1 :])
    for _ in range(ROUNDS):
        if (other - normal) * likelihood.sign <= 0:
            return None
        gained = _running(likelihood.log(steps, totals, normal) - likelihood.log(steps, totals, other))
        last = int((gained - np.minimum.accumulate(gained)).argmax())
        first = int(gained[: last + 1].argmin())
        inside, of_inside = (
            float(sums_to[after + 1 + last] - sums_to[after + 1 + first]) for sums_to in (data.n, data.total)
        )
        other = likelihood.possible((sums - of_inside) / max(rows - inside, EDGE))
    parted = likelihood.log(inside, of_inside, normal) + likelihood.log(rows - inside, sums - of_inside, other)
    gain = float(parted - likelihood.log(rows, sums, alone)) / data.dispersion
    told = float(rows * _spread(measure, normal)) / data.dispersion
    return after + 1 + first if gain >= BACK + math.log1p(told) else None


def _onset(data: _Data, likelihood: _Likelihood, level: float) -> Onset | Unknown:
    tried = likelihood.of(_grid(data))
    if tried.worth.max() < EDGE:
        return Unknown("The data since any time look no different from the baseline, so there is no onset to tell.")
    for _ in range(2):  # the second round moves into gaps that the first one found to matter
        inside, best = _inside(tried, data, level), int(tried.worth.argmax())
        edges = {int(inside[0]) - 1, int(inside[-1]), best - 1, best}
        more = [_between(tried.at, edge) for edge in edges if 0 <= edge < len(tried.at) - 1]
        tried = tried.with_more(likelihood.of(np.unique(np.concatenate(more)))) if any(map(len, more)) else tried
    inside, best = _inside(tried, data, level), int(tried.worth.argmax())
    first, last = int(inside[0]), int(inside[-1])
    ramp = bool(tried.worth.max() - tried.as_step.max() > RAMP_GAIN)
    flattered = _fresh(tried, data, level) / 2 * np.log1p(data.n[data.alarm + 1] - data.n[tried.at])
    curve = tried.worth if ramp else tried.as_step
    best = int(np.where(curve >= curve.max() - _usual(level), curve + flattered, -np.inf).argmax())
    return Onset(
        low=int(tried.at[first - 1]) + 1 if first else int(tried.at[0]),
        at=int(np.clip(tried.at[best], tried.at[first], tried.at[last])),
        high=int(tried.at[last + 1]) - 1 if last + 1 < len(tried.at) else data.alarm,
        shape=Shape.RAMP if ramp else Shape.STEP,
        level=level,
        before=float(tried.before[best]),
        after=float(tried.after[best] if ramp else tried.after_step[best]),
    )


def _inside(tried: _Tried, data: _Data, level: float) -> Places:
    """Which of the onsets that were tried are in the interval; its ends are the first and the last of them."""
    doubt = math.log(0.1 / (1 - level))
    lost = tried.worth.max() - tried.worth
    settled = _usual(level)
    v = tried.worth - np.log1p(tried.told) / 2
    at_alarm = (v >= FLOOR - FLOOR_PER_DOUBT * doubt) & (v.max() - v <= REACH + REACH_PER_DOUBT * doubt)
    limit = settled + (tried.worth.max() - settled) * _fresh(tried, data, level)
    return np.flatnonzero((lost <= settled) | (at_alarm & (lost <= limit)))


def _fresh(tried: _Tried, data: _Data, level: float) -> float:
    """1 at the alarm, 0 when enough has come since: see SETTLED."""
    earliest = int(tried.at[int(np.argmax(tried.worth.max() - tried.worth <= _usual(level)))])
    end, raised = data.edges[-1], data.edges[data.alarm + 1]
    return max(0.0, 1 - float((end - raised) / (end - data.edges[earliest])) / SETTLED)


def _usual(level: float) -> float:
    """How much likelihood, in nats, an onset may lose in a fixed sample."""
    return -math.log(1 - math.sqrt(level))


def _grid(data: _Data) -> Places:
    """Onsets from the first window to that of the alarm, denser towards the latter."""
    begin, end = data.edges[0], data.edges[data.alarm + 1]
    distances = np.geomspace(end - data.edges[data.alarm], end - begin, GRID)
    places = np.searchsorted(data.edges, end - distances, side="right") - 1
    return np.unique(np.append(np.clip(places, 0, data.alarm), [0, data.alarm])).astype(np.int64)


def _between(at: Places, edge: int) -> Places:
    """Onsets between one that was tried and the next."""
    low, high = int(at[edge]), int(at[edge + 1])
    return np.unique(np.linspace(low, high, FINER + 2).astype(np.int64))[1:-1]


@dataclass(frozen=True, slots=True)
class _Data:
    """Running sums, each with a 0 before the first window."""

    n: Floats
    total: Floats
    edges: Floats
    alarm: int
    measure: Measure
    dispersion: float

    @classmethod
    def of(
        cls, n: ArrayLike, total: ArrayLike, measure: Measure, alarm: int | None, edges: ArrayLike | None = None
    ) -> _Data | None:
        counts, totals = np.asarray(n, dtype=np.float64), np.asarray(total, dtype=np.float64)
        if counts.ndim != 1 or counts.shape != totals.shape:
            raise ValueError("Every window needs an n and a total, in two lists of one length.")
        wrong = ~(np.isfinite(counts) & np.isfinite(totals)) | (counts < 0) | ((counts == 0) & (totals != 0))
        if measure is not Measure.SCORE:
            wrong |= totals < 0
        if measure in {Measure.RATE, Measure.MEAN}:
            wrong |= totals > counts * (1 + 1e-9)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise ValueError(f"Window {at} has n {counts[at]:g} and a total of {totals[at]:g}, which cannot be.")
        last = len(counts) - 1
        alarm = last if alarm is None else alarm
        if not counts.any():
            return None
        if not 0 <= alarm <= last:
            raise ValueError(f"The alarm is at window {alarm}, and there are {last + 1}.")
        times = np.arange(len(counts) + 1.0) if edges is None else np.asarray(edges, dtype=np.float64)
        if times.shape != (len(counts) + 1,) or not (np.diff(times) > 0).all():
            raise ValueError("The edges of windows are growing times, one more than there are windows.")
        return cls(_running(counts), _running(totals), times, alarm, measure, _dispersion(counts, totals, measure))


def _running(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


def _spread(measure: Measure, mean: Floats) -> Floats:
    """The variance of one observation in the model."""
    if measure is Measure.SCORE:
        return np.ones_like(mean)
    return mean if measure is Measure.COUNT else mean * (1 - mean)


def _dispersion(n: Floats, total: Floats, measure: Measure) -> float:
    """How many times the model's variance the data have, by differences of neighbours: a change hardly moves those."""
    full = n > 0
    n, total = n[full], total[full]
    mean = float(total.sum() / n.sum())
    spread = float(_spread(measure, np.asarray(mean)))
    if len(n) < DISPERSION_FROM or spread <= 0 or (measure is Measure.RATE and n.max() <= 1):
        return 1.0
    found = float(np.mean(np.diff(total / n) ** 2 / (spread * (1 / n[1:] + 1 / n[:-1]))))
    if measure in {Measure.MEAN, Measure.SCORE}:
        return max(found, EDGE)
    # What chance makes of it is not counted: the mean of squares of standard normal and rarer, more skewed figures.
    chance = 2 * math.sqrt((3 + 1 / max(float(np.mean(n)) * spread, EDGE)) / len(n))
    return max(1.0, found / (1 + chance))


@dataclass(frozen=True, slots=True)
class _Tried:
    """Onsets `at` with their l(k), the same for jumps alone, J (t - k), and the means that go with them."""

    at: Places
    worth: Floats
    as_step: Floats
    told: Floats
    before: Floats
    after: Floats
    after_step: Floats

    def with_more(self, more: _Tried) -> _Tried:
        at = np.concatenate([self.at, more.at])
        order = np.argsort(at, kind="stable")
        pairs = ((getattr(self, name), getattr(more, name)) for name in _Tried.__slots__)
        return _Tried(*(np.concatenate(pair)[order] for pair in pairs))


class _Likelihood:
    """l(k) for changes in one direction."""

    def __init__(self, data: _Data, baseline: Baseline, sign: int) -> None:
        self.data = data
        self.sign = sign
        mean = float(baseline.mean)
        self.weight = float(baseline.n or 0)
        # Means that can be, but for those that leave nothing to chance.
        if data.measure is Measure.SCORE:
            self.bounds = (-math.inf, math.inf)
        elif data.measure is Measure.COUNT:
            self.bounds = (EDGE * min(mean or 1.0, 1.0), math.inf)
        else:
            self.bounds = (EDGE, 1 - EDGE)
        self.mean = min(max(mean, self.bounds[0]), self.bounds[1])
        everything = self.log(data.n[-1], data.total[-1], self._mean(data.n[-1], data.total[-1]))
        self.unchanged = everything + self._reference(self._mean(data.n[-1], data.total[-1]))

    def possible(self, mean: float) -> Floats:
        """The nearest mean that can be."""
        return np.asarray(np.clip(mean, *self.bounds))

    def of(self, at: Places) -> _Tried:
        """Try onsets."""
        data = self.data
        before = self._mean(data.n[at], data.total[at])
        past = self.log(data.n[at], data.total[at], before) + self._reference(before) - self.unchanged
        weights = np.append((np.arange(STAIRS) + 0.5) / STAIRS, 1.0)
        n, total = self._stairs(at)
        change = self._most_likely(n, total, before[:, None], weights)
        means = before[:, None, None] + change[..., None] * weights
        worth = (past[:, None] + self.log(n, total, means).sum(axis=2)) / data.dispersion
        best = worth.argmax(axis=1)
        rows = np.arange(len(at))
        since = data.n[data.alarm + 1] - data.n[at]
        told = since * _spread(data.measure, before) / data.dispersion
        return _Tried(
            at, np.maximum(worth[rows, best], 0.0), np.maximum(worth[:, 0], 0.0), told,
            before, before + change[rows, best], before + change[:, 0],
        )  # fmt: skip

    def _mean(self, n: Floats, total: Floats) -> Floats:
        """The mean before an onset: that of the baseline, and of what came after it."""
        if not self.weight:
            return np.full(np.shape(n), self.mean)
        mean = (self.weight * self.mean + total) / (self.weight + n)
        return np.asarray(np.clip(mean, *self.bounds))

    def _reference(self, mean: Floats) -> Floats:
        """The log-likelihood of what the baseline was estimated from."""
        return self.log(self.weight, self.weight * self.mean, mean)

    def log(self, n: Floats | float, total: Floats | float, mean: Floats) -> Floats:
        """The log-likelihood of windows under a mean."""
        if self.data.measure is Measure.SCORE:
            return np.asarray(total * mean - n * mean**2 / 2)
        if self.data.measure is Measure.COUNT:
            return np.asarray(xlogy(total, mean) - n * mean)
        return np.asarray(xlogy(total, mean) + xlogy(np.maximum(np.subtract(n, total), 0.0), 1 - mean))

    def _stairs(self, at: Places) -> tuple[Floats, Floats]:
        """Observations and totals on every stair of every slope that begins at an onset, and of what follows it."""
        times = self.data.edges
        begin, end = times[at], times[-1]
        stairs = np.append(np.arange(STAIRS + 1) / STAIRS, 0.0)
        edges = begin[:, None, None] + (end - begin)[:, None, None] * SHARES[:, None] * stairs
        edges[..., -1] = end
        n, total = (np.diff(np.interp(edges, times, sums), axis=2) for sums in (self.data.n, self.data.total))
        return n, total

    def _most_likely(self, n: Floats, total: Floats, before: Floats, weights: Floats) -> Floats:
        """The change in the direction asked for that the data speak most for; concave, so by Newton's method."""
        low, high = (self.bounds[0] - before, 0.0) if self.sign < 0 else (0.0, self.bounds[1] - before)
        spread = np.maximum((n * weights**2).sum(axis=2), EDGE)
        change = np.clip(((total - n * before[..., None]) * weights).sum(axis=2) / spread, low, high)
        count = self.data.measure is Measure.COUNT
        for _ in range(0 if self.data.measure is Measure.SCORE else NEWTON):
            means = before[..., None] + change[..., None] * weights
            slope, bend = total / means, total / means**2
            if count:
                slope = slope - n
            else:
                rest = np.maximum(n - total, 0.0) / (1 - means)
                slope, bend = slope - rest, bend + rest / (1 - means)
            step = (slope * weights).sum(axis=2) / np.maximum((bend * weights**2).sum(axis=2), EDGE)
            change = np.clip(change + step, low, high)
        return np.asarray(change)
