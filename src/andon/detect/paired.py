"""Has a gap between groups opened? Bets of one group against another, window by window, with a false-alarm budget.

**What is asked.** That in no window the rates of a group and its reference differ by more than the tolerance. Both may
rise and fall together, by season or by drift: only the gap counts, so no baseline has to be known.

**The bet.** In a window in which group a has n_a decisions that count, k_a of them with the event, and likewise b, the
stake is multiplied by the likelihood of rates (q_a, q_b) divided by that of (p_a, p_b), where p is the point within the
tolerance that is nearest to q: it minimises n_a KL(q_a, p_a) + n_b KL(q_b, p_b). Then the factor is expected to be at
most 1 for every pair of rates within the tolerance (Turner, Ly and Grünwald 2024, arXiv 2106.02693, for blocks of a
fixed size; the tolerance is a convex set, and the logarithm of the expectation is concave in the two rates). This is
the auditing by betting of Chugg, Cortes-Gomez, Wilder and Ramdas (2023, arXiv 2305.17570) for decisions that come as
counts: a window of one pair is their bet with a likelihood's stake.

**What is valid, exactly.** q is fixed from earlier windows and from n_a and n_b. The promise holds if, given what came
before, how many decisions each group has in a window says nothing about how they come out, and these are independent
within the window, with group means that lie within the tolerance. Rates may change from window to window, and from
decision to decision within it. Nothing is used of the order within a window, and an alarm can only come at its end.
TPR, FPR and PPV count a decision in the window in which its label arrives; so does calibration. If labels of positive
outcomes arrive sooner than others, FPR and PPV by arrival are of a mixture that changes, for all groups alike only if
the delay is the same in each.

**Several groups** share one budget: the statistic is the mean over pairs and bets. Calibration is asked within score
bins: labels of two groups in the same bin should be positive equally often, up to the difference of their mean scores
and the tolerance; the factors of the bins multiply.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from andon.detect import onset
from andon.detect.baseline import Baseline, Measure
from andon.detect.onset import Onset, Unknown
from andon.detect.sequential import Direction
from andon.detect.stakes import Floats, Played, play

STEPS: Final = 6
MILDEST, BOLDEST = 0.05, 1.6
"""Bets suppose a gap so far beyond the tolerance, in units of c (1 - c), c being the rate of both together.

On large windows the mildest supposes no more than one standard deviation of the gap, or chance would beat it there.
"""
SIDES: Final = np.array([1.0, -1.0])
REMEMBERED: Final = 0.9
"""What is left of a window's weight in the rate c one window later."""
LEAST: Final = 1e-5
"""No bet supposes a rate nearer to 0 or 1."""
HALVINGS: Final = 40
"""Of the way between two points that lie a bet apart: what is left is nothing beside LEAST."""
CHUNK: Final = 256
"""Windows taken at once."""
REST: Final = "rest"
"""The reference that is all other groups together."""


@dataclass(frozen=True, slots=True)
class GapPlan:
    """What is asked of a gap.

    `groups` in the order of the columns of counts; `reference` is one of them, or `rest`: each group against all others
    together. A gap up to `tolerance` on either side is accepted. `budget` windows pass on average, at least, between
    false alarms, over all groups together. `strata` is 1, or the number of score bins for calibration.
    Raises ValueError for a plan by which nothing can be found.
    """

    groups: tuple[str, ...]
    tolerance: float = 0.0
    budget: float = 1_000
    reference: str = REST
    strata: int = 1

    def __post_init__(self) -> None:
        """Check."""
        if len(self.groups) < 2 or len(set(self.groups)) != len(self.groups):  # noqa: PLR2004
            raise ValueError(f"A gap needs two groups or more, each named once, and this names {self.groups}.")
        if self.reference != REST and self.reference not in self.groups:
            raise ValueError(f"The reference group {self.reference} is not among {', '.join(self.groups)}.")
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"A tolerance is a difference of rates from 0 to 1, and this is {self.tolerance:g}.")
        if not math.isfinite(self.budget) or self.budget <= 1:
            raise ValueError(f"A budget is more than one window between false alarms, and this is {self.budget:g}.")
        if self.strata < 1:
            raise ValueError("There is at least one stratum.")

    @property
    def watched(self) -> tuple[int, ...]:
        """The groups that are compared, by column: all but the reference, and of two against each other the last."""
        if self.reference != REST:
            return tuple(at for at, name in enumerate(self.groups) if name != self.reference)
        return (1,) if len(self.groups) == 2 else tuple(range(len(self.groups)))  # noqa: PLR2004

    @property
    def bets(self) -> int:
        """How many stakes there are."""
        return len(self.watched) * len(SIDES) * STEPS


