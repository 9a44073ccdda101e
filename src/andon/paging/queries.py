"""Reads of the outbox."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from andon.incidents.models import Incident
from andon.paging.links import Ticket
from andon.paging.models import ChannelPace, Page
from andon.people.models import ChannelKind
from andon.practice.pacing import DEFAULT_PACES, UNPACED, Pace


def of_incident(incident: Incident) -> QuerySet[Page]:
    """Every page of an incident in the order of making; the caller has made sure that it may be seen."""
    return Page.objects.filter(incident=incident).select_related("person", "contact_point").order_by("created_at")


def with_its_bundle(page: Page) -> Page:
    """The page with the others that travelled in its message, which then are in `Page.others`."""
    if page.bundle:
        rows = Page.objects.select_related("incident__system", "person").filter(bundle=page.bundle)
        page.others = tuple(rows.exclude(pk=page.pk).order_by("created_at"))
    return page


def of_ticket(ticket: Ticket) -> Page | None:
    """The page that a link was made for, with its incident and people; None when it is not, or no longer, theirs."""
    return (
        Page.objects.select_related("incident__system", "incident__acknowledged_by", "person")
        .filter(pk=ticket.page, person_id=ticket.person, person__is_active=True)
        .first()
    )


@dataclass(frozen=True)
class PaceInForce:
    """The pace of a channel, and whether somebody set it or it is what Andon brings."""

    channel: ChannelKind
    pace: Pace
    default: Pace
    changed_at: datetime | None
    changed_by: str

    @property
    def words(self) -> str:
        """In a sentence."""
        if self.pace == UNPACED:
            return "As many messages as there are."
        return f"At most {_words(self.pace.person)} to one person, {_words(self.pace.channel)} in all."


def _words(most: int | None) -> str:
    return "without limit" if most is None else f"{most} message{'' if most == 1 else 's'} a minute"


def pace_in_force(channel: ChannelKind) -> PaceInForce:
    """The pace of one channel."""
    default = DEFAULT_PACES[channel]
    row = ChannelPace.objects.filter(channel=channel).select_related("changed_by").first()
    if row is None:
        return PaceInForce(channel, default, default, None, "")
    pace = Pace(row.person_a_minute, row.channel_a_minute)
    return PaceInForce(channel, pace, default, row.changed_at, str(row.changed_by or ""))
