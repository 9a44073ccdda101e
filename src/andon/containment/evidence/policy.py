"""Who may see what was kept, take it along, and erase it.

Whoever sees an incident sees the list of its evidence. The bytes themselves may hold decisions about people, so they
are for those who respond to it; and only an administrator erases. A restricted incident's reaches nobody without the
right, because every way here begins at `incidents.policy.access_incident`.
"""

from andon.containment.evidence.models import Item, Preservation
from andon.incidents.models import Incident
from andon.incidents.policy import access_incident, may_respond, must_respond
from andon.kit.errors import Missing
from andon.people.policy import Actor
from andon.practice.words import OrgRole


def may_take(by: Actor, incident: Incident) -> bool:
    """Whether the actor may read and export kept bytes, and have more kept."""
    return may_respond(by, incident)


def must_take(by: Actor, incident: Incident, doing: str) -> None:
    """Raise `Forbidden` unless the actor may read and export kept bytes."""
    must_respond(by, incident, doing)


def must_erase(by: Actor) -> None:
    """Raise `Forbidden` unless the actor may empty kept bytes: administrators."""
    by.must_be(OrgRole.ADMIN, "erase evidence")


def access_preservation(by: Actor, number: int, which: int) -> Preservation:
    """A preservation of an incident that the actor may know of."""
    found = Preservation.objects.filter(incident=access_incident(by, number), number=which).first()
    if found is None:
        raise Missing(f"INC-{number} has no evidence number {which}.")
    return found


def access_item(by: Actor, number: int, which: int, name: str) -> Item:
    """One thing of a preservation of an incident that the actor may know of."""
    found = access_preservation(by, number, which).items.filter(name=name).first()
    if found is None:
        raise Missing(f"Evidence {which} of INC-{number} holds no {name}.")
    return found