@dataclass(frozen=True, slots=True)
class GapEvidence:
    """What was seen so far: the stakes' logarithms, and the fading counts from which the next bets take their rate."""

    logs: tuple[float, ...]
    trials: tuple[float, ...]
    events: tuple[float, ...]

    def to_list(self) -> list[float | None]:
        """For a JSON column; a stake of nothing is None, since JSON has no infinity."""
        return [*(None if math.isinf(value) else value for value in self.logs), *self.trials, *self.events]

    @classmethod
    def from_list(cls, plan: GapPlan, values: Sequence[float | None]) -> GapEvidence:
        """What `to_list` gave under the same plan; ValueError for anything else."""
        kept, counts = plan.bets, len(plan.groups) * plan.strata
        if len(values) != kept + 2 * counts or None in values[kept:]:
            raise ValueError(f"Evidence of this plan is {kept + 2 * counts} numbers, and there are {len(values)}.")
        numbers = [-math.inf if value is None else float(value) for value in values]
        return cls(tuple(numbers[:kept]), tuple(numbers[kept : kept + counts]), tuple(numbers[kept + counts :]))


@dataclass(frozen=True, slots=True)
class GapProgress:
    """What came of some more windows; `statistics` has one for each that was read, the last being that of the alarm.

    At an alarm, `group` is the one whose bet led, and `direction` says where it lies: `up` is above its reference.
    """

    evidence: GapEvidence
    statistics: Floats
    threshold: float
    alarm_at: int | None = None
    group: str | None = None
    direction: Literal["up", "down"] | None = None


def start(plan: GapPlan) -> GapEvidence:
    """Nothing seen yet: the start of a watch, and again after each alarm."""
    counts = (0.0,) * (len(plan.groups) * plan.strata)
    return GapEvidence((-math.inf,) * plan.bets, counts, counts)


def advance(
    plan: GapPlan, evidence: GapEvidence, trials: ArrayLike, events: ArrayLike, expected: ArrayLike | None = None
) -> GapProgress:
    """Take in windows, oldest first.

    Args:
        plan: What is asked.
        evidence: What was seen before.
        trials: Decisions that count, by (window, group), or (window, group, stratum).
        events: How many of them have the event; of the same shape.
        expected: For calibration the sum of scores of these decisions; of the same shape.

    Stops at the first alarm. Raises ValueError where the counts cannot be, naming window and group.
    """
    n, k = (_shaped(plan, name, values) for name, values in (("trials", trials), ("events", events)))
    scores = None if expected is None else _shaped(plan, "expected", expected)
    if scores is not None and scores.shape != n.shape:
        raise ValueError("The expected sums need a row for each window.")
    _check(plan, n, k)
    past = _past(plan, evidence, n, k)
    found = play(np.array(evidence.logs), _factors(plan, past, n, k, scores), plan.budget)
    return _progress(plan, past, found)


