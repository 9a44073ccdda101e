"""One budget of false alarms for many watches together.

With a thousand watches at "one false alarm in 10,000 windows" each, hourly windows bring two a day. What people can
bear is so many false alarms in a time, all in all. Since a detector of `andon.detect.sequential` raises at most 1 in A
false alarms a step on average, from the first step on and whatever the others do (its statistic minus the number of
steps is a supermartingale, which an alarm takes back to zero), expectations add up: thresholds are shared out so that
the sum of steps over A, over all watches, is what was asked for. No independence of the watches is needed.

When several watches see something at the same time, they may vouch for each other: e-d-BH (Dandapanthula and Ramdas
2025, arXiv 2501.04130) raises the k highest statistics if all of them reach the shared threshold divided by k, for the
largest such k. It controls the share of false ones among the alarms, for each time that was waited; it is bolder than
the shared threshold when many watches degrade at once, and never misses what that would raise. The paper also shows why
there is no "false discovery rate" here: of any detector that raises false alarms at all, it is 1 in the worst case.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class AlarmBudget:
    """So many false alarms on average, at most, in a span of time, over all watches together.

    `alarms` may be below one: 0.5 in a week is one in two weeks. Raises ValueError where it is not above zero.
    """

    alarms: float

    def __post_init__(self) -> None:
        """Check."""
        if not math.isfinite(self.alarms) or self.alarms <= 0:
            raise ValueError(f"A budget is a number of false alarms above 0 in a span, and this is {self.alarms}.")

    def shares(self, steps: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
        """The budget of each watch, in its own steps between false alarms, by how many steps it takes in the span.

        Every watch gets the same part of the false alarms, or by `weights`: a watch with twice the weight may raise
        twice as many, and finds changes earlier for it.
        """
        parts = [1.0] * len(steps) if weights is None else list(weights)
        if len(parts) != len(steps) or any(not math.isfinite(part) or part <= 0 for part in parts):
            raise ValueError("Every watch needs a weight above 0.")
        if any(not math.isfinite(count) or count <= 0 for count in steps):
            raise ValueError("Every watch takes more than 0 steps in the span.")
        whole = math.fsum(parts)
        # A plan allows no budget of one step or less: such a watch could not but raise a false alarm at each.
        return [
            max(math.nextafter(1.0, 2.0), count * whole / (part * self.alarms))
            for count, part in zip(steps, parts, strict=True)
        ]


def together(statistics: ArrayLike, thresholds: ArrayLike) -> NDArray[np.bool_]:
    """Which watches raise an alarm now, by e-d-BH: statistics beside the threshold that each has by itself.

    Scale free: watches of different steps are compared by statistic over threshold.
    """
    ratios = np.asarray(statistics, dtype=np.float64) / np.asarray(thresholds, dtype=np.float64)
    if ratios.ndim != 1 or not np.isfinite(ratios).all():
        raise ValueError("Every watch needs a statistic and a threshold, both numbers.")
    highest = np.sort(ratios)[::-1]
    reach = np.flatnonzero(highest * np.arange(1, len(ratios) + 1) >= 1)
    return np.zeros(len(ratios), dtype=np.bool_) if not len(reach) else ratios >= highest[reach[-1]]
