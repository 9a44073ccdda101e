"""What the slices above put on a system's page, which the register cannot import: they say it here.

A slice does so in its module `ties`; all of those are imported at start.
"""

from collections.abc import Callable
from typing import Any, Final

from andon.people.policy import Actor
from andon.registry.models import System

Part = Callable[[Actor, System], tuple[str, dict[str, Any]]]

_parts: Final[list[Part]] = []


def on_system_page(part: Part) -> Part:
    """Register a part of the page: given who looks and the system, a template and what it is given as `part`.

    The part itself leaves out what the viewer may not see.
    """
    _parts.append(part)
    return part


def of(by: Actor, system: System) -> list[dict[str, Any]]:
    """The parts of the system's page for a viewer, each with `template` and `part`."""
    return [{"template": template, "part": given} for template, given in (part(by, system) for part in _parts)]
