"""Columns of time: whatever a log writes, read as instants.

A timestamp with a zone is an instant, and so is Unix time; without one it is of the log's zone (see `andon.kit.zones`),
which is UTC where nobody has said otherwise. Text in ISO 8601 is read as such, with its zone where it has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from andon.kit import zones
from andon.kit.errors import Invalid
from andon.watch.reading.expressions import column_of, engine_of


def seconds_of(table: Any, name: str, zone: str, clock: zones.Clock | None = None) -> Any:
    """A column as seconds since 1970; null where it is no time. `clock` is the zone's for what is asked of.

    Raises `Invalid` if the column is no time.
    """
    import ibis

    seconds = moment(table, name).epoch_seconds()
    naive = None if zone == "UTC" else without_zone(table, name)
    if naive is None:
        return seconds
    known = clock or zones.clock(zone)
    ahead = ibis.literal(known.ahead[-1]).cast("int64")
    if known.changes:
        steps = zip(known.changes, known.ahead, strict=False)
        ahead = ibis.cases(*((seconds < change, before) for change, before in steps), else_=known.ahead[-1])
    local = seconds - ahead.cast("int64")
    return local if naive is True else naive.ifelse(local, seconds)


def between(table: Any, name: str, zone: str, since: datetime, until: datetime) -> Sequence[Any]:
    """Conditions that hold for rows from `since` to before `until`.

    The column itself is compared too where it is read by a wall clock, so that an engine can leave out what lies far
    away: with bounds as wide as its clock is ahead or behind.
    """
    time = moment(table, name)
    naive = None if zone == "UTC" else without_zone(table, name)
    if naive is None:
        return [time >= literal(since, time), time < literal(until, time), *in_its_words(table, name, since, until)]
    clock = zones.clock(zone, since, until)
    ahead = clock.ahead if naive is True else (*clock.ahead, 0)
    low, high = since + timedelta(seconds=min(ahead)), until + timedelta(seconds=max(ahead))
    coarse = [time >= literal(low, time), time < literal(high, time), *in_its_words(table, name, low, high)]
    if clock.even and naive is True:
        return coarse
    seconds = seconds_of(table, name, zone, clock)
    return [*coarse, seconds >= int(since.timestamp()), seconds < int(until.timestamp())]


def without_zone(table: Any, name: str) -> Any:
    """Which rows of a column say no zone: True = all, None = none, else a condition."""
    column = table[column_of(table.columns, name, field="time_column")]
    kind = column.type()
    if kind.is_integer() or (kind.is_timestamp() and kind.timezone is not None):
        return None
    if engine_of(table) == "sqlite" and (kind.is_timestamp() or kind.is_date()):
        return (column.typeof() == "text") & ~column.cast("string").re_search(zones.ZONED)
    return ~column.re_search(zones.ZONED) if kind.is_string() else True


def moment(table: Any, name: str) -> Any:
    """A column as instants, as if all that says no zone were of UTC. Raises `Invalid` if it is no time."""
    found = _moment(table, name)
    if engine_of(table) == "bigquery" and found.type().timezone is None:
        # It compares no DATETIME, which has no zone, with a TIMESTAMP, and counts the seconds of the latter only.
        return found.cast("timestamp('UTC')")
    return found


def _moment(table: Any, name: str) -> Any:
    column = table[column_of(table.columns, name, field="time_column")]
    kind = column.type()
    if engine_of(table) == "sqlite" and (kind.is_timestamp() or kind.is_date()):
        return _of_sqlite(column)
    if kind.is_timestamp():
        return column
    if kind.is_date():
        return column.cast("timestamp")
    if kind.is_string():
        return _of_text(column, engine_of(table))
    if kind.is_integer():
        return _since_1970(column, engine_of(table))
    raise Invalid(
        f"The column “{name}” is {kind}, and no time. Name a column of timestamps or dates, of texts such as "
        "2026-03-02T03:12:00, or of whole numbers in Unix time.",
        field="time_column",
    )


def _of_text(column: Any, engine: str) -> Any:
    if engine == "sqlite":  # its own reading of a time gives null for what is none, and it knows no TRY_CAST
        return column.cast("timestamp")
    # As a timestamp of no zone these drop the one that a text says.
    return column.try_cast("timestamp('UTC')" if engine in {"duckdb", "postgres", "snowflake"} else "timestamp")


def _of_sqlite(column: Any) -> Any:
    """A column that SQLite's table calls a time: there it may hold text of any form, or Unix time.

    As it stands it would be compared letter by letter: a T beside a space, or an hour that is that of another zone.
    """
    import ibis

    number = _since_1970(column.cast("int64"), "sqlite").cast("string").cast("timestamp")
    text = column.cast("string").cast("timestamp")
    return ibis.cases((column.typeof().isin(["integer", "real"]), number), else_=text)


def _since_1970(column: Any, engine: str) -> Any:
    """Unix time in seconds, milliseconds, microseconds or nanoseconds: a factor of a thousand lies between them.

    Seconds below 10^11 reach to the year 5138; as milliseconds that was 1973. What is smaller than any second since
    then is no time: a count or a duration that was named by mistake.
    """
    import ibis

    whole = column.cast("int64")
    size = whole.abs()
    seconds = ibis.cases(
        (size < 10**8, ibis.null("int64")),
        (size < 10**11, whole),
        (size < 10**14, (whole // 10**3).cast("int64")),
        (size < 10**17, (whole // 10**6).cast("int64")),
        else_=(whole // 10**9).cast("int64"),
    )
    match engine:  # Ibis has no words for it on these two, which have a function of their own
        case "sqlite":
            read = ibis.udf.scalar.builtin(_datetime, name="datetime", signature=(("int64", "string"), "timestamp"))
            return read(seconds, "unixepoch")
        case "postgres":
            read = ibis.udf.scalar.builtin(
                _to_timestamp, name="to_timestamp", signature=(("float64",), "timestamp('UTC')")
            )
            return read(seconds.cast("float64"))
    return seconds.as_timestamp("s")


def _datetime(seconds: Any, form: Any) -> Any:
    """SQLite's own function; its body is never run."""


def _to_timestamp(seconds: Any) -> Any:
    """PostgreSQL's own function; its body is never run."""


def literal(at: datetime, time: Any) -> Any:
    """An instant to compare such a column with."""
    import ibis

    aware = getattr(time.type(), "timezone", None)
    return ibis.timestamp(at if aware else at.astimezone(UTC).replace(tzinfo=None))


def in_its_words(table: Any, name: str, since: datetime, until: datetime) -> list[Any]:
    """The bounds of a reading once more, in the type of the column itself, where that spares reading all of a table.

    BigQuery leaves out partitions of a table, and does not charge for them, if their column stands in a condition by
    itself: not where a DATETIME or a DATE is turned into an instant.
    """
    import ibis

    column = table[column_of(table.columns, name, field="time_column")]
    kind = column.type()
    if engine_of(table) != "bigquery" or not (kind.is_date() or (kind.is_timestamp() and kind.timezone is None)):
        return []
    if kind.is_date():
        return [column >= ibis.date(since.date()), column <= ibis.date(until.date())]
    return [column >= literal(since, column), column < literal(until, column)]
