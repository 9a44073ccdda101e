"""What paging tells people: the ways in which somebody can be reached, and what stands on the account page.

And what it hears from them: quiet hours that change let go what waits for their end.
"""

from typing import Any

from django.db.models import Q
from django.dispatch import receiver

from andon.kit import clock
from andon.paging import actions, adapters
from andon.paging.providers.queries import asks
from andon.people import ways
from andon.people.models import ChannelKind, Person
from andon.people.ties import account_parts, quiet_hours_changed
from andon.practice.pacing import Reason

for _kind in ChannelKind:
    if _kind in adapters.kinds():
        ways.tell(_kind, adapters.setup(_kind).way, asks(_kind))

account_parts.append("paging/browser_part.html")


@receiver(quiet_hours_changed)
def decide_anew(person: Person, **_: Any) -> None:
    """What waits for the end of quiet hours that are others now is decided on again at once."""
    actions.release(Q(person=person, held=Reason.QUIET_HOURS), clock.now())
