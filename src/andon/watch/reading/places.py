"""Where a log lies, and whether Andon may go there.

Files lie below a log folder that whoever runs Andon has named (`ANDON_LOG_DIRS`), so that nobody who may connect a log
can read the rest of the machine through it. Warehouses are reached by a connection string, whose host is judged as
every other address that people type in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from andon.kit import outbound
from andon.kit.errors import Invalid
from andon.practice.words import Word


class LogEngine(Word):
    """What a decision log lies in."""

    FILES = "files", "Parquet or CSV files"
    SQLITE = "sqlite", "SQLite file"
    DUCKDB = "duckdb", "DuckDB file"
    POSTGRESQL = "postgresql", "PostgreSQL"
    CLICKHOUSE = "clickhouse", "ClickHouse"
    SPARK = "spark", "Spark"
    BIGQUERY = "bigquery", "BigQuery"
    SNOWFLAKE = "snowflake", "Snowflake"


CHARGES: Final = frozenset({LogEngine.BIGQUERY, LogEngine.SNOWFLAKE})
"""Engines that are paid for what they scan."""
SCHEMES: Final = {
    "postgresql": LogEngine.POSTGRESQL,
    "postgres": LogEngine.POSTGRESQL,
    "clickhouse": LogEngine.CLICKHOUSE,
    "spark": LogEngine.SPARK,
    "bigquery": LogEngine.BIGQUERY,
    "snowflake": LogEngine.SNOWFLAKE,
}
SPARK_HERE: Final = "spark://local"
"""Spark in this process, with whatever its own configuration knows of."""
_DATABASE_FILES: Final = {
    ".sqlite": LogEngine.SQLITE,
    ".sqlite3": LogEngine.SQLITE,
    ".db": LogEngine.SQLITE,
    ".duckdb": LogEngine.DUCKDB,
}
_TABLES: Final = (".parquet", ".pq", ".csv", ".csv.gz", ".tsv")


class Unreadable(Exception):  # noqa: N818  reads as what it is
    """The log cannot be read now; the words name log, column or window, and say what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log lies. Its connection string may hold a password, so it is not shown.

    Attributes:
        name: What people call the log, for messages.
        engine: What reads it.
        source: Connection string of a warehouse, or the path of a database file.
        table: Name of the table, or path or pattern of files.
        zone: Of which place its times without a zone are.
    """

    name: str
    engine: LogEngine
    table: str
    source: str = field(default="", repr=False)
    zone: str = "UTC"

    @property
    def where(self) -> str:
        """The place in words, without user and password."""
        if self.engine is LogEngine.FILES:
            return self.table
        return f"{self.table} in {shown(self.source) or self.engine.label}"


def engine_of(source: str, table: str) -> LogEngine:
    """What reads a log, by its connection string or the ending of its path. Raises `Invalid`."""
    scheme, found, _ = source.partition("://")
    if found:
        if scheme.lower() not in SCHEMES:
            raise Invalid(
                f"Andon reads no {scheme}:// addresses. Use a path below a log folder, or {', '.join(SCHEMES)}.",
                field="source",
            )
        _parts(source)
        return SCHEMES[scheme.lower()]
    if source:
        for ending, engine in _DATABASE_FILES.items():
            if source.lower().endswith(ending):
                return engine
        raise Invalid(
            "A database file ends with .sqlite, .db or .duckdb; a warehouse is given as scheme://host/database. "
            "For Parquet and CSV leave this empty and give their path as the table.",
            field="source",
        )
    if not table.lower().endswith(_TABLES):
        raise Invalid(f"Andon reads files that end with {', '.join(_TABLES)}; this is “{table}”.", field="table")
    return LogEngine.FILES


def shown(source: str) -> str:
    """A connection string without user, password and parameters: what pages and messages may say."""
    if "://" not in source:
        return source
    try:
        parts = _parts(source)
    except Invalid:
        return source.partition("://")[0]
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _parts(source: str) -> SplitResult:
    """The parts of a connection string. Raises `Invalid`, which repeats nothing of it: what is where is not known.

    A password with a slash in it ends the host too early, and would be taken for a port or a database.
    """
    try:
        parts = urlsplit(source)
        readable = parts.port is None or parts.port > 0
    except ValueError:
        readable = False
    if not readable or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise Invalid(
            "The address cannot be read. It looks like scheme://user:password@host:port/database; in user and password "
            "/ is written as %2F, ? as %3F, # as %23, @ as %40, [ as %5B and % as %25.",
            field="source",
        )
    return parts


def files(given: str, *, field: str = "table", name: str = "") -> list[Path]:
    """The files that a path or pattern stands for, all of them below a log folder, in order.

    A relative path is looked for in each log folder. Links are followed before a path is judged.

    Raises:
        Invalid: It leads out of the log folders.
        Unreadable: There is no such file at present.
    """
    folders = [folder.resolve() for folder in settings.LOG_DIRS]
    found = sorted({path for folder in folders for path in _matches(folder, given, field)})
    if not found:
        of = f"The log “{name}” cannot be read: there" if name else "There"
        raise Unreadable(
            f"{of} is no file “{given}” in {_listed(folders)}. Put it there, or let whoever runs Andon add its "
            "folder to ANDON_LOG_DIRS."
        )
    return found


def _matches(folder: Path, given: str, field: str) -> list[Path]:
    """What a pattern stands for in one folder, judged after links are followed."""
    pattern = Path(given)
    if pattern.is_absolute():
        if not pattern.is_relative_to(folder):
            return []
        pattern = pattern.relative_to(folder)
    if ".." in pattern.parts:
        raise Invalid("A log's path goes down from a log folder; it cannot go up with “..”.", field=field)
    hits = [path.resolve() for path in folder.glob(str(pattern))] if str(pattern) != "." else []
    outside = [path for path in hits if not path.is_relative_to(folder)]
    if outside:
        raise Invalid(f"“{given}” leads out of the log folder by a link. Copy the file there instead.", field=field)
    return [path for path in hits if path.is_file()]


def without_folders(text: str) -> str:
    """A text with files named from a log folder on, and not where this machine keeps them."""
    for folder in settings.LOG_DIRS:
        for path in (folder.resolve(), folder):
            text = text.replace(f"{path}/", "")
    return text


def _listed(folders: Sequence[Path]) -> str:
    return " or ".join(str(folder) for folder in folders) or "any log folder (none is set)"


def may_reach(source: str) -> None:
    """Raise `TargetRefused` unless the host of a connection string is one that Andon calls; `Unreachable` if unknown.

    BigQuery and Snowflake name no host of their own: their drivers call the vendor. Whoever names no host is refused.
    """
    parts = _parts(source)
    if parts.scheme in {"bigquery", "snowflake"} or source == SPARK_HERE:
        return
    if not parts.hostname:
        raise Invalid("The address names no host. It looks like scheme://user:password@host/database.", field="source")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    outbound.check(f"https://{host}:{parts.port or 443}/")
