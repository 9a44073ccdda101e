"""The engine's work for watches: logs are read beside the loop, and what they hold is judged and told in it.

A warehouse that is slow or hangs holds up a reader and nothing else: no page waits for it. A few logs are read at
once, each for all of its watches that are due; the rest stay due. What came back is settled for a moment at a time, so
that a thousand watches whose windows end at one instant do not keep a page waiting either.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from queue import SimpleQueue
from typing import Final

import structlog
from django.db import InterfaceError, OperationalError

from andon.kit import clock, db, fence, wake
from andon.response.alarms import alarms_due
from andon.watch import actions
from andon.watch.actions.running import Claim, Reading

READERS: Final = 2
"""Logs that are read at once, in one process."""
TURN: Final = 0.25
"""Seconds for which what was read is settled before other work has its turn."""
FAULT: Final = (
    "What its log holds could not be judged, by a fault of Andon's own; what Andon logs says more. It is tried again."
)
_log = structlog.get_logger(__name__)


class Watching:
    """Watches read what is new, alarm, and tell their incidents. With `readers=0` in the caller's thread, for tests."""

    name = "watches"

    def __init__(self, *, readers: int = READERS) -> None:
        self._readers = readers
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="read") if readers else None
        self._reading = 0
        self._read: SimpleQueue[Reading | None] = SimpleQueue()
        self._unsettled: Reading | None = None

    def run_once(self, now: datetime, limit: int) -> int:
        """Settle what was read, read as much of what is due as goes at once, tell what is new."""
        done = self._settle()
        room = min(limit, self._readers - self._reading) if self._pool else limit
        turns = actions.claim(now, room) if room > 0 else []
        for turn in turns:
            self._reading += 1
            if self._pool:
                self._pool.submit(self._read_beside, turn)
            else:
                self._read_beside(turn)
        return done + sum(map(len, turns)) + (0 if self._pool else self._settle()) + alarms_due(now, limit)

    def stop(self) -> None:
        """Settle what was read. What is still being read is not waited for: it is due again when its lease ends."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._settle()

    def _read_beside(self, turn: Sequence[Claim]) -> None:
        """One log in a thread of its own; whatever becomes of it wakes the loop."""
        left = {claim.token: claim for claim in turn}
        try:
            for reading in actions.read(turn):
                left.pop(reading.claim.token, None)
                self._read.put(reading)
                wake.engine.set()
        except Exception:  # noqa: BLE001  nobody waits for the thread: what is not told here is told nowhere
            _log.exception("watches of a log could not be read", watches=[claim.watch.ref for claim in left.values()])
            for claim in left.values():
                self._read.put(Reading(claim, failure=FAULT))
        finally:
            self._read.put(None)  # the reader is free
            wake.engine.set()

    def _settle(self) -> int:
        """Write what came back, one watch a transaction. One that cannot be written is read again after its lease."""
        done, ends = 0, clock.monotonic() + TURN
        while (not self._read.empty() or self._unsettled) and clock.monotonic() < ends:
            reading, self._unsettled = self._unsettled or self._read.get(), None
            if reading is None:
                self._reading -= 1
            else:
                self._write(reading)
            done += 1
        return done

    def _write(self, reading: Reading) -> None:
        try:
            actions.settle(reading, clock.now())
        except fence.Closed:
            raise  # a newer engine reads it again when the lease ends
        except (OperationalError, InterfaceError) as error:
            if not db.of_these_rows(error):
                self._unsettled = reading  # the database is away: written when it is back, if still ours by then
                raise
            _log.warning("what a watch read lost a race and is read again", watch=reading.claim.watch.ref)
        except Exception:  # noqa: BLE001  whatever is wrong with one watch must not hold up the others
            _log.exception("what a watch read could not be written", watch=reading.claim.watch.ref)
            self._fault(reading)

    def _fault(self, reading: Reading) -> None:
        """It is Andon's own, yet nothing is known of what the watch looks for: so it is stale, as if it were not read.

        Left to its lease it would be read again for ever, and stand there as if it were about to speak.
        """
        try:
            actions.settle(Reading(reading.claim, failure=FAULT), clock.now())
        except Exception:  # noqa: BLE001  as above: it is read again after its lease
            _log.exception("a fault of a watch could not be written", watch=reading.claim.watch.ref)
