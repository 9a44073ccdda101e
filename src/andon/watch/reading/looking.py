"""A first look at a log: its columns, how far its rows reach, and what an input's bins shall be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from andon.kit.errors import Invalid
from andon.watch.reading.connecting import Opened, opened
from andon.watch.reading.cube import BINS, Wanted, between, value_of
from andon.watch.reading.expressions import column_of
from andon.watch.reading.places import Place, Unreadable
from andon.watch.reading.times import moment, seconds_of, without_zone


@dataclass(frozen=True, slots=True)
class Look:
    """What a log is like.

    Attributes:
        columns: Name and type of each.
        rows: How many there are.
        undated: Rows without a time that can be read: they lie in no window, and are never counted.
        bare: Whether some of its times say no zone.
        example: How what stands in one of these is written (see `shape`); empty where nothing does.
        first: The earliest time, None where there is none.
        last: The latest.
    """

    columns: Mapping[str, str]
    rows: int = 0
    undated: int = 0
    first: datetime | None = None
    last: datetime | None = None
    example: str = ""
    bare: bool = False


def columns(place: Place, *, seconds: float = 20.0) -> dict[str, str]:
    """The columns of a log and their types. Raises `Unreadable`."""
    with opened(place, seconds=seconds) as log:
        return log.columns()


def look(place: Place, time_column: str, *, seconds: float = 60.0) -> Look:
    """Columns, rows and reach of a log. Raises `Unreadable`, or `Invalid` if the time column is missing or no time."""
    with opened(place, seconds=seconds) as log:
        time = moment(log.table, time_column)
        if place.zone != "UTC":
            time = seconds_of(log.table, time_column, place.zone)
        bare = without_zone(log.table, time_column)
        figures = {"rows": log.table.count(), "dated": time.count(), "first": time.min(), "last": time.max()}
        if bare is not True and bare is not None:
            figures["bare"] = bare.ifelse(1, 0).max()
        held = log.table.aggregate(**figures)
        (line,) = [line for batch in log.rows(held, limit=1) for line in batch]
        name = column_of(log.table.columns, time_column, field="time_column")
        example = _unread(log, name, time) if line["dated"] < line["rows"] else ""
        if line["rows"] and not line["dated"]:
            kind = log.table.schema()[name]
            why = (
                "whole numbers are read as Unix time, and none of these lies after 1973"
                if kind.is_integer()
                else "write times as in 2026-03-02T03:12:00, with their zone if that is not UTC"
            )
            raise Invalid(
                f"The column “{name}” is {kind}, and no time in any of {line['rows']:,} rows"
                f"{f', written like “{example}”' if example else ''}: {why}.{day_or_month(example)}",
                field="time_column",
            )
        return Look(
            log.columns(),
            int(line["rows"]),
            int(line["rows"]) - int(line["dated"]),
            _aware(line["first"]),
            _aware(line["last"]),
            example,
            bare is True or bool(line.get("bare")),
        )


def _unread(log: Opened, name: str, time: Any) -> str:
    """How what stands in a row is written whose time cannot be read; empty if nothing does in any."""
    wrong = log.table.filter(time.isnull(), log.table[name].notnull()).select(raw=log.table[name].cast("string"))
    found = [str(line["raw"]) for batch in log.rows(wrong.limit(1), limit=1) for line in batch]
    return shape(found[0])[:_EXAMPLE] if found else ""


def shape(text: str) -> str:
    """How a text is written, without what it says: a column of the wrong place may hold what nobody may read.

    Digits are 9 and letters are a.
    """
    return "".join("9" if one.isdigit() else "a" if one.isalpha() else one for one in text)


def day_or_month(text: str) -> str:
    """What to say of a date that two countries read as two days; empty for other text."""
    if not _SLASHED.match(text.strip()):
        return ""
    return (
        " Whether day or month stands first, such a date does not say, and Andon does not guess: write the year first, "
        "as in 2026-03-05."
    )


_SLASHED: Final = re.compile(r"[0-9]{1,2}[./-][0-9]{1,2}[./-]([0-9]{4}|[0-9]{2})\b")
_EXAMPLE: Final = 40


def days_until(place: Place, time_column: str, later_column: str, *, share: float, seconds: float = 60.0) -> int | None:
    """Within how many whole days `later_column` follows `time_column` in such a share of rows; None if it never does.

    Rows count that have both. Raises `Unreadable`, or `Invalid` if one of them is no time.
    """
    import ibis

    with opened(place, seconds=seconds) as log:
        at, later = moment(log.table, time_column), moment(log.table, later_column)
        known = log.table.filter(at.notnull(), later.notnull())
        came, made = (seconds_of(known, name, place.zone) for name in (later_column, time_column))
        between = (came - made) // _A_DAY
        counted = known.select(day=between).group_by("day").agg(n=ibis._.count()).order_by("day")
        lines = [line for batch in log.rows(counted, limit=_MOST_DAYS) for line in batch]
    rows = sum(line["n"] for line in lines)
    seen = 0
    for line in lines:
        seen += line["n"]
        if seen >= share * rows:
            return max(0, int(line["day"])) + 1
    return None


_A_DAY: Final = 86_400
_MOST_DAYS: Final = 5_000


def _aware(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, int):
        return datetime.fromtimestamp(value, UTC)
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def bins(place: Place, wanted: Wanted, *, seconds: float = 60.0) -> tuple[float, ...] | tuple[str, ...]:
    """Bins for what is watched: 19 edges between which the rows lie evenly, or its 19 most frequent values.

    Equal shares, not equal widths: one outlier would push everything else into a single bin. Raises `Unreadable` where
    there is nothing to go by.
    """
    import ibis

    with opened(place, seconds=seconds) as log:
        rows = between(log.table, wanted)
        value = value_of(rows, wanted)
        if value.type().is_string():
            text = rows.select(v=value).filter(ibis._.v.notnull())
            counted = text.group_by("v").agg(n=ibis._.count())
            top = counted.order_by(ibis.desc("n"), "v").limit(BINS - 1)
            found = [line["v"] for batch in log.rows(top, limit=BINS) for line in batch]
            if found:
                return tuple(found)
        else:
            known = rows.select(v=value).filter(ibis._.v.notnull())
            ranked = known.mutate(place=ibis.ntile(BINS).over(order_by=ibis._.v))
            tops = ranked.group_by("place").agg(top=ibis._.v.max()).order_by("place")
            lines = [line["top"] for batch in log.rows(tops, limit=BINS) for line in batch]
            if lines:
                return tuple(sorted({float(top) for top in lines[:-1]} or {float(lines[0])}))
    raise Unreadable(
        f"The log “{place.name}” has no value of “{wanted.what}” between {wanted.since:%Y-%m-%d %H:%M} and "
        f"{wanted.until:%Y-%m-%d %H:%M}, so nothing is known to compare with. Choose another reference period."
    )
