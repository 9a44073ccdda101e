"""Whether a sender of signals is heard, as far as that can be told from what came.

A sender that is silent may be well: no alert is good news. So silence is said, and judged only where nothing ever came.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from andon.practice.words import Word


class Hearing(Word):
    """How a sender is heard, worst first."""

    DISABLED = "disabled", "disabled: its signals are refused"
    NEVER = "never", "nothing was heard from it yet"
    GARBLED = "garbled", "its newest request was not understood, or not all of it"
    PARTLY = "partly", "some of its requests of the last day were not understood, or not all of them"
    WELL = "well", "what came was understood"

    @property
    def next(self) -> str:
        """What to do about it; empty where nothing need be done."""
        return _NEXT.get(self, "")


_NEXT = {
    Hearing.DISABLED: "Let it be listened to again when its signals are wanted.",
    Hearing.NEVER: "Send something from the sender's side, to see that address and token are right.",
    Hearing.GARBLED: "Look at what came, below, and change what the sender sends.",
    Hearing.PARTLY: "Look at what came, below: what was not understood raised no signal.",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of a sender.

    Attributes:
        disabled: Whether it is refused on purpose.
        last_at: When its newest request came, understood or not; None = never.
        last_refused_at: When its newest request came that was not understood.
        refused_today: How many requests of the last day were not understood.
    """

    disabled: bool
    last_at: datetime | None
    last_refused_at: datetime | None
    refused_today: int


def hearing(known: Heard) -> Hearing:
    """How a sender is heard."""
    if known.disabled:
        return Hearing.DISABLED
    if known.last_at is None:
        return Hearing.NEVER
    if known.last_refused_at is not None and known.last_refused_at >= known.last_at:
        return Hearing.GARBLED
    return Hearing.PARTLY if known.refused_today else Hearing.WELL
