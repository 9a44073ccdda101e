"""Whether a sender of signals is heard, as far as that can be told from what came.

A sender that is silent may be well: no alert is good news. So silence is said, and judged only where nothing ever came.
It is heard by what was taken: what was refused may be a stranger's, who has the address and no token.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from andon.practice.words import Word


class Hearing(Word):
    """How a sender is heard, worst first."""

    DISABLED = "disabled", "disabled: its signals are refused"
    NEVER = "never", "nothing was heard from it yet"
    UNREAD = "unread", "nothing that came was understood yet"
    GARBLED = "garbled", "the newest request was not understood"
    LEFT_OUT = "left_out", "its newest request was taken in part: what was left out raised no signal"
    PARTLY = "partly", "some requests of the last day were not understood, or only in part"
    WELL = "well", "what came was understood"

    @property
    def next(self) -> str:
        """What to do about it; empty where nothing need be done."""
        return _NEXT.get(self, "")


_NEXT = {
    Hearing.DISABLED: "Let it be listened to again when its signals are wanted.",
    Hearing.NEVER: "Send something from the sender's side, to see that address and token are right.",
    Hearing.UNREAD: "Look at what came, below: the sender's address, its token or what it sends is to be changed.",
    Hearing.GARBLED: "Look at what came, below: it raised no signal.",
    Hearing.LEFT_OUT: "Look at what came, below, and change what the sender sends.",
    Hearing.PARTLY: "Look at what came, below: what was not understood raised no signal.",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of a sender.

    Attributes:
        disabled: Whether it is refused on purpose.
        wholly_at: When its newest request came of which all was taken; None = never.
        partly_at: When its newest request came of which a part was taken.
        refused_at: When the newest request came of which nothing was taken, its own or not.
        troubled: How many requests of the last day were refused, or taken in part.
    """

    disabled: bool
    wholly_at: datetime | None
    partly_at: datetime | None
    refused_at: datetime | None
    troubled: int

    @property
    def last_at(self) -> datetime | None:
        """When it was last heard: its newest request of which anything was taken; None = never."""
        return max((at for at in (self.wholly_at, self.partly_at) if at is not None), default=None)


def hearing(known: Heard) -> Hearing:
    """How a sender is heard; of requests that came at one instant the worst is the newest."""
    if known.disabled:
        return Hearing.DISABLED
    if known.last_at is None:
        return Hearing.NEVER if known.refused_at is None else Hearing.UNREAD
    if known.refused_at is not None and known.refused_at >= known.last_at:
        return Hearing.GARBLED
    if known.partly_at == known.last_at:
        return Hearing.LEFT_OUT
    return Hearing.PARTLY if known.troubled else Hearing.WELL
