"""Gaps between groups, from counts, with intervals that hold at every look.

What is counted by group is additive, so windows, segments and engines can be summed: decisions, those selected (the
favourable or positive output), those whose label is known, and how output and label agree. Four metrics are shares of
these counts; calibration is the mean of (label - score) over labelled decisions with a score.

Every rate has a confidence sequence (`andon.detect.confidence`) and a gap has the one that follows from those of its
two rates: [low_a - high_b, high_a - low_b]. The error is shared over all groups (and `shared` metrics), so all gaps of
a reading hold at once and at every look, whichever group is picked as the reference afterwards. Proven when, within a
group, each decision that counts for the metric has the same probability given those before. TPR and FPR count
decisions when their label arrives, so a label that comes late is late evidence, not a wrong rate.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from andon.detect import confidence

Floats = NDArray[np.float64]

BINS = 20
"""Of scores between 0 and 1, all of the same width."""
LEAST = 100
"""Of a group's decisions that count for a metric, before a gap is stated."""


class Metric(StrEnum):
    """What is compared between groups."""

    SELECTION_RATE = "selection_rate"
    TPR = "tpr"
    FPR = "fpr"
    PPV = "ppv"
    CALIBRATION = "calibration"


class Reference(StrEnum):
    """To what each group is compared, when no group is named."""

    LARGEST = "largest"
    BEST = "best"
    OVERALL = "overall"


class Verdict(StrEnum):
    """What a gap's interval says about the tolerance."""

    BEYOND = "beyond"
    WITHIN = "within"
    OPEN = "open"
    NOT_ENOUGH = "not_enough"


