"""How well does a classifier do before labels arrive: estimated from its scores, where these are calibrated.

If of all decisions with a score of 0.8 four fifths turn out positive, the scores themselves say how many are right:
each selected decision is a true positive with the probability that its score stands for. Summed up, this gives an
expected confusion matrix, and from it accuracy, precision, recall and ROC AUC (confidence-based performance estimation;
Kivimäki, Białek, Nurminen and Kuberski 2024, arXiv 2407.08649). Decisions come as counts by score bin and output;
labelled ones correct each bin by how far its labels lay from its scores.

**What it can and cannot see.** Inputs that moved are seen, if the scores follow. What a score means having changed is
not seen in scores at all. So every estimate is checked against the labels that came since, late as they are, and
refused as soon as these contradict the calibration (`check`, whose error holds at every look).

The interval has two parts: labels are chance even if calibration is exact, and calibration was learnt from a limited
number of labels. It is a normal one by linearisation; its coverage is measured in tests, not proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from andon.detect import confidence
from andon.detect.fairness import BINS, Scores, squared_residuals

Floats = NDArray[np.float64]

LEAST = 500
"""Labelled decisions of the reference, below which nothing is estimated."""
TOLERANCE = 0.05
"""By how much labels of a bin may lie off before an estimate is refused."""


class Performance(StrEnum):
    """What is estimated."""

    ACCURACY = "accuracy"
    PRECISION = "precision"
    RECALL = "recall"
    ROC_AUC = "roc_auc"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Decisions without labels, by score bin: how many were selected, their scores' sum; and the same of the others."""

    selected: tuple[float, ...] = (0.0,) * BINS
    selected_scores: tuple[float, ...] = (0.0,) * BINS
    others: tuple[float, ...] = (0.0,) * BINS
    other_scores: tuple[float, ...] = (0.0,) * BINS


@dataclass(frozen=True, slots=True)
class Estimate:
    """What performance is expected to turn out as; where it cannot be said, the figures are None and `why` says so."""

    of: Performance
    value: float | None
    low: float | None
    high: float | None
    why: str = ""


def estimate(
    outputs: Outputs, reference: Scores, late: Scores | None = None, *,
    level: float = 0.95, tolerance: float = TOLERANCE, least: int = LEAST,
) -> list[Estimate]:  # fmt: skip
    """Estimate each kind of performance of the decisions in `outputs`.

    Args:
        outputs: Decisions whose labels are not known.
        reference: Labelled decisions from which the calibration is learnt.
        late: Labels that have come since, against which it is checked. Without them nothing contradicts it.
        level: Of each interval.
        tolerance: By how much labels may lie off the calibration, in any bin.
        least: Labelled decisions that the reference needs.
    """
    known = sum(reference.n)
    why = "" if known >= least else f"Not enough evidence yet: {known:.0f} of at least {least} labelled decisions."
    if not why and late is not None:
        why = check(reference, late, tolerance=tolerance, level=level)
    if not why and not sum(outputs.selected) + sum(outputs.others):
        why = "There are no decisions to estimate it for."
    if why:
        return [Estimate(one, None, None, None, why) for one in Performance]
    cells = _cells(outputs, reference)
    return [_estimated(one, cells, level) for one in Performance]


def check(reference: Scores, late: Scores, *, tolerance: float = TOLERANCE, level: float = 0.95) -> str:
    """Why the calibration of the reference does not hold for labels that came later; empty if nothing contradicts it.

    In each bin the mean of (label - score) has a confidence sequence. The calibration is refused when in some bin all
    of it lies more than `tolerance` away from what the reference had there. The error is shared over the bins, and
    holds at every look if late labels are summed up from a fixed beginning.
    """
    bins = len(late.n)
    n, total, positives = (np.array(one) for one in (late.n, late.total, late.positives))
    low, high = confidence.mean(
        n, positives - total, squared_residuals(late), level=1 - (1 - level) / bins, span=(-1.0, 1.0)
    )
    off = _offsets(reference)
    beyond = np.maximum(low - off, off - high) - tolerance
    worst = int(np.argmax(beyond))
    if beyond[worst] <= 0:
        return ""
    return (
        f"The calibration does not hold: with scores from {worst / bins:g} to {(worst + 1) / bins:g},"
        f" {100 * (total[worst] / n[worst] + off[worst]):.0f}% were to be positive and"
        f" {positives[worst]:.0f} of {n[worst]:.0f} labels were."
    )


