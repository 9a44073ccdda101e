"""Notes that services which keep an incident of their own are to be told how ours stands.

What is due is a row: one for each incident and contact point. It says *that* the other side is to be told; *what* is
read from the incident at the moment of telling (see `mirroring`), so that the last state wins whatever came in between,
and telling twice does no harm.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from andon.incidents.models import Incident
from andon.kit import wake
from andon.paging import adapters
from andon.paging.models import Mirror, Page
from andon.people.models import ChannelKind


def kinds() -> list[str]:
    """The kinds of contact points whose service keeps an incident of its own."""
    return [kind for kind in ChannelKind.values if kind in adapters.kinds() and adapters.setup(kind).mirrors]


def follow(incident: Incident, now: datetime) -> None:
    """Note that every service which may have been paged for this incident is to be told how it stands.

    Called in the transaction that changes how it stands. A page that was tried counts: a service that did not answer
    in time may have taken it all the same.
    """
    tried = Page.objects.filter(incident=incident, channel__in=kinds(), attempts__gt=0)
    follow_over(incident, set(tried.values_list("contact_point", flat=True)), now)


def follow_over(incident: Incident, contact_points: Iterable[UUID], now: datetime) -> None:
    """As `follow`, over these contact points."""
    rows = [Mirror(incident=incident, contact_point_id=pk, due_at=now) for pk in contact_points]
    if rows:
        # A row that is being told at this moment loses its lease, so that it is told again.
        Mirror.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["incident", "contact_point"],
            update_fields=["due_at", "attempts", "leased_by"],
        )
        wake.after_commit()
