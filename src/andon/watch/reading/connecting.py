"""Opens a log on its engine, read-only, within a time limit; says in words what is wrong when that fails."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from andon.kit.crypto import LOST_KEY, readable
from andon.kit.errors import Refused
from andon.kit.outbound import Unreachable
from andon.watch.reading import backends, csvs, values
from andon.watch.reading.places import LogEngine, Place, Unreadable

_LINES_A_BATCH: Final = 10_000


class Limit:
    """Breaks off what a session runs when its time is over."""

    def __init__(self, session: backends.Session, seconds: float) -> None:
        self._session, self._seconds = session, seconds
        self._timer: threading.Timer | None = None
        self.passed = threading.Event()

    def renew(self) -> None:
        """Begin to count anew."""
        self.end()
        self.passed.clear()
        self._timer = threading.Timer(self._seconds, self._break_off)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        """Count no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _break_off(self) -> None:
        self.passed.set()
        self._session.interrupt()


@dataclass(frozen=True, slots=True)
class Opened:
    """A log that is open: its table as an Ibis expression, and the engine behind it."""

    table: Any
    engine: Any
    limit: Limit

    def renew(self) -> None:
        """Give the time limit anew: for one more statement of the same reading."""
        self.limit.renew()

    def rows(self, expression: Any, *, limit: int) -> Iterator[list[dict[str, Any]]]:
        """What an expression gives, at most so many lines, in batches of Python values."""
        for batch in self.engine.to_pyarrow(expression, limit=limit).to_batches(max_chunksize=_LINES_A_BATCH):
            yield batch.to_pylist()

    def columns(self) -> dict[str, str]:
        """Names and types of the columns."""
        return {name: str(kind) for name, kind in self.table.schema().items()}


@contextmanager
def opened(place: Place, *, seconds: float) -> Iterator[Opened]:
    """The log, open while the block runs; whatever takes longer than `seconds` is broken off.

    Raises `Unreadable` in words for whatever the engine says inside the block.
    """
    if not readable(place.source):
        raise Unreadable(f"Where the log “{place.name}” lies cannot be read. {LOST_KEY} Or give its place again.")
    session, limit = None, None
    try:
        session = backends.open_at(place, seconds=seconds)
        limit = Limit(session, seconds)
        limit.renew()
        yield Opened(session.table(), session.engine, limit)
    except (Unreadable, Refused):
        raise
    except Unreachable as error:
        raise Unreadable(f"The log “{place.name}” cannot be reached: {error}") from error
    except Exception as error:
        late = isinstance(error, TimeoutError) or (limit is not None and limit.passed.is_set())
        raise _in_words(place, error, late=late, seconds=seconds) from error
    finally:
        if limit is not None:
            limit.end()
        if session is not None:
            session.close()


def _in_words(place: Place, error: Exception, *, late: bool, seconds: float) -> Unreadable:
    if late:
        return Unreadable(
            f"The log “{place.name}” ({place.where}) did not answer within {seconds:g} s. The warehouse is slow or "
            "down; Andon tries again by itself."
        )
    of = f"The log “{place.name}” ({place.where}) cannot be read"
    if type(error).__name__ == "TableNotFound":  # Ibis': imported here it would be loaded by every start
        return Unreadable(f"{of}: there is no table “{place.table}”, or this account may not see it.")
    if place.engine is LogEngine.FILES and (fault := csvs.in_words(error, place)):
        return Unreadable(f"{of}: {fault}")
    if fault := values.in_words(error):
        return Unreadable(f"{of}: {fault}")
    said = backends.without_secrets(place, " ".join(str(error).split()))
    return Unreadable(f"{of}. The engine says: {_ROWS_AND_HINTS.sub('', said)[:500]}")


_ROWS_AND_HINTS: Final = re.compile(
    r" (LINE 1: |Original Line|The search space used was|Possible fix|Possible solution|Potential Fixes|file =).*"
)
"""What DuckDB says of a file, from the row on that it shows: rows do not leave a log, and its hints are for SQL."""