def expected_share(n: float, total: float, squares: float, *, level: float = 0.95) -> tuple[float, float]:
    """Between what the share of wrong decisions will lie, each being wrong with a chance of its own.

    `total` is the sum of the chances and `squares` that of their squares, so that labels scatter with a variance of
    total - squares. Holds as far as the chances do. Raises ValueError for no decision.
    """
    from scipy.special import ndtri

    if n <= 0:
        raise ValueError("There are no decisions to estimate it for.")
    reach = float(ndtri(0.5 + level / 2)) * max(0.0, total - squares) ** 0.5 / n
    return max(0.0, total / n - reach), min(1.0, total / n + reach)


def _offsets(reference: Scores) -> Floats:
    """How far labels lay above scores in each bin; 0 where there are none."""
    n, total, positives = (np.array(one) for one in (reference.n, reference.total, reference.positives))
    return np.asarray(np.divide(positives - total, n, out=np.zeros_like(n), where=n > 0))


@dataclass(frozen=True, slots=True)
class _Cells:
    """By (selected or not, bin): decisions, expected rate of positives; by bin: the variance of that rate."""

    n: Floats
    rate: Floats
    variance: Floats


def _cells(outputs: Outputs, reference: Scores) -> _Cells:
    n = np.array([outputs.selected, outputs.others])
    totals = np.array([outputs.selected_scores, outputs.other_scores])
    middle = (np.arange(n.shape[1]) + 0.5) / n.shape[1]
    scores = np.divide(totals, n, out=np.broadcast_to(middle, n.shape).copy(), where=n > 0)
    known, positives = np.array(reference.n), np.array(reference.positives)
    smoothed = (positives + 0.5) / (known + 1)
    variance = smoothed * (1 - smoothed) / np.maximum(known, 1)
    return _Cells(n, np.clip(scores + _offsets(reference), 0, 1), variance)


def _estimated(one: Performance, cells: _Cells, level: float) -> Estimate:
    from scipy.special import ndtri

    found = _METRICS[one](cells.n, cells.n * cells.rate)
    if isinstance(found, str):
        return Estimate(one, None, None, None, found)
    value, slope = found
    labels = float((slope**2 * cells.n * cells.rate * (1 - cells.rate)).sum())
    learnt = float(((slope * cells.n).sum(axis=0) ** 2 * cells.variance).sum())
    reach = float(ndtri(0.5 + level / 2)) * (labels + learnt) ** 0.5
    return Estimate(one, value, max(0.0, value - reach), min(1.0, value + reach))


# Each gives the value, and how it changes with the expected positives of each cell; or why there is none.
_Found = tuple[float, Floats] | str


def _accuracy(n: Floats, positives: Floats) -> _Found:
    slope = np.array([[1.0], [-1.0]]) / n.sum() * np.ones_like(n)
    return float((positives[0].sum() + (n - positives)[1].sum()) / n.sum()), slope


def _precision(n: Floats, positives: Floats) -> _Found:
    selected = n[0].sum()
    if not selected:
        return "No decision was selected, so there is no precision."
    return float(positives[0].sum() / selected), np.array([[1 / selected], [0.0]]) * np.ones_like(n)


def _recall(n: Floats, positives: Floats) -> _Found:
    found, whole = positives[0].sum(), positives.sum()
    if whole <= 0:
        return "No decision is expected to be positive, so there is no recall."
    return float(found / whole), np.array([[(whole - found)], [-found]]) / whole**2 * np.ones_like(n)


def _roc_auc(n: Floats, positives: Floats) -> _Found:
    """The chance that a positive decision has a higher score than a negative one; in one bin they are equal."""
    ones = positives.sum(axis=0)
    zeros = n.sum(axis=0) - ones
    whole = ones.sum() * zeros.sum()
    if whole <= 0:
        return "All decisions are expected to have the same label, so there is no ROC AUC."
    below = np.cumsum(zeros) - zeros / 2
    above = ones.sum() - np.cumsum(ones) + ones / 2
    value = float(ones @ below / whole)
    slope = (below - above - value * (zeros.sum() - ones.sum())) / whole
    return value, np.broadcast_to(slope, n.shape)


_METRICS: dict[Performance, Callable[[Floats, Floats], _Found]] = {
    Performance.ACCURACY: _accuracy,
    Performance.PRECISION: _precision,
    Performance.RECALL: _recall,
    Performance.ROC_AUC: _roc_auc,
}
