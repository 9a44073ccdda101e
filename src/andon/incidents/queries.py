"""Reads of incidents: lists with their filters, and one incident with everything that hangs on it."""

import re
from dataclasses import dataclass
from typing import Final

from django.db.models import Case, IntegerField, Prefetch, Q, QuerySet, Value, When

from andon.incidents.models import HarmScore, Incident, Link, ProtocolStep, RoleAssignment
from andon.incidents.policy import visible
from andon.kit.numbers import whole
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State

UNRESOLVED_STATE: Final = "unresolved"
SORTS: Final = {
    "number": ("number",),
    "severity": ("severity", "-number"),
    "system": ("system__name", "-number"),
    "state": ("stage", "-number"),
    "detected": ("detected_at", "-number"),
}
"""Columns a list can be ordered by; with a leading `-` the other way round."""

_REF = re.compile(r"(?:inc-?)?(\d{1,18})", re.IGNORECASE)
_STAGE = Case(
    *(When(state=state, then=Value(place)) for place, state in enumerate(State)),
    default=Value(len(State)),
    output_field=IntegerField(),
)


@dataclass(frozen=True)
class IncidentFilter:
    """Which incidents to list. Empty leaves a question open.

    Attributes:
        state: A state, or `unresolved` for all that go on.
        severity: 1 to 5.
        type: An incident type; secondary ones count too.
        system: The slug of a system; `none` for incidents that name no system.
        kind: `real` or `drill`.
        q: Words that all stand in the title or description, or a number as INC-42.
        mine: Only those the actor declared, acknowledged, or has or had a role in.
    """

    state: str = ""
    severity: str = ""
    type: str = ""
    system: str = ""
    kind: str = ""
    q: str = ""
    mine: bool = False

    def of(self, rows: QuerySet[Incident], by: Actor) -> QuerySet[Incident]:
        """Those of `rows` that answer every question; a value that no incident has finds none."""
        exact = {"severity": self.severity, "kind": self.kind}
        for column, value in exact.items():
            if value:
                rows = rows.filter(**{column: value}) if _is_known(column, value) else rows.none()
        if self.state:
            rows = rows.filter(state__in=UNRESOLVED if self.state == UNRESOLVED_STATE else [self.state])
        if self.type:
            rows = rows.filter(Q(type=self.type) | Q(secondary_types__icontains=f'"{self.type}"'))
        if self.system:
            rows = rows.filter(system=None) if self.system == "none" else rows.filter(system__slug=self.system)
        if self.mine:
            rows = rows.filter(_own(by))
        return rows.filter(_said(self.q)) if self.q.strip() else rows


def _is_known(column: str, value: str) -> bool:
    return len(value) == 1 and whole(value) is not None if column == "severity" else True


def _own(by: Actor) -> Q:
    person = by.person
    involved = RoleAssignment.objects.filter(person=person).values("incident")
    return Q(declared_by=person) | Q(acknowledged_by=person) | Q(pk__in=involved)


def _said(words: str) -> Q:
    """Every word stands in the title or the description; a number alone is an incident's."""
    asked = words.strip()
    found = Q()
    for word in asked.split()[:12]:
        found &= Q(title__icontains=word) | Q(description__icontains=word)
    if number := _REF.fullmatch(asked):
        found |= Q(number=int(number[1]))
    return found


def with_roles(rows: QuerySet[Incident]) -> QuerySet[Incident]:
    """With the roles held now and whoever acknowledged at hand: two queries however many incidents."""
    held = RoleAssignment.objects.filter(ended_at__isnull=True).select_related("person")
    return rows.select_related("system", "acknowledged_by", "declared_by").prefetch_related(
        Prefetch("roles", held, to_attr="held_roles")
    )


def complete(rows: QuerySet[Incident]) -> QuerySet[Incident]:
    """As `with_roles`, with the protocol's steps, the links and the scores as well."""
    return with_roles(rows).prefetch_related(
        Prefetch("steps", ProtocolStep.objects.select_related("by"), to_attr="all_steps"),
        Prefetch("links", Link.objects.filter(removed_at__isnull=True), to_attr="present_links"),
        Prefetch("harm_scores", HarmScore.objects.order_by("created_at", "pk"), to_attr="all_scores"),
    )


def listed(by: Actor, wanted: IncidentFilter) -> QuerySet[Incident]:
    """The incidents the actor may know of that `wanted` asks for."""
    return wanted.of(visible(by), by)


def ordered(rows: QuerySet[Incident], sort: str = "") -> QuerySet[Incident]:
    """Ordered by a column of `SORTS`; by default what goes on first, worst first, and then the newest."""
    column = sort.removeprefix("-")
    if column not in SORTS:
        going_on = Case(When(state__in=UNRESOLVED, then="severity"), default=Value(9), output_field=IntegerField())
        return rows.order_by(going_on, "-number")
    if column == "state":
        rows = rows.annotate(stage=_STAGE)
    first, *rest = SORTS[column]
    return rows.order_by(f"-{first}" if sort.startswith("-") else first, *rest)


def lead_of(incident: Incident) -> str:
    """Whoever leads, else whoever took it up; empty while nobody has it. Needs `with_roles`."""
    roles: list[RoleAssignment] = getattr(incident, "held_roles", [])
    for role in roles:
        if role.role == RoleAssignment.Role.LEAD:
            return str(role.person)
    return str(incident.acknowledged_by) if incident.acknowledged_by else str(roles[0].person) if roles else ""
