"""Hears what other processes tell the engine, in a thread and on a line of its own.

That is PostgreSQL's NOTIFY, or the bells of the processes that share an SQLite file.
The line breaks with the database and is made anew. Whatever was told meanwhile is lost, so each new line begins with a
look; and the engine looks by itself anyway, a little later.
"""

import threading
from typing import Final

import structlog
from django.db import OperationalError

from andon.kit import db, wake

SILENCE: Final = 1.0
"""Seconds of silence after which the line is asked whether it still works."""
_RESTS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
_log = structlog.get_logger(__name__)


class Listener:
    """Wakes the engine of this process when another process commits something that is due."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="listen", daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """End within a moment; nothing that is due depends on it."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                db.listen(wake.CHANNEL, self._hear, until=self._stopping.is_set, silence=SILENCE)
            except OperationalError as error:
                rest = _RESTS[min(self._failures, len(_RESTS) - 1)]
                self._failures += 1
                _log.warning("the engine hears nothing from the database; it looks by itself", reason=str(error))
                self._stopping.wait(rest)

    def _hear(self) -> None:
        self._failures = 0
        wake.engine.set()
