"""Wall time: what a clock on a wall shows, and the instant at which it shows it.

People agree on wall time ("Monday at nine, in Berlin"), machines on instants. Twice a year the two disagree
about an hour. Every rule of the practice that is written in wall time goes through `instant`, so there is one
answer at both edges of daylight saving, the same everywhere:

* the wall time exists once: that instant;
* it exists twice (the clock goes back): its first occurrence;
* it never exists (the clock jumps forward over it): the moment of the jump.

All three say the same thing: *the first instant at which the wall clock shows this time or a later one*. That
is monotone: walls in order give instants in order. So wall-time intervals that touch, touch as instants too,
and a schedule cut in wall time has neither holes nor overlaps at an edge.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of this name, such as ``Europe/Berlin``.

    Raises:
        ValueError: there is no such zone in this computer's time zone database.
    """
    try:
        return ZoneInfo(name)
    # ZoneInfo reports a folder of zones ("Europe") as OSError and a path as ValueError: all are one mistake.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is not a known time zone, so local times in it cannot be read. "
            "Use an IANA name such as 'Europe/Berlin' or 'UTC'."
        ) from error


@lru_cache(maxsize=1 << 16)
def instant(wall: datetime, zone_name: str) -> datetime:
    """The first instant (aware, UTC) at which a clock in the zone shows ``wall`` (naive) or a later time.

    PEP 495 reads a time inside a jump with the offset of before (``fold=0``), which lands past the jump by
    however far the time lies inside it. Two hand-overs inside one jump would then be out of step with the
    clock on the wall. We take the jump itself; the round trip through UTC tells that there is one.
    """
    place = zone(zone_name)
    local = wall.replace(tzinfo=place, fold=0)
    found = local.astimezone(UTC)
    if found.astimezone(place).replace(tzinfo=None, fold=0) == wall:
        return found
    return _jump(place, local.replace(fold=1).astimezone(UTC), found)


def wall(at: datetime, zone_name: str) -> datetime:
    """What a clock in the zone shows at the instant ``at`` (aware): naive, without a fold."""
    return at.astimezone(zone(zone_name)).replace(tzinfo=None, fold=0)


def aware(at: datetime, what: str) -> datetime:
    """``at`` in UTC; ``what`` names it in the error.

    Raises:
        ValueError: ``at`` has no time zone, so it is not an instant.
    """
    if at.utcoffset() is None:
        raise ValueError(
            f"{what} is {at.isoformat()} without a time zone, so it is no instant. Give it one, such as UTC."
        )
    return at.astimezone(UTC)


def naive(at: datetime, what: str) -> None:
    """Check that ``at`` is wall time; ``what`` names it in the error.

    Raises:
        ValueError: ``at`` carries a time zone of its own.
    """
    if at.tzinfo is not None:
        raise ValueError(
            f"{what} is {at.isoformat()} with a time zone, but wall time is kept without one, beside "
            "the zone's name. Convert it to the zone and drop its tzinfo."
        )


def _jump(place: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second in (before, after] at which the offset of the zone changes, by bisection."""
    low = (before - _EPOCH) // _SECOND
    high = -((_EPOCH - after) // _SECOND)  # rounded up
    offset_after = _offset(place, high)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(place, middle) == offset_after:
            high = middle
        else:
            low = middle
    return _EPOCH + high * _SECOND


def _offset(place: ZoneInfo, second: int) -> timedelta | None:
    return (_EPOCH + second * _SECOND).astimezone(place).utcoffset()
