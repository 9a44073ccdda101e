"""Has a distribution moved? Bets on the bins of a histogram, window by window, with a false-alarm budget.

**What is asked.** That in no window the population lies farther from the reference than the tolerance, in the distance
that was chosen. The default tolerance of 0 asks whether it has moved at all, beyond what the reference's own size
leaves open. A tolerance is of the population, so it means the same for 200 rows a window as for 2 million.

**The bets.** A witness f gives each bin a number from 0 to 1: whether it lies below a cut, whether it is this bin, how
far it lies beyond a point. No population within the tolerance gives f a mean above c, so for every stake s >= 0::

    product over bins b of (1 + s (f_b - c)) ^ (rows in b)

is expected to be at most 1, exactly, for a window of any size (the testing by betting of Waudby-Smith and Ramdas 2024,
doi 10.1093/jrsssb/qkad009). c is the largest mean that the distance allows:

- `js`, `psi`: f tells whether a row lies in a set of bins A. A distance of this kind never grows when bins are merged
  (data processing), so c is the share x at which the distance of (x, 1 - x) from (r, 1 - r) is the tolerance, r being
  the reference's share of A.
- `ks`: f tells whether a row lies below a cut, or above; c = r + tolerance.
- `wasserstein`: f rises by at most L per unit of the bins' positions; c = its mean in the reference + L tolerance
  (Kantorovich and Rubinstein).

All bets are played as an e-Shiryaev-Roberts detector (`andon.detect.stakes`) with one budget. The witness that led says
where the distribution has moved.

**What is valid, exactly.** Rows of a window come independently from a population within the tolerance, which may differ
from window to window. The reference's means are taken at limits that all hold together with probability 1 - `DOUBT`
(Chernoff's bound for values in [0, 1]), and the statistic has to reach budget / (1 - DOUBT): on average over references
and streams, at least `budget` windows pass before a false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from andon.detect.distance import ORDERED, Distance, places
from andon.detect.sequential import DOUBT
from andon.detect.stakes import Floats, play

BETS: Final = 4
MILDEST, BOLDEST = 1.15, 4.0
"""Bets suppose that the odds of a witness have grown so many times.

On large windows the mildest supposes no more than one standard deviation of the mean, or chance would beat it there.
"""
POINTS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the way through the bins: from where the witnesses of a Wasserstein distance rise or fall."""
HALVINGS: Final = 50


@dataclass(frozen=True, slots=True)
class DriftPlan:
    """What is asked of a distribution.

    `reference` are the counts of its bins, or the shares themselves if `known`. `ordered` is false for categories;
    `positions` says where bins lie for a Wasserstein distance. A distance of up to `tolerance` is accepted. `budget`
    windows pass on average, at least, between false alarms. Raises ValueError for a plan that cannot be tested.
    """

    reference: tuple[float, ...]
    distance: Distance = Distance.JS
    tolerance: float = 0.0
    budget: float = 1_000
    ordered: bool = True
    positions: tuple[float, ...] | None = None
    known: bool = False

    def __post_init__(self) -> None:
        """Check."""
        if len(self.reference) < 2 or min(self.reference) < 0 or not 0 < sum(self.reference) < math.inf:  # noqa: PLR2004
            raise ValueError("A reference has two bins or more, with counts of 0 or more, and one row at least.")
        if self.distance in ORDERED and not self.ordered:
            raise ValueError(f"Categories have no order, which the distance {self.distance} needs; take js or psi.")
        if not math.isfinite(self.tolerance) or self.tolerance < 0:
            raise ValueError(f"A tolerance is a distance of 0 or more, and this is {self.tolerance:g}.")
        if not math.isfinite(self.budget) or self.budget <= 1:
            raise ValueError(f"A budget is more than one window between false alarms, and this is {self.budget:g}.")
        if not _table(self).witnesses:
            raise ValueError(f"A tolerance of {self.tolerance:g} leaves no room for a change in {self.distance}.")

    @property
    def threshold(self) -> float:
        """The statistic from which on it is an alarm."""
        return self.budget if self.known else self.budget / (1 - DOUBT)


@dataclass(frozen=True, slots=True)
class Witness:
    """Where it moved: the bins from `first` to `last` hold more (`up`) or less (`down`) than the reference allows."""

    first: int
    last: int
    direction: Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class DriftEvidence:
    """What was seen so far: the stakes' logarithms."""

    logs: tuple[float, ...]

    def to_list(self) -> list[float | None]:
        """For a JSON column; a stake of nothing is None, since JSON has no infinity."""
        return [None if math.isinf(value) else value for value in self.logs]

    @classmethod
    def from_list(cls, plan: DriftPlan, values: Sequence[float | None]) -> DriftEvidence:
        """What `to_list` gave under the same plan; ValueError for anything else."""
        if len(values) != _table(plan).bets:
            raise ValueError(f"Evidence of this plan is {_table(plan).bets} numbers, and there are {len(values)}.")
        return cls(tuple(-math.inf if value is None else float(value) for value in values))


@dataclass(frozen=True, slots=True)
class DriftProgress:
    """What came of some more windows; `statistics` has one for each that was read, the last being that of the alarm."""

    evidence: DriftEvidence
    statistics: Floats
    threshold: float
    alarm_at: int | None = None
    witness: Witness | None = None


def start(plan: DriftPlan) -> DriftEvidence:
    """Nothing seen yet: the start of a watch, and again after each alarm."""
    return DriftEvidence((-math.inf,) * _table(plan).bets)


