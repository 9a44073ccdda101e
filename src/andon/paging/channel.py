"""What a channel is: where it sends to, and what it says became of a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol, Self

from andon.paging.message import Message


@dataclass(frozen=True)
class Destination:
    """A contact point as a channel needs it: decrypted, and never logged.

    `settings` are those of the channel for the whole installation, by the names of its `setup.py`.
    """

    address: str
    secret: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Without what it holds, so that no traceback or log can show it."""
        return "Destination(hidden)"


class Outcome(StrEnum):
    """What became of one attempt."""

    SENT = "sent"
    RETRY = "retry"
    BROKEN = "broken"
    UNABLE = "unable"


@dataclass(frozen=True)
class Receipt:
    """What a channel says of one attempt.

    Attributes:
        outcome: `SENT`: somebody else has taken it over. `RETRY`: not now, later perhaps. `BROKEN`: this
            destination will not take it, ever. `UNABLE`: this installation cannot use the channel at all, which
            is not the destination's fault.
        reason: Why not, in words for the person who is to repair it. No address, no secret.
        after: The least wait before the next attempt, where the other side asked for one.
        gone: The destination itself said that it is no more: one such answer is enough to mark it broken.
        ref: The provider's own mark of the message.
    """

    outcome: Outcome
    reason: str = ""
    after: timedelta = timedelta(0)
    gone: bool = False
    ref: str = ""

    @classmethod
    def sent(cls, ref: str = "") -> Self:
        """It is out."""
        return cls(Outcome.SENT, ref=ref)

    @classmethod
    def retry(cls, reason: str, after: timedelta = timedelta(0)) -> Self:
        """Not now."""
        return cls(Outcome.RETRY, reason=reason, after=after)

    @classmethod
    def broken(cls, reason: str, *, gone: bool = False) -> Self:
        """Not to this destination."""
        return cls(Outcome.BROKEN, reason=reason, gone=gone)

    @classmethod
    def unable(cls, reason: str) -> Self:
        """Not from this installation."""
        return cls(Outcome.UNABLE, reason=reason)


class Channel(Protocol):
    """One way for messages to travel. `send` blocks for a bounded time, and answers for every failure it knows."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Hand the message over. The same `message.key` may come twice: make the double recognisable."""
