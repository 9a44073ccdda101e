"""What the kill switch tells the floors below: a system's page what the system may do, and which processes apply it."""

from typing import Any

from andon.kit import clock
from andon.people.policy import Actor
from andon.registry.models import System
from andon.registry.parts import on_system_page
from andon.switch import policy, queries


@on_system_page
def switch_of(by: Actor, system: System) -> tuple[str, dict[str, Any]]:
    """The switch of a system, if it has one."""
    row = queries.switch_of(system)
    return "switch/system_part.html", {
        "system": system,
        "seen": queries.seen(row, clock.now()) if row else None,
        "may_contain": policy.may_contain(by),
        "may_manage": policy.may_manage(by),
    }
