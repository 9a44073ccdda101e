"""The engine's work for levers: pulls are claimed and settled in the loop, and made beside it.

A control plane that is slow or hangs holds up one thread and nothing else: no page waits for it. A pull waits for its
evidence no longer than the practice lets it, whatever the collecting does.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from queue import SimpleQueue
from typing import Final

import structlog
from django.db import InterfaceError, OperationalError

from andon.containment import actions
from andon.containment.actions import Claim, Outcome
from andon.engine import lines
from andon.kit import clock, db, fence, wake
from andon.practice.containment import EVIDENCE_WITHIN, Move

PULLERS: Final = 16
"""Pulls that are made at once, in one process."""
_log = structlog.get_logger(__name__)


class Pulling:
    """Levers are pulled, looked after and undone. With `pullers=0` in the caller's thread, for tests."""

    name = "pulling"

    def __init__(self, *, pullers: int = PULLERS) -> None:
        self._pullers = pullers
        self._pool = ThreadPoolExecutor(pullers, thread_name_prefix="pull") if pullers else None
        self._out: dict[str, tuple[Claim, float]] = {}  # with when it began (monotonic)
        self._done: SimpleQueue[Outcome] = SimpleQueue()
        self._unsettled: list[Outcome] = []

    def run_once(self, now: datetime, limit: int) -> int:
        """Settle what was done, go on without evidence that takes too long, make the moves that are due."""
        done = self._settle()
        self._lose_patience()
        room = min(limit, self._pullers - len(self._out)) if self._pool else limit
        claims = actions.claim(now, room) if room > 0 else []
        for claim in claims:
            self._out[claim.token] = claim, clock.monotonic()
            if self._pool:
                self._pool.submit(self._work_beside, claim)
            else:
                self._work(claim)
                lines.freshen()  # what it did may have cost the loop its line; what came of it is written all the same
        return done + len(claims) + (0 if self._pool else self._settle())

    def stop(self) -> None:
        """Wait for what is being done, which its deadlines bound, and write what came of it."""
        if self._pool:
            self._pool.shutdown(wait=True)
        self._settle()

    def _work_beside(self, claim: Claim) -> None:
        try:
            self._work(claim)
        finally:
            lines.drop()
            wake.engine.set()

    def _work(self, claim: Claim) -> None:
        """Make the move. Without an outcome its place would stay taken for ever, so there is always one."""
        try:
            outcome = actions.work(claim)
        except Exception as error:  # noqa: BLE001  as above
            outcome = actions.fault_of(claim, error)
        self._done.put(outcome)

    def _lose_patience(self) -> None:
        """Containment does not wait for evidence beyond its time."""
        now = clock.monotonic()
        for claim, began in list(self._out.values()):
            if claim.move is Move.PRESERVE and now - began > EVIDENCE_WITHIN.total_seconds():
                del self._out[claim.token]
                self._unsettled.append(Outcome(claim, None, "Collecting took longer than containment waits for it."))
        self._write()

    def _settle(self) -> int:
        while not self._done.empty():
            outcome = self._done.get()
            self._out.pop(outcome.claim.token, None)
            self._unsettled.append(outcome)
        return self._write()

    def _write(self) -> int:
        """Write outcomes; one that cannot be written is looked after again: when its lease ends, or see `trouble`."""
        done = 0
        while self._unsettled:
            outcome = self._unsettled[0]
            try:
                actions.settle(outcome, clock.now())
            except fence.Closed:
                raise  # a newer engine looks after it when the lease ends
            except (OperationalError, InterfaceError) as error:
                if not db.of_these_rows(error):
                    raise  # the database is away: written when it is back, if it is still ours by then
                _log.warning("what a pull did lost a race and is looked after again", pull=outcome.claim.pull.ref)
            except Exception as error:  # noqa: BLE001  whatever is wrong with one pull must not hold up the others
                _log.exception("what a pull did could not be written", pull=outcome.claim.pull.ref)
                actions.trouble(outcome.claim.pull.pk, error, clock.now(), outcome.claim.token)
            del self._unsettled[0]
            done += 1
        return done
