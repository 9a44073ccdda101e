"""Hears what other processes tell on a channel, in a thread and on a line to the database of its own.

That is PostgreSQL's NOTIFY, or the bells of the processes that share an SQLite file.
The line breaks with the database and is made anew. Whatever was told meanwhile is lost, so each new line begins with a
look; and whoever listens looks by itself anyway, a little later.
"""

import threading
from collections.abc import Callable
from typing import Final

import structlog
from django.db import OperationalError

from andon.kit import db

SILENCE: Final = 1.0
"""Seconds of silence after which the line is asked whether it still works."""
_RESTS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
_log = structlog.get_logger(__name__)


class Listener:
    """Calls `hear`, in its own thread, when another process commits something that it tells on the channel."""

    def __init__(self, channel: str, hear: Callable[[], None]) -> None:
        self._channel, self._told = channel, hear
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"listen-{channel}", daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """End within a moment; nothing that is due depends on it."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                db.listen(self._channel, self._hear, until=self._stopping.is_set, silence=SILENCE)
            except OperationalError as error:
                rest = _RESTS[min(self._failures, len(_RESTS) - 1)]
                self._failures += 1
                _log.warning("nothing is heard from the database", channel=self._channel, reason=str(error))
                self._stopping.wait(rest)

    def _hear(self) -> None:
        self._failures = 0
        self._told()
