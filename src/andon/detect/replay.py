"""A watch over data that are already there: every alarm it would have raised, as it would have been told then.

The detector starts again after each alarm, with the same baseline: a change that stays raises one alarm after the
other. The onset is sought in all that came before, not only since the last alarm, and from the second alarm of a change
on with what came since the first: so alarms of one change name one onset, ever more exactly.

What is over and comes again began again. A running watch looks for the next onset only from where the last alarm was
over; so an alarm here looks first for a time since the change before in which all was normal (`onset.normal_again`),
and for its onset from there on. A running watch has to tell that it is over while it is; here what came later is known
too, so shorter times are seen. One that is too short even for that parts no changes.

Memory is bounded: the last `RECENT` observations are kept one by one, and of older ones the sums of every `BLOCK`. An
onset that lies further back than `FINE` observations is told to the block, and groups are compared with what came
before among the recent observations and all older ones together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from andon.detect import drivers, onset, sequential
from andon.detect.drivers import Driver, Tallies
from andon.detect.onset import Onset, Unknown
from andon.detect.sequential import Direction, Evidence, Measure, Plan

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FINE: Final = 1 << 14
"""Observations before an alarm among which its onset is told exactly."""
BLOCK: Final = 256
"""How many older observations are taken together."""
RECENT: Final = 1 << 20
"""Observations kept one by one."""
FIRST, MOST = 512, 1 << 16
"""Observations given to the detector at once: few after an alarm, since the next may be near, then ever more."""

AS_DRIVEN: Final[Mapping[Measure, Literal["rate", "mean", "count"]]] = {
    Measure.RATE: "rate",
    Measure.MEAN: "mean",
    Measure.COUNT: "count",
    Measure.SCORE: "mean",
}
"""How groups are compared for each measure."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What would have been told at the observation `index`, counted from 0.

    The onset is told in indexes of observations too. `drivers` are the groups that stand out, the surest first; their
    segments are the numbers of the groups.
    """

    index: int
    onset: Onset | Unknown
    statistic: float
    threshold: float
    direction: Direction
    drivers: tuple[Driver, ...] = ()


@dataclass(slots=True)
class Replay:
    """Takes observations in pieces of any size and gives the alarms.

    `units` says how many units an observation stands for: 1, or C where it counts the events in a window of C. The
    first `skip` observations, from which the baseline was estimated, are compared with by group and not tested.
    """

    plan: Plan
    units: int = 1
    skip: int = 0
    level: float = 0.9
    taken: int = field(default=0, init=False)
    _evidence: Evidence = field(init=False)
    _past: _Past = field(init=False)
    _size: int = field(default=FIRST, init=False)
    _changes: dict[Direction, _Change] = field(default_factory=dict, init=False)
    """The newest change in a direction."""
    _since: dict[Direction, int] = field(default_factory=dict, init=False)
    """Where what was normal came back last after a change in a direction; from there on its onset is sought."""

    def __post_init__(self) -> None:
        """Begin."""
        self._evidence = sequential.start(self.plan)
        self._past = _Past()

    def take(self, values: ArrayLike, groups: Integers | None = None) -> Iterator[Alarm]:
        """Take in the next observations, oldest first, and give the alarms among them as they come.

        `groups` numbers the group of each from 0; give it always or never. Raises ValueError, as the detector does,
        for a value that cannot be one.
        """
        numbers = np.asarray(values, dtype=np.float64)
        codes = np.zeros(len(numbers), dtype=np.int64) if groups is None else groups
        at = min(max(0, self.skip - self.taken), len(numbers))
        self._put(numbers[:at], codes[:at])
        while at < len(numbers):
            piece = numbers[at : at + self._size]
            found = self._advance(piece)
            seen = len(piece) if found.alarm_at is None else found.alarm_at + 1
            self._put(piece[:seen], codes[at : at + seen])
            at += seen
            self._evidence, self._size = found.evidence, min(2 * self._size, MOST)
            if found.alarm_at is not None and found.direction is not None:
                self._evidence, self._size = sequential.start(self.plan), FIRST
                yield self._alarm(
                    float(found.statistics[-1]), found.threshold, found.direction, grouped=groups is not None
                )

    def _put(self, values: Floats, codes: Integers) -> None:
        self._past.put(values, codes)
        self.taken += len(values)

    def _advance(self, values: Floats) -> sequential.Progress:
        if self.units == 1 and self.plan.measure is not Measure.COUNT:
            return sequential.scan(self.plan, values, self._evidence)
        return sequential.advance(self.plan, self._evidence, np.full(len(values), float(self.units)), values)

    def _alarm(self, statistic: float, threshold: float, direction: Direction, *, grouped: bool) -> Alarm:
        first, total = self._past.windows(self._since.get(direction, self.skip))
        back = self._normal_again(first, total, direction)
        if back is not None:
            self._since[direction] = back
            del self._changes[direction]
            first, total = self._past.windows(back)
        began = self._onset(first, total, direction)
        self._remember(began, direction)
        found: list[Driver] = []
        if grouped and isinstance(began, Onset):
            before, since = self._past.tallies(began.at, self.units, self._since.get(direction, 0))
            way: Literal["up", "down"] = "down" if direction is Direction.DOWN else "up"
            found = drivers.rank(before, since, measure=AS_DRIVEN[self.plan.measure], direction=way)
        return Alarm(self.taken - 1, began, statistic, threshold, direction, tuple(found))

    def _remember(self, began: Onset | Unknown, direction: Direction) -> None:
        """Keep what is known of the change that an alarm tells."""
        known = self._changes.get(direction)
        if not isinstance(began, Onset):
            self._changes.pop(direction, None)
        elif known is None or began.high > known.raised:
            self._changes[direction] = _Change(self.taken - 1, began.at, began.after)
        else:
            known.began = began.at

    def _normal_again(self, first: Integers, total: Floats, direction: Direction) -> int | None:
        """Where what was normal came back since the newest change in a direction, if it did."""
        known = self._changes.get(direction)
        if known is None:
            return None
        began, after = np.maximum(np.searchsorted(first, [known.began, known.raised], side="right") - 1, 0)
        n = np.diff(np.append(first, self.taken)) * self.units
        found = onset.normal_again(
            n, total, self.plan.baseline, began=int(began), after=int(after), level=known.level,
            measure=self.plan.measure, direction=direction,
        )  # fmt: skip
        return None if found is None else int(first[found])

    def _onset(self, first: Integers, total: Floats, direction: Direction) -> Onset | Unknown:
        """In observations; windows begin at `first`."""
        edges = np.append(first, self.taken)
        known = self._changes.get(direction)
        began = onset.estimate(
            np.diff(edges) * self.units,
            total,
            self.plan.baseline,
            level=self.level,
            measure=self.plan.measure,
            direction=direction,
            earlier=None if known is None else int(np.searchsorted(first, known.raised, side="right")) - 1,
            edges=edges,
        )
        if isinstance(began, Unknown):
            return began
        low, at, high = int(first[began.low]), int(first[began.at]), int(edges[began.high + 1]) - 1
        return replace(began, low=low, at=at, high=high)


@dataclass(slots=True)
class _Change:
    """What an alarm knew of a change: where it was raised, the onset as told last, and the level it came to."""

    raised: int
    began: int
    level: float


class _Past:
    """What was seen: the recent observations one by one, older ones as sums."""

    def __init__(self) -> None:
        self.values: Floats = np.zeros(2 * RECENT + BLOCK)
        self.codes: Integers = np.zeros(2 * RECENT + BLOCK, dtype=np.int64)
        self.start = 0
        """The index of the first observation that is kept; always a multiple of BLOCK."""
        self.kept = 0
        self.blocks: list[float] = []
        """Totals of the observations from 0 on, BLOCK at a time."""
        self.older: dict[int, Floats] = {}
        """By group: how many were dropped, their sum and sum of squares."""

    def put(self, values: Floats, codes: Integers) -> None:
        """Append observations, dropping the oldest as soon as there is no more room."""
        for begin in range(0, len(values), RECENT):
            piece, groups = values[begin : begin + RECENT], codes[begin : begin + RECENT]
            if self.kept + len(piece) > len(self.values):
                self._drop(self.kept - RECENT)
            self.values[self.kept : self.kept + len(piece)] = piece
            self.codes[self.kept : self.kept + len(piece)] = groups
            self.kept += len(piece)
            done, end = len(self.blocks) * BLOCK - self.start, self.kept // BLOCK * BLOCK
            if end > done:
                self.blocks += self.values[done:end].reshape(-1, BLOCK).sum(axis=1).tolist()

    def windows(self, skip: int) -> tuple[Integers, Floats]:
        """From the observation `skip` on: where each window begins, and its total. The newest are single ones."""
        taken = self.start + self.kept
        fine = max(skip, self.start, (taken - FINE) // BLOCK * BLOCK)
        first_block = -(-skip // BLOCK)
        blocks = np.arange(first_block, fine // BLOCK)
        head = np.arange(skip, min(fine, first_block * BLOCK)) if skip >= self.start else np.zeros(0, dtype=np.int64)
        singles = np.arange(fine, taken)
        first = np.concatenate([head, blocks * BLOCK, singles])
        coarse = np.asarray(self.blocks[first_block : fine // BLOCK])
        total = np.concatenate([self.values[head - self.start], coarse, self.values[singles - self.start]])
        return first, total

    def tallies(self, onset: int, units: int, begin: int = 0) -> tuple[Tallies, Tallies]:
        """By group, what came before an onset and since: units, sum and sum of squares.

        What came before `begin`, where an earlier change was over, is left out.
        """
        cut = max(0, onset - self.start)
        before, since = self._sums(max(0, min(begin - self.start, cut)), cut), self._sums(cut, self.kept)
        for code, sums in ({} if begin else self.older).items():
            before[code] = before.get(code, np.zeros(3)) + sums
        scale = np.array([units, 1.0, 1.0])
        return (
            {code: tuple(sums * scale) for code, sums in before.items()},
            {code: tuple(sums * scale) for code, sums in since.items()},
        )

    def _sums(self, begin: int, end: int) -> dict[int, Floats]:
        values, codes = self.values[begin:end], self.codes[begin:end]
        sums = [np.bincount(codes), np.bincount(codes, values), np.bincount(codes, values**2)]
        return {code: np.array([each[code] for each in sums]) for code in np.flatnonzero(sums[0]).tolist()}

    def _drop(self, count: int) -> None:
        count = count // BLOCK * BLOCK
        for code, sums in self._sums(0, count).items():
            self.older[code] = self.older.get(code, np.zeros(3)) + sums
        self.values[: self.kept - count] = self.values[count : self.kept].copy()
        self.codes[: self.kept - count] = self.codes[count : self.kept].copy()
        self.start += count
        self.kept -= count
