"""Levers as they stand on a quiet day: complete and rehearsed, so that a system is ready."""

from andon.containment.models import Lever
from andon.incidents.actions import next_number
from andon.kit import clock
from andon.practice.words import ContainmentKind
from andon.registry.models import System


def rehearsed(system: System) -> Lever:
    """A lever by the kill switch that was rehearsed now."""
    now = clock.now()
    return Lever.objects.create(
        number=next_number("lever"),
        system=system,
        name="Send every decision to review",
        kind=ContainmentKind.CONSTRAIN,
        adapter="switch",
        settings={"system": system.slug, "mode": "review"},
        rehearsed_at=now,
        rehearsed_revision=1,
        changed_at=now,
    )
