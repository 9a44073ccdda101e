"""What is odd about the times of a log, in words that name log and column. Pure: a look at it to words."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from andon.watch.reading.looking import Look, day_or_month

AHEAD: Final = timedelta(minutes=10)
"""Clocks that differ by less are of one zone."""
BEHIND: Final = timedelta(minutes=50), timedelta(hours=14)
"""By how much the newest row of a log lies before now, if that is a matter of zones."""


def undated(log: str, column: str, rows: int, of: int, example: str) -> str:
    """Of rows that lie in no window because their time cannot be read."""
    such = f", such as “{example}”," if example else ""
    are = "row has" if rows == 1 else "rows have"
    return (
        f"The log “{log}”: {rows:,} of {of:,} {are} no time that can be read in the column “{column}”{such} and are "
        f"left out: they lie in no window.{day_or_month(example)}"
    )


def of_zone(column: str, zone: str, look: Look, now: datetime) -> str:
    """Whether the newest time looks as if it were of another zone than the log says; empty if it does not."""
    if look.last is None or not look.bare:
        return ""
    off = look.last - now
    whose = "its times without a zone are read as of"
    if off > AHEAD:
        return (
            f"The newest time in the column “{column}” lies {_hours(off)} ahead of now; {whose} {zone}. If they are of "
            "a place further east, such as Europe/Berlin, say so as the log's time zone."
        )
    if BEHIND[0] <= -off <= BEHIND[1]:
        return (
            f"The newest time in the column “{column}” lies {_hours(-off)} before now; {whose} {zone}. If the log is "
            "written as decisions are made, they are of a place further west, such as America/New_York: say so as the "
            "log's time zone."
        )
    return ""


def told(kept: dict[str, Any], log: str, column: str) -> list[str]:
    """What a log keeps of its last look, in words, if that was of this column."""
    if kept.get("column") != column or not kept.get("rows"):
        return []
    return [undated(log, column, kept["rows"], kept["of"], kept["example"])]


def kept(column: str, look: Look) -> dict[str, Any]:
    """What a log keeps of a look."""
    return {"column": column, "rows": look.undated, "of": look.rows, "example": look.example}


def _hours(span: timedelta) -> str:
    minutes = round(span / timedelta(minutes=1))
    if minutes < 60:  # noqa: PLR2004  an hour
        return f"{minutes} minutes"
    hours, rest = divmod(minutes, 60)
    days, left = divmod(hours, 24)
    if days:
        return f"{days} d {left} h" if left else f"{days} d"
    return f"{hours} h {rest} min" if rest else f"{hours} h"
