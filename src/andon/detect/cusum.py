"""Detectors beside the default one: CUSUM, which is told the new rate, and FOCuS, which looks for the likeliest one.

CUSUM (Page 1954, doi 10.1093/biomet/41.1-2.100) is the largest likelihood ratio of a change at any past step. It is the
fastest there is if the new rate is known (Moustakides 1986, doi 10.1214/aos/1176350164): the yardstick of
bench/detection. An alarm at ln(budget) has a mean time between false alarms of at least the budget, since it is never
above the logarithm of the Shiryaev-Roberts sum of the same bet.

FOCuS (Romano, Eckley, Fearnhead and Rigaill 2023, jmlr.org/papers/v24/21-1230; for rates and counts Ward, Dilillo,
Eckley and Fearnhead 2024, doi 10.1080/10618600.2023.2235104) is the largest likelihood ratio over the time and the new
rate, exactly, over candidates of which few are left. New rates are capped at a multiple of the old one: without that,
rare events make it fire on three in a row. It has no proven threshold; calibrate one by simulation.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CAP: Final = 2.5
"""The highest new rate that FOCuS considers, as a multiple of the baseline."""


def cusum(values: ArrayLike, baseline: float, changed: float, before: float = 0.0) -> Floats:
    """The statistic after each observation of 0 or 1 (or between them), the rate going from `baseline` to `changed`.

    `before` is the statistic that came before. At `math.log(budget)` it keeps to that budget.
    """
    _check_rate("baseline", baseline)
    _check_rate("changed rate", changed)
    seen = np.asarray(values, dtype=np.float64)
    on_one, on_zero = math.log(changed / baseline), math.log((1 - changed) / (1 - baseline))
    walk = np.cumsum(seen * (on_one - on_zero) + on_zero)
    # The walk since its lowest point so far; the point before the first observation lies `before` below it.
    lowest = np.minimum.accumulate(np.concatenate([[-before], walk]))[:-1]
    return np.maximum(walk - lowest, 0.0)


def focus(values: ArrayLike, baseline: float, cap: float = CAP) -> tuple[Floats, NDArray[np.int64]]:
    """The statistic after each observation of 0 or 1 for a rise of the rate, and the likeliest first changed index.

    Where nothing speaks for a rise, the statistic is 0 and the index that of the next observation.
    """
    _check_rate("baseline", baseline)
    highest = min(cap * baseline, (1 + baseline) / 2)
    if highest <= baseline:
        raise ValueError(f"A cap is more than 1, and this is {cap}.")
    told, since = [], []
    # Where the change may have begun, with the total before it. A begin that is the likeliest for no new rate above the
    # baseline is dropped: what is left is the lower convex hull, from where it rises faster than the baseline.
    hull: list[tuple[int, float]] = []
    total = 0.0
    for at, value in enumerate(np.asarray(values, dtype=np.float64).tolist()):
        while len(hull) > 1 and _rate(hull[-2], hull[-1]) >= _rate(hull[-1], (at, total)):
            hull.pop()
        hull.append((at, total))
        while len(hull) > 1 and _rate(hull[0], hull[1]) <= baseline:
            hull.pop(0)
        total += value
        best, start = 0.0, at + 1
        for begin, earlier in hull:
            gain = _gain(at + 1 - begin, total - earlier, baseline, highest)
            if gain > best:
                best, start = gain, begin
        told.append(best)
        since.append(start)
    return np.array(told), np.array(since, dtype=np.int64)


def _rate(since: tuple[int, float], until: tuple[int, float]) -> float:
    return (until[1] - since[1]) / (until[0] - since[0])


def _gain(n: int, total: float, baseline: float, highest: float) -> float:
    """The largest log likelihood ratio of a new rate in [baseline, highest] over n observations."""
    new = min(max(total / n, baseline), highest)
    return total * math.log(new / baseline) + (n - total) * math.log((1 - new) / (1 - baseline))


def _check_rate(name: str, rate: float) -> None:
    if not 0 < rate < 1:
        raise ValueError(f"A {name} lies between 0 and 1, and this is {rate}.")
