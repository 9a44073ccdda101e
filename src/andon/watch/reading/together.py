"""Several readings of one log: in one statement where they go together, one after the other in one session else.

A warehouse charges for what it scans, and scanning is most of the work: twenty watches of one table whose windows end
at one moment are one pass over its newest rows. One reading that fails takes no other with it: a statement for several
that fails is halved until the one is found that cannot be read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import Final

from andon.kit.errors import Refused
from andon.watch.reading.connecting import opened
from andon.watch.reading.cube import Cells, Wanted, goes_with, taken
from andon.watch.reading.places import Place, Unreadable

MOST: Final = 32
"""Readings in one statement."""

Outcome = Cells | Unreadable | Refused


def read_together(place: Place, asked: Sequence[Wanted], *, seconds: float = 60.0) -> Generator[dict[int, Outcome]]:
    """Statement by statement: what each reading of it brought, by its index, or in words why it could not be read.

    `seconds` is how long one statement may take. Whoever has heard enough closes the iterator: nothing more is read.
    """
    waiting = deque(statements(asked))
    while waiting:
        entered = False
        try:
            with opened(place, seconds=seconds) as log:
                entered = True
                while waiting:
                    log.renew()
                    found = taken(log, [asked[at] for at in waiting[0]], place)
                    yield dict(zip(waiting.popleft(), found, strict=True))
        except (Unreadable, Refused) as error:
            if not entered:
                yield dict.fromkeys((at for group in waiting for at in group), error)
                return
            failed = waiting.popleft()
            if len(failed) == 1:
                yield {failed[0]: error}
            else:
                half = len(failed) // 2
                waiting.extendleft([failed[half:], failed[:half]])


def statements(asked: Sequence[Wanted]) -> Iterator[list[int]]:
    """What is read by one statement each: indexes of readings that go together."""
    left = list(range(len(asked)))
    while left:
        first = asked[left[0]]
        group = [left[0], *(at for at in left[1:] if goes_with(first, asked[at]))][:MOST]
        left = [at for at in left if at not in group]
        yield group
