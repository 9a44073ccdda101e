"""What migrations do that Django's own operations do not."""

from collections.abc import Callable
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_REFUSE_ON_SQLITE = (
    (
        "CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
        "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    ),
    (
        "CREATE TRIGGER {table}_no_update BEFORE UPDATE OF {columns} ON {table} "
        "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    ),
)
_REFUSE_ON_POSTGRESQL = (
    (
        "CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $body$ "
        "BEGIN RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $body$"
    ),
    "CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
    (
        "CREATE TRIGGER {table}_no_update BEFORE UPDATE OF {columns} ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION {table}_refuse()"
    ),
)


def append_only(table: str, columns: tuple[str, ...]) -> Callable[[object, BaseDatabaseSchemaEditor], None]:
    """A migration step that makes the database itself refuse to delete rows of `table` or to change `columns`."""

    def forwards(_apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
        vendor = schema_editor.connection.vendor
        for statement in _REFUSE_ON_SQLITE if vendor == "sqlite" else _REFUSE_ON_POSTGRESQL:
            schema_editor.execute(statement.format(table=table, columns=", ".join(columns)))

    return forwards


class UnindexKey(migrations.AlterField):
    """Takes the index of its own from a foreign key (`db_index=False`), and touches nothing else.

    On SQLite `AlterField` would write the whole table anew, for minutes where it is large, and lose its triggers.
    """

    reversible = False

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, _to_state: Any
    ) -> None:
        """Drop the index that Django made with the key, by the name that Django gives such a one."""
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            options = model._meta  # noqa: SLF001  Django's documented way
            column = options.get_field(self.name).column
            name = schema_editor._create_index_name(options.db_table, [column])  # type: ignore[attr-defined]  # noqa: SLF001  its own names
            schema_editor.execute(f"DROP INDEX IF EXISTS {schema_editor.quote_name(name)}")


class DropIndexOnce(migrations.RemoveIndex):
    """Drops an index that may be gone already: for a migration without a transaction, which may have been cut off."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, _to_state: Any
    ) -> None:
        """Drop it, if there is one of that name."""
        if self.allow_migrate_model(
            schema_editor.connection.alias, from_state.apps.get_model(app_label, self.model_name)
        ):
            schema_editor.execute(f"DROP INDEX IF EXISTS {schema_editor.quote_name(self.name)}")


class IndexOnce(migrations.AddIndex):
    """Adds an index that is not there yet: for a migration without a transaction, which may have been cut off.

    On PostgreSQL a migration in one transaction holds the lock of each table that it has changed until its end. With
    several tables it and a process that still works would each wait for the other.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, _from_state: Any, to_state: Any
    ) -> None:
        """Create it, unless there is one of that name."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            statement = str(self.index.create_sql(model, schema_editor))
            schema_editor.execute(statement.replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS", 1))
