"""What responding hears from the slices below: what became of a lever."""

from typing import Any

from django.dispatch import receiver

from andon.containment.models import Pull
from andon.containment.told import moved
from andon.incidents.models import Incident
from andon.response.levers import follow


@receiver(moved, dispatch_uid="andon.response.levers")
def hear(pull: Pull, incident: Incident, **_signal: Any) -> None:
    """The incident follows, in the same transaction."""
    follow(pull, incident)
