"""Everything that is left to chance, from one seed: which fault strikes, who is next, which identifiers are drawn."""

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from uuid import UUID

from andon.kit import clock, ids
from andon.kit.memo import Memo

STARTS = (
    datetime(2026, 3, 2, 3, 12, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 40, tzinfo=UTC),  # Europe/Berlin springs forward at 01:00 UTC
    datetime(2026, 10, 25, 0, 40, tzinfo=UTC),  # and back at 01:00 UTC
    datetime(2026, 11, 1, 5, 40, tzinfo=UTC),  # America/New_York falls back at 06:00 UTC
)


class Crash(BaseException):
    """The process is dead at this very point. Derived like KeyboardInterrupt: nobody may catch it and go on."""


@dataclass
class Odds:
    """How likely each fault is where it can strike. A seed turns some off and some up, so that seeds differ in kind."""

    crash_at_statement: float = 0.0004
    crash_before_commit: float = 0.006
    crash_after_commit: float = 0.006
    trouble_at_statement: float = 0.001
    trouble_before_commit: float = 0.004
    trouble_after_commit: float = 0.004
    pause: float = 0.12
    send_retry: float = 0.12
    send_answer_lost: float = 0.04
    send_broken: float = 0.01
    send_fault: float = 0.01
    send_slow: float = 0.08
    crash_before_send: float = 0.015
    crash_after_send: float = 0.015
    kill: float = 0.006
    clock_jump: float = 0.004
    duplicate: float = 0.15

    @classmethod
    def of(cls, rng: random.Random) -> "Odds":
        """The odds of one seed."""
        odds = cls()
        for one in fields(cls):
            setattr(odds, one.name, getattr(odds, one.name) * rng.choice((0.0, 0.5, 1.0, 1.0, 2.5)))
        odds.pause = max(odds.pause, 0.03)
        return odds


class Chance:
    """The dice of one run, and the count of what they did."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._keys = random.Random(f"{seed} keys")
        self.odds = Odds.of(self.rng)
        self.struck: Counter[str] = Counter()
        self.quiet = False

    def strikes(self, fault: str) -> bool:
        """Whether a fault strikes here; counted. Never while it is quiet."""
        if self.quiet or self.rng.random() >= getattr(self.odds, fault):
            return False
        self.struck[fault] += 1
        return True

    def pauses(self) -> bool:
        """Whether whoever runs hands over here."""
        return self.rng.random() < (0.02 if self.quiet else self.odds.pause)

    def key(self) -> UUID:
        """In place of `uuid.uuid4`."""
        return UUID(int=self._keys.getrandbits(128), version=4)

    def ordered_key(self, timestamp: int | None = None, nanoseconds: int | None = None) -> UUID:
        """In place of `uuid_utils.compat.uuid7`: the same form (RFC 9562, 5.7)."""
        milliseconds = timestamp if timestamp is not None else (nanoseconds or 0) // 1_000_000
        made = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | self._keys.getrandbits(12) << 64
        return UUID(int=made | 0b10 << 62 | self._keys.getrandbits(62))


class Time(clock.FixedClock):
    """The clock of the whole installation; monotonic time goes on with it and never jumps."""

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self.passed = 0.0
        self.latest = at
        self.jumps = 0

    def forward(self, step: timedelta) -> datetime:
        self.passed += step.total_seconds()
        now = super().forward(step)
        self.latest = max(self.latest, now)
        return now

    def jump(self, by: timedelta) -> None:
        """The clock is corrected, in either direction."""
        self.set(self.now() + by)
        self.latest = max(self.latest, self.now())
        self.jumps += 1


@contextmanager
def governed(chance: Chance, time: Time) -> Iterator[None]:
    """Time and identifiers come from the seed while this lasts. The process is the simulation's own.

    What a real process keeps for a moment would here be kept for all simulated ones together, and outlive their death:
    it is asked anew each time.
    """
    before = uuid.uuid4, ids.uuid7, clock.monotonic, Memo.get
    ids._last = 0
    uuid.uuid4, ids.uuid7, clock.monotonic = chance.key, chance.ordered_key, lambda: 1000.0 + time.passed
    Memo.get = lambda _self, _key, ask: ask()  # type: ignore[method-assign]
    try:
        with clock.use(time):
            yield
    finally:
        uuid.uuid4, ids.uuid7, clock.monotonic, Memo.get = before  # type: ignore[method-assign]
