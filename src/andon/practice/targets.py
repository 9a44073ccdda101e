"""Spans to do something in: elapsed time or working days, and what one severity asks for in them.

The table by severity is `andon.practice.severity.DEFAULT_TARGETS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Self

_SATURDAY = 5
_SAID_IN_HOURS = 72  # the law and everybody else say 72 hours, but 5 days
MOST_HOLIDAYS: Final = 400
_SEARCHED: Final = 1000  # days beyond three for each working day: enough, wherever that many holidays stand
_MORNING: Final = time(9)
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
SPAN: Final = r"[1-9]\d{0,3} (min|h|days?|working days?)"
"""A span as people write it: "15 min", "4 h", "5 days", "10 working days"."""
_UNITS: Final = {"min": _MINUTE, "h": timedelta(hours=1), "day": _DAY}


def is_weekday(day: date) -> bool:
    """Monday to Friday: the working days where no calendar of holidays is at hand."""
    return day.weekday() < _SATURDAY


@dataclass(frozen=True, slots=True)
class Within:
    """A span to do something in: elapsed time, or a number of working days. Exactly one is given.

    Raises ValueError when none or both are, or when it is not positive.
    """

    time: timedelta | None = None
    working_days: int | None = None

    def __post_init__(self) -> None:
        """Refuse a span that says nothing or two things."""
        if (self.time is None) == (self.working_days is None):
            raise ValueError("A span is given either as time or as working days.")
        if (self.time is not None and self.time <= timedelta(0)) or (
            self.working_days is not None and self.working_days < 1
        ):
            raise ValueError("A span must be longer than nothing.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `text` gives, read. Raises ValueError for anything that is not written as `SPAN` says."""
        if not re.fullmatch(SPAN, text.strip()):
            raise ValueError(f"{text!r} is no span of time. Write it like 15 min, 4 h, 5 days or 10 working days.")
        number, unit = text.strip().split(" ", 1)
        if unit.startswith("working"):
            return cls(working_days=int(number))
        return cls(time=int(number) * _UNITS[unit.removesuffix("s")])

    @property
    def text(self) -> str:
        """As it is read: "15 min", "72 h", "5 days", "10 working days"."""
        if self.working_days is not None:
            return "1 working day" if self.working_days == 1 else f"{self.working_days} working days"
        minutes = round((self.time or timedelta(0)) / _MINUTE)
        if minutes % 60:
            return f"{minutes} min"
        hours = minutes // 60
        return f"{hours // 24} days" if hours > _SAID_IN_HOURS and hours % 24 == 0 else f"{hours} h"

    def due(self, start: datetime, is_working_day: Callable[[date], bool] = is_weekday) -> datetime:
        """When the span that begins at ``start`` ends.

        Working days are counted in the zone of ``start`` (so give it in the organisation's), the first being
        the working day after it, and end at the same time of day. Raises ValueError for a time with no zone,
        and where there are too few working days after it, as no calendar of at most `MOST_HOLIDAYS` has it.
        """
        if start.tzinfo is None:
            raise ValueError(f"{start.isoformat()} has no time zone, so nothing can be due from it.")
        if self.time is not None:
            # Elapsed time, not wall time: an hour over a change of the clock is still an hour.
            return (start.astimezone(UTC) + self.time).astimezone(start.tzinfo)
        left = self.working_days or 0
        for days in range(1, 3 * left + _SEARCHED):
            day = start + days * _DAY
            left -= is_working_day(day.date())
            if left == 0:
                return day
        raise ValueError(f"No {self.text} after {start.date()}: check the calendar.")


@dataclass(frozen=True, slots=True)
class Office:
    """When the organisation works: Monday to Friday in its zone, but for its holidays.

    Attributes:
        zone: The zone in which its days are counted.
        holidays: Days on which nobody works, at most `MOST_HOLIDAYS`.
    """

    zone: tzinfo
    holidays: frozenset[date] = frozenset()

    def works(self, day: date) -> bool:
        """Whether it is a working day."""
        return is_weekday(day) and day not in self.holidays

    def due(self, within: Within, start: datetime) -> datetime:
        """When a span that begins at ``start`` ends."""
        return within.due(start.astimezone(self.zone), self.works)

    def morning(self, at: datetime) -> datetime:
        """The first working morning that is not before ``at``: for what is worth a call, and no waking."""
        day = at.astimezone(self.zone).date()
        while not self.works(day) or datetime.combine(day, _MORNING, self.zone) < at:
            day += _DAY
        return datetime.combine(day, _MORNING, self.zone)


@dataclass(frozen=True, slots=True)
class FirstWord:
    """Who is to hear of it first, and within what; None is "when it is next written or looked at"."""

    audience: str
    within: Within | None

    @property
    def text(self) -> str:
        """As it is read: "executives within 30 min"."""
        return self.audience if self.within is None else f"{self.audience} within {self.within.text}"


@dataclass(frozen=True, slots=True)
class Targets:
    """What one severity asks for. Containment is None where nothing needs stopping."""

    acknowledge: Within
    contain: Within | None
    first_communication: tuple[FirstWord, ...]
