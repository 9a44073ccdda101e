"""Who may see a switch, who may hold a system back, and who may let it go on.

Holding back is easy and letting go is not: any responder may contain any system, for at night it is whoever sees it
first; back into service it goes by who answers for the system, or a lead.
"""

from uuid import UUID

from django.db.models import Q

from andon.kit.errors import Forbidden, Missing
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from andon.registry.models import System
from andon.registry.policy import access_system
from andon.switch.models import GuardToken, Replica, Switch


def must_view(by: Actor) -> None:
    """Raise `Forbidden` unless the actor may see switches: viewers and up."""
    by.must_be(OrgRole.VIEWER, "see kill switches")


def may_contain(by: Actor) -> bool:
    """Whether the actor may hold a system back."""
    return by.may(OrgRole.RESPONDER)


def may_release(by: Actor, system: System) -> bool:
    """Whether the actor may put a system back into service."""
    if by.may(OrgRole.LEAD):
        return True
    if not by.may(OrgRole.RESPONDER):
        return False
    mine = Q(owner=by.person) | Q(team__memberships__person=by.person)
    return System.objects.filter(mine, pk=system.pk).exists()


def must_switch(by: Actor, system: System, *, loosens: bool = False) -> None:
    """Raise `Forbidden` unless the actor may hold the system back; with `loosens`, let it decide more than it does."""
    by.must_be(OrgRole.RESPONDER, f"switch {system}")
    if loosens and not may_release(by, system):
        raise Forbidden(
            f"You cannot put {system} back into service, or let it decide more than now: it is not a system of yours. "
            "Its owner, somebody of its team or a lead can."
        )


def may_manage(by: Actor) -> bool:
    """Whether the actor may make tokens and say how long `on` lasts unheard: leads and up."""
    return by.may(OrgRole.LEAD)


def must_manage(by: Actor, doing: str) -> None:
    """Raise `Forbidden` unless the actor may make tokens and say how long `on` lasts unheard."""
    by.must_be(OrgRole.LEAD, doing)


def access_switch(by: Actor, slug: str) -> Switch:
    """The switch of the system with this slug, if the actor may see it; `Missing` when there is none yet."""
    must_view(by)
    system = access_system(by, slug)
    found = Switch.objects.select_related("system").filter(system=system).first()
    if found is None:
        raise Missing(f"{system} has no kill switch yet. It gets one with its first guard token.")
    return found


def access_token(by: Actor, system: System, pk: UUID) -> GuardToken:
    """A guard token of the system, if the actor may manage it."""
    must_manage(by, "manage guard tokens")
    found = GuardToken.objects.filter(system=system, pk=pk).first()
    if found is None:
        raise Missing(f"There is no such guard token of {system}.")
    return found


def access_replica(by: Actor, system: System, pk: UUID) -> Replica:
    """A replica of the system, if the actor may see it."""
    must_view(by)
    found = Replica.objects.filter(system=system, pk=pk).first()
    if found is None:
        raise Missing(f"There is no such replica of {system}.")
    return found
