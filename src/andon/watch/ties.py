"""What watches tell the floors below: a system's page what is watched on it, and what is not."""

from typing import Any

from andon.people.policy import Actor
from andon.practice.words import Stage
from andon.registry.models import System
from andon.registry.parts import on_system_page
from andon.watch import policy, queries, sentences
from andon.watch.queries import WatchFilter


@on_system_page
def watches_of(by: Actor, system: System) -> tuple[str, dict[str, Any]]:
    """The watches and decision logs of a system."""
    rows = list(queries.watches(by, WatchFilter(system=system.slug)))
    alarms = {alarm.watch_id: alarm for alarm in queries.alarms(by, system=system, open_only=True)}
    return "watch/system_part.html", {
        "system": system,
        "watches": [
            {"row": row, "standing": sentences.standing(row, alarms.get(row.pk)), "alarm": alarms.get(row.pk)}
            for row in rows
        ],
        "logs": list(queries.logs(by, system)),
        "bare": system.stage == Stage.PRODUCTION and not any(row.enabled for row in rows),
        "blind": system.stage == Stage.PRODUCTION and not any(row.sees for row in rows),
        "may_manage": policy.may_manage(by),
    }
