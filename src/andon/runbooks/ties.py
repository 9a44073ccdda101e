"""What runbooks say to floors below, and are told by them.

A handbook is checked for what its queries ask; containment opens diagnosing in the runs of its incident.
"""

from typing import Any

from django.dispatch import receiver

from andon.handbook.book import checks
from andon.incidents.timeline import recorded
from andon.runbooks import checking
from andon.runbooks.actions.running import take_turns

checks.append(checking.check)

_OPENS = {"contained", "containment_waived"}


@receiver(recorded, dispatch_uid="andon.runbooks.turns")
def opened(entries: list[Any], **_signal: Any) -> None:
    """Note since when it is the turn of a step that waited for containment."""
    for entry in entries:
        if entry.kind in _OPENS:
            take_turns(entry.incident)
