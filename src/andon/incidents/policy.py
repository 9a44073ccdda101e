"""Who may see an incident. `access_incident` and `visible` are the only ways to reach one on somebody's behalf."""

from typing import Any

from django.db.models import Q, QuerySet

from andon.incidents.models import Incident
from andon.kit.errors import Missing
from andon.people.policy import Actor
from andon.practice.words import OrgRole


def visible(by: Actor) -> QuerySet[Incident]:
    """The incidents that the actor may know of.

    Viewers and up see all but restricted ones; a restricted incident is for administrators, whoever holds or held a
    role in it, whoever was paged for it, and its system's owner. Reporters see what they declared themselves.
    """
    rows = Incident.objects.select_related("system")
    person = by.person
    if person is None or by.may(OrgRole.ADMIN):
        return rows
    involved = Q(pk__in=_involved(by))
    if by.may(OrgRole.VIEWER):
        return rows.filter(Q(restricted=False) | involved)
    return rows.filter(Q(declared_by=person, restricted=False) | involved)


def _involved(by: Actor) -> QuerySet[Incident, Any]:
    """Keys of incidents that the person is part of."""
    return Incident.objects.filter(
        Q(roles__person=by.person) | Q(pages__person=by.person) | Q(system__owner=by.person)
    ).values("pk")


def access_incident(by: Actor, number: int) -> Incident:
    """The incident with this number, if the actor may know of it; `Missing` says no more than that there is none."""
    incident = visible(by).filter(number=number).first()
    if incident is None:
        raise Missing(f"There is no incident INC-{number}, or you may not see it.")
    return incident


def may_respond(by: Actor, incident: Incident) -> bool:
    """Whether the actor may act on the incident: responders and up, whoever has a role in it, whoever was paged."""
    if by.person is None or by.may(OrgRole.RESPONDER):
        return True
    if not by.person.is_active:
        return False
    in_it = incident.roles.filter(person=by.person, ended_at__isnull=True).exists()
    return in_it or Incident.objects.filter(pk=incident.pk, pages__person=by.person).exists()


def must_respond(by: Actor, incident: Incident, doing: str) -> None:
    """Raise `Forbidden` unless the actor may act on the incident (see `may_respond`)."""
    if not may_respond(by, incident):
        by.must_be(OrgRole.RESPONDER, doing)
