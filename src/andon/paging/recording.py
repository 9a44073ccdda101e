"""A channel that keeps what it is given: for tests, simulations and drills, where the outside must not be reached."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message


@dataclass
class RecordingChannel:
    """Keeps each attempt, and answers what `answers` says (by default: sent).

    Attributes:
        attempts: Every message it was given, failed attempts included, in order.
        answers: Asked at each attempt; raise in it to play a crash.
    """

    answers: Callable[[Message, Destination], Receipt] = lambda _message, _destination: Receipt.sent()
    attempts: list[Message] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Keep it, then answer."""
        with self._lock:
            self.attempts.append(message)
        return self.answers(message, destination)

    def __call__(self, _kind: str) -> "RecordingChannel":
        """Stand in for every kind of channel: usable wherever `adapters.find` is."""
        return self