@dataclass(frozen=True, slots=True)
class Scores:
    """Labelled decisions with a score, by the score's bin: how many, the sum of scores, how many positive labels."""

    n: tuple[float, ...] = (0.0,) * BINS
    total: tuple[float, ...] = (0.0,) * BINS
    positives: tuple[float, ...] = (0.0,) * BINS

    def __add__(self, other: Scores) -> Scores:
        return Scores(*(
            tuple(a + b for a, b in zip(getattr(self, field.name), getattr(other, field.name), strict=True))
            for field in fields(self)
        ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counts:
    """One group's decisions. `labelled` are those whose label has arrived; the other three split part of them."""

    decisions: int = 0
    selected: int = 0
    labelled: int = 0
    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    scores: Scores = Scores()

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def trials(self, metric: Metric) -> tuple[float, float]:
        """How many decisions count for a metric, and how many of them have it; for calibration the sum of residuals.

        Raises ValueError for counts that contradict each other.
        """
        known = self.true_positives + self.false_positives + self.false_negatives
        if not 0 <= known <= self.labelled or not 0 <= self.selected <= self.decisions:
            raise ValueError(f"These counts contradict each other: {self}.")
        match metric:
            case Metric.SELECTION_RATE:
                return self.decisions, self.selected
            case Metric.TPR:
                return self.true_positives + self.false_negatives, self.true_positives
            case Metric.FPR:
                return self.labelled - self.true_positives - self.false_negatives, self.false_positives
            case Metric.PPV:
                return self.true_positives + self.false_positives, self.true_positives
            case Metric.CALIBRATION:
                return sum(self.scores.n), sum(self.scores.positives) - sum(self.scores.total)


@dataclass(frozen=True, slots=True)
class Rate:
    """A group's metric. Without enough evidence `value` is None and `why` says what is missing; the interval holds."""

    group: Hashable
    trials: float
    value: float | None
    low: float
    high: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """A group's metric minus the reference's; without a verdict the figures are None and `why` says what is missing."""

    group: Hashable
    reference: Hashable
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric over all groups: each rate, each gap to the reference, and the widest gap between any two."""

    metric: Metric
    rates: tuple[Rate, ...]
    gaps: tuple[Gap, ...]
    widest: Gap


def read(
    groups: Mapping[Hashable, Counts], metric: Metric, *, reference: Hashable = Reference.LARGEST,
    tolerance: float = 0.0, level: float = 0.95, least: int = LEAST, shared: int = 1,
) -> Reading:  # fmt: skip
    """Compare the groups on one metric.

    Args:
        groups: Counts by group. Groups may overlap (those of `roll_up` do) unless the reference is `overall`.
        metric: What to compare.
        reference: A group, or how to choose it: the `largest` in decisions that count, the `best` rate (highest; for
            FPR lowest; for calibration nearest to zero), or `overall`, all groups together.
        tolerance: A gap up to so much, on either side, is accepted.
        level: Probability with which all intervals hold, at all looks.
        least: Decisions that a group needs before its gap is stated.
        shared: How many readings share the error, if several metrics are read.

    Raises ValueError if the reference names no group, or if counts contradict each other.
    """
    if not isinstance(reference, Reference) and reference not in groups:
        raise ValueError(f"The reference group {reference} is not among the groups: {', '.join(map(str, groups))}.")
    asked = dict(groups)
    if reference is Reference.OVERALL:
        asked[Reference.OVERALL] = sum(groups.values(), Counts())
    rates = _rates(asked, metric, error=(1 - level) / (max(len(asked), 1) * shared), least=least)
    chosen = _reference(rates, metric, reference)
    gaps = tuple(_gap(one, chosen, tolerance) for one in rates if chosen is None or one.group != chosen.group)
    own = tuple(one for one in rates if one.group in groups)
    return Reading(metric, own, gaps, _widest(own, tolerance))


def read_all(
    groups: Mapping[Hashable, Counts], metrics: Sequence[Metric], *, reference: Hashable = Reference.LARGEST,
    tolerance: float = 0.0, level: float = 0.95, least: int = LEAST,
) -> list[Reading]:  # fmt: skip
    """Several metrics at once; the error is shared over all of them."""
    shared = len(metrics)
    return [
        read(groups, metric, reference=reference, tolerance=tolerance, level=level, least=least, shared=shared)
        for metric in metrics
    ]


def roll_up(cells: Mapping[tuple[Hashable, ...], Counts], columns: Sequence[str]) -> dict[Hashable, Counts]:
    """Counts of every group that single columns and their intersections make, from those of the finest cells.

    A cell's key has one value for each column. A group's key is a tuple of (column, value) pairs: with columns sex and
    age there are groups by sex, by age and by both. What is too small at the finest cut is so seen at the coarser ones.
    """
    groups: dict[Hashable, Counts] = {}
    for depth in range(1, len(columns) + 1):
        for chosen in combinations(range(len(columns)), depth):
            for values, counts in cells.items():
                key = tuple((columns[at], values[at]) for at in chosen)
                groups[key] = groups.get(key, Counts()) + counts
    return groups


def squared_residuals(scores: Scores) -> Floats:
    """By bin, at most the sum of (label - score)^2: scores are only known to lie within their bin's edges."""
    return most_squares(np.array(scores.n), np.array(scores.positives))


def most_squares(n: Floats, positives: Floats) -> Floats:
    """The same of arrays whose last axis is of bins."""
    edges = np.linspace(0, 1, n.shape[-1] + 1)
    return np.asarray(positives * (1 - edges[:-1]) ** 2 + (n - positives) * edges[1:] ** 2)


@dataclass(frozen=True, slots=True)
class Vanished:
    """A group of which nothing is decided any more, though so many decisions were to be expected."""

    group: Hashable
    expected: float
    says: str


def vanished(
    before: Mapping[Hashable, Counts], since: Mapping[Hashable, Counts], *, level: float = 0.99
) -> list[Vanished]:
    """The groups that were there before and have no decision since, where that is no chance.

    If a group keeps its share, all of its n decisions fall before with the probability (N0 / (N0 + N1))^n, N0 and N1
    being the decisions of all groups before and since. A group is told when that is at most (1 - level) / groups.
    """
    first, last = (sum(one.decisions for one in counts.values()) for counts in (before, since))
    found = []
    for group, counts in before.items():
        seen = since.get(group, Counts()).decisions
        chance = (first / (first + last)) ** counts.decisions if last else 1.0
        if not seen and chance <= (1 - level) / len(before):
            expected = counts.decisions * last / first
            says = f"No decisions of group {_named(group)} among {last:,}; about {expected:,.0f} were to be expected."
            found.append(Vanished(group, expected, says))
    return found


_UNITS = {
    Metric.SELECTION_RATE: "decisions",
    Metric.TPR: "decisions labelled positive",
    Metric.FPR: "decisions labelled negative",
    Metric.PPV: "labelled decisions that were selected",
    Metric.CALIBRATION: "labelled decisions with a score",
}


def _rates(groups: Mapping[Hashable, Counts], metric: Metric, *, error: float, least: int) -> list[Rate]:
    counted = [counts.trials(metric) for counts in groups.values()]
    trials = np.array([n for n, _ in counted])
    hits = np.array([total for _, total in counted])
    if metric is Metric.CALIBRATION:
        squares = np.array([squared_residuals(counts.scores).sum() for counts in groups.values()])
        low, high = confidence.mean(trials, hits, squares, level=1 - error, span=(-1.0, 1.0))
    else:
        low, high = confidence.proportion(trials, hits, level=1 - error)
    found = []
    for group, n, total, bottom, top in zip(groups, trials, hits, low, high, strict=True):
        why = "" if n >= max(least, 1) else _too_few(group, n, least, metric)
        found.append(Rate(group, float(n), None if why else float(total / n), float(bottom), float(top), why))
    return found


def _too_few(group: Hashable, n: float, least: int, metric: Metric) -> str:
    if not n:
        return f"No {_UNITS[metric]} in group {_named(group)}."
    return f"Not enough evidence yet: {n:.0f} of at least {least} {_UNITS[metric]} in group {_named(group)}."


def _named(group: Hashable) -> str:
    if isinstance(group, tuple):
        return ", ".join("=".join(map(str, part)) if isinstance(part, tuple) else str(part) for part in group)
    return str(group)


def _reference(rates: Sequence[Rate], metric: Metric, wanted: Hashable) -> Rate | None:
    """The rate to compare with; None if no group has enough evidence to be one."""
    if wanted not in (Reference.LARGEST, Reference.BEST):
        return next(one for one in rates if one.group == wanted)
    able = [one for one in rates if one.value is not None]
    if wanted is Reference.LARGEST:
        return max(able, key=lambda one: one.trials, default=None)
    return max(able, key=lambda one: _goodness(metric, one.value or 0.0), default=None)


def _goodness(metric: Metric, value: float) -> float:
    match metric:
        case Metric.FPR:
            return -value
        case Metric.CALIBRATION:
            return -abs(value)
        case _:
            return value


def _gap(one: Rate, reference: Rate | None, tolerance: float) -> Gap:
    if reference is None:
        return Gap(one.group, None, None, None, None, Verdict.NOT_ENOUGH, one.why or "No group to compare with.")
    if one.value is None or reference.value is None:
        why = one.why or reference.why
        return Gap(one.group, reference.group, None, None, None, Verdict.NOT_ENOUGH, why)
    low, high = one.low - reference.high, one.high - reference.low
    return Gap(one.group, reference.group, one.value - reference.value, low, high, _verdict(low, high, tolerance))


def _verdict(low: float, high: float, tolerance: float) -> Verdict:
    if low > tolerance or high < -tolerance:
        return Verdict.BEYOND
    return Verdict.WITHIN if -tolerance <= low and high <= tolerance else Verdict.OPEN


def _widest(rates: Sequence[Rate], tolerance: float) -> Gap:
    """Between the highest and the lowest group; its interval is for the widest gap, whichever pair truly has it."""
    able = [one for one in rates if one.value is not None]
    if len(able) < 2:  # noqa: PLR2004
        missing = next((one.why for one in rates if one.why), "There is only one group.")
        return Gap(None, None, None, None, None, Verdict.NOT_ENOUGH, missing)
    top, bottom = (choose(able, key=lambda one: one.value or 0.0) for choose in (max, min))
    low = max(0.0, max(one.low for one in able) - min(one.high for one in able))
    high = max(one.high for one in able) - min(one.low for one in able)
    value = (top.value or 0.0) - (bottom.value or 0.0)
    return Gap(top.group, bottom.group, value, low, high, _verdict(low, high, tolerance))
