"""The one module that knows that there are two databases, but for what migrations do (`andon.kit.migrating`).

SQLite serialises writers (BEGIN IMMEDIATE, set in the settings), so a row lock there is the transaction itself;
PostgreSQL takes row locks and skips what another replica holds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import chain
from typing import Any, Final, TypeVar

import msgspec
from django.db import Error as DatabaseProblem
from django.db import IntegrityError, OperationalError, connection, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from andon.kit.sqlite import bells

M = TypeVar("M", bound=models.Model)
_NOTHING: Mapping[str, Any] = {}


def is_sqlite() -> bool:
    """Whether this process runs on the embedded database."""
    return connection.vendor == "sqlite"


def lock(rows: models.QuerySet[M]) -> models.QuerySet[M]:
    """Hold the rows until the transaction ends. On SQLite the transaction already holds the whole database."""
    return rows.select_for_update(of=("self",)) if not is_sqlite() else rows


def lock_free(rows: models.QuerySet[M]) -> models.QuerySet[M]:
    """As `lock`, leaving out rows that another replica holds: for claiming work."""
    return rows.select_for_update(skip_locked=True, of=("self",)) if not is_sqlite() else rows


def lock_for_writers(rows: models.QuerySet[M]) -> models.QuerySet[M]:
    """As `lock`, but rows elsewhere may go on referring to these: makes writers of one kind take turns."""
    return rows.select_for_update(no_key=True, of=("self",)) if not is_sqlite() else rows


_LOCKS_OF_ANDON = 0x616E646F
"""PostgreSQL's advisory locks are one space for all that use a database; ours are numbered under this."""


def hold_name(name: str, *, alone: bool) -> None:
    """Hold a name until the transaction ends: beside others who hold it so, or alone.

    Who waits to hold it alone comes before those who ask after them, so that it does not wait for ever. On SQLite the
    transaction already holds the whole database.
    """
    if is_sqlite():
        return
    hold = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {hold}(%s, hashtext(%s))", [_LOCKS_OF_ANDON, name])


@contextmanager
def at_work() -> Iterator[None]:
    """A piece of work in a thread that waits in between: with a connection to the database as it is now.

    On SQLite the connection is kept, for to open one takes several times as long as a look, unless the work went wrong
    or a restore has put another file in its place. On PostgreSQL a pool keeps them, and whoever waits has none.
    """
    if is_sqlite():
        connection.close_if_replaced()  # type: ignore[attr-defined]  # of our own backend
    try:
        yield
    except DatabaseProblem:
        connection.close()
        raise
    finally:
        if not is_sqlite():
            connection.close()


@contextmanager
def at_one_instant() -> Iterator[None]:
    """Whatever is read inside is as it stood at one instant, whoever writes meanwhile; nothing may be written.

    No writer waits for it. But as long as it lasts, SQLite's log is not copied back and PostgreSQL's vacuum leaves all
    that was deleted since: so for one incident at a time, and never for all of them. In a transaction that runs already
    that transaction decides what is seen.
    """
    if connection.in_atomic_block:
        yield
    elif is_sqlite():
        with connection.reading(), transaction.atomic():  # type: ignore[attr-defined]  # of our own backend
            yield
    else:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield


def notify(channel: str) -> None:
    """Tell all who listen on a channel, once the running transaction is on disk.

    On SQLite that reaches the processes of this machine that share the file.
    """
    if is_sqlite():
        if bells.POSSIBLE:
            transaction.on_commit(partial(bells.ring, str(connection.settings_dict["NAME"]), channel))
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [channel])


def _listen_for_bells(channel: str, hear: Callable[[], None], *, until: Callable[[], bool], silence: float) -> None:
    if not bells.POSSIBLE:
        return
    try:
        bells.listen(str(connection.settings_dict["NAME"]), channel, hear, until=until, silence=silence)
    except OSError as error:
        raise OperationalError(f"No bell can be hung up: {error}") from error


