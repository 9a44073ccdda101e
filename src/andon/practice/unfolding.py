"""What an incident hears of an alarm that goes on: what is new enough to be said, and how large a scale that makes.

More data come in while people work. The onset is estimated again, more decisions are affected, other segments stand
out. An incident's timeline says so when it matters, and not with every window.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from andon.practice.words import Word

SCALE: Final = (1, 10, 1_000, 100_000)
"""From how many affected decisions on the scale is H1, H2, H3, H4."""
DRIVERS_NAMED: Final = 3
MOVED_BY: Final = 4
"""An onset has moved when it or an end of its interval did so by this part of its width."""
GREW_BY: Final = 2
"""By which factor more decisions must be affected to be news."""
GREW_FROM: Final = 10
"""How many more they must be at least."""


class Told(Word):
    """What is news."""

    RAISED = "raised", "the alarm is new to this incident"
    MOVED = "moved", "the onset is estimated to be at another time"
    GREW = "grew", "far more decisions are affected than were"
    DRIVERS = "drivers", "other segments stand out"
    RECOVERED = "recovered", "the measure is back"
    GIVEN_UP = "given_up", "nobody looks any more whether it is"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an alarm.

    Attributes:
        onset: The earliest, the likeliest and the latest time at which it began; None if nobody can tell.
        affected: Decisions beyond what was to be expected, since the onset; None where that cannot be counted.
        drivers: Segments that stand out, the surest first.
        recovered: Whether the measure is back.
        given_up: Whether nobody looks any more if it is: its watch was ended or changed.
    """

    onset: tuple[datetime, datetime, datetime] | None = None
    affected: int | None = None
    drivers: tuple[str, ...] = ()
    recovered: bool = False
    given_up: bool = False


def news(before: Known | None, now: Known, *, window: timedelta) -> tuple[Told, ...]:
    """What is to be said of an alarm, in the order in which it is said.

    Args:
        before: What the incident was told last; None if nothing.
        now: What is known by now.
        window: Length of the watch's windows: an onset that moved by less, or by less than a quarter of the width of
            its interval, has not moved.
    """
    if before is None:
        return (Told.RAISED, *_closed(now))
    found = []
    if _moved(before.onset, now.onset, window):
        found.append(Told.MOVED)
    if _grew(before.affected, now.affected):
        found.append(Told.GREW)
    if set(before.drivers[:DRIVERS_NAMED]) != set(now.drivers[:DRIVERS_NAMED]):
        found.append(Told.DRIVERS)
    if not (before.recovered or before.given_up):
        found += _closed(now)
    return tuple(found)


def _closed(now: Known) -> tuple[Told, ...]:
    """How it ended, if it did: one of both, for what was given up is not known to be over."""
    if now.recovered:
        return (Told.RECOVERED,)
    return (Told.GIVEN_UP,) if now.given_up else ()


def remembered(before: Known | None, now: Known, said: Collection[Told]) -> Known:
    """What the incident was told last, once `said` was said: what was not worth saying yet is not taken for said.

    So what grows a little at a time is told all the same, as soon as it has grown by enough in all.
    """
    if before is None:
        return now
    figures = not {Told.GREW, Told.DRIVERS}.isdisjoint(said)
    return Known(
        onset=now.onset if Told.MOVED in said else before.onset,
        affected=now.affected if figures else before.affected,
        drivers=now.drivers if figures else before.drivers,
        recovered=before.recovered or now.recovered,
        given_up=before.given_up or now.given_up,
    )


def scale_of(affected: int | None) -> int | None:
    """The score of the dimension *scale* that so many affected decisions make, 0 to 4; None if nobody can tell."""
    return None if affected is None else sum(affected >= least for least in SCALE)


def _moved(
    before: tuple[datetime, datetime, datetime] | None,
    now: tuple[datetime, datetime, datetime] | None,
    window: timedelta,
) -> bool:
    if now is None:
        return False  # what was known is not forgotten because an estimate fails once
    if before is None:
        return True
    least = max(window, (before[2] - before[0]) / MOVED_BY)
    return any(abs(one - other) >= least for one, other in zip(before, now, strict=True))


def _grew(before: int | None, now: int | None) -> bool:
    if now is None:
        return False
    if before is None:
        return now > 0
    return scale_of(now) != scale_of(before) or (now >= GREW_BY * before and now - before >= GREW_FROM)
