"""The streams: numpy only, the same for our detectors and for the peers' (which run in an environment of their own)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Change:
    """A rate that goes from one to another, at once or over `ramp` observations, after `begin` of them."""

    name: str
    rate: float
    changed: float
    ramp: int = 0
    begin: int = 2_000
    length: int = 12_000

    def bits(self, seed: int) -> Floats:
        """One stream of observations."""
        since = np.arange(self.length) - self.begin
        share = np.clip(since / self.ramp, 0, 1) if self.ramp else (since >= 0)
        chances = self.rate + (self.changed - self.rate) * share
        return (np.random.default_rng(seed).random(self.length) < chances).astype(float)


JUMP = Change("jump 5 to 10%", 0.05, 0.10)
RAMP = Change("ramp 5 to 8% over 2,000", 0.05, 0.08, 2_000)
RATES = (0.002, 0.01, 0.05, 0.2)


def quiet(rate: float, length: int, seed: int) -> Floats:
    """Nothing changes."""
    return (np.random.default_rng(seed).random(length) < rate).astype(float)


REFERENCE = 56
"""Days of a daily metric that show what is normal: eight weeks."""


def daily(days: int, seed: int, *, step: float = 0.0, begin: int = 0, ramp: int = 0) -> Floats:
    """A daily rate of errors of about 5%: 4,000 decisions a day, a week, AR(0.3), scatter 1.2 times the binomial."""
    rng = np.random.default_rng(seed)
    n, rate, carried, scatter = 4_000, 0.05, 0.3, 1.2
    week = rng.normal(0, 0.12, 7)
    apart = np.sqrt((scatter**2 - 1) / (n * rate * (1 - rate)))
    noise = rng.normal(0, apart * np.sqrt(1 - carried**2), days)
    here, walk = rng.normal(0, apart), np.empty(days)
    for day in range(days):
        walk[day] = here
        here = carried * here + noise[day]
    odds = np.log(rate / (1 - rate)) + week[np.arange(days) % 7] + walk
    chances = 1 / (1 + np.exp(-odds))
    since = np.arange(days) - begin + 1
    chances = chances + step * (np.clip(since / ramp, 0, 1) if ramp else (since >= 1))
    return rng.binomial(n, np.clip(chances, 0, 1)) / n


def hourly(watches: int, hours: int, degrading: int, seed: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Errors an hour of many watches, of 200 decisions each at 5%; the first of them rise to 7.5% at an hour each."""
    rng = np.random.default_rng(seed)
    begins = np.full(watches, hours)
    begins[:degrading] = rng.integers(hours // 4, hours - 72, degrading)
    chances = np.where(np.arange(hours) >= begins[:, None], 0.075, 0.05)
    n = np.full((watches, hours), 200.0)
    return n, rng.binomial(200, chances).astype(float), begins
