"""Bets against "nothing has changed": each multiplies its stake by a factor whose mean is at most 1 while that is true.

A factor for one observation x with a mean of m, or for a window of n observations with a total of s:

* rate: exp(h s) / (1 - m + m exp(h))^n, the likelihood ratio of a rate whose odds are exp(h) times those of m. For
  binary data that is (p1/m)^s ((1-p1)/(1-m))^(n-s), and a bet on a window is the product of bets on its observations.
* count: exp(h s - n m (exp(h) - 1)), the likelihood ratio of Poisson counts; for binomial ones its mean is below 1.
* mean, one observation: 1 + l (x - m), which is never negative and has mean 1 for every shape of data in [0, 1].
* mean, a window of which n, the sum and the sum of squares are known: exp(t Y - (-ln(1 - t) - t) Q), with Y the sum and
  Q the sum of squares of y = (x - m) / m >= -1, never more than the product of 1 + t y (Fan, Grama and Liu 2015, lemma
  4.1). Without squares, x^2 <= x stands in for them.
* score: exp(h (x - m) - h^2 / 2), for standardised values whose tails are no heavier than the normal distribution's.

Rates below m are the mirror image. No factor needs independence: it is enough that the mean, given all that was seen
before, is at most (for a fall: at least) m. A bet may depend on how many observations a window has: on large windows,
no bet risks more than about one standard deviation of their total, or it would be lost to chance there.

Sources: Waudby-Smith and Ramdas (doi 10.1093/jrsssb/qkad009) for bets on means; Shin, Ramdas and Rinaldo
(doi 10.51387/23-NEJSDS51) for mixing them; Fan et al. (doi 10.1214/EJP.v20-3496).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from andon.detect.baseline import Measure

Floats = NDArray[np.float64]

SIDE: Final = 8
"""Bets in one direction."""
STAKES: Final = (1, 2, 3, 4, 3, 2, 1, 1 / 2)
"""How much is staked on each, from the mildest to the boldest: most on what is about twice as much as normal.

The promise about false alarms holds for any stakes; these find a doubling about as fast as a test that is told of it,
and jump less far over the threshold than equal ones.
"""
ODDS: Final = (1.2, 4.0)
"""Rates and counts: the odds that are bet on, as multiples of the baseline's, from the mildest to the boldest bet."""
MILDEST: Final = 0.2
"""Means: the mildest l, about what odds of 1.2 are for a rare event."""
BOLDEST: Final = 0.75
"""Means: the boldest share of a stake that one observation can lose."""
SHIFTS: Final = (0.3, 2.5)
"""Scores: the shifts that are bet on, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Bets:
    """Bets against one limit in one direction: `sign` is 1 for a rise and -1 for a fall."""

    measure: Measure
    limit: float
    sign: int
    strengths: Floats

    @classmethod
    def against(cls, measure: Measure, limit: float, sign: int) -> Bets | None:
        """The default bets; None where nothing can lie beyond the limit."""
        if measure is Measure.SCORE:
            return cls(measure, limit, sign, np.geomspace(*SHIFTS, SIDE))
        bounded = measure is not Measure.COUNT
        if limit <= 0 if sign < 0 else limit >= 1 and bounded:
            return None
        if limit == 0 or (limit == 1 and bounded):
            raise ValueError(
                f"A baseline of exactly {limit:g} leaves nothing to chance: one event disproves it. Say how many"
                " observations it was estimated from, or give the highest rate that is acceptable."
            )
        if measure is Measure.MEAN:
            boldest = BOLDEST / (limit if sign > 0 else 1 - limit)
            return cls(measure, limit, sign, np.geomspace(min(MILDEST, boldest / 2), boldest, SIDE))
        return cls(measure, limit, sign, np.log(np.geomspace(*ODDS, SIDE)))

    def on_windows(self, n: Floats, total: Floats, squares: Floats | None = None) -> Floats:
        """Logarithms of the factors, one row for each window and one column for each bet."""
        if self.measure is Measure.MEAN:
            return self._on_sums(n, total, total if squares is None else squares)
        if self.measure is Measure.SCORE:
            return np.multiply.outer(self.sign * (total - n * self.limit), self.strengths) - np.multiply.outer(
                n, self.strengths**2 / 2
            )
        tilts = self.sign * self._on_size(n)
        return total[:, None] * tilts - n[:, None] * self._cost(tilts)

    def on_values(self, values: Floats) -> Floats:
        """The same for single observations."""
        if self.measure is Measure.SCORE:
            return self.on_windows(np.ones_like(values), values)
        at_zero, slope = self.line()
        return np.log(at_zero + np.multiply.outer(values, slope))

    def line(self) -> tuple[Floats, Floats]:
        """The factor for an observation of zero, and what an observation of one adds: it is a line in between.

        For a rate the line meets the factors of 0 and 1, the only values that there are.
        """
        if self.measure is Measure.MEAN:
            slope = self.sign * self.strengths
            return 1 - slope * self.limit, slope
        tilts = self.sign * self.strengths
        at_zero = np.exp(-self._cost(tilts))
        return at_zero, at_zero * np.expm1(tilts)

    def _cost(self, tilts: Floats) -> Floats:
        excess = self.limit * np.expm1(tilts)
        return excess if self.measure is Measure.COUNT else np.log1p(excess)

    def _on_size(self, n: Floats) -> Floats:
        """The tilts for windows of these sizes: as bold as the total's standard deviation allows."""
        spread = np.sqrt(n * self.limit * (1.0 if self.measure is Measure.COUNT else 1 - self.limit))
        mildest, boldest = self.strengths[0], self.strengths[-1]
        with np.errstate(divide="ignore"):
            allowed = np.clip(1 / spread, mildest, boldest)
        steps = np.linspace(0, 1, SIDE)
        return np.asarray(mildest + (allowed[:, None] - mildest) * steps)

    def _on_sums(self, n: Floats, total: Floats, squares: Floats) -> Floats:
        room = self.limit if self.sign > 0 else 1 - self.limit
        rise = self.sign * (total - n * self.limit) / room
        spread = (squares - 2 * self.limit * total + n * self.limit**2) / room**2
        lost = self.strengths * room
        return np.multiply.outer(rise, lost) - np.multiply.outer(spread, -np.log1p(-lost) - lost)
