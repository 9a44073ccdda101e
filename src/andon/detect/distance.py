"""How far a histogram lies from the reference, and how far chance alone takes it.

Distances are of the shares of 20 bins (or categories). A distance of a sample is never zero, and it is the larger the
smaller the window: with 200 rows in 20 bins, a population that has not moved at all shows a Jensen-Shannon distance of
about 0.13, more than what is often taken for an alarm. So a figure alone means nothing; `chance` says what to compare
it with, and `andon.detect.drift` makes an alarm of it that holds a budget.

A distance says that inputs or outputs are spread otherwise. It does not say that decisions became worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

PLENTY: Final = 1_000
"""Rows that every bin has to expect for its counts to be drawn as normal ones: then 50 times as fast, and as good."""
DRAWS: Final = 2_000
"""Of the parametric bootstrap: enough for a 95% or 99% point, in a few milliseconds."""
SEED: Final = 20
"""The same question has the same answer."""


class Distance(StrEnum):
    """How distances are taken."""

    JS = "js"
    PSI = "psi"
    KS = "ks"
    WASSERSTEIN = "wasserstein"


ORDERED: Final = frozenset({Distance.KS, Distance.WASSERSTEIN})
"""Those that need bins in an order, so not categories."""


@dataclass(frozen=True, slots=True)
class Chance:
    """What distance a window of this size has when nothing moved: the middle one, and the one seldom passed."""

    typical: float
    high: float


def distance(reference: ArrayLike, windows: ArrayLike, kind: Distance, positions: ArrayLike | None = None) -> Floats:
    """The distance of each window's histogram from the reference's; the last axis holds the bins.

    - `js`: the Jensen-Shannon distance, the root of the divergence in bits; 0 to 1 (Lin 1991, doi 10.1109/18.61115).
    - `psi`: the population stability index, sum of (p - q) ln(p / q), which is Jeffreys' divergence; half a row is
      added to each bin, since a bin that is empty on one side would make it infinite.
    - `ks`: the largest difference of the cumulative shares; 0 to 1.
    - `wasserstein`: the sum of the differences of the cumulative shares, each times the way to the next bin;
      `positions` says where bins lie, growing from 0 to 1, and is by default even.

    Raises ValueError for a histogram that holds nothing or has another number of bins.
    """
    base, found = np.asarray(reference, dtype=float), np.asarray(windows, dtype=float)
    if base.ndim != 1 or found.shape[-1] != len(base):
        raise ValueError(f"The reference has {base.shape[-1]} bins and a window has {found.shape[-1]}.")
    if np.any(base < 0) or np.any(found < 0) or not base.sum() or not np.all(found.sum(axis=-1)):
        raise ValueError("A histogram needs counts of 0 or more, and one row at least.")
    if kind is Distance.PSI:
        base, found = base + 0.5, found + 0.5
    return _of_shares(base / base.sum(), found / found.sum(axis=-1, keepdims=True), kind, positions)


def chance(
    reference: ArrayLike, n: int, kind: Distance, *, level: float = 0.99, positions: ArrayLike | None = None
) -> Chance:
    """How far a window of n rows lies from a reference of its size when both come from the same population.

    A parametric bootstrap from the reference's shares (half a row added to each bin), with a fixed seed. The high end
    is passed by a share of 1 - level of clean windows: that many in a hundred, in every feature.
    """
    counts = tuple(float(value) for value in np.asarray(reference))
    places = None if positions is None else tuple(float(value) for value in np.asarray(positions))
    drawn = _drawn(counts, n, kind, places)
    return Chance(float(np.median(drawn)), float(np.quantile(drawn, level)))


def p_value(reference: ArrayLike, window: ArrayLike, kind: Distance, positions: ArrayLike | None = None) -> float:
    """The share of clean windows of this size that lie at least as far away, at least 1 / (DRAWS + 1).

    For one look at one feature. With many features, or every day, look at `andon.detect.drift` instead.
    """
    counts = tuple(float(value) for value in np.asarray(reference))
    places = None if positions is None else tuple(float(value) for value in np.asarray(positions))
    drawn = _drawn(counts, int(np.sum(window)), kind, places)
    seen = float(distance(reference, window, kind, positions))
    return float((1 + np.sum(drawn >= seen)) / (1 + len(drawn)))


def _drawn(counts: tuple[float, ...], n: int, kind: Distance, positions: tuple[float, ...] | None) -> Floats:
    """The distances of DRAWS clean windows from as many clean references."""
    bases, found = _samples(counts, n)
    if kind is Distance.PSI:
        bases, found = bases + 0.5, found + 0.5
    return _of_shares(
        bases / bases.sum(axis=1, keepdims=True), found / found.sum(axis=1, keepdims=True), kind, positions
    )


@lru_cache(maxsize=64)
def _samples(counts: tuple[float, ...], n: int) -> tuple[Floats, Floats]:
    """References and windows of these sizes, all from the shares of the reference: one draw for every distance."""
    if n < 1:
        raise ValueError("A window of no rows has no distance.")
    smoothed = np.array(counts) + 0.5
    shares = smoothed / smoothed.sum()
    rows = max(round(sum(counts)), 1)
    if shares.min() * min(n, rows) >= PLENTY:
        bases, found = _normals(len(shares))
        return _near(rows, shares, bases), _near(n, shares, found)
    rng = np.random.default_rng(SEED)
    drawn = [rng.multinomial(many, shares, DRAWS).astype(float) for many in (rows, n)]
    return drawn[0], drawn[1]


@lru_cache(maxsize=8)
def _normals(bins: int) -> tuple[Floats, Floats]:
    """Standard normal numbers by draw and bin, for references and for windows."""
    rng = np.random.default_rng(SEED)
    return rng.standard_normal((DRAWS, bins)), rng.standard_normal((DRAWS, bins))


def _near(n: int, shares: Floats, normals: Floats) -> Floats:
    """Counts with the means, variances and covariances of a multinomial: n p + root(n p) (z - root(p) (root(p) z))."""
    root = np.sqrt(shares)
    return np.asarray(np.maximum(n * shares + np.sqrt(n) * root * (normals - np.outer(normals @ root, root)), 0.0))


def _of_shares(p: Floats, q: Floats, kind: Distance, positions: ArrayLike | None) -> Floats:
    from scipy.special import rel_entr

    match kind:
        case Distance.JS:
            middle = (p + q) / 2
            bits = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / (2 * np.log(2))
            return np.asarray(np.sqrt(np.clip(bits, 0, 1)))
        case Distance.PSI:
            return np.asarray(((p - q) * np.log(p / q)).sum(axis=-1))
        case Distance.KS:
            return np.asarray(np.abs(np.cumsum(p - q, axis=-1)).max(axis=-1))
        case Distance.WASSERSTEIN:
            ways = np.diff(places(p.shape[-1], positions))
            return np.asarray((np.abs(np.cumsum(p - q, axis=-1))[..., :-1] * ways).sum(axis=-1))


def places(bins: int, positions: ArrayLike | None) -> Floats:
    """Where bins lie, from 0 to 1; ValueError for what does not grow from 0 to 1."""
    if positions is None:
        return np.linspace(0, 1, bins)
    found = np.asarray(positions, dtype=float)
    if len(found) != bins or found[0] != 0 or found[-1] != 1 or np.any(np.diff(found) <= 0):
        raise ValueError(f"Positions of {bins} bins grow from 0 to 1.")
    return found
