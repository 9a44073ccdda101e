"""The engines: how each is opened, read-only, with its own limits. One class a way of opening."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from andon.watch.reading import csvs
from andon.watch.reading.places import (
    SPARK_HERE,
    LogEngine,
    Place,
    Unreadable,
    files,
    may_reach,
    without_folders,
)

_MEMORY: Final = "1GB"
_PACKAGES: Final[Mapping[LogEngine, tuple[str, str]]] = {
    LogEngine.CLICKHOUSE: ("clickhouse_connect", "clickhouse"),
    LogEngine.SPARK: ("pyspark", "spark"),
    LogEngine.BIGQUERY: ("google.cloud.bigquery", "bigquery"),
    LogEngine.SNOWFLAKE: ("snowflake.connector", "snowflake"),
}
"""For engines that need more than Andon brings: what is imported, and the extra that installs it."""


class Session:
    """An open engine, and the table of the log on it."""

    def __init__(
        self, engine: Any, table: Callable[[], Any], interrupt: Callable[[], None] | None = None, *, keep: bool = False
    ) -> None:
        self.engine = engine
        self.table = table
        self._interrupt = interrupt
        self._keep = keep

    def interrupt(self) -> None:
        """Break off what runs, where the engine can; called from another thread."""
        if self._interrupt is not None:
            self._interrupt()

    def close(self) -> None:
        """Let go of the engine, unless it is to be found again: starting one takes it a minute."""
        if not self._keep:
            self.engine.disconnect()


def open_at(place: Place, *, seconds: float) -> Session:
    """Open the engine that a log lies in. Raises `Unreadable` where a package is missing."""
    if place.engine in _PACKAGES:
        _demand(place, *_PACKAGES[place.engine])
    if "://" in place.source:
        may_reach(place.source)
    return _OPENERS[place.engine](place, seconds)


def without_secrets(place: Place, text: str) -> str:
    """What an engine says, without the connection string's user, password and parameters, and without our folders."""
    text = without_folders(text)
    parts = urlsplit(place.source)
    hidden = [parts.username, parts.password, parts.query, parts.netloc.rpartition("@")[0]]
    for secret in sorted({word for one in hidden if one for word in (one, unquote(one))}, key=len, reverse=True):
        text = text.replace(secret, "…")
    return text


def _demand(place: Place, module: str, extra: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError:
        raise Unreadable(
            f"The log “{place.name}” lies in {place.engine.label}, for which this installation lacks a package. "
            f"Install it with: pip install 'andon[{extra}]'"
        ) from None


def _files(place: Place, _seconds: float) -> Session:
    import ibis

    found = files(place.table, name=place.name)
    paths = [str(path) for path in found]
    con = ibis.duckdb.connect(memory_limit=_MEMORY)
    _shut_in(con, paths)
    if paths[0].endswith((".parquet", ".pq")):
        return Session(con, lambda: con.read_parquet(paths), con.con.interrupt)
    table = csvs.Files(con, found, place)
    return Session(table, table.table, con.con.interrupt)


def _duckdb(place: Place, _seconds: float) -> Session:
    import ibis

    (path,) = files(place.source, field="source", name=place.name)[:1]
    con = ibis.duckdb.connect(str(path), read_only=True, memory_limit=_MEMORY)
    _shut_in(con, [])
    return Session(con, lambda: _named(con, place), con.con.interrupt)


def _shut_in(con: Any, paths: list[str]) -> None:
    """Let DuckDB open these files and nothing else: no other file, no network, no extension."""
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    con.raw_sql(f"SET allowed_paths = [{listed}]")
    con.raw_sql("SET enable_external_access = false")
    con.raw_sql("SET TimeZone = 'UTC'")
    con.raw_sql("SET lock_configuration = true")


def _sqlite(place: Place, _seconds: float) -> Session:
    import ibis

    (path,) = files(place.source, field="source", name=place.name)[:1]
    con = ibis.sqlite.connect(path)
    for pragma in ("query_only = ON", "case_sensitive_like = ON"):
        con.raw_sql(f"PRAGMA {pragma}").close()
    return Session(con, lambda: _named(con, place), con.con.interrupt)


def _postgresql(place: Place, seconds: float) -> Session:
    import ibis

    parts = urlsplit(place.source)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    safe = {name: query[name] for name in ("sslmode",) if name in query}
    limit = int(seconds * 1000)
    con = ibis.postgres.connect(
        host=parts.hostname,
        port=parts.port or 5432,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/"),
        connect_timeout=10,
        application_name="andon",
        options=f"-c default_transaction_read_only=on -c timezone=UTC -c statement_timeout={limit}",
        **safe,
    )
    return Session(con, lambda: _named(con, place), con.con.cancel)


def _clickhouse(place: Place, seconds: float) -> Session:
    import ibis

    parts = urlsplit(place.source)
    con = ibis.clickhouse.connect(
        host=parts.hostname or "localhost",
        port=parts.port,
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/") or "default",
        settings={"readonly": 2, "max_execution_time": int(seconds), "session_timezone": "UTC"},
    )
    return Session(con, lambda: _named(con, place))


def _spark(place: Place, _seconds: float) -> Session:
    import ibis
    from pyspark.sql import SparkSession

    parts = urlsplit(place.source)
    builder = SparkSession.builder.appName("andon").config("spark.sql.session.timeZone", "UTC")
    if place.source != SPARK_HERE:
        builder = builder.remote(f"sc://{parts.hostname}:{parts.port or 15002}")
    con = ibis.pyspark.connect(builder.getOrCreate())
    return Session(con, lambda: _named(con, place), keep=place.source == SPARK_HERE)


def _bigquery(place: Place, seconds: float) -> Session:
    from andon.watch.reading.bigquery import Warehouse

    warehouse = Warehouse(place, seconds)
    return Session(warehouse, warehouse.table)


def _snowflake(place: Place, seconds: float) -> Session:
    """Without the functions that Ibis would else create there: whoever reads a log need not write anything."""
    import ibis

    plain, asked = taken_of(place.source, _OF_SNOWFLAKE)
    limit = {"STATEMENT_TIMEOUT_IN_SECONDS": int(seconds), "TIMEZONE": "UTC"}
    con = ibis.connect(plain, create_object_udfs=False, login_timeout=10, session_parameters=limit, **asked)
    return Session(con, lambda: _named(con, place))


def taken_of(source: str, names: frozenset[str]) -> tuple[str, dict[str, str]]:
    """An address without its parameters, and those of them that a driver is given.

    By the others a driver would call another host, open a browser, or read a key from a file.
    """
    parts = urlsplit(source)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items() if name in names}
    return parts._replace(query="", fragment="").geturl(), asked


_OF_SNOWFLAKE: Final = frozenset({"warehouse", "role"})


def _named(con: Any, place: Place) -> Any:
    """A table by its name, `schema.table` where it lies in a schema."""
    schema, _, name = place.table.rpartition(".")
    return con.table(name, database=schema or None)


_OPENERS: Final[Mapping[LogEngine, Callable[[Place, float], Session]]] = {
    LogEngine.FILES: _files,
    LogEngine.DUCKDB: _duckdb,
    LogEngine.SQLITE: _sqlite,
    LogEngine.POSTGRESQL: _postgresql,
    LogEngine.CLICKHOUSE: _clickhouse,
    LogEngine.SPARK: _spark,
    LogEngine.BIGQUERY: _bigquery,
    LogEngine.SNOWFLAKE: _snowflake,
}
