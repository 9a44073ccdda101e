"""Writers of one SQLite file take turns, across threads and processes.

SQLite lets one writer in at a time and makes the others sleep, longer and longer, before they look again: beside a busy
writer another one may wait for seconds although the file is free many times in between (measured: half of the waits
under 2 ms, a tenth over 330 ms, the longest 2.4 s). Here whoever wants to write first holds the place at the head of a
queue, so that the one who has just written comes after them. Both places are `flock`s, which the kernel lets go of when
a process dies. One that is stopped (Ctrl-Z, a debugger) keeps its places: so nobody waits for them for ever. The turns
are a courtesy; that there is one writer at a time is SQLite's own doing.
"""

import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from andon.kit import clock

try:
    import fcntl
except ImportError:  # Windows has none: SQLite's own waiting is all there is
    fcntl = None  # type: ignore[assignment]

IN_THE_QUEUE = 1.0
"""Seconds after which the queue is passed by: whoever stands at its head may be stopped, while turns go on."""
LOOK_FIRST, LOOK_LAST = 0.0001, 0.0004
"""Seconds between two looks at a place that somebody holds, the first ones and the last: each look costs, and whoever
holds it for long (a full batch takes some ten milliseconds) is looked at less often."""


class TooLong(Exception):  # noqa: N818  reads as what it is
    """Somebody else's turn did not end in time."""


class Turns:
    """The turns at one file, for one connection; used by one thread at a time.

    Args:
        database: The database's file; the places are files beside it.
    """

    def __init__(self, database: str) -> None:
        self._paths = (f"{database}-queue", f"{database}-turn")
        self._places: tuple[int, int] | None = None
        self._mine = False

    def take(self, within: float) -> None:
        """Wait for one's turn, at most so many seconds; raises `TooLong`."""
        if fcntl is None or self._mine:
            return
        queue, turn = self._open()
        until = clock.monotonic() + within
        with ExitStack() as held:
            with suppress(TooLong):
                _lock(queue, clock.monotonic() + min(within / 2, IN_THE_QUEUE))
                held.callback(fcntl.flock, queue, fcntl.LOCK_UN)  # whoever comes next stands at the head now
            _lock(turn, until)
        self._mine = True

    def end(self) -> None:
        """End one's turn, if it is one's."""
        if self._mine and self._places is not None:
            self._mine = False
            fcntl.flock(self._places[1], fcntl.LOCK_UN)

    def close(self) -> None:
        """End one's turn, and let go of the files."""
        self.end()
        if self._places is not None:
            for place in self._places:
                os.close(place)
            self._places = None

    def _open(self) -> tuple[int, int]:
        if self._places is None:
            queue, turn = (os.open(Path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for path in self._paths)
            self._places = queue, turn
        return self._places


def _lock(place: int, until: float) -> None:
    """Look until the place is free; a wait inside the kernel could not be ended when it takes too long."""
    rest = LOOK_FIRST
    while True:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() > until:
                raise TooLong from None
            time.sleep(rest)
            rest = min(rest * 1.5, LOOK_LAST)
        else:
            return
