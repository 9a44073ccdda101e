"""Who drives a change: excess events by segment since the onset, split into rate and mix, with a lower bound each.

With N decisions since the onset, n of them in the segment at rate p1, and with the segment's earlier share w0, its
earlier rate p0 and the earlier rate r0 of everything::

    excess = n (p1 - p0)  +  (n - N w0) (p0 - r0)
             rate part       mix part

The rate part is a count that can be checked: events in the segment beyond what its own earlier rate gives. The mix part
is what a segment adds that fails as often as before but now has a larger share of the decisions. Over segments that do
not overlap the excess sums exactly to N (r1 - r0) (Kitagawa 1955, doi 10.1080/01621459.1955.10501299, weighted by what
came in since the onset, so that a segment's rate part depends on that segment alone).

Segments are ranked by a lower confidence bound, since the largest estimates come from the smallest segments. The bound
combines exact limits of its independent parts (Clopper and Pearson 1934, Garwood 1936) by the method of variance
estimates recovery (Zou and Donner 2008, doi 10.1002/sim.3095); the error is shared over all segments. It takes the
onset as given: an onset that was chosen to make the change large makes all segments look worse together, but does not
choose between them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measure = Literal["rate", "mean", "count"]
Tallies = Mapping[Hashable, Sequence[float]]
"""By segment: (n, total), and for means the sum of squares as a third."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What one segment adds, in events (or in the unit of the values), in the direction asked about.

    `lower` is the bound that ranks: with the stated level at least so much of the excess is no chance, in all segments
    at once. `excess` is `rate_part` and `mix_part` together.
    """

    segment: Hashable
    excess: float
    lower: float
    rate_part: float
    mix_part: float


def rank(
    before: Tallies, since: Tallies, *, measure: Measure = "rate", direction: Literal["up", "down"] = "up",
    level: float = 0.95,
) -> list[Driver]:  # fmt: skip
    """The segments that stand out, the surest first; empty when none does, or when there is nothing to compare with.

    `before` and `since` are tallies of segments that do not overlap, as `parts` takes them. A segment whose own events
    became no more drives nothing, even if there is less of it and the rest is worse: then the rest is named.
    """
    found = parts(before, since, measure=measure, direction=direction, level=level)
    if not found:
        return []
    own = _own(before, since, measure, direction)
    standing = [one for one in found if one.lower > 0 and own[one.segment] > 0]
    return sorted(standing, key=lambda one: (-one.lower, str(one.segment)))


def rank_across(
    before: Tallies, since: Tallies, columns: Sequence[str], *, measure: Measure = "rate",
    direction: Literal["up", "down"] = "up", level: float = 0.95, depth: int = 3,
) -> list[Driver]:  # fmt: skip
    """The groups and intersections that stand out, each as wide as the change reaches and no wider.

    `before` and `since` are tallies of the finest cells, by a tuple of one value for each column. Groups are made of
    up to `depth` columns; a driver's segment is a tuple of (column, value) pairs. The error is shared over all of them.

    Groups overlap, so one that is truly worse makes others look worse. The surest is named first; in its place a
    narrower one, if what is left of the wider without it does not stand out. Another is named only if it still stands
    out by its cells that lie in no group named before. The excesses of overlapping groups do not add up.
    """
    groups = _groups({*before, *since}, columns, depth)
    ask = _Asking(before, since, measure, direction, level, len(groups))
    standing = {group: one for group, cells in groups.items() if (one := ask(group, cells)) is not None}
    left = {group: groups[group] for group in standing}
    sure = dict(standing)
    named: list[Driver] = []
    while sure:
        best = max(sure, key=lambda group: (sure[group].lower, str(group)))
        while narrower := [
            group for group in sure if left[group] < left[best] and ask(best, left[best] - left[group]) is None
        ]:
            best = max(narrower, key=lambda group: (sure[group].lower, str(group)))
        named.append(standing[best])
        left = {group: cells - groups[best] for group, cells in left.items()}
        sure = {group: one for group, cells in left.items() if (one := ask(group, cells)) is not None}
    return named


@dataclass(frozen=True, slots=True)
class _Asking:
    """Whether some cells together stand out against all others."""

    before: Tallies
    since: Tallies
    measure: Measure
    direction: Literal["up", "down"]
    level: float
    tests: int

    def __call__(self, group: Hashable, cells: frozenset[Hashable]) -> Driver | None:
        if not cells:
            return None
        old, new = self._split(self.before, cells), self._split(self.since, cells)
        found = parts(old, new, measure=self.measure, direction=self.direction, level=self.level, tests=self.tests)
        if not found or found[0].lower <= 0 or _own(old, new, self.measure, self.direction)[True] <= 0:
            return None
        one = found[0]
        return Driver(group, one.excess, one.lower, one.rate_part, one.mix_part)

    def _split(self, tallies: Tallies, cells: frozenset[Hashable]) -> Tallies:
        """The cells as one segment, True, and all others as another."""
        return {own: _summed(tallies, cells if own else tallies.keys() - cells, self.measure) for own in (True, False)}


def _groups(cells: AbstractSet[Hashable], columns: Sequence[str], depth: int) -> dict[Hashable, frozenset[Hashable]]:
    """The cells of every group; of groups with the same cells the one with the fewest columns."""
    found: dict[Hashable, set[Hashable]] = {}
    for width in range(1, min(depth, len(columns)) + 1):
        for chosen in combinations(range(len(columns)), width):
            for cell in cells:
                values = cell if isinstance(cell, tuple) else (cell,)
                found.setdefault(tuple((columns[at], values[at]) for at in chosen), set()).add(cell)
    once: dict[frozenset[Hashable], Hashable] = {}
    for group, held in found.items():
        once.setdefault(frozenset(held), group)
    return {group: held for held, group in once.items()}


def _summed(tallies: Tallies, cells: AbstractSet[Hashable], measure: Measure) -> tuple[float, ...]:
    """The tallies of some cells as one: all is added up, but for n where it counts windows, which are the same ones."""
    rows = [tuple(tallies[cell]) for cell in cells if cell in tallies] or [(0.0, 0.0, 0.0)]
    n, *sums = zip(*rows, strict=True)
    return (max(n) if measure == "count" else sum(n), *map(sum, sums))


def parts(
    before: Tallies, since: Tallies, *, measure: Measure = "rate", direction: Literal["up", "down"] = "up",
    level: float = 0.95, tests: int | None = None,
) -> list[Driver]:  # fmt: skip
    """What every segment adds, whether it stands out or not; the excesses sum to the change of the whole.

    Args:
        before: By segment, what was there before the onset: (n, total), or (n, total, sum of squares) for means.
        since: The same since the onset. A segment may be missing on either side.
        measure: `rate`: total counts the decisions with an event among n. `mean`: total sums values. `count`: total
            counts events in n windows; there is no mix then, since windows are not shared out among segments. All
            segments have the same windows: the largest n counts, since a segment without events may be in fewer.
        direction: `down` counts what is missing (a shortfall is positive).
        level: Of all bounds together.
        tests: Over how many bounds the error is shared, if there are more than these.

    Raises ValueError for counts that cannot be. Returns nothing if one of the two sides holds no decision.
    """
    segments = list(dict.fromkeys([*before, *since]))
    old, new = _columns(before, segments, measure), _columns(since, segments, measure)
    if not segments or not old[0].sum() or not new[0].sum():
        return []
    error = (1 - level) / (tests or len(segments))
    sign = 1.0 if direction == "up" else -1.0
    found = _counts(old, new, sign, error) if measure == "count" else _shares(old, new, sign, error, measure)
    return [
        Driver(segment, float(rate + mix), float(lower), float(rate), float(mix))
        for segment, rate, mix, lower in zip(segments, *found, strict=True)
    ]


def _own(before: Tallies, since: Tallies, measure: Measure, direction: str) -> dict[Hashable, float]:
    """By how much a segment's own events rose (or fell short), as a share of all decisions."""
    shares: list[dict[Hashable, float]] = []
    for tallies in (before, since):
        n = max(tally[0] for tally in tallies.values()) if measure == "count" else sum(t[0] for t in tallies.values())
        missing = measure == "rate" and direction == "down"
        shares.append({key: (tally[0] - tally[1] if missing else tally[1]) / n for key, tally in tallies.items()})
    sign = -1 if direction == "down" and measure != "rate" else 1
    return {key: sign * (shares[1].get(key, 0.0) - shares[0].get(key, 0.0)) for key in {**before, **since}}


