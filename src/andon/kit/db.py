"""The one module that knows that there are two databases.

SQLite serialises writers (BEGIN IMMEDIATE, set in the settings), so a row lock there is the transaction itself;
PostgreSQL takes row locks and skips what another replica holds.
"""

from collections.abc import Callable
from typing import TypeVar

from django.db import connection, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

M = TypeVar("M", bound=models.Model)


def is_sqlite() -> bool:
    """Whether this process runs on the embedded database."""
    return connection.vendor == "sqlite"


def lock(rows: models.QuerySet[M]) -> models.QuerySet[M]:
    """Hold the rows until the transaction ends. On SQLite the transaction already holds the whole database."""
    return rows.select_for_update(of=("self",)) if not is_sqlite() else rows


def lock_free(rows: models.QuerySet[M]) -> models.QuerySet[M]:
    """As `lock`, leaving out rows that another replica holds: for claiming work."""
    return rows.select_for_update(skip_locked=True, of=("self",)) if not is_sqlite() else rows


_REFUSE_ON_SQLITE = (
    "CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    "CREATE TRIGGER {table}_no_update BEFORE UPDATE OF {columns} ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
)
_REFUSE_ON_POSTGRESQL = (
    "CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $body$ "
    "BEGIN RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $body$",
    "CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
    "CREATE TRIGGER {table}_no_update BEFORE UPDATE OF {columns} ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
)


def append_only(table: str, columns: tuple[str, ...]) -> Callable[[object, BaseDatabaseSchemaEditor], None]:
    """A migration step that makes the database itself refuse to delete rows of `table` or to change `columns`."""

    def forwards(_apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
        vendor = schema_editor.connection.vendor
        for statement in _REFUSE_ON_SQLITE if vendor == "sqlite" else _REFUSE_ON_POSTGRESQL:
            schema_editor.execute(statement.format(table=table, columns=", ".join(columns)))

    return forwards
