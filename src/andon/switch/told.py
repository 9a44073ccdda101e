"""Whoever sets a switch lets the streams of their own process speak first.

Python runs one thread of a process at a time, and takes its turn from one that computes only every few milliseconds.
The answer to whoever has set a switch is a page or a list of all its replicas: computing, just when each stream is to
speak. So that thread waits until they have, or for a moment: what it has set is on disk, and holds, whoever was told.
"""

import threading
from collections import Counter
from typing import Final
from uuid import UUID

MOMENT: Final = 0.1
"""Seconds that it waits at most."""


class Streams:
    """Which systems the streams of this process are about, and since when what they have said is true."""

    def __init__(self) -> None:
        self._open: Counter[UUID] = Counter()
        self._turn = threading.Condition()
        self._told_at = float("-inf")

    def opened(self, system: UUID) -> None:
        """There is one more."""
        with self._turn:
            self._open[system] += 1

    def closed(self, system: UUID) -> None:
        """There is one less."""
        with self._turn:
            self._open[system] -= 1
            if not self._open[system]:
                del self._open[system]
            self._turn.notify_all()

    def have_told(self, at: float) -> None:
        """All have said what a look at the database saw that began at this moment of the process's clock."""
        with self._turn:
            self._told_at = at
            self._turn.notify_all()

    def let_speak(self, system: UUID, since: float) -> None:
        """Wait, for a moment at most, until they have said something of a system that is no older than a moment."""
        with self._turn:
            self._turn.wait_for(lambda: self._told_at >= since or system not in self._open, MOMENT)


here = Streams()
"""Those of this process."""