def _shares(
    old: list[Floats], new: list[Floats], sign: float, error: float, measure: Measure
) -> tuple[Floats, Floats, Floats]:
    """Rate part, mix part and lower bound of each segment, for rates and means."""
    n0, n1 = old[0], new[0]
    all0, all1 = n0.sum(), n1.sum()
    r0 = old[1].sum() / all0
    p1, p1_low, p1_high = _limits(new, error, measure)
    p0, p0_low, p0_high = _limits(old, error, measure)
    rest = [whole.sum() - own for whole, own in zip(old, old, strict=True)]
    q0, q0_low, q0_high = _limits(rest, error, measure)
    p0 = np.where(n0 > 0, p0, r0)
    p1 = np.where(n1 > 0, p1, p0)
    w0, w1 = n0 / all0, n1 / all1
    w0_low, w0_high = _exact(n0, np.full_like(n0, all0), error)
    w1_low, w1_high = _exact(n1, np.full_like(n1, all1), error)
    grown = n1 - all1 * w0
    # The excess is linear in the segment's rates and in the earlier rate of the rest; shares vary by chance too.
    terms = [
        (n1, p1, p1_low, p1_high),
        (-(all1 * w0 + grown * w0), p0, p0_low, p0_high),
        (-grown * (1 - w0), q0, q0_low, q0_high),
        (all1 * (p0 - r0), w1, w1_low, w1_high),
        (-all1 * (p0 - r0), w0, w0_low, w0_high),
    ]
    rate, mix = sign * n1 * (p1 - p0), sign * grown * (p0 - r0)
    return rate, mix, rate + mix - _margin(terms, sign)