def began(
    plan: GapPlan, group: str, trials: ArrayLike, events: ArrayLike, *,
    direction: str = "up", normal: float = 0.0, alarm: int | None = None, level: float = 0.9,
) -> Onset | Unknown:  # fmt: skip
    """When the gap of a group began, by windows of the counts that are given; of the alarm, or again later.

    For TPR, FPR, PPV: the windows of the detector are those in which labels arrived. To have the onset in decision
    time, give the same counts arranged by the window in which decisions were made, all labels that are known by now;
    these are another order of the data than the alarm went by, so leave `alarm` out.

    In each window the difference of the two rates is taken for the mean of n_a n_b / (n_a + n_b) observations, which is
    what its variance amounts to, and goes to `andon.detect.onset`. `normal` is the gap, with its sign, that was there
    before. Windows in which one group has no decision say nothing.
    """
    n, k = (_shaped(plan, name, values) for name, values in (("trials", trials), ("events", events)))
    _check(plan, n, k)
    if plan.strata > 1:
        n, k = n.sum(axis=2, keepdims=True), k.sum(axis=2, keepdims=True)
    pair = [plan.groups[at] for at in plan.watched].index(group)
    (n_a, n_b), (k_a, k_b) = ([side[:, pair, 0] for side in _split(plan, counts)] for counts in (n, k))
    both = np.maximum(n_a + n_b, 1.0)
    rate = (k_a.sum() + k_b.sum() + 0.5) / (both.sum() + 1)
    says = (n_a > 0) & (n_b > 0)
    gap = np.where(says, k_a / np.maximum(n_a, 1) - k_b / np.maximum(n_b, 1), 0.0)
    # A mean near 1/2 of as much information: this gap has the variance rate (1 - rate) / (n_a n_b / both).
    weight = np.where(says, n_a * n_b / both, 0.0) / (rate * (1 - rate))
    middle = (1 + gap) / 2
    return onset.estimate(
        weight, weight * middle, Baseline((1 + normal) / 2),
        measure=Measure.MEAN, direction=Direction(direction), alarm=alarm, level=level,
    )  # fmt: skip


def _past(plan: GapPlan, evidence: GapEvidence, n: Floats, k: Floats) -> tuple[Floats, Floats]:
    """The fading counts as they were before each window, and after the last: by (window, group, stratum)."""
    shape = (len(plan.groups), plan.strata)
    trials, events = [np.reshape(evidence.trials, shape)], [np.reshape(evidence.events, shape)]
    for window in range(len(n)):
        kept = np.where(n[window] > 0, REMEMBERED, 1.0)
        trials.append(kept * trials[-1] + n[window])
        events.append(kept * events[-1] + k[window])
    return np.array(trials), np.array(events)


def _factors(
    plan: GapPlan, past: tuple[Floats, Floats], n: Floats, k: Floats, scores: Floats | None
) -> Iterator[Floats]:
    """The logarithms of each window's factors, by bet."""
    for first in range(0, len(n), CHUNK):
        rows = slice(first, min(first + CHUNK, len(n)))
        sizes = _split(plan, n[rows])
        shift = np.zeros_like(sizes[0])
        if scores is not None:
            own, other = (
                np.divide(s, m, out=np.zeros_like(m), where=m > 0)
                for s, m in zip(_split(plan, scores[rows]), sizes, strict=True)
            )
            shift = own - other
        seen, events = (np.add(*_split(plan, counts[rows])) for counts in past)
        centre = (events + 0.5) / (seen + 1.0)
        says = (sizes[0] > 0) & (sizes[1] > 0) & (seen > 0)
        told = _log_factors(plan, sizes, _split(plan, k[rows]), centre, shift)
        summed = np.where(says[..., None, None], told, 0.0).sum(axis=2)
        summed[~says.any(axis=2)] = np.nan
        yield from summed.reshape(len(summed), -1)


def _split(plan: GapPlan, counts: Floats) -> tuple[Floats, Floats]:
    """Those of each watched group, and those of its reference, by (window, pair, stratum)."""
    own = counts[:, list(plan.watched)]
    if plan.reference == REST:
        return own, counts.sum(axis=1, keepdims=True) - own
    reference = plan.groups.index(plan.reference)
    return own, np.broadcast_to(counts[:, reference : reference + 1], own.shape)


