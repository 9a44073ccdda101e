"""What runbooks say to floors below, and are told by them.

A handbook is checked for what its queries ask; containment opens diagnosing in the runs of its incident, and a lever
that was seen to hold settles the step that asked for it.
"""

from typing import Any

from django.dispatch import receiver

from andon.containment.models import Pull
from andon.containment.told import moved
from andon.handbook.book import checks
from andon.incidents.models import Incident
from andon.incidents.timeline import recorded
from andon.practice.containment import PullState
from andon.runbooks import checking
from andon.runbooks.actions.running import settle_pulled, take_turns

checks.append(checking.check)

_OPENS = {"contained", "containment_waived"}


@receiver(recorded, dispatch_uid="andon.runbooks.turns")
def opened(entries: list[Any], **_signal: Any) -> None:
    """Note since when it is the turn of a step that waited for containment."""
    for entry in entries:
        if entry.kind in _OPENS:
            take_turns(entry.incident)


@receiver(moved, dispatch_uid="andon.runbooks.pulled")
def pulled(pull: Pull, incident: Incident, **_signal: Any) -> None:
    """Settle the step that asked for it, in the transaction in which it was seen to hold. What undoes settles none."""
    if pull.phase is PullState.VERIFIED and pull.undoes_id is None:
        settle_pulled(pull, incident)
