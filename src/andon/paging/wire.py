"""How the senders of one process are shared out, so that what hangs takes none from what somebody waits for.

A channel whose service does not answer holds each of its senders for as long as it may. Without bounds a storm by one
webhook would hold all of them, and the first page of an incident by another channel would wait until one of them ends.
"""

from collections import Counter
from dataclasses import dataclass, field

from andon.paging.models import Page


@dataclass
class Room:
    """The senders that are free: for each channel, and for pages that are not the first of their incident.

    Attributes:
        of_channel: The most that one channel may have.
        again: How many more pages may be taken that are no first ones.
        taken: How many each channel has.
    """

    of_channel: int | None = None
    again: int | None = None
    taken: Counter[str] = field(default_factory=Counter)

    @property
    def full(self) -> list[str]:
        """The channels that have all that they may have."""
        return [] if self.of_channel is None else [c for c, count in self.taken.items() if count >= self.of_channel]

    @property
    def firsts_alone(self) -> bool:
        """Whether only first pages find a sender."""
        return self.again is not None and self.again <= 0

    def has(self, channel: str, *, first: bool) -> bool:
        """Whether a sender is left for such a page."""
        return channel not in self.full and (first or not self.firsts_alone)

    def take(self, page: Page) -> bool:
        """Take a sender for a page; False where none is left for it."""
        if not self.has(page.channel, first=page.first):
            return False
        self.taken[page.channel] += 1
        if self.again is not None:
            self.again -= not page.first
        return True


class Wire:
    """The messages that one process is sending.

    One channel has three quarters of the senders at most, repeats have half of them together. So a quarter is left for
    the first pages of other channels whatever hangs, and as much for those of a channel whose repeats hang.

    Args:
        senders: How many may be on the wire at once; None: no bounds.
    """

    def __init__(self, senders: int | None) -> None:
        self._senders = senders
        self._by_channel: Counter[str] = Counter()
        self._again = 0

    def __len__(self) -> int:
        """How many messages are on the wire."""
        return self._by_channel.total()

    def room(self) -> Room:
        """What is free now."""
        if self._senders is None:
            return Room()
        most = max(1, self._senders * 3 // 4)
        return Room(most, max(1, self._senders // 2) - self._again, self._by_channel.copy())

    def add(self, page: Page) -> None:
        """A message is handed to a sender."""
        self._by_channel[page.channel] += 1
        self._again += not page.first

    def remove(self, page: Page) -> None:
        """It has come back."""
        self._by_channel[page.channel] -= 1
        self._again -= not page.first
