"""What rules put on a system's page: what keeps its signals quiet, and a way to silence it."""

from typing import Any

from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.rules import RuleKind
from andon.registry.models import System
from andon.registry.parts import on_system_page
from andon.rules import policy, queries, wording
from andon.rules.queries import RuleFilter


@on_system_page
def rules_of(by: Actor, system: System) -> tuple[str, dict[str, Any]]:
    """The rules in force that are about this system alone."""
    now = clock.now()
    on = {quiet.rule.pk: quiet.ends for quiet in queries.quiet_now(now, system)}
    rows = queries.rules(by, RuleFilter(system=system.slug), now)
    return "rules/system_part.html", {
        "rules": [
            {"row": row, "says": wording.summary(row.what, row.settings), "on_until": on.get(row.pk)} for row in rows
        ],
        "quiet": len(on),
        "may_silence": policy.own_systems(by).filter(pk=system.pk).exists(),
        "may_plan": policy.may_manage(by),
        "silence": RuleKind.SILENCE.value,
        "maintenance": RuleKind.MAINTENANCE.value,
        "system": system,
    }
