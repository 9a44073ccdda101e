"""What a draft of a rule would have done, as it is shown."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.practice.grouping import RouteReason

SHOWN: Final = 200
"""Lines of a trial that are given; the counts are of all."""
OPENED: Final = {
    RouteReason.NO_INCIDENT_YET.value,
    RouteReason.ONSETS_APART.value,
    RouteReason.UNROUTED.value,
}


@dataclass(frozen=True)
class Line:
    """What would have become of one signal; `error` where the rule could not say anything about it."""

    signal: Signal
    says: str
    error: bool = False


@dataclass
class Trial:
    """What a draft would have done.

    Attributes:
        looked_at: How many signals it was tried on.
        since: When the oldest of them was first heard; None without any.
        about: How many of them it is about.
        changed: For how many something would have been otherwise.
        not_opened: Incidents that would not have opened.
        opened: How many incidents would have opened that there never were; signals that would share one count once.
        open_longer: Incidents that would have been resolved later than they were, or be open still.
        unanswered: The signals of which it is not said whether they would have opened an incident, each with why;
            newest first.
        lines: The signals that it would have changed or could not read, newest first, the first few.
        notes: Findings that are about no single signal.
    """

    looked_at: int
    since: datetime | None
    about: int = 0
    changed: int = 0
    errors: int = 0
    opened: int = 0
    not_opened: list[Incident] = field(default_factory=list)
    open_longer: list[Incident] = field(default_factory=list)
    unanswered: list[Line] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, signal: Signal, says: str) -> None:
        """Something would have been otherwise."""
        self.changed += 1
        self.lines.append(Line(signal, says))

    def cannot_say(self, signal: Signal, why: str) -> None:
        """Whether the signal would have opened an incident is not said."""
        self.unanswered.append(Line(signal, why))

    def wrong(self, signal: Signal, says: str) -> None:
        """The rule could not say anything about a signal."""
        self.errors += 1
        self.lines.append(Line(signal, says, error=True))
