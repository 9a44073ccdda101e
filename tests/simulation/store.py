"""Databases for runs: each begins as a copy of one that was furnished once."""

import json
import os
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tests.support import tables

T = TypeVar("T")


class Store(Protocol):
    """Where a run keeps its tables, and how the oracle reads them without Andon's help."""

    def prepare(self, furnish: Callable[[], T]) -> T:
        """Make tables and furnish, once."""

    def fresh(self) -> None:
        """Begin anew: nobody has a connection open."""

    def read(self, sql: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
        """Rows of what is committed, on the oracle's own line."""

    def close(self) -> None:
        """Give everything back."""


class SqliteStore:
    """A file; a copy of the furnished one takes a millisecond."""

    name = "sqlite"

    def __init__(self) -> None:
        from django.conf import settings

        self._file = Path(settings.DATABASES["default"]["NAME"])
        self._template = self._file.with_suffix(".template")
        self._line: sqlite3.Connection | None = None

    def prepare(self, furnish: Callable[[], T]) -> T:
        from django.db import connection

        self._file.parent.mkdir(parents=True, exist_ok=True)
        tables.copy_sqlite(self._file)
        world = furnish()
        connection.close()
        with sqlite3.connect(self._file) as line:
            line.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        line.close()
        shutil.copy(self._file, self._template)
        return world

    def fresh(self) -> None:
        self.close()
        for leftover in (f"{self._file}-wal", f"{self._file}-shm"):
            with suppress(FileNotFoundError):
                os.unlink(leftover)  # noqa: PTH108  a name, no path
        shutil.copy(self._template, self._file)
        self._line = sqlite3.connect(self._file, check_same_thread=False)  # one at a time has its turn

    def read(self, sql: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
        assert self._line is not None
        return self._line.execute(sql, parameters).fetchall()

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class PostgresStore:
    """A database on a server, made from a furnished one as template."""

    name = "postgresql"

    def __init__(self, server_url: str) -> None:
        self._server = server_url
        self._template = f"andon_simulation_{uuid.uuid4().hex[:8]}"
        self._name = ""
        self._line: Any = None
        self._count = 0

    def prepare(self, furnish: Callable[[], T]) -> T:
        from django.db import connection

        tables.copy_postgres(self._server, self._template)
        self._aim(self._template)
        world = furnish()
        connection.close()
        self._keep_plans()
        return world

    def fresh(self) -> None:
        import psycopg

        self.close_run()
        self._count += 1
        self._name = f"{self._template}_{self._count}"
        self._run(f'CREATE DATABASE "{self._name}" TEMPLATE "{self._template}"')
        self._aim(self._name)
        self._line = psycopg.connect(tables.database_url(self._server, self._name), autocommit=True)

    def read(self, sql: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
        return self._line.execute(sql.replace("?", "%s"), parameters).fetchall()

    def close_run(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._name:
            tables.drop(self._server, self._name)
            self._name = ""

    def close(self) -> None:
        from django.db import connection

        connection.close()
        self.close_run()
        tables.drop(self._server, self._template)

    def _keep_plans(self) -> None:
        """Let no autovacuum measure the tables when real time has it: plans follow, and with them the order of equals."""
        import psycopg

        with psycopg.connect(tables.database_url(self._server, self._template), autocommit=True) as line:
            for (statement,) in line.execute(
                "SELECT format('ALTER TABLE %I SET (autovacuum_enabled = off)', tablename) FROM pg_tables "
                "WHERE schemaname = 'public'"
            ).fetchall():
                line.execute(statement)
            line.execute("VACUUM (ANALYZE)")  # whatever was measured before

    def _aim(self, name: str) -> None:
        """Let every connection that Django opens from now on go to this database."""
        from django.db import connections

        connections.settings["default"]["NAME"] = name

    def _run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self._server, autocommit=True) as line:
            line.execute(statement)


def key(value: Any) -> str:
    """A UUID as 32 hexadecimal digits, however the driver gives it."""
    return "" if value is None else str(value).replace("-", "")


def at(value: Any) -> datetime | None:
    """An instant, however the driver gives it."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def decoded(value: Any) -> Any:
    """JSON, however the driver gives it."""
    return json.loads(value) if isinstance(value, str) else value
