"""Confidence sequences: intervals that may be looked at after every observation and still hold.

An ordinary 95% interval is right at one look that was planned beforehand. Somebody who looks every hour and acts when
it excludes a value is wrong far more often. A confidence sequence contains the truth at all looks together with the
stated probability. Both kinds here come from Ville's inequality (1939): a nonnegative process that is expected to grow
under no candidate value reaches 1 / error with a probability of at most `error`, so every candidate for which it has
reached that is struck out. They need sums only, so what came in as counts per window is enough; looks between two
windows are not made.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_HALVINGS = 40
"""Of an interval within [0, 1]: what is left is below a millionth of a millionth."""
_BETS = 0.5 ** np.arange(1, 13)
"""Of `mean`: from 1/2, which suits a handful of observations, to 1/4096, which suits tens of millions."""


def proportion(n: ArrayLike, events: ArrayLike, *, level: float = 0.95, prior: float = 0.5) -> tuple[Floats, Floats]:
    """Lower and upper ends for a probability, from `events` in `n` trials; arrays broadcast.

    The likelihood is mixed over Beta(prior, prior) and compared with that of each candidate p (Robbins 1970; the
    beta-binomial mixture of Howard, Ramdas, McAuliffe and Sekhon 2021, arXiv 1810.08240)::

        B(a + k, a + n - k) / B(a, a)  <  p^k (1 - p)^(n - k) / (1 - level)

    Proven when every trial, given those before, has the same probability; also for values in [0, 1] with the same
    conditional mean, where `events` is their sum. With no trials the interval is [0, 1].

    Raises ValueError where `events` is not between 0 and `n`.
    """
    from scipy.special import betaln, xlog1py, xlogy

    trials, hits = np.broadcast_arrays(np.asarray(n, dtype=float), np.asarray(events, dtype=float))
    if not np.all((hits >= 0) & (hits <= trials)):
        raise ValueError("A proportion needs events between 0 and the number of trials.")
    mixed = betaln(prior + hits, prior + trials - hits) - betaln(prior, prior)
    threshold = -np.log1p(-level) - mixed

    def struck(p: Floats) -> NDArray[np.bool_]:
        return np.asarray(-xlogy(hits, p) - xlog1py(trials - hits, -p) >= threshold)

    middle = np.divide(hits, trials, out=np.full_like(hits, 0.5), where=trials > 0)
    low = _edge(struck, middle, np.zeros_like(middle))
    high = _edge(struck, middle, np.ones_like(middle))
    return low, high


def mean(
    n: ArrayLike, total: ArrayLike, squares: ArrayLike, *, level: float = 0.95, span: tuple[float, float] = (0.0, 1.0)
) -> tuple[Floats, Floats]:
    """Lower and upper ends for the mean of values within `span`, from their count, sum and sum of squares.

    For a value x in [0, 1] with conditional mean m, exp(b (x - m) - (-log(1 - b) - b) (x - m)^2) is expected to be at
    most 1 for every bet b in [0, 1) (Fan, Grama and Liu 2015, arXiv 1311.6273). The product over values needs n, the
    sum and the sum of squares; twelve bets are mixed with equal weights, each side takes half of the error. It adapts
    to the variance, which `proportion` does not. A sum of squares that is too large only widens the interval.

    Raises ValueError where sums cannot come from values within `span`.
    """
    low_end, high_end = span
    width = high_end - low_end
    count = np.asarray(n, dtype=float)
    count, first, second = np.broadcast_arrays(
        count,
        (np.asarray(total, dtype=float) - count * low_end) / width,
        (np.asarray(squares, dtype=float) - 2 * low_end * np.asarray(total, dtype=float) + count * low_end**2)
        / width**2,
    )
    slack = 1e-9 * (1 + count)
    if not np.all((first >= -slack) & (first <= count + slack)):
        raise ValueError(f"A mean needs sums of values between {low_end:g} and {high_end:g}.")
    if not np.all(second * count >= first**2 - slack * count):
        raise ValueError("A mean needs the sum of squares of the same values: it is too small for their sum.")
    middle = np.clip(np.divide(first, count, out=np.full_like(first, 0.5), where=count > 0), 0, 1)
    threshold = np.log(2 * len(_BETS)) - np.log1p(-level)
    penalties = -np.log1p(-_BETS) - _BETS

    def struck(candidate: Floats) -> NDArray[np.bool_]:
        surplus = np.abs(first - count * candidate)[..., None]
        spread = (second - 2 * candidate * first + count * candidate**2)[..., None]
        return np.asarray(np.logaddexp.reduce(_BETS * surplus - penalties * spread, axis=-1) >= threshold)

    low = _edge(struck, middle, np.zeros_like(middle))
    high = _edge(struck, middle, np.ones_like(middle))
    return low_end + width * low, low_end + width * high


def _edge(struck: Callable[[Floats], NDArray[np.bool_]], kept: Floats, end: Floats) -> Floats:
    """Between `kept`, which is never struck out, and `end`: the outermost candidate that stands, on its safe side."""
    inside, outside = kept.copy(), end.copy()
    whole = ~struck(end)
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        out = struck(middle)
        outside = np.where(out, middle, outside)
        inside = np.where(out, inside, middle)
    return np.where(whole, end, outside)
