"""What was counted and not yet told: sums by window and segment, in a bounded place. No thread and no network."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

OTHER: Final = "(other)"
"""The value that stands for those for which there was no room."""
PLAIN: Final = "segment"
"""The name of a segment that is given as a plain text."""
VALUE, NAME = 200, 60
"""How long the value of a segment may be, and the name of a segment, metric or system."""

Segment = tuple[tuple[str, str], ...]
"""Names with their values, in the order of the names; empty where none was said."""


class Series(NamedTuple):
    """What one sum is about: observations of a metric of a system, in one segment and one window."""

    system: str
    metric: str
    window: int  # its beginning, Unix seconds
    segment: Segment


@dataclass(slots=True)
class Sums:
    """How many observations, their sum, and the sum of their squares."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0


@dataclass(frozen=True)
class Batch:
    """One request in the making: some windows of one metric. Its words never change, however often it is sent."""

    system: str
    metric: str
    sequence: int
    points: int
    observations: int
    body: bytes = field(repr=False)


class Tally:
    """Sums by series. Not thread-safe: its owner holds a lock.

    From `most_series` on, segments that are new count as `OTHER`. So the sums over all segments stay right, and what
    is kept stays bounded: at twice as many, which takes windows or names without end, what is new is refused.
    """

    def __init__(self, *, seconds: int, most_series: int) -> None:
        self.seconds = seconds
        self.folded = self.refused = 0  # observations whose segment had no room, and those that had none at all
        self._most = most_series
        self._sums: dict[Series, Sums] = {}

    def add(self, system: str, metric: str, segment: Segment, at: float, value: float) -> None:
        """Count one observation made at `at` (Unix seconds)."""
        window = int(at // self.seconds) * self.seconds
        series = Series(system, metric, window, segment)
        sums = self._sums.get(series)
        if sums is None:
            if segment and len(self._sums) >= self._most:
                self.folded += 1
                series = series._replace(segment=tuple((name, OTHER) for name, _ in segment))
            if series not in self._sums and len(self._sums) >= 2 * self._most:
                self.refused += 1
                return
            sums = self._sums.setdefault(series, Sums())
        sums.n += 1
        sums.total += value
        sums.squares += value * value

    def seal(self, before: float) -> dict[tuple[str, str], list[tuple[Series, Sums]]]:
        """Take out the series of all windows that were over at `before` (Unix seconds), by system and metric."""
        over = [series for series in self._sums if series.window + self.seconds <= before]
        taken: dict[tuple[str, str], list[tuple[Series, Sums]]] = {}
        for series in sorted(over, key=lambda one: (one.window, one)):
            taken.setdefault((series.system, series.metric), []).append((series, self._sums.pop(series)))
        return taken


def batch(
    system: str, metric: str, series: Iterable[tuple[Series, Sums]], *, instance: str, sequence: int, seconds: int
) -> Batch:
    """A request that says these sums; `instance` and `sequence` are the key by which Andon knows it again."""
    listed = list(series)
    points = [
        {
            "at": datetime.fromtimestamp(one.window, tz=UTC).isoformat(),
            "segment": dict(one.segment),
            "n": sums.n,
            "total": sums.total,
            "squares": sums.squares,
        }
        for one, sums in listed
    ]
    told = {"metric": metric, "instance": instance, "sequence": sequence, "seconds": seconds, "points": points}
    body = json.dumps(told, allow_nan=False).encode()
    return Batch(system, metric, sequence, len(points), sum(sums.n for _, sums in listed), body)


def named(segment: str | Mapping[str, object] | None) -> Segment:
    """A segment as names and values: a plain text is the value of the one name `segment`."""
    if segment is None:
        return ()
    given = segment if isinstance(segment, Mapping) else {PLAIN: segment}
    return tuple(sorted((str(name)[:NAME], str(value)[:VALUE]) for name, value in given.items()))
