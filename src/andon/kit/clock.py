"""The one source of time. Everything that asks what time it is asks here, so that a whole incident runs at any speed.

Tests and drills put a `FixedClock` in place; nothing else in Andon calls `datetime.now` (a lint holds that).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Anything that can say the time."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(tz=UTC)


class FixedClock:
    """A clock that moves only when told to: for tests, simulations and drills."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("A clock needs an aware datetime; this one has no time zone.")
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        """The instant that was last set."""
        return self._at

    def forward(self, step: timedelta) -> datetime:
        """Move on by `step` (never back) and return the new time."""
        if step < timedelta(0):
            raise ValueError("A clock does not run backwards; set a new one to test a jump.")
        self._at += step
        return self._at

    def set(self, at: datetime) -> None:
        """Jump to `at`, in either direction: how a test plays a clock that was corrected."""
        self._at = at.astimezone(UTC)


_clock: Clock = SystemClock()


def now() -> datetime:
    """The present instant, aware, in UTC, with microseconds."""
    return _clock.now()


def monotonic() -> float:
    """Seconds that never go back, for durations inside one process (never stored)."""
    return time.monotonic()


@contextmanager
def use(clock: Clock) -> Iterator[Clock]:
    """Put `clock` in place for the whole process while the block runs."""
    global _clock  # noqa: PLW0603  one clock a process is the point
    before, _clock = _clock, clock
    try:
        yield clock
    finally:
        _clock = before
