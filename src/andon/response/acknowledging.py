"""Somebody has it: the pages stop, and whoever acknowledged leads until they hand over."""

from collections.abc import Mapping

from django.db import transaction

from andon.incidents.models import Incident, RoleAssignment
from andon.incidents.policy import must_respond
from andon.incidents.timeline import hold, record
from andon.kit import clock
from andon.paging import actions as paging
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.lifecycle import State, Step
from andon.response.steps import permitted


@transaction.atomic
def acknowledge(incident: Incident, *, by: Actor, via: str, there: Mapping[str, str] | None = None) -> Incident:
    """A person says “I have it”. `via` is how: the page, the API, a link in a message.

    `there` is what another service says of it, for the timeline.

    Raises Conflict when somebody was faster; it names them.
    """
    must_respond(by, incident, "acknowledge incidents")
    person = by.must_be_person("acknowledge an incident")
    held = hold(incident.pk)
    transition = permitted(held, Step.ACKNOWLEDGE, by)
    take_up(held, person, transition.to)
    record(held, "acknowledged", {"via": via, **(there or {})}, by=by)
    return held


def take_up(held: Incident, person: Person, to: State) -> None:
    """What acknowledging does, for every step that implies it: stops the pages, sets the time, gives the lead."""
    now = clock.now()
    held.state = to
    held.acknowledged_at = now
    held.acknowledged_by = person
    held.next_page_at = None
    held.save(update_fields=["state", "acknowledged_at", "acknowledged_by", "next_page_at"])
    paging.cancel(held, reason="acknowledged", now=now)
    if not held.roles.filter(role=RoleAssignment.Role.LEAD, ended_at__isnull=True).exists():
        RoleAssignment.objects.create(incident=held, role=RoleAssignment.Role.LEAD, person=person)
