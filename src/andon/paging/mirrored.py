"""What a service that keeps an incident of its own is told about ours: how it stands.

Such a service's adapter has a method `mirror` besides `send`. What is due is a row in `Mirror`; see `mirroring`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from andon.paging.channel import Destination, Receipt


class Stands(StrEnum):
    """How an incident stands, as far as somebody who is paged for it is concerned."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@runtime_checkable
class Mirrors(Protocol):
    """A channel whose other side keeps an incident of its own."""

    def mirror(self, url: str, stands: Stands, destination: Destination) -> Receipt:
        """Tell the other side how the incident at this address (`About.url`) stands; never `WAITING`.

        Blocks for a bounded time, may come twice, and changes nothing there the second time.
        """


def stands(*, acknowledged_at: datetime | None, resolved_at: datetime | None) -> Stands:
    """How an incident with these times stands. Pure."""
    if resolved_at is not None:
        return Stands.RESOLVED
    return Stands.ACKNOWLEDGED if acknowledged_at is not None else Stands.WAITING
