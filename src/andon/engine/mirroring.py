"""The engine's work of keeping other services' incidents in step with ours."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from queue import SimpleQueue

from andon.kit import clock, wake
from andon.paging import adapters, mirroring
from andon.paging.channel import Receipt
from andon.paging.mirroring import Telling
from andon.paging.models import Mirror
from andon.paging.sending import Find

TELLERS = 4
"""Services told at once, in one process."""


class Mirroring:
    """Services that keep an incident of their own are told how ours stands, beside the loop, as pages are sent."""

    name = "mirroring"

    def __init__(self, engine: str, *, find: Find = adapters.find, tellers: int = TELLERS) -> None:
        self._engine = engine
        self._find = find
        self._tellers = tellers
        self._pool = ThreadPoolExecutor(tellers, thread_name_prefix="tell") if tellers else None
        self._on_the_wire = 0
        self._told: SimpleQueue[tuple[Mirror, Receipt | None]] = SimpleQueue()

    def run_once(self, now: datetime, limit: int) -> int:
        """Settle what has come back, and tell as much of what is due as goes at once."""
        settled = self._settle()
        room = min(limit, self._tellers - self._on_the_wire) if self._pool else limit
        rows = mirroring.claim(now, room, self._engine) if room > 0 else []
        for row in rows:
            self._dispatch(row)
        return settled + len(rows)

    def stop(self) -> None:
        """Wait for what is on the wire, which a channel's own time limits bound, and write what became of it."""
        if self._pool:
            self._pool.shutdown(wait=True)
        self._settle()

    def _dispatch(self, row: Mirror) -> None:
        ready = mirroring.prepare(row, self._find)
        self._on_the_wire += 1
        if not isinstance(ready, Telling):
            self._told.put((row, ready))
            wake.engine.set()
        elif self._pool:
            self._pool.submit(self._tell_beside, ready)
        else:
            self._told.put((row, mirroring.tell(ready)))

    def _tell_beside(self, telling: Telling) -> None:
        try:
            self._told.put((telling.row, mirroring.tell(telling)))
        finally:
            wake.engine.set()

    def _settle(self) -> int:
        """Write what became of the tellings that have come back. A row that cannot be written is told once more."""
        done = 0
        while not self._told.empty():
            row, receipt = self._told.get()
            self._on_the_wire -= 1
            mirroring.settle(row, receipt, clock.now())
            done += 1
        return done
