"""What a schedule comes to in instants: shifts, gaps, and who is on top where shifts overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Shift:
    """Somebody on call from one instant to another.

    Attributes:
        participant: Opaque id of who is on call.
        starts: From when (aware, UTC).
        ends: Until when (aware, UTC).
        source: What put them there: a layer's name, or "override".
    """

    participant: str
    starts: datetime
    ends: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A time, instant to instant (aware, UTC), in which nobody is on call."""

    starts: datetime
    ends: datetime


def topmost(spans: Sequence[Shift]) -> list[Shift]:
    """What is seen from above when every span lies on those before it: a sweep over all edges in order."""
    waiting = sorted(range(len(spans)), key=lambda index: spans[index].starts, reverse=True)
    edges = sorted({edge for span in spans for edge in (span.starts, span.ends)})
    on_top: list[tuple[int, Shift]] = []  # a heap, the last of the spans first
    seen: list[Shift] = []
    for starts, ends in pairwise(edges):
        while waiting and spans[waiting[-1]].starts <= starts:
            index = waiting.pop()
            heappush(on_top, (-index, spans[index]))
        while on_top and on_top[0][1].ends <= starts:
            heappop(on_top)
        if on_top:
            above = on_top[0][1]
            _append(seen, Shift(above.participant, starts, ends, above.source))
    return seen


def _append(seen: list[Shift], shift: Shift) -> None:
    """Add a shift at the end, to the last one if it only continues that."""
    last = seen[-1] if seen else None
    if last and (last.ends, last.participant, last.source) == (shift.starts, shift.participant, shift.source):
        seen[-1] = Shift(last.participant, last.starts, shift.ends, last.source)
    else:
        seen.append(shift)
