"""The line to the database, on which faults happen: at every statement, and on both sides of every commit.

Nothing of Andon is replaced: Django's own hooks for statements, and the one method that commits.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import Error, OperationalError, connection, connections

from tests.simulation.chance import Chance, Crash

_WRITES = ("INSERT", "UPDATE", "DELETE")
_UNDOES = ("ROLLBACK", "RELEASE")
STRUCK = "the simulation cut the line"


class Line:
    """One thread's line.

    Attributes:
        commits: How many transactions were committed over it.
        faults: How many faults struck on it, crashes included.
        on_commit: Told after each commit that went through.
        dead: The process has died: nothing more reaches the database.
    """

    def __init__(self, chance: Chance, pause: Callable[[], None]) -> None:
        self.commits = 0
        self.faults = 0
        self.dead = False
        self.on_commit: Callable[[], None] = lambda: None
        self._chance = chance
        self._pause = pause
        self._attached: Any = None

    def attach(self) -> None:
        """Hook into this thread's connection, once."""
        wrapper = connections["default"]
        if self._attached is wrapper:
            return
        self._attached, self.dead = wrapper, False
        wrapper.execute_wrappers.append(self._statement)
        self._really_commit, wrapper._commit = wrapper._commit, self._commit
        self._really_set_autocommit, wrapper.set_autocommit = wrapper.set_autocommit, self._set_autocommit

    def cut(self) -> None:
        """The process died: what it had not committed is gone, and so is its connection."""
        wrapper, self._attached = self._attached, None
        if wrapper.connection is not None:
            with suppress(Error):
                wrapper._rollback()  # at once, in place of when the server notices: the order stays the seed's
            wrapper._close()
        del connections["default"]

    def resumed(self) -> None:
        """Back from a pause: whoever died meanwhile goes no further."""
        if self.dead:
            raise Crash

    def _statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.dead:
            if sql.startswith(_UNDOES):
                return execute(sql, params, many, context)
            raise Crash
        alone = not connection.in_atomic_block
        if alone and not sql.startswith("BEGIN") and self._chance.pauses():
            self._pause()
        self._strike("crash_at_statement", "trouble_at_statement")
        writes = alone and sql.startswith(_WRITES)
        if writes:
            self._strike("crash_before_commit", "trouble_before_commit")
        result = execute(sql, params, many, context)
        if writes:
            self._committed()
        return result

    def _set_autocommit(self, autocommit: bool, *more: Any, **named: Any) -> None:
        """A transaction begins or is over; before it begins others may have their turn.

        Of a process that has died nothing more reaches the database: psycopg would refuse in the middle of what was not
        committed, and that would look like a fault of Andon's.
        """
        if self.dead:
            return
        if not autocommit and self._chance.pauses():
            self._pause()
        self._really_set_autocommit(autocommit, *more, **named)

    def _commit(self) -> None:
        if self.dead:
            raise Crash
        self._strike("crash_before_commit", "trouble_before_commit")
        self._really_commit()
        self._committed()

    def _committed(self) -> None:
        self.commits += 1
        self.on_commit()
        self._strike("crash_after_commit", "trouble_after_commit")

    def _strike(self, crash: str, trouble: str) -> None:
        if self._chance.strikes(crash):
            self.faults += 1
            self.dead = True
            raise Crash
        if self._chance.strikes(trouble):
            self.faults += 1
            if connection.vendor == "postgresql" and connection.connection is not None:
                connection.connection.close()  # as when the server goes away
            raise OperationalError(STRUCK)
