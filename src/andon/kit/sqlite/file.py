"""The embedded database's file, for one long-lived writer: watched, and brought to disk when the writer says so.

SQLite brings each commit to disk while nobody else may write, and so does the copying of the log into the database that
comes with some commits. A writer that has others waiting for its turn, and answers for what it wrote later, can do both
outside its turn (docs/adr/0023): its commits only append to the log, `sync` then makes all that was appended durable
at once, and only then may anybody be told.
"""

import os
import threading
from contextlib import suppress
from functools import cache
from typing import Final

import structlog
from django.db import Error as DatabaseProblem
from django.db import OperationalError, connection

log = structlog.get_logger(__name__)

NORMAL, FULL = 1, 2
"""SQLite's `synchronous`: flushed before the log is copied into the database, and in addition at each commit."""
BYTES_IN_TURN: Final = 48_000_000
"""Bytes in the log from which a commit copies them all the same, in its turn: the log must not grow for ever."""
BYTES_LEFT: Final = 8_000_000
"""Bytes in the log from which `copy_log` makes others wait to come to an end with it."""

Identity = tuple[int, int]
_flush = getattr(os, "fdatasync", os.fsync)


class File:
    """The file as one writer's thread has it open.

    A connection goes on writing, without an error, into a file that was deleted or replaced (as a restore does) while
    it was open: nobody would ever see those rows. PostgreSQL has no such file: there is nothing to check or to sync.

    Attributes:
        opened: Which file the writer's connection has open; None before the first `check`.
        late: Whether commits of the writer's connection are durable only after `sync`.
    """

    def __init__(self) -> None:
        self.opened: Identity | None = None
        self.late = False
        self._prepared: object = None
        self._logs = threading.local()
        self._doubtful = threading.Event()

    def check(self) -> None:
        """Before a batch, in the writer's thread; raises `OperationalError` if nothing can be written.

        Makes the connection open the file anew if it is another one.
        """
        if connection.vendor != "sqlite":
            return
        try:
            found = _identity(_path())
        except OSError as error:
            connection.close()
            raise OperationalError(f"The database file is gone: {error}") from error
        if self.opened != found:
            connection.close()
            self.opened = found
        if connection.connection is None or connection.connection is not self._prepared:
            self._prepare()
        if self._doubtful.is_set():
            self._make_sure()

    def _prepare(self) -> None:
        """Take over from SQLite when a new connection's commits reach the disk; not where a setting cares for none."""
        connection.ensure_connection()
        with connection.cursor() as cursor:
            journal = cursor.execute("PRAGMA journal_mode").fetchone()[0]
            level = cursor.execute("PRAGMA synchronous").fetchone()[0]
            self.late = journal == "wal" and level >= FULL
            if self.late:
                cursor.execute(f"PRAGMA synchronous = {NORMAL}")
                cursor.execute(f"PRAGMA wal_autocheckpoint = {BYTES_IN_TURN // _page_size()}")
        self._prepared = connection.connection

    def sync(self, opened: Identity | None) -> None:
        """Return when everything that was committed to a file (as `opened` said then) is on disk; from any thread.

        Raises `OperationalError` if it may not be: then nothing is taken any more until the whole log is in the
        database.
        """
        try:
            _flush(self._open_log())
            if _identity(_path()) != opened:
                raise FileNotFoundError("another file has taken its place")
        except OSError as error:
            self._doubtful.set()
            raise OperationalError(f"The database's log cannot be brought to disk: {error}") from error
        if self._doubtful.is_set():
            # The system tells no descriptor twice, and none that is opened later, of what it could not write.
            raise OperationalError("The database's log cannot be brought to disk: an earlier flush failed.")

    def _open_log(self) -> int:
        """The calling thread's descriptor of the log: the system tells each descriptor once of what was not written.

        Unlike the database itself, SQLite holds no locks on it that closing it would drop.
        """
        path = f"{_path()}-wal"
        known: int | None = getattr(self._logs, "open", None)
        if known is not None:
            if _identity(path) == _identity(known):
                return known
            self.close()
        self._logs.open = opened = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        return opened

    def _make_sure(self) -> None:
        """After a failed flush the log on disk may have a hole that a later flush does not mend: copy it whole.

        And empty it: what was appended behind a hole would not be found again after a loss of power.
        """
        with connection.cursor() as cursor:
            busy, pages, copied = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy or pages != copied:
            raise OperationalError("What was written before a failed flush is not in the database yet.")
        self._doubtful.clear()

    def close(self) -> None:
        """Let go of the log that the calling thread has open."""
        if (known := getattr(self._logs, "open", None)) is not None:
            self._logs.open = None
            os.close(known)


def copy_log() -> None:
    """Copy the log into the database, so that it begins anew; in a thread of its own with a line to the database.

    Most is copied and brought to disk beside those who write. What came meanwhile is little, and is copied while nobody
    writes: without that the log would never come to an end as long as somebody does. Nothing but the log's size depends
    on it, so trouble is only noted.
    """
    try:
        if _copy() * _page_size() < BYTES_LEFT:
            return
        _flush(_kept_open(_path(), _identity(_path())))
        with connection.in_turn():  # type: ignore[attr-defined]  # of our own backend
            _copy()
    except (DatabaseProblem, OSError) as error:
        log.warning("sqlite.log_not_copied", error=str(error))
        with suppress(DatabaseProblem):
            connection.close()


def _copy() -> int:
    """Copy what is in the log by now; how many pages that is. What others add meanwhile is not counted."""
    with connection.cursor() as cursor:
        return int(cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])


def _page_size() -> int:
    """Bytes of a page: older databases have smaller ones."""
    with connection.cursor() as cursor:
        return int(cursor.execute("PRAGMA page_size").fetchone()[0])


@cache
def _kept_open(path: str, _which: Identity) -> int:
    """A descriptor of the database that is never closed: with any that is, the process would lose SQLite's locks."""
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _path() -> str:
    return str(connection.settings_dict["NAME"])


def _identity(file: str | int) -> Identity:
    found = os.stat(file)  # noqa: PTH116  run for every batch of the intake
    return found.st_dev, found.st_ino
