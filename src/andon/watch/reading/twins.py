"""Rows that are there twice in a log whose rows nothing tells apart: how alike the newest ones are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from andon.watch.reading import times
from andon.watch.reading.connecting import opened
from andon.watch.reading.expressions import column_of
from andon.watch.reading.places import Place

NEWEST: Final = timedelta(days=1)
"""How far back rows are compared: what bounds the work, and enough for a job that runs twice."""


@dataclass(frozen=True, slots=True)
class Twins:
    """How alike rows are.

    Attributes:
        rows: How many were compared.
        again: Of these, how many are in every column the same as an earlier one.
        pairs: Pairs of rows of one time.
        equal: Of these pairs, those whose rows are the same in every column.
        chance: How likely two rows are the same but for their time, whatever that is.
        since: From when they are.
        until: Until when.
    """

    rows: int
    again: int
    pairs: int
    equal: int
    chance: float
    since: datetime
    until: datetime


def twins(place: Place, time_column: str, newest: datetime, *, seconds: float = 60.0) -> Twins:
    """Compare the rows of a log's last day, its newest row being of that time.

    Columns of lists, records and the like are left out: not every engine compares them. Raises `Unreadable`, or
    `Invalid` if the time column is missing or no time.
    """
    since, until = newest - NEWEST, newest + timedelta(seconds=1)
    with opened(place, seconds=seconds) as log:
        rows = log.table.filter(*times.between(log.table, time_column, place.zone, since, until))
        time = column_of(rows.columns, time_column, field="time_column")
        others = [name for name, kind in rows.schema().items() if name != time and _compares(kind)]
        named = rows.select(at=rows[time], **{f"c{number}": rows[name] for number, name in enumerate(others)})
        columns = [name for name in named.columns if name != "at"]

        def counted(by: list[str]) -> Any:
            same = named.group_by(by).agg(n=named.count()) if by else named.aggregate(n=named.count())
            n = same.n.cast("float64")
            summed = same.aggregate(groups=same.count(), rows=n.sum(), squares=(n * n).sum())
            (line,) = [line for batch in log.rows(summed, limit=1) for line in batch]
            return int(line["groups"]), float(line["rows"] or 0), float(line["squares"] or 0)

        groups, held, equal = counted(["at", *columns])
        _, _, tied = counted(["at"])
        _, _, alike = counted(columns)
    chance = alike / (held * held) if held else 0.0
    return Twins(
        int(held), int(held) - groups, round(tied - held) // 2, round(equal - held) // 2, chance, since, until
    )  # fmt: skip


def _compares(kind: Any) -> bool:
    """Whether every engine can say that two values of a type are the same."""
    return bool(kind.is_primitive() or kind.is_string() or kind.is_decimal() or kind.is_temporal() or kind.is_uuid())
