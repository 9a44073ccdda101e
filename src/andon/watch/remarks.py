"""What is odd about the rows of a log, in words that name log and column. Pure: a look at it to words."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from andon.watch.reading.looking import Look, day_or_month
from andon.watch.reading.twins import Twins

AHEAD: Final = timedelta(minutes=10)
"""Clocks that differ by less are of one zone."""
BEHIND: Final = timedelta(minutes=50), timedelta(hours=14)
"""By how much the newest row of a log lies before now, if that is a matter of zones."""
CHANCE: Final = 1e-9
"""How unlikely it is that so many rows are equal by chance, if it is said that they are there twice."""
FEW: Final = 0.001
"""Share of rows up to which nothing is said."""
_TIME: Final = "%Y-%m-%d %H:%M"


def undated(log: str, column: str, rows: int, of: int, example: str) -> str:
    """Of rows that lie in no window because their time cannot be read."""
    such = f", written like “{example}”," if example else ""
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


def by_chance(alike: Twins) -> bool:
    """Whether so many equal rows at one time may come about by chance.

    Two rows of any times are equal but for these with `alike.chance`; so of the pairs of one time about that share is.
    Rows come in bursts of the like, so as many as twice that, and few in a thousand, are let pass in any case.
    """
    from scipy.stats import binom

    if alike.again < FEW * alike.rows or alike.equal <= 2 * alike.chance * alike.pairs:
        return True
    return bool(binom.sf(alike.equal - 1, alike.pairs, alike.chance) >= CHANCE)


def doubled(log: str, again: int, rows: int, since: str, until: str) -> str:
    """Of rows that are there twice in a log without a key."""
    are = "row is" if again == 1 else "rows are"
    return (
        f"The log “{log}”: {again:,} of {rows:,} {are} the same as another of the same time in every column, between "
        f"{since} and {until} UTC: more than chance makes. They count twice, and what is tested rests on them. Name as "
        "the log's key the column that tells one decision from another, or take them out."
    )


def told(kept: dict[str, Any], log: str, column: str) -> list[str]:
    """What a log keeps of its last look, in words. Of times nothing is said where that look was at another column."""
    found = []
    if kept.get("column") == column and kept.get("rows"):
        found.append(undated(log, column, kept["rows"], kept["of"], kept["example"]))
    if kept.get("doubled"):
        found.append(doubled(log, **kept["doubled"]))
    return found


def kept(column: str, look: Look, alike: Twins | None = None) -> dict[str, Any]:
    """What a log keeps of a look: rows without a time, and rows that are there twice, unless that may be chance."""
    found: dict[str, Any] = {"column": column, "rows": look.undated, "of": look.rows, "example": look.example}
    if alike is not None and not by_chance(alike):
        span = {name: f"{at:{_TIME}}" for name, at in (("since", alike.since), ("until", alike.until))}
        found["doubled"] = {"again": alike.again, "rows": alike.rows, **span}
    return found


def _hours(span: timedelta) -> str:
    minutes = round(span / timedelta(minutes=1))
    if minutes < 60:  # noqa: PLR2004  an hour
        return f"{minutes} minutes"
    hours, rest = divmod(minutes, 60)
    days, left = divmod(hours, 24)
    if days:
        return f"{days} d {left} h" if left else f"{days} d"
    return f"{hours} h {rest} min" if rest else f"{hours} h"
