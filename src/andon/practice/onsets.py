"""Which alarms are one incident: those of one system that may have begun at one time.

Each alarm of a watch comes with an interval that its onset lies in. One cause mostly shows in several measures, of
different types, hours apart: what it began with is what they share. So an alarm joins an open incident of its system if
its interval overlaps that of any alarm in it, whatever the types; and where the intervals lie apart, it is another
incident, even of the same type. An incident of which nobody knows when it began is joined by its type alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from andon.practice.grouping import RouteReason
from andon.practice.words import IncidentType


@dataclass(frozen=True, slots=True)
class Interval:
    """When something began: between two instants, both included. Raises ValueError if the ends are swapped."""

    low: datetime
    high: datetime

    def __post_init__(self) -> None:
        """Refuse what is no interval."""
        if self.high < self.low:
            raise ValueError(
                f"An onset between {self.low:%Y-%m-%d %H:%M} and {self.high:%Y-%m-%d %H:%M} ends too early."
            )

    def overlap(self, other: Interval) -> timedelta | None:
        """How much of them is common, 0 if they only touch; None if they lie apart."""
        common = min(self.high, other.high) - max(self.low, other.low)
        return common if common >= timedelta(0) else None


@dataclass(frozen=True, slots=True)
class Standing:
    """An unresolved incident of the system.

    Attributes:
        key: What the caller knows it by.
        type: Its primary type.
        onsets: When what is in it began: one interval for each alarm; empty if nobody knows.
    """

    key: Hashable
    type: IncidentType
    onsets: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """Which incident an alarm joins, None for one of its own, and why."""

    key: Hashable | None
    reason: RouteReason


def place(onset: Interval | None, type_: IncidentType, standing: Sequence[Standing]) -> Joined:
    """The incident that an alarm joins.

    Of several whose onsets overlap with its own it is one of the same type, then the one that overlaps most, then the
    first given.

    Args:
        onset: When what raised the alarm began; None if the watch could not tell.
        type_: The type that the alarm speaks of.
        standing: The unresolved incidents of its system, oldest first.
    """
    overlapping = [one for one in standing if onset is not None and _overlap(onset, one) is not None]
    if onset is not None and overlapping:
        best = max(overlapping, key=lambda one: (one.type is type_, _overlap(onset, one)))
        return Joined(best.key, RouteReason.ONSETS_OVERLAP)
    for one in standing:
        if one.type is type_ and (onset is None or not one.onsets):
            return Joined(one.key, RouteReason.INCIDENT_OPEN)
    apart = onset is not None and any(one.onsets for one in standing)
    return Joined(None, RouteReason.ONSETS_APART if apart else RouteReason.NO_INCIDENT_YET)


def _overlap(onset: Interval, one: Standing) -> timedelta | None:
    """How much an onset has in common with that of any alarm in an incident; None if nothing."""
    common = [found for other in one.onsets if (found := onset.overlap(other)) is not None]
    return max(common, default=None)
