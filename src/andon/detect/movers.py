"""Who moved, when a gap between two sides opened.

A gap says that two shares lie apart, and not which of them went. With shares p of one side and q of the other, before
(0) and since (1), the first moved more than the second exactly if what the gap changed by and what both went together
have the same sign::

    |p1 - p0| > |q1 - q0|   <=>   ((p1 - p0) - (q1 - q0)) ((p1 - p0) + (q1 - q0)) > 0

Both factors are sums of independent shares, each known within limits. Their own limits come of these by the method of
variance estimates recovery (Zou and Donner 2008, doi 10.1002/sim.3095), and a side is said to have moved more only
where zero lies outside both. So no side is named where both moved alike, together or apart, and none where the gap was
always there. Limits that hold at every look (`andon.detect.confidence`) make this one that may be asked at every look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Known:
    """Figures, each with limits between which it lies; arrays of one shape."""

    value: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, value: ArrayLike, low: ArrayLike, high: ArrayLike) -> Known:
        """From what broadcasts."""
        return cls(*np.broadcast_arrays(*(np.asarray(one, dtype=float) for one in (value, low, high))))

    def __add__(self, other: Known) -> Known:
        """The sum of two that are independent."""
        value = self.value + other.value
        below = np.hypot(self.value - self.low, other.value - other.low)
        above = np.hypot(self.high - self.value, other.high - other.value)
        return Known(value, value - below, value + above)

    def __neg__(self) -> Known:
        return Known(-self.value, -self.high, -self.low)

    def __sub__(self, other: Known) -> Known:
        """The difference of two that are independent."""
        return self + -other

    @property
    def sign(self) -> Floats:
        """1 or -1 where it surely lies on that side of zero, else 0."""
        return np.asarray(np.where(self.low > 0, 1.0, np.where(self.high < 0, -1.0, 0.0)))


def moved_more(own: Known, rest: Known) -> NDArray[np.bool_]:
    """Where the change of one side is surely larger, either way, than that of the other; the two are independent."""
    gap, together = (own - rest).sign, (own + rest).sign
    return np.asarray((gap != 0) & (gap == together))