def _log_factors(
    plan: GapPlan, n: tuple[Floats, Floats], k: tuple[Floats, Floats], centre: Floats, shift: Floats
) -> Floats:
    """By (window, pair, stratum, side, step)."""
    n_a, n_b, k_a, k_b, c, middle = (one[..., None, None] for one in (*n, *k, centre, shift))
    size = np.maximum(n_a + n_b, 1.0)
    sign = SIDES[:, None]
    edge = np.clip(middle + sign * plan.tolerance, -1 + 1e-9, 1 - 1e-9)
    spread = np.sqrt(n_a * n_b / size * c * (1 - c))
    mildest = np.minimum(1 / np.maximum(spread, 1e-9), MILDEST)
    steps = mildest * (BOLDEST / mildest) ** np.linspace(0, 1, STEPS)
    wanted = edge + sign * steps * c * (1 - c)
    q_a = np.clip(c + wanted * n_b / size, LEAST, 1 - LEAST)
    q_b = np.clip(c - wanted * n_a / size, LEAST, 1 - LEAST)
    p_b = _nearest(n_a, n_b, q_a, q_b, edge)
    p_a = p_b + edge
    told = (
        k_a * np.log(q_a / p_a) + (n_a - k_a) * np.log((1 - q_a) / (1 - p_a))
        + k_b * np.log(q_b / p_b) + (n_b - k_b) * np.log((1 - q_b) / (1 - p_b))
    )  # fmt: skip
    # Near 0 and 1 a supposed gap may be cut to one within the tolerance, which is no bet.
    beyond = sign * (q_a - q_b - edge) > 0
    return np.asarray(np.where(beyond, told, 0.0))


def _nearest(n_a: Floats, n_b: Floats, q_a: Floats, q_b: Floats, edge: Floats) -> Floats:
    """The rate of b on the edge of the tolerance (a lies `edge` above it) that is nearest to q, by bisection."""
    least, most = np.maximum(0.0, -edge) + 1e-12, np.minimum(1.0, 1 - edge) - 1e-12
    low = np.clip(np.minimum(q_b, q_a - edge), least, most)
    high = np.clip(np.maximum(q_b, q_a - edge), least, most)
    for _ in range(HALVINGS):
        x = (low + high) / 2
        y = x + edge
        rising = n_a * (y - q_a) / (y * (1 - y)) + n_b * (x - q_b) / (x * (1 - x)) > 0
        low, high = np.where(rising, low, x), np.where(rising, x, high)
    return np.asarray((low + high) / 2)


def _progress(plan: GapPlan, past: tuple[Floats, Floats], found: Played) -> GapProgress:
    trials, events = (counts[len(found.statistics)].ravel().tolist() for counts in past)
    evidence = GapEvidence(tuple(found.logs.tolist()), tuple(trials), tuple(events))
    if found.alarm_at is None:
        return GapProgress(evidence, found.statistics, plan.budget)
    pair, side, _ = np.unravel_index(found.leading, (len(plan.watched), len(SIDES), STEPS))
    group = plan.groups[plan.watched[int(pair)]]
    return GapProgress(evidence, found.statistics, plan.budget, found.alarm_at, group, "down" if side else "up")


def _shaped(plan: GapPlan, name: str, values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=float)
    if found.ndim == 2 and plan.strata == 1:  # noqa: PLR2004
        found = found[:, :, None]
    wanted = (len(plan.groups), plan.strata)
    if found.ndim != 3 or found.shape[1:] != wanted:  # noqa: PLR2004
        raise ValueError(f"The {name} need axes of windows, {wanted[0]} groups and {wanted[1]} strata.")
    return found


def _check(plan: GapPlan, n: Floats, k: Floats) -> None:
    if n.shape != k.shape:
        raise ValueError("Trials and events need a row for each window.")
    wrong = ~((k >= 0) & (k <= n) & np.isfinite(n))
    if wrong.any():
        window, group, _ = np.argwhere(wrong)[0]
        raise ValueError(
            f"Window {window}, group {plan.groups[group]}: {k[window, group].sum():g} events in"
            f" {n[window, group].sum():g} decisions cannot be."
        )
