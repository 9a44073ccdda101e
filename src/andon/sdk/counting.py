"""`count`: one line in a service says what it decided; sums of it reach Andon once a minute.

What a service says is added up here, by window and segment. A thread in the background sends each window when it is
over, and what is left when the process ends. A batch that could not be sent is sent again, as it was and under the same
key, until Andon has it: so nothing counts twice. If Andon is away for so long that there is no room for more, the
oldest batches go, and the log says how many observations were in them.

`count` itself takes a lock and adds three numbers: it waits for nothing, and raises nothing.
"""

import atexit
import math
import os
import random
import socket
import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Final
from urllib.parse import quote
from uuid import uuid4
from weakref import WeakSet

import httpx

from andon.sdk import logs, sending, timing
from andon.sdk.tally import NAME, Batch, Tally, batch, named

log = logs.of("andon.sdk")

WINDOW: Final = 60
"""Seconds that are added up; Andon adds them up further to the window of its watch."""
MOST_SERIES: Final = 5_000
"""Sums kept of windows that are not over: systems x metrics x segments x open windows."""
MOST_WAITING: Final = 50_000
"""Sums that wait to be sent, some 10 MB of them; beyond, the oldest go."""
AT_ONCE: Final = 1_000
"""Sums in one request, well under the megabyte that Andon takes."""
TIMEOUT: Final = 10.0
LAST_WORDS: Final = 5.0
"""Seconds that the end of the process may be held up for."""
SAY_EVERY: Final = 600.0
"""Seconds between two lines in the log about the same trouble."""


class Counter:
    """Counts for one Andon, from any number of threads. Mostly the one behind `count` is enough.

    Args:
        url: Where Andon is, without a path: `https://andon.example.org`.
        token: A personal token with the scope `points:write`.
        seconds: The window.
        background: Whether a thread sends by itself; without it only `flush` does.
        most_waiting: Sums that may wait to be sent.
    """

    def __init__(
        self, *, url: str, token: str, seconds: int = WINDOW, background: bool = True, most_waiting: int = MOST_WAITING
    ) -> None:
        self._url, self._token, self._seconds = url.rstrip("/"), token, seconds
        self._background, self._most_waiting = background, most_waiting
        self._said: dict[str, float] = {}
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        """Afresh: at the start, and in a process that was forked, whose parent sends what it has itself."""
        self._instance = f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid4().hex[:12]}"
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._tally = Tally(seconds=self._seconds, most_series=MOST_SERIES)
        self._waiting: deque[Batch] = deque()
        self._points = self._sequence = 0

    def count(
        self,
        system: str,
        *,
        segment: str | Mapping[str, object] | None = None,
        at: datetime | None = None,
        **measures: float,
    ) -> None:
        """Count one observation; see `andon.sdk.count`."""
        try:
            values = _checked(system, measures)
            instant = (at or timing.now()).timestamp()
            where = named(segment)
            if self._closing.is_set():
                self._say("closed", "The counter was closed; what is counted after that is lost")
                return
            with self._lock:
                for metric, value in values:
                    self._tally.add(system, metric, where, instant, value)
            if self._thread is None and self._background:
                self._start()
        except Exception as error:  # noqa: BLE001  a count must never break what it counts
            self._say("count", f"This was not counted: {error}")

    def flush(self, patience: float = TIMEOUT) -> bool:
        """Send everything, the present window too; whether Andon has taken all that was left. Raises nothing."""
        try:
            self._seal(math.inf)
            return self._send(timing.monotonic() + patience, patient=True)
        except Exception:
            log.exception("What was counted could not be sent")
            return False

    def close(self) -> None:
        """Send what is left, for a few seconds at most, and say what could not be sent. Count no more after it."""
        self._closing.set()
        if not self.flush(LAST_WORDS):
            left = sum(one.observations for one in self._waiting)
            log.warning("%s counted observations were not told to Andon before the process ended", left)
        atexit.unregister(self.close)

    # The thread

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="andon-count", daemon=True)
        atexit.register(self.close)
        self._thread.start()

    def _run(self) -> None:
        """Look once a window, a little after it is over, at a moment of its own; sooner or later after trouble."""
        pauses = sending.pauses()
        rest = self._seconds * random.uniform(1.02, 1.2)  # noqa: S311  so that thousands do not send at one moment
        wait = rest
        while not self._closing.wait(wait):
            try:
                self._seal(timing.now().timestamp())
                if self._send(timing.monotonic() + self._seconds):
                    pauses, wait = sending.pauses(), rest
                else:
                    wait = min(rest, next(pauses))
            except Exception:
                log.exception("What was counted could not be sent; it is tried again")
                wait = rest

    def _seal(self, before: float) -> None:
        """Make batches of what is over; make room if too many wait."""
        with self._lock:
            for (system, metric), series in self._tally.seal(before).items():
                for first in range(0, len(series), AT_ONCE):
                    self._sequence += 1
                    one = batch(
                        system, metric, series[first : first + AT_ONCE],
                        instance=self._instance, sequence=self._sequence, seconds=self._seconds,
                    )  # fmt: skip
                    self._waiting.append(one)
                    self._points += one.points
            lost = 0
            while self._points > self._most_waiting and len(self._waiting) > 1:
                oldest = self._waiting.popleft()
                self._points -= oldest.points
                lost += oldest.observations
            folded, refused = self._tally.folded, self._tally.refused
            self._tally.folded = self._tally.refused = 0
        if lost:
            log.warning("Andon was away for too long: the oldest %s counted observations are lost", lost)
        if folded:
            self._say("folded", f"Too many segments: {folded} observations were counted as one other segment")
        if refused:
            self._say("refused", f"Too many metrics and windows at once: {refused} observations were not counted")

    def _send(self, ends: float, *, patient: bool = False) -> bool:
        """Send the batches that wait, oldest first; whether Andon has taken them all. Only one thread sends at a time.

        Args:
            ends: When (monotonic) no further try is begun.
            patient: Whether to try again what failed; else the first failure ends it.
        """
        left, refused = ends - timing.monotonic(), False
        if not self._waiting:
            return True
        if not self._sending.acquire(timeout=max(0.0, left)):
            return False
        try:
            pauses = sending.pauses()
            with sending.client(self._token, max(0.1, min(TIMEOUT, left))) as line:
                while self._waiting and timing.monotonic() < ends:
                    tried = self._send_oldest(line)
                    refused = refused or not (tried.taken or tried.again)
                    if tried.again and not patient:
                        return False
                    if tried.again:
                        timing.pause(min(max(next(pauses), tried.asked), max(0.0, ends - timing.monotonic())))
        finally:
            self._sending.release()
        return not (self._waiting or refused)

    def _send_oldest(self, line: httpx.Client) -> sending.Tried:
        """One try for the oldest batch: it goes when Andon has it, or will not have it."""
        one = self._waiting[0]
        tried = sending.attempt(line, f"{self._url}/api/v1/systems/{quote(one.system, safe='')}/points", one.body)
        if tried.again:
            self._say("away", f"Andon cannot be reached ({tried.why}); {len(self._waiting)} batches wait")
            return tried
        if not tried.taken:
            what = f"{one.observations} observations of {one.metric} of {one.system} are lost"
            self._say(f"{one.system}/{one.metric}", f"{tried.why}: {what}")
        with self._lock:
            if self._waiting and self._waiting[0] is one:  # else it was dropped for want of room
                self._waiting.popleft()
                self._points -= one.points
        return tried

    def _say(self, what: str, words: str) -> None:
        """Warn, and not of the same trouble again for a while: it may come a thousand times a second."""
        now = timing.monotonic()
        if now - self._said.get(what, -math.inf) >= SAY_EVERY and len(self._said) < MOST_SERIES:
            self._said[what] = now
            log.warning("%s", words)