def listen(channel: str, hear: Callable[[], None], *, until: Callable[[], bool], silence: float) -> None:
    """Call `hear` once a line of its own to the database listens on a channel, and whenever something is told there.

    Blocks until `until` says so, which is asked whenever it has been silent for so many seconds; the line is asked then
    whether it still works. Raises `OperationalError` when it does not.
    """
    if is_sqlite():
        _listen_for_bells(channel, hear, until=until, silence=silence)
        return
    from psycopg import Connection
    from psycopg import OperationalError as Broken
    from psycopg.sql import SQL, Identifier

    given = {name: value for name, value in connection.get_connection_params().items() if name != "cursor_factory"}
    try:
        with Connection.connect(**given, autocommit=True) as line:
            line.execute(SQL("LISTEN {}").format(Identifier(channel)))
            hear()
            while not until():
                for _ in line.notifies(timeout=silence):
                    hear()
                line.execute(SQL("LISTEN {}").format(Identifier(channel)))
    except Broken as error:
        raise OperationalError(str(error)) from error


def rows_of_json(columns: Mapping[str, str]) -> str:
    """SQL that reads one parameter, a JSON list of lists, as rows: names of columns with their types.

    The types are PostgreSQL's; on SQLite a value stays what JSON says it is. The statement's text is the same however
    many rows there are.
    """
    if is_sqlite():
        picked = ", ".join(f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(columns))
        return f"SELECT {picked} FROM json_each(%s)"  # noqa: S608  names from code alone
    picked = ", ".join(f"(value ->> {n})::{kind} AS {name}" for n, (name, kind) in enumerate(columns.items()))
    return f"SELECT {picked} FROM json_array_elements(%s::json) AS listed(value)"  # noqa: S608  as above


def lists_of_json(key: str, kind: str, value: str) -> str:
    """As `rows_of_json`, of lists of texts by a name each (see `lists_as_json`): a row for each text, with its name.

    Several times as fast on SQLite, which has to take no list apart. On PostgreSQL the names are of the given type, and
    all is one list of pairs: of a list of lists it would expect so many rows that it reads whole tables for them.
    """
    if is_sqlite():
        parts = "json_each(%s) l CROSS JOIN json_each(l.value) t"
        return f"SELECT l.key AS {key}, t.value AS {value} FROM {parts}"  # noqa: S608  names from code alone
    return rows_of_json({key: kind, value: "text"})


def lists_as_json(lists: Mapping[Any, Sequence[str]]) -> str:
    """The parameter of `lists_of_json`."""
    told = lists if is_sqlite() else [(name, text) for name, texts in lists.items() for text in texts]
    return msgspec.json.encode(told).decode()


def rows_at_once(columns: str, rest: str, parameters: Sequence[Any]) -> list[Sequence[Any]]:
    """What `SELECT columns rest` finds. On SQLite the values are as JSON has them, whole numbers and texts alike.

    SQLite's driver lets another thread run at each row, and may wait long to go on: there all rows come as one.
    """
    with connection.cursor() as cursor:
        if not is_sqlite():
            cursor.execute(f"SELECT {columns} {rest}", parameters)
            return list(cursor.fetchall())
        cursor.execute(f"SELECT json_group_array(json_array({columns})) {rest}", parameters)
        found: list[Sequence[Any]] = msgspec.json.decode(cursor.fetchone()[0])
        return found


def _execute_each(statement: str, rows: Sequence[Sequence[Any]]) -> int:
    """One statement for each of some rows, on PostgreSQL; how many rows of the table that touched.

    Django's cursors put values into the text there; here they are sent beside it, several rows on the way at once.
    """
    from psycopg import Cursor

    connection.ensure_connection()
    with CursorWrapper(Cursor(connection.connection), connection) as cursor:  # so that Django's hooks hear of it
        cursor.executemany(statement, rows)
        return int(cursor.rowcount)


def insert_many(
    table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, shared: Mapping[str, Any] = _NOTHING
) -> None:
    """Insert many rows of values as the driver wants them; names come from code alone.

    Args:
        table: Where to.
        columns: What the values of a row are.
        rows: The values.
        shared: Columns that are the same in all rows: SQLite is told each of these values once.

    On SQLite many rows go into one statement. Its driver lets another thread run at each step of a statement, and may
    wait long to go on: with a step for each row a busy thread beside it would stretch a batch a hundredfold. On
    PostgreSQL many rows are copied, which spares the server a statement for each.
    """
    names, common = (*shared, *columns), tuple(shared.values())
    if is_sqlite():
        _in_portions(partial(_insertion, table, names, len(common)), rows, common)
        return
    whole = [(*common, *row) for row in rows]
    if len(rows) >= COPIED_FROM:
        _copy(table, names, whole)
    else:
        _execute_each(f'INSERT INTO "{table}" ({_quoted(names)}) VALUES ({", ".join(["%s"] * len(names))})', whole)  # noqa: S608  names from code


