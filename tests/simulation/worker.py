"""Threads that take turns: each runs only while it holds the baton, so that one seed is one order of events."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections

from tests.simulation.chance import Chance, Crash
from tests.simulation.line import Line

STUCK = 60.0
"""Real seconds in which a turn must end; beyond them something waits for what only another turn could give."""


class Worker:
    """One thread with a line of its own to the database, as a process of an installation has."""

    def __init__(self, name: str, chance: Chance) -> None:
        self.name = name
        self.line = Line(chance, self.pause)
        self.outcome: Any = None
        self.error: BaseException | None = None
        self.busy = False
        self._job: Callable[[], Any] | None = None
        self._go, self._back = threading.Lock(), threading.Lock()  # held = nobody's turn yet
        self._go.acquire()
        self._back.acquire()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def begin(self, job: Callable[[], Any]) -> None:
        """Take on a job; it runs with the next turn."""
        self._job, self.busy, self.outcome, self.error = job, True, None, None

    def turn(self) -> bool:
        """Let it run until it pauses or ends; returns whether the job is done."""
        self._go.release()
        if not self._back.acquire(timeout=STUCK):
            raise AssertionError(f"{self.name} is stuck: its turn did not end.")
        return not self.busy

    def pause(self) -> None:
        """Called by whoever runs in this thread: hand the baton back, and wait for the next turn."""
        self._back.release()
        self._go.acquire()
        self.line.resumed()

    def end(self) -> None:
        """Let the thread end; a job that is paused dies where it stands."""
        if self.busy and self._job is None:
            self.line.dead = True
            while not self.turn():
                pass
        self._job = None
        self._go.release()
        self._thread.join(STUCK)

    def _live(self) -> None:
        while True:
            self._go.acquire()
            job, self._job = self._job, None
            if job is None:
                break
            try:
                self.line.attach()
                self.outcome = job()
            except BaseException as error:  # noqa: BLE001  the scheduler judges it
                self.error = error
                if isinstance(error, Crash):
                    self.line.cut()
            self.busy = False
            self._back.release()
        connections.close_all()
