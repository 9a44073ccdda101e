"""The machine's clock and patience, for a process that is not Andon's: `andon.kit.clock` is not here.

Tests put another pause in place, so that no test waits.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial


def now() -> datetime:
    """The present instant, aware."""
    return datetime.now(tz=UTC)


def monotonic() -> float:
    """Seconds that never go back."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def _since_boot() -> Callable[[], float]:
    """Where the system has one, a clock that goes on while the machine sleeps; `time.monotonic` stands still then."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    return time.monotonic


since_boot = _since_boot()
"""Seconds that never go back and miss nothing, for the age of what is held; as cheap as a call can be."""
