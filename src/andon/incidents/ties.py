"""What incidents put on the pages of slices below."""

from typing import Any, Final

from django.urls import reverse

from andon.incidents.queries import IncidentFilter, listed, ordered
from andon.people.policy import Actor
from andon.registry.models import System
from andon.registry.parts import on_system_page

_SHOWN: Final = 10


@on_system_page
def incidents_of(by: Actor, system: System) -> tuple[str, dict[str, Any]]:
    """A system's incidents that the viewer may know of: what goes on first, then the newest."""
    rows = list(ordered(listed(by, IncidentFilter(system=system.slug)))[: _SHOWN + 1])
    return "incidents/system_part.html", {
        "incidents": rows[:_SHOWN],
        "all_url": f"{reverse('incidents')}?system={system.slug}" if len(rows) > _SHOWN else "",
    }
