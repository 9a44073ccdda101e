"""The demo's clock: it starts in the past and is let run fast while people would wait, until it has caught up.

Everything in the demo's process asks this one clock, so that five minutes of waiting for an answer are five minutes to
the engine, played in seconds; and what the screens show afterwards lies in the true past.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from andon.kit import clock


@dataclass(frozen=True)
class _Playing:
    """From how far behind to how far behind, over which stretch of the process's own seconds."""

    before: timedelta
    after: timedelta
    starts: float
    lasts: float

    def behind(self, at: float) -> timedelta:
        passed = min(1.0, max(0.0, (at - self.starts) / self.lasts))
        return self.before + (self.after - self.before) * passed


class ElasticClock:
    """The machine's clock, some way behind; it only ever catches up, so it never runs backwards."""

    def __init__(self, behind: timedelta) -> None:
        self._machine = clock.SystemClock()
        self._playing = _Playing(behind, behind, clock.monotonic(), 1.0)

    def now(self) -> datetime:
        """The present instant of the demo, aware, in UTC."""
        return self._machine.now() - self._playing.behind(clock.monotonic())

    @property
    def behind(self) -> timedelta:
        """How far behind the machine's clock."""
        return self._playing.behind(clock.monotonic())

    def play(self, span: timedelta, seconds: float) -> timedelta:
        """Let `span` pass within `seconds` from now on, or what is left to the present; returns how much that is.

        Does not wait: the caller watches meanwhile.
        """
        start = clock.monotonic()
        before = self._playing.behind(start)
        skipped = min(before, max(timedelta(0), span - timedelta(seconds=seconds)))
        self._playing = _Playing(before, before - skipped, start, seconds)
        return skipped + timedelta(seconds=seconds)
