"""The signal to stop, heard by what keeps responses open.

Servers wait for open responses before they say that they stop, and a stream would keep them waiting for ever.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None


class Ending:
    """Calls `end` on the event loop at SIGTERM or SIGINT; whoever handled them before is called as well."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._handlers: dict[signal.Signals, Handler] = {}

    def hear(self) -> None:
        """Begin, on a running event loop; in another thread than the first there are no signals to hear."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()

        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            if not callable(before):
                continue

            def heard(
                given: int, frame: FrameType | None, before: Callable[[int, FrameType | None], Any] = before
            ) -> None:
                loop.call_soon_threadsafe(self._end)
                before(given, frame)

            self._handlers[number] = before
            signal.signal(number, heard)

    def forget(self) -> None:
        """Put back whoever handled them before; the last who began ends first."""
        for number, before in self._handlers.items():
            signal.signal(number, before)
        self._handlers = {}
