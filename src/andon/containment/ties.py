"""What levers tell the floors below: a system's page which it has, and readiness whether one can be counted on."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from andon.containment import policy, queries
from andon.people.policy import Actor
from andon.practice import containment as rules
from andon.practice.readiness import LeverFacts
from andon.practice.words import Stage
from andon.registry.models import System
from andon.registry.parts import on_system_page, tells_levers


@on_system_page
def levers_of(by: Actor, system: System) -> tuple[str, dict[str, Any]]:
    """The levers of a system."""
    return "containment/system_part.html", {
        "system": system,
        "rows": queries.standings(by, queries.levers(by, system)),
        "bare": system.stage == Stage.PRODUCTION,
        "may_prepare": policy.may_prepare(by),
    }


@tells_levers
def fit(systems: Iterable[System], now: datetime) -> Mapping[UUID, LeverFacts]:
    """How many levers each system has, and whether one of them can be counted on."""
    found = queries.unfit_of(systems, now)
    return {
        pk: LeverFacts(len(reasons), fit=rules.ready(reasons), doubts=tuple(one.words for one in reasons if one))
        for pk, reasons in found.items()
    }
