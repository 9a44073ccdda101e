"""The clocks that an incident runs against: by when its protocol asks for acknowledgement, containment, first words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from andon.incidents.models import Incident, Promise
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.promises import CLOCKS, LASTS, PromiseKind
from andon.response.promising import SAID_BY_HAND, promises_of

DUE_SOON = timedelta(days=1)


@dataclass(frozen=True)
class Clock:
    """Something that an incident has to reach by a time. `met_at` is when it did, None while the clock runs."""

    incident: Incident
    what: str
    due_at: datetime
    met_at: datetime | None
    kind: PromiseKind
    key: str

    @property
    def by_hand(self) -> bool:
        """Whether a person says that it was done."""
        return self.kind in SAID_BY_HAND


def clocks_of(incident: Incident) -> list[Clock]:
    """Every clock of an incident that its type and severity of now ask for, run out or met or running."""
    return [
        Clock(incident, row.what, row.due_at, row.kept_at, PromiseKind(row.kind), row.key)
        for row in promises_of(incident)
        if row.applies and row.due_at is not None and row.kind in CLOCKS
    ]


def to_do(incident: Incident) -> list[Promise]:
    """What is promised and not done, soonest first; at the end the duties whose clock nobody has begun yet."""
    state = State(incident.state)
    rows = [
        row
        for row in promises_of(incident)
        if row.applies and row.kept_at is None and row.kind in CLOCKS
        if row.due_at is not None or row.kind in LASTS
        if state in UNRESOLVED or (state is State.RESOLVED and row.kind in LASTS)
    ]
    return sorted(rows, key=lambda row: (row.due_at is None, row.due_at or incident.created_at, row.position))


def waiting() -> QuerySet[Promise]:
    """The promises of all incidents whose clocks run or have run out: of a resolved one, what outlasts it."""
    rows = Promise.objects.filter(applies=True, kept_at=None, due_at__isnull=False, kind__in=CLOCKS)
    outlasts = Q(incident__state=State.RESOLVED, kind__in=LASTS)
    return rows.filter(Q(incident__state__in=UNRESOLVED) | outlasts)


def running(incidents: Iterable[Incident]) -> list[Clock]:
    """The clocks that still run for these incidents, soonest first."""
    open_ = {incident.pk: incident for incident in incidents}
    rows = waiting().filter(incident__in=open_)
    return [
        Clock(open_[row.incident_id], row.what, row.due_at, None, PromiseKind(row.kind), row.key)
        for row in rows.order_by("due_at", "position")
        if row.due_at is not None
    ]
