"""The newest rows of a log within a time: the one reading by which rows themselves leave it, and only as evidence.

Everything else takes aggregates. What is read is bounded in rows, in characters of a value and in bytes; columns that
whoever answers for the log has named are not asked for at all, nor are pictures, sounds and other bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from andon.watch.reading.connecting import opened
from andon.watch.reading.expressions import column_of
from andon.watch.reading.places import Place
from andon.watch.reading.times import between, moment

LONGEST_TEXT: Final = 4_000
"""Characters of a text that are kept; a prompt or an answer may be longer."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows, newest first, each as one line of JSON.

    Attributes:
        lines: The rows, each ended by a line feed.
        rows: How many.
        more: Whether there were more within the time than rows or bytes allow.
        cut: Whether a text was cut at `LONGEST_TEXT`.
        left_out: Columns that were not asked for because they hold bytes.
    """

    lines: bytes
    rows: int
    more: bool
    cut: bool
    left_out: tuple[str, ...]


def newest(
    place: Place,
    time_column: str,
    *,
    since: datetime,
    until: datetime,
    without: Collection[str] = (),
    most_rows: int,
    most_bytes: int,
    seconds: float,
) -> Rows:
    """The last decisions of a time, newest first. Raises `Unreadable` or `Invalid` in words."""
    import ibis

    with opened(place, seconds=seconds) as log:
        table = log.table
        at = moment(table, time_column)
        inside = between(table, time_column, place.zone, since, until + timedelta(seconds=1))
        hidden = {column_of(table.columns, name, field="without") for name in without if name in table.columns}
        kinds = table.schema()
        binary = tuple(name for name in table.columns if name not in hidden and kinds[name].is_binary())
        shown = {
            name: table[name].left(LONGEST_TEXT + 1) if kinds[name].is_string() else table[name]
            for name in table.columns
            if name not in hidden and name not in binary
        }
        found = table.filter(*inside).order_by(ibis.desc(at)).limit(most_rows + 1).select(**shown)
        lines, rows, cut = bytearray(), 0, False
        for row in (one for batch in log.rows(found, limit=most_rows + 1) for one in batch):
            plain = dict(_values(row))
            line = json.dumps(plain, ensure_ascii=False, default=str).encode() + b"\n"
            if rows == most_rows or len(lines) + len(line) > most_bytes:
                return Rows(bytes(lines), rows, more=True, cut=cut, left_out=binary)
            cut = cut or any(isinstance(value, str) and len(value) > LONGEST_TEXT for value in row.values())
            lines += line
            rows += 1
        return Rows(bytes(lines), rows, more=False, cut=cut, left_out=binary)


def _values(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        yield name, _plain(value)


def _plain(value: Any) -> Any:
    """A value as JSON holds it, the same from every engine."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)[:LONGEST_TEXT]