def _counts(old: list[Floats], new: list[Floats], sign: float, error: float) -> tuple[Floats, Floats, Floats]:
    """The same for events in windows: each segment against its own earlier count."""
    from scipy.special import gammaincinv

    def limits(events: Floats) -> tuple[Floats, Floats, Floats]:
        low = np.where(events > 0, gammaincinv(np.maximum(events, 1), error), 0.0)
        return events, low, gammaincinv(events + 1, 1 - error)

    scale = np.full_like(old[0], new[0].max() / old[0].max())
    rate = sign * (new[1] - scale * old[1])
    terms = [(np.ones_like(scale), *limits(new[1])), (-scale, *limits(old[1]))]
    return rate, np.zeros_like(rate), rate - _margin(terms, sign)


def _margin(terms: Sequence[tuple[Floats, Floats, Floats, Floats]], sign: float) -> Floats:
    """How far a sum of (weight x estimate) lies above its lower bound, from (weight, estimate, low, high) of each."""
    squared = np.zeros_like(terms[0][1])
    for weight, estimate, low, high in terms:
        towards = np.where(sign * weight > 0, estimate - low, high - estimate)
        squared = squared + np.where(weight == 0, 0.0, weight * towards) ** 2
    return np.sqrt(squared)


def _limits(columns: Sequence[Floats], error: float, measure: Measure) -> tuple[Floats, Floats, Floats]:
    """The mean of each row of (n, total, squares), with a one-sided limit on either side."""
    n, total = columns[0], columns[1]
    centre = np.divide(total, n, out=np.zeros_like(total), where=n > 0)
    if measure == "rate":
        return centre, *_exact(total, n, error)
    from scipy.special import stdtrit

    freedom = np.maximum(n - 1, 1)
    variance = np.maximum(columns[2] - n * centre**2, 0) / freedom
    reach = np.where(n > 1, stdtrit(freedom, 1 - error) * np.sqrt(variance / np.maximum(n, 1)), np.inf)
    return centre, centre - reach, centre + reach


def _exact(events: Floats, n: Floats, error: float) -> tuple[Floats, Floats]:
    """Clopper and Pearson's limits of a proportion, each wrong with a probability of at most `error`."""
    from scipy.special import betaincinv

    low = np.where(events > 0, betaincinv(np.maximum(events, 1e-9), n - events + 1, error), 0.0)
    high = np.where(events < n, betaincinv(events + 1, np.maximum(n - events, 1e-9), 1 - error), 1.0)
    return low, high


def _columns(tallies: Tallies, segments: Sequence[Hashable], measure: Measure) -> list[Floats]:
    """n, totals and sums of squares as arrays in the order of the segments."""
    width = 3 if measure == "mean" else 2
    for segment, tally in tallies.items():
        if len(tally) < width:
            raise ValueError(f"Segment {segment}: a mean needs n, the sum and the sum of squares.")
        if tally[0] < 0 or not np.all(np.isfinite(tally[:width])):
            raise ValueError(f"Segment {segment}: counts must be finite and not negative.")
        if measure == "rate" and not 0 <= tally[1] <= tally[0]:
            raise ValueError(f"Segment {segment}: {tally[1]:g} events in {tally[0]:g} decisions cannot be a rate.")
        if measure == "count" and tally[1] < 0:
            raise ValueError(f"Segment {segment}: a count of {tally[1]:g} events cannot be.")
    rows = [tuple(tallies.get(segment, ()))[:width] or (0.0,) * width for segment in segments]
    return [np.asarray(column, dtype=float) for column in zip(*rows, strict=True)] or [np.zeros(0)] * width
