"""Who waits for the answer to a signal that was taken at once (`IntakeApp.take_at_once`); one timer for all."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from andon.intake.events import Said, Sender
from andon.intake.recording import Heard
from andon.intake.writer import TOO_BUSY, Unavailable
from andon.kit import clock

PART_OF_PATIENCE = 0.7  # of the time that a sender waits for its answer; the rest is for the way there and back


class Asker(Protocol):
    """Whoever waits for the answer to a request that was taken at once."""

    def answer(
        self,
        status: int,
        body: bytes,
        headers: Sequence[tuple[bytes, bytes]] = (),
        content_type: bytes = b"application/json",
    ) -> None:
        """The answer, once; in the event loop."""


class AtOnce:
    """Where the sender of a request waits that was taken at once; a `writer.Answer`."""

    __slots__ = ("_done", "_refused", "_said", "adapter", "asker", "heard")

    def __init__(
        self, adapter: Sender, said: Said, heard: Heard, asker: Asker, refused: Callable[["AtOnce", Exception], None]
    ) -> None:
        self.adapter, self._said, self.heard, self.asker, self._refused = adapter, said, heard, asker, refused
        self._done = False

    def done(self) -> bool:
        """Whether it was answered."""
        return self._done

    def set_result(self, _: None, /) -> None:
        """It is on disk."""
        self._done = True
        status, answer = self.adapter.answer(self._said, self.heard.delivery)
        of_type, body = self.adapter.spoken(answer, self.heard.content_type)
        self.asker.answer(status, body, content_type=of_type)

    def set_exception(self, exception: Exception, /) -> None:
        """It is not."""
        self._done = True
        self._refused(self, exception)


def seconds_to_write(adapter: Sender, most: float) -> float:
    """How long a sender may be kept waiting for the disk: no longer than it waits itself."""
    return most if adapter.patience is None else min(most, adapter.patience * PART_OF_PATIENCE)


class Patience:
    """Tells those who have waited for too long that the database is busy; a queue for each length of it."""

    def __init__(self) -> None:
        self._queues: dict[float, _Queue] = {}

    def waits(self, one: AtOnce, seconds: float) -> None:
        """Somebody begins to wait, for so long at most."""
        if (queue := self._queues.get(seconds)) is None:
            queue = self._queues[seconds] = _Queue(seconds)
        queue.join(one)

    def end(self) -> None:
        """Nobody waits any more."""
        for queue in self._queues.values():
            queue.end()


class _Queue:
    """Those who wait for the same time: whoever came first has waited longest."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[tuple[float, AtOnce]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def join(self, one: AtOnce) -> None:
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
        self._waiting.append((clock.monotonic() + self._seconds, one))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer, now = None, clock.monotonic()
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= now):
            one = self._waiting.popleft()[1]
            if not one.done():
                one.set_exception(Unavailable(TOO_BUSY))
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(self._waiting[0][0] - now, self._look)
