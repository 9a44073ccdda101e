"""Windows of time that people plan: once, between two instants, or every week, in wall time and a zone.

A weekly window begins at a wall time on some weekdays and ends at another, on the next day if that is not later. Both
ends go through `walltime.instant`, so a window is an hour shorter or longer on the night on which the clocks change,
as the people who work in it will expect, and it is never lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from andon.practice.walltime import instant, wall

_DAY = timedelta(days=1)
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant up to and without another; without an end it lasts."""

    starts: datetime | None
    ends: datetime | None

    def holds(self, at: datetime) -> bool:
        """Whether the instant lies inside."""
        return (self.starts is None or self.starts <= at) and (self.ends is None or at < self.ends)


@dataclass(frozen=True, slots=True)
class Weekly:
    """Every week on these weekdays (0 is Monday), from one wall time to another."""

    weekdays: frozenset[int]
    starts: time
    ends: time
    zone: str


def occurrences(weekly: Weekly, around: datetime, days: int = _WEEK) -> Iterator[Span]:
    """The windows that begin from the day before `around` on, in order, for so many days; none that is empty."""
    today = wall(around, weekly.zone).date()
    for ahead in range(-2, days + 1):
        day = today + ahead * _DAY
        if day.weekday() in weekly.weekdays:
            span = _on(weekly, day)
            if span.starts is not None and span.ends is not None and span.starts < span.ends:
                yield span


def _on(weekly: Weekly, day: date) -> Span:
    last = day if weekly.starts < weekly.ends else day + _DAY
    begins, ends = datetime.combine(day, weekly.starts), datetime.combine(last, weekly.ends)
    return Span(instant(begins, weekly.zone), instant(ends, weekly.zone))


def current(weekly: Weekly, at: datetime) -> Span | None:
    """The window that is on at an instant; of two that overlap, the one that ends later."""
    on = [span for span in occurrences(weekly, at, 1) if span.holds(at)]
    return max(on, key=lambda span: span.ends or at, default=None)


def following(weekly: Weekly, at: datetime) -> Span | None:
    """The next window that begins after an instant."""
    return next((span for span in occurrences(weekly, at, _WEEK + 1) if span.starts and span.starts > at), None)
