"""Stakes of an e-Shiryaev-Roberts detector whose bets are laid per window, kept as logarithms.

Each bet k multiplies what is staked on it by a factor L_k, expected to be at most 1 while nothing is wrong; one more
stake is laid down in every window that says anything to the bet, since the trouble may begin in any of them::

    M_k = (M_k + 1) L_k        M = mean of M_k over the bets        alarm when M >= budget

M minus the number of windows so far is then a supermartingale, so on average at least `budget` windows pass before a
false alarm (Shin, Ramdas and Rinaldo 2023, doi 10.51387/23-NEJSDS51). A window that says nothing to a bet leaves its
stake where it is: evidence never grows from silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LARGEST = 700.0
"""Logarithm of the largest statistic that is told."""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of the stakes: their logarithms, the statistic after each window, where it passed, which bet led."""

    logs: Floats
    statistics: Floats
    alarm_at: int | None
    leading: int


def play(logs: Floats, windows: Iterable[Floats], threshold: float) -> Played:
    """Take the logarithms of factors, one array for each window, NaN where a window says nothing to a bet.

    `logs` are the logarithms of M_k, minus infinity at the start. Stops at the first window in which M reaches the
    threshold. `leading` is the bet with the largest stake at the end.
    """
    told: list[float] = []
    for at, factors in enumerate(windows):
        logs = np.where(np.isnan(factors), logs, np.logaddexp(logs, 0.0) + factors)
        told.append(float(np.exp(min(np.logaddexp.reduce(logs) - np.log(len(logs)), LARGEST))))
        if told[-1] >= threshold:
            return Played(logs, np.array(told), at, int(np.argmax(logs)))
    return Played(logs, np.array(told), None, int(np.argmax(logs)) if len(logs) else 0)
