"""What the slices above know of systems, which the register cannot import: parts of their page, and their levers.

A slice does so in its module `ties`; all of those are imported at start.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from andon.people.policy import Actor
from andon.practice.readiness import LeverFacts
from andon.registry.models import System

Part = Callable[[Actor, System], tuple[str, dict[str, Any]]]

Levers = Callable[[Iterable[System], datetime], Mapping[UUID, LeverFacts]]

_parts: Final[list[Part]] = []
_levers: Final[list[Levers]] = []


def on_system_page(part: Part) -> Part:
    """Register a part of the page: given who looks and the system, a template and what it is given as `part`.

    The part itself leaves out what the viewer may not see.
    """
    _parts.append(part)
    return part


def of(by: Actor, system: System) -> list[dict[str, Any]]:
    """The parts of the system's page for a viewer, each with `template` and `part`."""
    return [{"template": template, "part": given} for template, given in (part(by, system) for part in _parts)]


def tells_levers(ask: Levers) -> Levers:
    """Register who can say, for systems by their keys, what levers they have."""
    _levers.append(ask)
    return ask


def levers_of(systems: Iterable[System], now: datetime) -> Mapping[UUID, LeverFacts]:
    """What levers systems have, by their keys."""
    rows = list(systems)
    return {pk: facts for ask in _levers for pk, facts in ask(rows, now).items()}
