"""Pages over the API: what became of each, and trying a contact point."""

from datetime import datetime, time
from typing import Annotated
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Router, Schema

from andon.incidents.policy import access_incident
from andon.kit.instants import WallTime
from andon.kit.shapes import Given, its_values
from andon.paging import actions, queries, trying
from andon.paging.channel import Outcome
from andon.paging.models import Page
from andon.paging.providers.queries import find, known
from andon.people.actions import set_quiet_hours
from andon.people.api_auth import caller
from andon.people.models import ChannelKind, Person
from andon.practice.words import OrgRole

incidents = Router(tags=["incidents"])
contact_points = Router(tags=["me"])
quiet_hours = Router(tags=["me"])
paces = Router(tags=["channels"])


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
    state: Annotated[Page.State, its_values(Page.State)]
    attempts: int
    created_at: datetime
    send_after: datetime = Field(description="When it is due in the first place.")
    due_at: datetime | None = Field(description="When the engine looks at it next; later than `send_after` if held.")
    held: str = Field(description='The last reason for which it waited: quiet_hours, person_pace, channel_pace; or "".')
    bundle: str = Field(description="Key of the message in which it travels with others, if it does.")
    sent_at: datetime | None
    last_error: str


class ContactPointTestOut(Schema):
    """What became of a test message. `sent`: it is out; the link in it confirms that it arrived."""

    outcome: Outcome
    reason: str


class QuietHoursIn(Given):
    """Quiet hours by the clock in one's own zone; null for both means none."""

    starts: WallTime | None = Field(description="Such as 22:00.")
    ends: WallTime | None = Field(description="Such as 07:00, of the next day if it is earlier than the start.")


class QuietHoursOut(Schema):
    """Quiet hours, with the zone whose clock they follow."""

    starts: time | None
    ends: time | None
    time_zone: str

    @classmethod
    def of(cls, person: Person) -> "QuietHoursOut":
        """A person's."""
        return cls(starts=person.quiet_from, ends=person.quiet_until, time_zone=person.time_zone)


@quiet_hours.get("", response=QuietHoursOut)
def get_quiet_hours(request: HttpRequest) -> QuietHoursOut:
    """Read one's own quiet hours, in which pages of S4 and S5 wait."""
    return QuietHoursOut.of(caller(request, "people:read").must_be_person("have quiet hours"))


@quiet_hours.put("", response=QuietHoursOut)
def put_quiet_hours(request: HttpRequest, body: QuietHoursIn) -> QuietHoursOut:
    """Set one's own quiet hours."""
    by = caller(request, "people:write")
    person = by.must_be_person("have quiet hours")
    return QuietHoursOut.of(set_quiet_hours(person, starts=body.starts, ends=body.ends, by=by))


class PaceIn(Given):
    """How many messages a minute a channel takes; null is without limit."""

    person_a_minute: int | None = Field(description="To one person.")
    channel_a_minute: int | None = Field(description="To everybody: what the provider takes.")


class PaceOut(Schema):
    """The pace of a channel. `changed_at` is null where it is the pace that Andon brings."""

    channel: ChannelKind
    person_a_minute: int | None
    channel_a_minute: int | None
    changed_at: datetime | None
    changed_by: str

    @classmethod
    def of(cls, channel: ChannelKind) -> "PaceOut":
        """The pace in force."""
        found = queries.pace_in_force(channel)
        return cls(
            channel=channel,
            person_a_minute=found.pace.person,
            channel_a_minute=found.pace.channel,
            changed_at=found.changed_at,
            changed_by=found.changed_by,
        )


@paces.get("", response=list[PaceOut])
def list_paces(request: HttpRequest) -> list[PaceOut]:
    """List the pace of every channel; for administrators. The first page of an incident waits for none."""
    caller(request, "people:read").must_be(OrgRole.ADMIN, "see the pace of pages")
    return [PaceOut.of(channel) for channel in known()]


@paces.put("/{channel}", response=PaceOut)
def put_pace(request: HttpRequest, channel: str, body: PaceIn) -> PaceOut:
    """Set the pace of a channel; for administrators."""
    by, which = caller(request, "people:write"), find(channel)
    actions.set_pace(which, person=body.person_a_minute, everybody=body.channel_a_minute, by=by)
    return PaceOut.of(which)


@paces.delete("/{channel}", response=PaceOut)
def delete_pace(request: HttpRequest, channel: str) -> PaceOut:
    """Go back to the pace that Andon brings; for administrators."""
    by, which = caller(request, "people:write"), find(channel)
    actions.reset_pace(which, by=by)
    return PaceOut.of(which)


@incidents.get("/{int:number}/pages", response=list[PageOut])
def pages_of_incident(request: HttpRequest, number: int) -> QuerySet[Page]:
    """List an incident's pages in the order in which they were made."""
    return queries.of_incident(access_incident(caller(request, "incidents:read"), number))


@contact_points.post("/{uuid:contact_point_id}/test", response=ContactPointTestOut)
def try_contact_point(request: HttpRequest, contact_point_id: UUID) -> ContactPointTestOut:
    """Send a test message to one of one's own contact points; an administrator may try anybody's."""
    receipt = trying.try_contact_point(contact_point_id, by=caller(request, "people:write"))
    return ContactPointTestOut(outcome=receipt.outcome, reason=receipt.reason)
