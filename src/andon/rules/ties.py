"""What rules tell the floors below: a system's page what keeps it quiet, a test signal what they would make of it.

And what they hear from there: that a check finds nothing wrong is a heartbeat, too.
"""

from datetime import datetime
from typing import Any

from andon.intake import beside
from andon.intake import wording as intake_wording
from andon.intake.models import Signal
from andon.intake.trying import Reading, reads_signals
from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.rules import RuleKind
from andon.registry.models import System
from andon.registry.parts import on_system_page
from andon.rules import actions, policy, queries, wording
from andon.rules.book import Book, Standing
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


@reads_signals
def reading(signal: Signal) -> Reading:
    """What a test signal counts as under the rules of this moment, and which of them would keep it waiting."""
    now = clock.now()
    book = Book.at(now)
    (read,) = book.read([signal])
    verdict = book.hold(read, now, explains=queries.explaining, counts=_counted_with_it)
    signal.rules = [*read.told, *verdict.told]
    did = [f"{one.ref} {one.name} {one.says}." for one in intake_wording.by_rules(signal)]
    waits = "It would wait, and open nothing yet." if verdict.holding else ""
    return Reading(read.system, read.type, read.severity, waits, tuple(did))


beside.hears_all_well(actions.hear_all_well)


def _counted_with_it(one: Standing, key: str, since: datetime) -> int:
    """As `queries.counted`; the test signal itself, which is not noted, counts as one more."""
    return queries.counted(one, key, since) + 1
