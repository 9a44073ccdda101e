"""What a watch can detect at its volume: "a rise from 5% to 6% in about 2 days". Pure.

No formula of delays is needed: the detector itself is shown windows as chance makes them, first usual ones and then
changed ones, some dozens of times, and half of the times it has alarmed by then. Rows are taken to be independent: what
comes in bursts is detected later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from andon.detect import sequential
from andon.practice.words import Direction, Measure
from andon.watch import judging
from andon.watch.judging import Question

if TYPE_CHECKING:
    import numpy as np

_FACTORS: Final = (1.05, 1.1, 1.2, 1.3, 1.5, 1.75, 2.0, 3.0, 5.0, 10.0)
_STEPS: Final = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Changes that are tried: of a rate or count as factors, of a mean as parts of the distance between its bounds."""
_TIMES: Final = 61
"""Simulated runs: the median is then that of most others within a tenth or so."""
_BEFORE: Final = 100
"""Usual windows before the change, so that the evidence is what it is on any day."""
_LONGEST: Final = 400
"""Windows within which a change is detected, or counts as not detected."""
_SOON: Final = timedelta(days=2)
_FEW: Final = 4


@dataclass(frozen=True, slots=True)
class Usual:
    """What windows of a watch usually hold: rows, their mean (of a count: a window's total) and its variance by row."""

    n: float
    mean: float
    variance: float = 0.0


@dataclass(frozen=True, slots=True)
class Reach:
    """A change, in the unit of what is measured, and about how many windows pass before it is detected."""

    before: float
    after: float
    windows: int


@lru_cache(maxsize=512)
def reach(question: Question, usual: Usual, length: timedelta, *, known_from: int | None) -> Reach | None:
    """The smallest change that is detected soon: within two days, or four windows where those are longer.

    Where none is, the quickest to be detected at all; None where that takes more than 400 windows, or where the
    question is none that single windows answer.

    Args:
        question: What the watch asks.
        usual: What its windows hold while nothing has changed.
        length: How long a window is.
        known_from: Of how many rows the baseline was estimated; None if it is given.
    """
    if question.measure not in {Measure.RATE, Measure.MEAN, Measure.COUNT} or usual.n <= 0:
        return None
    try:
        plan = judging.plan(
            question, {"baseline": {"mean": judging.scaled(question, usual.mean), "n": known_from}, "phase": "watching"}
        )
    except ValueError:  # a baseline that leaves no room for a change in that direction
        return None
    if plan is None:
        return None
    runs = _Runs(question, plan, usual)
    levels = _levels(question, usual)
    soon = max(_FEW, _SOON // length)
    for after in levels:
        windows = runs.delay(after, soon)
        if windows is not None:
            return Reach(usual.mean, after, windows)
    late = [Reach(usual.mean, after, windows) for after in levels[-3:] if (windows := runs.delay(after, _LONGEST))]
    return min(late, key=lambda one: one.windows, default=None)


def _levels(question: Question, usual: Usual) -> list[float]:
    """The changes to try, mildest first."""
    sign = -1 if question.direction is Direction.DOWN else 1
    if question.measure is Measure.MEAN:
        low, high = question.low or 0.0, question.high or 0.0
        levels = [usual.mean + sign * step * (high - low) for step in _STEPS]
        return [level for level in levels if low < level < high]
    levels = [usual.mean * factor**sign for factor in _FACTORS]
    return [level for level in levels if level > 0 and (question.measure is Measure.COUNT or level < 1)]


class _Runs:
    """Simulated runs of the detector up to the moment at which something changes."""

    def __init__(self, question: Question, plan: sequential.Plan, usual: Usual) -> None:
        import numpy as np

        self._question, self._plan, self._usual = question, plan, usual
        self._chance = np.random.default_rng(0)  # the same question is answered the same every time
        begun = (self._advance(sequential.start(plan), usual.mean, _BEFORE) for _ in range(_TIMES))
        self._before = [one.evidence for one in begun if one.alarm_at is None]

    def delay(self, after: float, most: int) -> int | None:
        """The median number of windows until the alarm; None if it is more than `most`."""
        found = [self._advance(evidence, after, most).alarm_at for evidence in self._before]
        delays = sorted(most + 1 if at is None else at + 1 for at in found)
        median = delays[len(delays) // 2] if delays else most + 1
        return median if median <= most else None

    def _advance(self, evidence: sequential.Evidence, mean: float, number: int) -> sequential.Progress:
        return sequential.advance(self._plan, evidence, *self._windows(mean, number))

    def _windows(self, mean: float, number: int) -> tuple[np.ndarray[Any, np.dtype[np.float64]], ...]:
        """So many windows as chance makes them, in the detector's unit."""
        import numpy as np

        if self._question.measure is Measure.COUNT:
            return np.ones(number), self._chance.poisson(mean, number).astype(float)
        rows = max(1, round(self._usual.n))
        n, at = np.full(number, float(rows)), judging.scaled(self._question, mean)
        if self._question.measure is Measure.RATE:
            return n, self._chance.binomial(rows, at, number).astype(float)
        spread = judging.scaled(self._question, self._usual.variance**0.5, width=True)
        total = np.clip(self._chance.normal(rows * at, spread * rows**0.5, number), 0.0, n)
        return n, total, np.minimum(total * total / n + n * spread * spread, total)
