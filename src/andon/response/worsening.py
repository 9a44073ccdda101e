"""A signal says that an open incident is worse than it counts as: its severity rises, and people hear of it at once.

An incident that waits for somebody goes on in its chain. One that a person has taken pages that person and the next
step: they took something milder, and may sleep.
"""

from collections.abc import Sequence
from typing import Final

from andon.incidents.models import Incident
from andon.incidents.timeline import hold
from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.severity import Severity, heard_worse
from andon.response import assessing
from andon.response.calling import call_next
from andon.response.opening import technical_from
from andon.rules.book import Read

WORSE: Final = "it got worse: "


def heed(incident: Incident, reads: Sequence[Read], *, by: Actor) -> bool:
    """Take over what these signals, which fire in the incident, say of its severity; returns whether it rose.

    Called in the transaction in which they join it.
    """
    heard = [read.severity for read in reads if read.fires]
    if heard_worse(incident.level, incident.technical, heard, ()) is None:
        return False
    held = hold(incident.pk)
    others = held.signals.exclude(pk__in=[read.signal.pk for read in reads]).order_by()
    before = [Severity(hint) for hint in others.values_list("severity_hint", flat=True).distinct() if hint]
    level = held.level
    to = heard_worse(level, held.technical, heard, before)
    if to is None:
        return False
    assessing.prefill_technical(held, value=technical_from(to), by=by)
    also = [held.acknowledged_by] if held.acknowledged_by else []
    call_next(held, f"{WORSE}{held.level.name}, and it was {level.name}", clock.now(), also)
    return True
