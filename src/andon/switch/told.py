"""What others hear when a switch is set: the floors above in its transaction, the processes of the system by streams.

Whoever sets a switch lets the streams of their own process speak first.
Python runs one thread of a process at a time, and takes its turn from one that computes only every few milliseconds.
The answer to whoever has set a switch is a page or a list of all its replicas: computing, just when each stream is to
speak. So that thread waits until they have, or for a moment: what it has set is on disk, and holds, whoever was told.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from django.dispatch import Signal

releasing: Final = Signal()
"""Sent with `system` and `by` before a system that is held back is let decide more, or all, by hand.

A higher floor that hears it raises `Conflict` where that is not for one person to decide.
"""
switched: Final = Signal()
"""Sent with `revision` and `incidents` (held) in the transaction in which a switch is set.

These are the incidents for which the system was held back, as it was until then, and that go on. The one whose own
lever sets the switch is not among them: it hears of it by the lever.
"""
MOMENT: Final = 0.1
"""Seconds that whoever sets a switch waits at most."""


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
