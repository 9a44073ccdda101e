"""Whoever sets a switch lets the streams of their own process speak first.

Python runs one thread of a process at a time, and takes its turn from one that computes only every few milliseconds.
The answer to whoever has set a switch is a page or a list of all its replicas: computing, just when each stream is to
speak. So that thread waits until they have, or for a moment: what it has set is on disk, and holds, whoever was told.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final
from uuid import UUID

MOMENT: Final = 0.1
"""Seconds that it waits at most."""


class Streams:
    """Which systems the streams of this process are about, and which revision they have told of each."""

    def __init__(self) -> None:
        self._open: Counter[UUID] = Counter()
        self._turn = threading.Condition()
        self._told: Mapping[UUID, int] = {}

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

    def have_told(self, revisions: Mapping[UUID, int]) -> None:
        """All have said which revision of its switch each system is at."""
        with self._turn:
            self._told = revisions
            self._turn.notify_all()

    def let_speak(self, system: UUID, revision: int) -> None:
        """Wait, for a moment at most, until the streams of a system have told this revision."""
        with self._turn:
            self._turn.wait_for(lambda: system not in self._open or self._told.get(system, 0) >= revision, MOMENT)


here = Streams()
"""Those of this process."""
