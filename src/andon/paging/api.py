"""Pages over the API: what became of each, and trying a contact point."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Router, Schema

from andon.incidents.policy import access_incident
from andon.paging import queries, trying
from andon.paging.channel import Outcome
from andon.paging.models import Page
from andon.people.api_auth import caller

incidents = Router(tags=["incidents"])
contact_points = Router(tags=["me"])


class PageOut(Schema):
    """One message to one person over one contact point, why it was sent, and what became of it."""

    id: UUID
    key: str
    person_id: UUID
    channel: str
    reason: str
    step: int
    round: int
    on_fallback: bool
    state: Page.State
    attempts: int
    created_at: datetime
    send_after: datetime = Field(description="When it is due in the first place.")
    due_at: datetime | None = Field(description="When the engine looks at it next; later than `send_after` if held.")
    held: str = Field(description='The last reason for which it waited: quiet_hours, person_pace, channel_pace; or "".')
    bundle: str = Field(description="Key of the message in which it travels with others, if it does.")
    sent_at: datetime | None
    last_error: str


class TestOut(Schema):
    """What became of a test message. `sent`: it is out; the link in it confirms that it arrived."""

    outcome: Outcome
    reason: str


@incidents.get("/{int:number}/pages", response=list[PageOut])
def pages_of_incident(request: HttpRequest, number: int) -> QuerySet[Page]:
    """List an incident's pages in the order in which they were made."""
    return queries.of_incident(access_incident(caller(request, "incidents:read"), number))


@contact_points.post("/{uuid:contact_point_id}/test", response=TestOut)
def try_contact_point(request: HttpRequest, contact_point_id: UUID) -> TestOut:
    """Send a test message to one of one's own contact points; an administrator may try anybody's."""
    receipt = trying.try_contact_point(contact_point_id, by=caller(request, "people:write"))
    return TestOut(outcome=receipt.outcome, reason=receipt.reason)