COPIED_FROM: Final = 8
"""Rows from which PostgreSQL is given them as a copy, in which they meet the same constraints and triggers."""


def _copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    from psycopg import Cursor
    from psycopg.sql import SQL, Identifier

    named = SQL(", ").join(map(Identifier, columns))
    statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table), named)
    connection.ensure_connection()
    with (
        connection.wrap_database_errors,
        Cursor(connection.connection) as cursor,
        cursor.copy(statement) as copy,
    ):
        for row in rows:
            copy.write_row(row)


_AT_ONCE = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement on SQLite: few sizes, so that each is prepared once and remembered."""


@cache
def _insertion(table: str, columns: tuple[str, ...], common: int, rows: int) -> str:
    """Only what rows share has a number: SQLite takes time with the square of how many numbered places there are."""
    places = ", ".join([*(f"?{number}" for number in range(1, common + 1)), *["?"] * (len(columns) - common)])
    values = ", ".join([f"({places})"] * rows)
    return f'INSERT INTO "{table}" ({_quoted(columns)}) VALUES {values}'  # noqa: S608  names from code


def _quoted(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def update_from(
    table: str, setting: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]], *, where: str
) -> int:
    """Change rows of a table by values of their own, in few steps (see `insert_many`); how many were changed.

    Args:
        table: What to change.
        setting: What to set, in SQL: the values of a row are named `v.<column>`.
        columns: Names of the values with their types on PostgreSQL.
        rows: The values as the driver wants them, no two for one row of the table.
        where: Which row of the table is meant, in SQL as `setting`. A row that it fits no longer is left as it is.

    On PostgreSQL all rows go into one statement, a list for each column: a statement for each row costs the server
    three times as much.
    """
    if not rows:
        return 0
    if is_sqlite():
        return _in_portions(partial(_change, table, setting, tuple(columns), where), rows)
    given = ", ".join(f"%s::{kind}[]" for kind in columns.values())
    values = f"unnest({given}) AS v({_quoted(columns)})"
    statement = f'UPDATE "{table}" SET {setting} FROM {values} WHERE {where}'  # noqa: S608  names from code
    return _execute_each(statement, [[list(column) for column in zip(*rows, strict=True)]])


@cache
def _change(table: str, setting: str, columns: tuple[str, ...], where: str, rows: int) -> str:
    named = ", ".join(f"column{n} AS {name}" for n, name in enumerate(columns, start=1))
    values = ", ".join([f"({', '.join('?' * len(columns))})"] * rows)
    return f"UPDATE {table} SET {setting} FROM (SELECT {named} FROM (VALUES {values})) v WHERE {where}"  # noqa: S608  as above


def _in_portions(statement: Callable[[int], str], rows: Sequence[Sequence[Any]], common: tuple[Any, ...] = ()) -> int:
    """Say a statement for so many rows at a time, on SQLite; how many rows of the table that touched."""
    connection.ensure_connection()
    touched = start = 0
    with connection.wrap_database_errors:
        for size in _AT_ONCE:
            while len(rows) - start >= size:
                values = list(chain(common, *rows[start : start + size]))
                touched += connection.connection.execute(statement(size), values).rowcount
                start += size
    return touched


def update_each(
    model: type[models.Model], change: Sequence[str], rows: Sequence[Sequence[Any]], *, where: Sequence[str] = ("id",)
) -> int:
    """Give many rows values of their own, in one go; how many rows were as `where` says, and so were changed.

    Args:
        model: The table.
        change: Names of fields to set.
        rows: For each row the values of those fields, then the values of the fields in `where`. Of several for one row
            the last counts: PostgreSQL would take any of them.
        where: Names of fields that must hold the given values: the key first, then what is compared before it is set.
    """
    fields = _fields(model, (*change, *where))
    rows = list({row[len(change)]: row for row in rows}.values())
    table, adapted = model._meta.db_table, _adapted(fields, rows)  # noqa: SLF001  Django's documented way
    if is_sqlite():
        pairs = [f'"{field.column}" = %s' for field in fields]
        setting, meeting = ", ".join(pairs[: len(change)]), " AND ".join(pairs[len(change) :])
        with connection.cursor() as cursor:
            cursor.executemany(f'UPDATE "{table}" SET {setting} WHERE {meeting}', adapted)  # noqa: S608  names from code
            return max(0, int(cursor.rowcount))  # of no rows SQLite says -1
    given = {f"c{number}": _kind(field) for number, field in enumerate(fields)}
    pairs = [f'"{field.column}" = v.{name}' for field, name in zip(fields, given, strict=True)]
    meeting = " AND ".join(f'"{table}".{pair}' for pair in pairs[len(change) :])
    return update_from(table, ", ".join(pairs[: len(change)]), given, adapted, where=meeting)


def _kind(field: "models.Field[Any, Any]") -> str:
    """A column's type on PostgreSQL, without its length: a value that is too long is refused, and never cut."""
    return str(field.db_type(connection)).split("(")[0]


