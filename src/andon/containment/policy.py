"""Who may see levers, prepare them, and pull them. Only people pull: neither a rule nor an assistant does."""

from typing import Final

from django.db.models import Q, QuerySet

from andon.containment.models import Lever, Pull
from andon.incidents import policy as incidents
from andon.incidents.models import Incident
from andon.incidents.policy import may_respond, must_respond
from andon.kit.errors import Forbidden, Missing
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule, PullState, rule_at
from andon.practice.words import OrgRole
from andon.registry.models import System

_SEE: Final = "see levers"


def must_view(by: Actor) -> None:
    """Raise `Forbidden` unless the actor may see levers: viewers and up."""
    by.must_be(OrgRole.VIEWER, _SEE)


def may_prepare(by: Actor) -> bool:
    """Whether the actor may set levers up and change them: leads and up."""
    return by.may(OrgRole.LEAD)


def must_prepare(by: Actor, doing: str) -> None:
    """Raise `Forbidden` unless the actor may set levers up and change them."""
    by.must_be(OrgRole.LEAD, doing)


def may_rehearse(by: Actor, system: System) -> bool:
    """Whether the actor may rehearse the levers of a system: leads, and responders who answer for it."""
    if may_prepare(by):
        return True
    if not by.may(OrgRole.RESPONDER):
        return False
    mine = Q(owner=by.person) | Q(team__memberships__person=by.person)
    return System.objects.filter(mine, pk=system.pk).exists()


def must_try(by: Actor, system: System) -> None:
    """Raise `Forbidden` unless the actor may ask the other side of a lever what holds: who may rehearse it."""
    if not may_rehearse(by, system):
        by.must_be(OrgRole.RESPONDER, "try a lever")
        raise Forbidden("You cannot try this lever: it is of a system that is not yours. A lead can.")


def may_rehearse_on_real(by: Actor, lever: Lever) -> bool:
    """Whether the actor may rehearse a lever on the real target: alone only what they could pull alone, leads any."""
    alone = ApprovalRule(lever.approval) is ApprovalRule.ALONE
    return may_rehearse(by, lever.system) if alone else may_prepare(by)


def must_rehearse(by: Actor, system: System) -> Person:
    """The person who rehearses; raises `Forbidden` unless they may."""
    person = by.must_be_person("rehearse a lever")
    must_try(by, system)
    return person


def may_pull(by: Actor, incident: Incident) -> bool:
    """Whether the actor may pull the levers of an incident's system: a person who may act on the incident."""
    return by.person is not None and may_respond(by, incident)


def must_pull(by: Actor, incident: Incident) -> Person:
    """The person who pulls; raises `Forbidden` unless they may act on the incident."""
    person = by.must_be_person("pull a lever")
    must_respond(by, incident, "pull levers")
    return person


def may_agree(by: Actor, pull: Pull) -> bool:
    """Whether it is for the actor, who may pull, to agree to a pull that waits; for whoever asked only at S1."""
    if by.person is None or pull.incident is None or pull.phase is not PullState.ASKED:
        return False
    rule = rule_at(pull.incident.level, ApprovalRule(pull.rule))
    return pull.asked_by_id != by.person.pk or rule is ApprovalRule.ALONE


def access_lever(by: Actor, number: int) -> Lever:
    """The lever with this number, if the actor may see levers."""
    must_view(by)
    lever = Lever.objects.select_related("system", "made_by").filter(number=number).first()
    if lever is None:
        raise Missing(f"There is no lever LEVER-{number}.")
    return lever


def visible_pulls(by: Actor) -> QuerySet[Pull]:
    """The pulls that the actor may know of: rehearsals for viewers and up, the others with their incident."""
    rows = Pull.objects.select_related("lever__system", "incident__system", "asked_by", "rehearsal", "undoes")
    if by.person is None or by.may(OrgRole.ADMIN):
        return rows
    seen = Q(incident__in=incidents.visible(by).values("pk"))
    return rows.filter(seen | Q(incident=None)) if by.may(OrgRole.VIEWER) else rows.filter(seen)


def access_pull(by: Actor, number: int) -> Pull:
    """The pull with this number, if the actor may know of it."""
    pull = visible_pulls(by).filter(number=number).first()
    if pull is None:
        raise Missing(f"There is no pull PULL-{number}, or you may not see it.")
    return pull
