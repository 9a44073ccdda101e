"""What is normal: the rate, mean or count that data are compared with, and how well it is known.

A baseline that was estimated is not the truth. Tested as if it were, it breaks the promise about false alarms, for
half of all estimates lie below the truth. So an estimate is widened to a limit that it passes with a small
probability only, and the test asks for evidence against that limit:

* a rate, by Clopper and Pearson (1934): exact for independent observations;
* the mean of bounded values, by inverting the bound of Chernoff and Hoeffding (1963), which holds whatever their shape;
* a count, by Garwood (1936): exact for Poisson counts;
* a score, by the normal distribution.

Sources: doi 10.1093/biomet/26.4.404, doi 10.1080/01621459.1963.10500830, doi 10.1093/biomet/28.3-4.437.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NO_EVENT: Final = 1e-6
"""Fewer events than that, a mean times n, are none: rounding."""
BISECTIONS: Final = 60
"""Halvings of an interval within [0, 1] after which nothing is left of it."""


class Measure(StrEnum):
    """What is watched."""

    RATE = "rate"
    """The share of observations with an event; each is 0 or 1."""
    MEAN = "mean"
    """The mean of observations between 0 and 1; rescale others by (x - lowest) / (highest - lowest)."""
    COUNT = "count"
    """Events per unit of exposure (an hour, a thousand requests); a window has n units and a total of events."""
    SCORE = "score"
    """Standardised values, normally 0 with a deviation of 1, such as `andon.detect.season` makes of a metric."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is normal.

    `mean` is the rate, mean or events per unit. `n` is how many observations (or units of exposure) it was estimated
    from; None if it is known or required, such as "at most 2%". Raises ValueError for what cannot be one.
    """

    mean: float
    n: int | None = None

    def __post_init__(self) -> None:
        """Check."""
        if not math.isfinite(self.mean):
            raise ValueError(f"A baseline is a number, and this is {self.mean}.")
        if self.n is not None and self.n < 1:
            raise ValueError("A baseline is estimated from at least one observation; leave n out if it is known.")

    def limits(self, measure: Measure, below: float, above: float) -> tuple[float, float]:
        """The lowest and the highest mean that the estimate leaves open.

        The truth lies below the first with a probability of at most `below`, and above the second of at most `above`.
        A limit that may not be passed at all (0) is the end of the range. A known baseline is both limits.
        """
        if measure is not Measure.SCORE and self.mean < 0:
            raise ValueError(f"The baseline of a {measure} is a number of 0 or more, and this is {self.mean}.")
        if measure in {Measure.RATE, Measure.MEAN} and self.mean > 1:
            raise ValueError(f"A {measure} lies between 0 and 1, and its baseline is {self.mean}.")
        if self.n is None:
            return self.mean, self.mean
        if measure is Measure.SCORE:
            return self.mean - _normal(below) / math.sqrt(self.n), self.mean + _normal(above) / math.sqrt(self.n)
        if measure is Measure.MEAN:
            return 1 - _chernoff(1 - self.mean, below, self.n), _chernoff(self.mean, above, self.n)
        return _lowest(measure, self.mean * self.n, self.n, below), _highest(measure, self.mean * self.n, self.n, above)


def _lowest(measure: Measure, events: float, n: int, tail: float) -> float:
    from scipy import special

    if events < NO_EVENT or tail == 0:
        return 0.0
    if measure is Measure.COUNT:
        return float(special.gammaincinv(events, tail) / n)
    return float(special.betaincinv(events, n - events + 1, tail))


def _highest(measure: Measure, events: float, n: int, tail: float) -> float:
    from scipy import special

    if measure is Measure.COUNT:
        return float(special.gammainccinv(events + 1, tail) / n) if tail else math.inf
    return float(special.betainccinv(events + 1, n - events, tail)) if events < n and tail else 1.0


def _normal(tail: float) -> float:
    from scipy import special

    return -float(special.ndtri(tail))


def _chernoff(mean: float, tail: float, n: int) -> float:
    """The highest m in [mean, 1] with n kl(mean, m) <= ln(1 / tail)."""
    surprise = math.inf if tail == 0 else -math.log(tail) / n
    low, high = mean, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _divergence(mean, middle) <= surprise else (low, middle)
    return high


def _divergence(p: float, q: float) -> float:
    """Of two coins with chances p and q, q in (0, 1), in nats."""
    if q >= 1:
        return 0.0 if p >= 1 else math.inf
    rise = p * math.log(p / q) if p else 0.0
    fall = (1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0
    return rise + fall