def insert_each(model: type[models.Model], fields: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert many rows, in one go: for thousands of small ones, whose objects nobody needs.

    Args:
        model: The table.
        fields: Names of fields; defaults are the database's, which mostly has none, so name all.
        rows: For each row the values of those fields.
    """
    found = _fields(model, fields)
    table = model._meta.db_table  # noqa: SLF001  Django's documented way
    if rows:
        insert_many(table, [str(field.column) for field in found], _adapted(found, rows))


def insert_rows(rows: Sequence[models.Model]) -> None:
    """Insert unsaved rows of one table, in one go, as `bulk_create` does in several times the processor time.

    All columns are as they stand on the rows: nothing is set by saving, and nothing sent but what the rows hold.
    """
    if not rows:
        return
    fields = rows[0]._meta.concrete_fields  # noqa: SLF001  Django's documented way
    insert_each(
        type(rows[0]),
        [field.name for field in fields],
        [[getattr(row, field.attname) for field in fields] for row in rows],
    )
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001  as above


def update_rows(rows: Sequence[models.Model], change: Sequence[str]) -> None:
    """Write some fields of rows of one table as they stand, in one go.

    As `bulk_update` does, which makes an expression of every value: that takes some twenty times the processor time.
    """
    if rows:
        names = [field.attname for field in _fields(type(rows[0]), (*change, "id"))]
        update_each(type(rows[0]), change, [[getattr(row, name) for name in names] for row in rows])


def _fields(model: type[models.Model], names: Sequence[str]) -> "list[models.Field[Any, Any]]":
    return [model._meta.get_field(name) for name in names]  # type: ignore[misc]  # noqa: SLF001  as above


def _adapted(fields: "Sequence[models.Field[Any, Any]]", rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Values as the driver wants them, column by column: what many rows share is put into its form once."""
    line = connections[connection.alias]  # the proxy looks for it at each value
    values = list(zip(*rows, strict=True)) or [()] * len(fields)
    columns = [_column(field, those, line) for field, those in zip(fields, values, strict=True)]
    return list(zip(*columns, strict=True))


def _column(field: "models.Field[Any, Any]", values: tuple[Any, ...], line: BaseDatabaseWrapper) -> list[Any]:
    adapt = field.get_db_prep_save
    try:
        known = {value: adapt(value, line) for value in set(values)}
    except TypeError:  # lists and objects, which become JSON
        return [adapt(value, line) for value in values]
    return [known[value] for value in values]


_SERIALIZATION_FAILURE, _DEADLOCK, _LOCK_TIMEOUT = "40001", "40P01", "55P03"


def lost_a_race(error: DatabaseProblem) -> bool:
    """Whether another writer was quicker, so that the same transaction may well succeed when it is decided again."""
    state = getattr(error.__cause__, "sqlstate", None)
    return isinstance(error, IntegrityError) or state in {_SERIALIZATION_FAILURE, _DEADLOCK}


def of_these_rows(error: DatabaseProblem) -> bool:
    """Whether the trouble is that others hold or changed these rows, so that work on other rows may well succeed."""
    return lost_a_race(error) or getattr(error.__cause__, "sqlstate", None) == _LOCK_TIMEOUT