def advance(plan: DriftPlan, evidence: DriftEvidence, windows: ArrayLike) -> DriftProgress:
    """Take in windows, oldest first: counts by (window, bin). A window without rows changes nothing.

    Stops at the first alarm. Raises ValueError where counts cannot be, naming the window.
    """
    found = np.asarray(windows, dtype=float)
    if found.ndim != 2 or found.shape[1] != len(plan.reference):  # noqa: PLR2004
        raise ValueError(f"Windows need an axis of windows and one of {len(plan.reference)} bins.")
    if (wrong := ~(np.isfinite(found) & (found >= 0)).all(axis=1)).any():
        raise ValueError(f"Window {int(np.argmax(wrong))}: counts of bins are numbers of 0 or more.")
    table = _table(plan)
    played = play(np.array(evidence.logs), (table.factors(window) for window in found), plan.threshold)
    kept = DriftEvidence(tuple(played.logs.tolist()))
    if played.alarm_at is None:
        return DriftProgress(kept, played.statistics, plan.threshold)
    witness = table.witnesses[played.leading // BETS]
    return DriftProgress(kept, played.statistics, plan.threshold, played.alarm_at, witness)


@dataclass(frozen=True, slots=True)
class _Table:
    """The witnesses, their numbers by (witness, bin), and the largest mean that each can have within the tolerance."""

    witnesses: tuple[Witness, ...]
    numbers: Floats
    most: Floats

    @property
    def bets(self) -> int:
        return len(self.witnesses) * BETS

    def factors(self, window: Floats) -> Floats:
        """The logarithms of what a window multiplies each stake by; NaN if it holds no row."""
        if not (n := window.sum()):
            return np.full(self.bets, np.nan)
        c = self.most[:, None]
        mildest = np.minimum(1 / np.sqrt(n * c * (1 - c)), math.log(MILDEST))
        odds = np.exp(mildest * (math.log(BOLDEST) / mildest) ** np.linspace(0, 1, BETS))
        supposed = odds * c / (1 - c + odds * c)
        stakes = (supposed - c) / (c * (1 - c))
        held = window > 0
        apart = self.numbers[:, held] - c
        return np.asarray(np.log1p(stakes[:, :, None] * apart[:, None, :]) @ window[held]).reshape(-1)


@lru_cache(maxsize=256)
def _table(plan: DriftPlan) -> _Table:
    witnesses, numbers, slopes = _witnesses(plan)
    counts = np.array(plan.reference)
    means = np.clip(numbers @ counts / counts.sum(), 0, 1)
    if not plan.known:
        means = _upper(means, counts.sum(), math.log(len(means) / DOUBT))
    most = np.array([_largest(plan, mean, slope) for mean, slope in zip(means, slopes, strict=True)])
    able = most < 1 - 1e-9
    kept = tuple(witness for witness, one in zip(witnesses, able, strict=True) if one)
    return _Table(kept, numbers[able], np.maximum(most[able], 1e-9))


def _witnesses(plan: DriftPlan) -> tuple[list[Witness], Floats, list[float]]:
    """Each with its number for every bin, and how steeply that rises (of use to a Wasserstein distance only)."""
    bins = len(plan.reference)
    last = bins - 1
    found: list[tuple[Witness, Floats, float]] = []

    def both(first: int, end: int, numbers: Floats, slope: float = 0.0) -> None:
        found.append((Witness(first, end, "up"), numbers, slope))
        found.append((Witness(first, end, "down"), 1 - numbers, slope))

    if plan.distance is Distance.WASSERSTEIN:
        at = places(bins, plan.positions)
        for point in POINTS:
            if point < 1:
                both(int(np.argmax(at > point)), last, np.maximum(at - point, 0) / (1 - point), 1 / (1 - point))
            if 0 < point < 1:
                both(0, int(np.argmax(at >= point)) - 1, np.maximum(point - at, 0) / point, 1 / point)
    else:
        each = np.eye(bins)
        if plan.ordered:
            for cut in range(last):
                both(0, cut, each[: cut + 1].sum(axis=0))
        if plan.distance is not Distance.KS:
            # With an order the bins at both ends are cuts already.
            for one in range(1, last) if plan.ordered else range(bins):
                both(one, one, each[one])
    witnesses, numbers, slopes = zip(*found, strict=True)
    return list(witnesses), np.array(numbers), list(slopes)


def _largest(plan: DriftPlan, mean: float, slope: float) -> float:
    """The largest mean of a witness within the tolerance, from its mean in the reference."""
    match plan.distance:
        case Distance.KS:
            return mean + plan.tolerance
        case Distance.WASSERSTEIN:
            return mean + slope * plan.tolerance
        case _:
            return _share_at(mean, plan.tolerance, plan.distance)


def _share_at(share: float, tolerance: float, kind: Distance) -> float:
    """The share above this one at which the distance of the two-bin distributions is the tolerance; 1 if none is."""
    share = min(max(share, 1e-12), 1 - 1e-12)
    if not tolerance:
        return share  # the only one at no distance

    def apart(x: float) -> float:
        if kind is Distance.PSI:
            return (x - share) * (math.log(x / share) - math.log((1 - x) / (1 - share)))
        middle = (x + share) / 2
        parts = sum(
            p * math.log2(p / m)
            for p, m in ((x, middle), (1 - x, 1 - middle), (share, middle), (1 - share, 1 - middle))
        )
        return math.sqrt(max(parts, 0.0) / 2)

    low, high = share, 1 - 1e-12
    if apart(high) <= tolerance:
        return 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if apart(middle) <= tolerance else (low, middle)
    return high


def _upper(means: Floats, n: float, reach: float) -> Floats:
    """The means at which n KL(seen, mean) is `reach`: passed with a probability of at most exp(-reach) each."""
    from scipy.special import rel_entr

    low, high = means.copy(), np.ones_like(means)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        over = n * (rel_entr(means, middle) + rel_entr(1 - means, 1 - middle)) > reach
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return high
