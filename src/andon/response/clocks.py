"""The clocks that an incident runs against: by when its severity asks for acknowledgement and containment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from andon.handbook.tables import severity_tables
from andon.incidents.models import Incident
from andon.people.models import Organisation
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.severity import Severity

DUE_SOON = timedelta(days=1)


@dataclass(frozen=True)
class Clock:
    """Something that an incident has to reach by a time. `met_at` is when it did, None while the clock runs."""

    incident: Incident
    what: str
    due_at: datetime
    met_at: datetime | None


def office_zone() -> ZoneInfo:
    """The zone in which the organisation's working days are counted."""
    zone = Organisation.objects.values_list("time_zone", flat=True).first()
    return ZoneInfo(zone or "UTC")


def clocks_of(incident: Incident, zone: ZoneInfo | None = None) -> list[Clock]:
    """Every clock of an incident, run out or met or running, from the time it was detected."""
    targets = severity_tables().targets[Severity(incident.severity)]
    start = incident.detected_at.astimezone(zone or office_zone())
    found = [Clock(incident, "Acknowledge", targets.acknowledge.due(start), incident.acknowledged_at)]
    if targets.contain is not None:
        found.append(Clock(incident, "Contain", targets.contain.due(start), incident.held))
    return found


def running(incidents: Iterable[Incident]) -> list[Clock]:
    """The clocks that still run for unresolved incidents, soonest first."""
    zone = office_zone()
    found = [
        clock
        for incident in incidents
        if State(incident.state) in UNRESOLVED
        for clock in clocks_of(incident, zone)
        if clock.met_at is None
    ]
    return sorted(found, key=lambda clock: clock.due_at)
