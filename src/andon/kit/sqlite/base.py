"""The backend: a transaction begins when it is this connection's turn (see `turns`), and its end ends the turn.

The types that are ignored: the stubs leave out what a backend is there to override.
"""

from sqlite3 import OperationalError as Locked
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from andon.kit.sqlite.turns import TooLong, Turns


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that queues for its turn to write."""

    def __init__(self, settings_dict: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(settings_dict, *args, **kwargs)
        self._turns: Turns | None = None

    def _start_transaction_under_autocommit(self) -> None:
        turns = self._turns_at_file()
        if turns is None:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
            return
        try:
            turns.take(float(self.settings_dict["OPTIONS"].get("timeout", 5.0)))
        except TooLong as error:
            raise OperationalError("database is locked: another writer's turn did not end") from Locked(str(error))
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            turns.end()
            raise

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
