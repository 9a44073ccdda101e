"""The machine's clock and patience, for a process that is not Andon's: `andon.kit.clock` is not here.

Tests put another pause in place, so that no test waits.
"""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, aware."""
    return datetime.now(tz=UTC)


def monotonic() -> float:
    """Seconds that never go back."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)
