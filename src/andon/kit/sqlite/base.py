"""The backend: a transaction begins when it is this connection's turn (see `turns`), and its end ends the turn.

The types that are ignored: the stubs leave out what a backend is there to override.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from django.db.backends.sqlite3 import base

from andon.kit.sqlite.turns import TooLong, Turns

PART: Final = 0.25
"""Of the time that a writer may wait: how much of it for its turn, before it waits for the file all the same."""


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that queues for its turn to write."""

    def __init__(self, settings_dict: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(settings_dict, *args, **kwargs)
        self._turns: Turns | None = None
        self._opened: tuple[int, int] | None = None
        self._reading = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open the file, and remember which one it is."""
        self._opened = self._file()
        return super().get_new_connection(conn_params)

    def close_if_replaced(self) -> None:
        """Close, if another file has taken the place of the one that is open, as a restore puts one there."""
        if self.connection is not None and self._opened != self._file():
            self.close()

    def _file(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.settings_dict["NAME"])  # noqa: PTH116  run many times a second
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _start_transaction_under_autocommit(self) -> None:
        if self._reading:
            self.cursor().execute("BEGIN")
            return
        self._take_turn()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._end_turn()
            raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A transaction that begins in here only reads: it waits for nobody's turn, and nobody waits for it.

        All that it reads is as it stood at its first look. The log grows until its end, so let that come soon.
        """
        self._reading = True
        try:
            yield
        finally:
            self._reading = False

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """One's turn without a transaction: nobody begins one meanwhile who queues as well."""
        self.ensure_connection()
        self._take_turn()
        try:
            yield
        finally:
            self._end_turn()

    def _take_turn(self) -> None:
        """Wait for it. Whose turn does not end is stopped, or writes for long: SQLite says which."""
        if (turns := self._turns_at_file()) is not None:
            with suppress(TooLong):
                turns.take(float(self.settings_dict["OPTIONS"].get("timeout", 5.0)) * PART)

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._end_turn()  # a commit that fails keeps it: the rollback that follows ends it

    def _rollback(self) -> None:
        super()._rollback()  # type: ignore[misc]
        self._end_turn()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            if self._turns is not None:
                self._turns.close()
                self._turns = None

    def _end_turn(self) -> None:
        if self._turns is not None:
            self._turns.end()

    def _turns_at_file(self) -> Turns | None:
        """The turns, once the database is a file; one in memory has a single writer anyway."""
        if self._turns is None and not self.is_in_memory_db():
            self._turns = Turns(str(self.settings_dict["NAME"]))
        return self._turns