def _checked(system: str, measures: Mapping[str, float]) -> list[tuple[str, float]]:
    """The measures as numbers; raises ValueError or TypeError for what cannot be counted."""
    if not measures:
        raise ValueError("Say what was seen, as in error=True.")
    if not system or max(map(len, (system, *measures))) > NAME:
        raise ValueError(f"A system and its metrics have names of 1 to {NAME} characters.")
    values = [(metric, float(value)) for metric, value in measures.items()]
    if not all(math.isfinite(value) for _, value in values):
        raise ValueError(f"{dict(measures)} is no number; what is not known is not counted.")
    return values


_all: "WeakSet[Counter]" = WeakSet()
_mine: Counter | None = None
_making = threading.Lock()


def connect(*, url: str, token: str) -> None:
    """Say where Andon is and with which token to count: once, before the first `count`.

    Args:
        url: Where Andon is, without a path: `https://andon.example.org`.
        token: A personal token with the scope `points:write`.
    """
    global _mine
    with _making:
        before, _mine = _mine, Counter(url=url, token=token)
    if before is not None:
        before.close()


def count(
    system: str,
    *,
    segment: str | Mapping[str, object] | None = None,
    at: datetime | None = None,
    **measures: float,
) -> None:
    """Count one observation of a system: `count("credit-scorer", error=failed, segment={"region": "EU"})`.

    It is added up here and sent in the background. It waits for nothing and raises nothing; what is wrong is said once
    in the log `andon.sdk`.

    Args:
        system: Short name of the system in Andon's register.
        segment: The part of the traffic that it belongs to: names with values, or a text, which is the value of the
            one name `segment`.
        at: When it was, if not now.
        measures: What was seen, by metric: true or false for a rate (`error=True`), a number for a mean
            (`latency=0.12`). A watch of the system that goes by pushed numbers names the metric.
    """
    if _mine is not None:
        _mine.count(system, segment=segment, at=at, **measures)
    else:
        _say_unconnected()


@cache
def _say_unconnected() -> None:
    """Once a process."""
    log.warning("Nothing is counted: andon.sdk.connect was not called.")


def flush(patience: float = TIMEOUT) -> bool:
    """Send what was counted now, for a process that ends without its exit handlers (a signal, a forked worker).

    Returns whether Andon has all of it. Raises nothing.
    """
    return _mine.flush(patience) if _mine is not None else True


def _after_fork() -> None:
    """In the child: counts, threads and locks are the parent's, who sends its own."""
    global _making  # noqa: PLW0603  as above
    _making = threading.Lock()
    for counter in _all:
        counter._begin()  # noqa: SLF001  its own module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
