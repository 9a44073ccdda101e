"""Reads of the outbox."""

from django.db.models import QuerySet

from andon.incidents.models import Incident
from andon.paging.links import Ticket
from andon.paging.models import Page


def of_incident(incident: Incident) -> QuerySet[Page]:
    """Every page of an incident in the order of making; the caller has made sure that it may be seen."""
    return Page.objects.filter(incident=incident).select_related("person", "contact_point").order_by("created_at")


def of_ticket(ticket: Ticket) -> Page | None:
    """The page that a link was made for, with its incident and people; None when it is not, or no longer, theirs."""
    return (
        Page.objects.select_related("incident__system", "incident__acknowledged_by", "person")
        .filter(pk=ticket.page, person_id=ticket.person, person__is_active=True)
        .first()
    )
