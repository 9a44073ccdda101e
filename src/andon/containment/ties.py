"""What levers tell the floors below: a system's page which it has, readiness whether one can be counted on.

And its kill switch, who must agree before what a lever holds back goes into service again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.dispatch import receiver

from andon.containment import policy, queries
from andon.kit.errors import Conflict
from andon.people.policy import Actor
from andon.practice import containment as rules
from andon.practice.containment import ApprovalRule
from andon.practice.readiness import LeverFacts
from andon.practice.words import OrgRole, Stage
from andon.registry.models import System
from andon.registry.parts import on_system_page, tells_levers
from andon.switch.told import releasing


@on_system_page
def levers_of(by: Actor, system: System) -> tuple[str, dict[str, Any]]:
    """The levers of a system."""
    return "containment/system_part.html", {
        "system": system,
        "rows": queries.standings(by, queries.levers(by, system)),
        "bare": system.stage == Stage.PRODUCTION,
        "may_prepare": policy.may_prepare(by),
    }


@receiver(releasing, dispatch_uid="andon.containment.releasing")
def agree_to_release(system: System, by: Actor, **_signal: Any) -> None:
    """What a lever holds back goes into service by hand only where its undo would need nobody else's word.

    Of a pull for an incident that the actor may not know of, no more is said than that there is one.
    """
    lead = by.may(OrgRole.LEAD)
    for pull in queries.holding_back(system):
        rule = queries.rule_of(pull.lever, pull.incident) if pull.incident else ApprovalRule.ALONE
        consent = rules.consent(rule, asked_by_lead=lead, others=0, leads=0)
        if consent is rules.Consent.GIVEN:
            continue
        if not policy.visible_pulls(by).filter(pk=pull.pk).exists():
            raise Conflict(
                f"A lever holds {system} back, and to let it go needs {rule.words} to agree. "
                "An administrator or the system's owner can ask for it."
            )
        undo = "Undo that pull: it asks for their word. Once they have agreed, the switch can be set by hand as well."
        if pull.is_open:
            undo = (
                f"{pull.ref} is {pull.phase.words}: wait until it was looked at, and undo it. That asks for their word."
            )
        holds = f"“{pull.lever.name}” holds {system} back ({pull.ref})"
        raise Conflict(f"{holds}, and to let it go needs {rule.words} to agree. {undo}")


@tells_levers
def fit(systems: Iterable[System], now: datetime) -> Mapping[UUID, LeverFacts]:
    """How many levers each system has, and whether one of them can be counted on."""
    found = queries.unfit_of(systems, now)
    return {
        pk: LeverFacts(len(reasons), fit=rules.ready(reasons), doubts=tuple(one.words for one in reasons if one))
        for pk, reasons in found.items()
    }
