"""Wall clocks: which instant a time without a zone is, by the place that its log was written in.

Every engine has rules of its own for this, or none at all (SQLite). So the rules are Python's, and an engine is given
numbers only: from which time on the wall how many seconds a clock is ahead of UTC.

When clocks go back, an hour comes twice: its times are taken for the first of the two, for nothing in them says which.
So rows of the second lie an hour too early, and the windows of that hour are empty. When clocks go forward, an hour is
left out; a time in it is read by the clock before. Both are what Python does (PEP 495, fold=0).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from andon.kit.errors import Invalid

MARGIN: Final = timedelta(days=2)
"""No clock is further from UTC, nor set by more."""
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
"""Between which the rules of a zone are asked, where nothing narrower is."""
ZONED: Final = "([zZ]|UTC|GMT|[0-9]:[0-9][0-9]([.,][0-9]+)? ?[+-][0-9][0-9](:?[0-9][0-9])?) *$"
"""Text of a time that says which zone it is of, as a regular expression that every engine reads."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """How a wall clock stands to UTC during a time.

    Attributes:
        ahead: By how many seconds it is ahead, one after the other.
        changes: From which second on the wall, since 1970, each but the first of these holds; growing.
    """

    ahead: Sequence[int]
    changes: Sequence[int]

    @property
    def even(self) -> bool:
        """Whether it is never set."""
        return not self.changes

    def instant(self, wall: int) -> int:
        """Seconds since 1970 in UTC of seconds since 1970 on the wall."""
        return wall - self.ahead[bisect_right(self.changes, wall)]


def named(zone: str) -> str:
    """The name of a zone as it is kept; empty is UTC. Raises `Invalid` for one that is none."""
    name = zone.strip() or "UTC"
    if name not in available_timezones():
        raise Invalid(
            f"“{name}” is no time zone. Use a name of the IANA database, such as Europe/Berlin or America/New_York; an "
            "offset that never changes is Etc/GMT-3 for three hours ahead of UTC.",
            field="time_zone",
        )
    return name


@lru_cache(maxsize=256)
def clock(zone: str, since: datetime = FIRST, until: datetime = LAST) -> Clock:
    """How the clocks of a zone stand for all times on the wall whose instants lie between these."""
    place = ZoneInfo(zone)
    ahead, changes = [_ahead(since - MARGIN, place)], list[int]()
    at = since - MARGIN
    while at < until + MARGIN:
        then = at + timedelta(days=1)
        if _ahead(then, place) != ahead[-1]:
            changed = _changed(at, then, place)
            later = _ahead(changed, place)
            changes.append(int((changed - _EPOCH).total_seconds()) + max(ahead[-1], later))
            ahead.append(later)
        at = then
    return Clock(tuple(ahead), tuple(changes))


def _ahead(at: datetime, place: ZoneInfo) -> int:
    offset = at.astimezone(place).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _changed(low: datetime, high: datetime, place: ZoneInfo) -> datetime:
    """The second at which a clock was set, between two times at which it stands otherwise."""
    before = _ahead(low, place)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (middle, high) if _ahead(middle, place) == before else (low, middle)
    return high
