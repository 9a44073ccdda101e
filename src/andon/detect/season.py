"""A metric with a season: what is expected of a window, and how far the observed value is from that, as a score.

A daily rate of errors may be 5% on weekdays and 6% on Sundays, be carried over from one day to the next, and scatter
more than its counts alone would make it. Tested as if its days were alike and independent, it raises false alarms. So
each window gets a score:

    e_t = y_t - level of its slot (weekday, or hour of the week)
    z_t = (e_t - c e_(t-1)) / s          c: what is carried over (AR(1) whitening), s: the deviation of what is left

Normally scores have mean 0, deviation 1 and no memory. `andon.detect.sequential` tests them as Measure.SCORE, with a
tolerance (in deviations) that covers what a short reference leaves uncertain; `TOLERANCE` is what eight weeks need.

**What is not proven.** Levels, c and s are estimates, and the bets ask for tails like those of the normal distribution
(scores are cut at `FURTHEST`). So for a season the budget is measured, not proven: docs/performance.md has the figures.

How it is estimated: levels are the means of the slots, drawn towards the mean of all as far as they could differ by
chance (James and Stein, in the form of Efron and Morris 1973, doi 10.1080/01621459.1973.10481350); c is the correlation
of neighbours, corrected for its bias in short series (Kendall 1954, doi 10.1093/biomet/41.3-4.403).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from andon.detect.baseline import Baseline, Measure
from andon.detect.sequential import Direction, Plan

Floats = NDArray[np.float64]

TOLERANCE: Final = 0.25
"""How many deviations beyond the expected are still all right, for a reference of eight periods."""
PERIODS: Final = 4
"""Rounds of the season that a reference has at least."""
LEAST: Final = 28
"""Windows that a reference has at least."""
SEEN: Final = 2
"""How often a slot was observed, so that its level is known."""
SMALLEST: Final = 1e-9
"""Deviations below that share of the largest value are rounding."""
FURTHEST: Final = 4.0
"""Scores beyond that are cut: one wild window is no proof of a lasting change."""
MOST_CARRIED: Final = 0.95
"""More than that carried over would be a metric that wanders, and has no level."""


@dataclass(frozen=True, slots=True)
class Season:
    """What is normal for a metric whose windows come in rounds of so many slots.

    A level is None where the reference showed the slot too seldom: a log that rests on Sundays says nothing of Sundays.
    """

    levels: tuple[float | None, ...]
    carried: float
    deviation: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """For a JSON column."""
        return asdict(self) | {"levels": list(self.levels)}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Season:
        """What `to_dict` gave."""
        return cls(
            tuple(None if level is None else float(level) for level in kept["levels"]),
            float(kept["carried"]),
            float(kept["deviation"]),
            int(kept["n"]),
        )

    def expected(self, steps: ArrayLike) -> Floats:
        """The level of each window, by its number; numbers count windows, empty ones too, from any fixed one.

        Raises ValueError for a window of a slot whose level is not known; `known` tells.
        """
        numbers = np.asarray(steps, dtype=np.int64)
        if not self.known(numbers).all():
            at = int(np.argmin(self.known(numbers)))
            raise ValueError(f"Window {at} lies in a slot that the reference did not show: leave it out.")
        return np.array([0.0 if level is None else level for level in self.levels])[numbers % len(self.levels)]

    def known(self, steps: ArrayLike) -> NDArray[np.bool_]:
        """Whether the reference says what is normal for each window, by its number."""
        shown = np.array([level is not None for level in self.levels])
        return np.asarray(shown[np.asarray(steps, dtype=np.int64) % len(self.levels)])

    @property
    def gain(self) -> float:
        """By how much a lasting change of one in the metric moves scores."""
        return (1 - self.carried) / self.deviation

    @property
    def spread(self) -> float:
        """The deviation of single windows from their level, with what they carry over."""
        return self.deviation / math.sqrt(1 - self.carried**2)

    def scores(self, steps: ArrayLike, values: ArrayLike, before: tuple[int, float] | None = None) -> Floats:
        """A score for each window that was observed, oldest first.

        `before` is the number and the value of the last window before these. Where the window before was not observed,
        nothing is known to be carried over, and the score is by the wider spread.
        """
        numbers, seen = _series(steps, values)
        apart = seen - self.expected(numbers)
        last_number, last_apart = np.empty_like(numbers), np.empty_like(apart)
        last_number[1:], last_apart[1:] = numbers[:-1], apart[:-1]
        if len(numbers):
            last_number[0] = numbers[0] - 2 if before is None else before[0]
            last_apart[0] = 0.0 if before is None else before[1] - float(self.expected([before[0]])[0])
        follows = numbers - last_number == 1
        whitened = np.where(follows, (apart - self.carried * last_apart) / self.deviation, apart / self.spread)
        return np.clip(whitened, -FURTHEST, FURTHEST)


@dataclass(frozen=True, slots=True)
class NoSeason:
    """Why a reference says nothing, in words."""

    why: str


def fit(steps: ArrayLike, values: ArrayLike, slots: int) -> Season | NoSeason:
    """What is normal by a reference: the number of each window and its value, oldest first, in rounds of `slots`.

    Seven slots for daily windows, 24 or 168 for hourly ones, 1 for a metric without a season. Raises ValueError for
    values that are no numbers, and for windows that do not come in order.
    """
    if slots < 1:
        raise ValueError(f"A season has at least one slot, and this has {slots}.")
    numbers, seen = _series(steps, values)
    least = max(LEAST, PERIODS * slots)
    if len(seen) < least:
        return NoSeason(f"Not enough evidence yet: the reference has {len(seen)} of at least {least} windows.")
    shown = np.bincount(numbers % slots, minlength=slots) >= SEEN
    numbers, seen = numbers[shown[numbers % slots]], seen[shown[numbers % slots]]
    if len(seen) < LEAST:
        return NoSeason(f"Not enough evidence yet: {len(seen)} windows of at least {LEAST} lie in slots seen twice.")
    slot = numbers % slots
    levels = _levels(seen, slot, shown)
    apart = seen - levels[slot]
    carried = _carried(numbers, apart)
    follows = np.diff(numbers) == 1
    left = np.where(follows, apart[1:] - carried * apart[:-1], apart[1:] * math.sqrt(1 - carried**2))
    deviation = math.sqrt(float((left**2).sum()) / max(len(left) - int(shown.sum()), 1))
    if deviation <= SMALLEST * float(np.abs(seen).max()):
        return NoSeason("The reference never differs from its levels: there is no scatter to compare a change with.")
    said = tuple(float(level) if here else None for level, here in zip(levels, shown, strict=True))
    return Season(said, carried, deviation, len(seen))


def plan(budget: float, direction: Direction = Direction.BOTH, tolerance: float = TOLERANCE) -> Plan:
    """How scores are tested: the budget is in windows."""
    return Plan(Measure.SCORE, Baseline(0.0), budget, direction, tolerance)


def _series(steps: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
    numbers, seen = np.asarray(steps, dtype=np.int64), np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or numbers.shape != seen.shape:
        raise ValueError("Every window needs its number and its value.")
    if not np.isfinite(seen).all():
        at = int(np.argmin(np.isfinite(seen)))
        raise ValueError(f"Value {at} is no number ({seen[at]}). Leave out windows that were not observed.")
    if (np.diff(numbers) <= 0).any():
        at = int(np.argmax(np.diff(numbers) <= 0)) + 1
        raise ValueError(f"Window {at} has number {numbers[at]}, which is not after {numbers[at - 1]}: sort them.")
    return numbers, seen


def _levels(seen: Floats, slot: NDArray[np.int64], shown: NDArray[np.bool_]) -> Floats:
    counts = np.maximum(np.bincount(slot, minlength=len(shown)), 1)
    means = np.bincount(slot, seen, minlength=len(shown)) / counts
    slots = int(shown.sum())
    if slots == 1:
        return np.asarray(means)
    middle = means[shown].mean()
    within = ((seen - means[slot]) ** 2).sum() / max(len(seen) - slots, 1)
    by_chance = float((within / counts[shown]).mean())
    between = float(((means[shown] - middle) ** 2).sum() / (slots - 1))
    kept = max(0.0, 1 - by_chance / between) if between > 0 else 0.0
    return np.asarray(middle + kept * (means - middle))


def _carried(numbers: NDArray[np.int64], apart: Floats) -> float:
    centred = apart - apart.mean()
    follows = np.diff(numbers) == 1
    total = float((centred**2).sum())
    if total <= 0 or not follows.any():
        return 0.0
    seen = float((centred[1:] * centred[:-1])[follows].sum() / total * len(apart) / (follows.sum() + 1))
    return min(max(seen + (1 + 3 * seen) / len(apart), 0.0), MOST_CARRIED)
