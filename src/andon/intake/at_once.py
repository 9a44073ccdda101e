"""Who waits for the answer to a signal that was taken at once (`IntakeApp.take_at_once`); one timer for all."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from andon.intake.events import Said, Sender
from andon.intake.recording import Heard
from andon.intake.writer import TOO_BUSY, Unavailable
from andon.kit import clock


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


class Patience:
    """Tells those who have waited for too long that the database is busy."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, AtOnce]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def waits(self, one: AtOnce, seconds: float) -> None:
        """Somebody begins to wait, for as long as those before at least."""
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
        self._waiting.append((clock.monotonic() + seconds, one))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def end(self) -> None:
        """Nobody waits any more."""
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
