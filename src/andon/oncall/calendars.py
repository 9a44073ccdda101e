"""Calendars in and out: what a person subscribes to, and what a schedule is imported from."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from andon.kit import clock, ids
from andon.kit.errors import Invalid, Missing
from andon.oncall import policy, queries
from andon.oncall.actions import set_calendar
from andon.oncall.adapters.ical.reading import Read, Unmatched, read
from andon.oncall.adapters.ical.writing import write
from andon.oncall.models import Layer, Schedule
from andon.oncall.rota import OnCall
from andon.people.models import Person
from andon.people.policy import Actor

_BEHIND, _AHEAD = timedelta(days=30), timedelta(days=90)


class NotMatched(Invalid):
    """Some events of a calendar mean nobody here; nothing was imported."""

    code = "unmatched"

    def __init__(self, unmatched: list[Unmatched]) -> None:
        lines = "; ".join(f"{one.summary!r} on {one.starts}: {one.why}" for one in unmatched[:20])
        more = f"; and {len(unmatched) - 20} more" if len(unmatched) > 20 else ""  # noqa: PLR2004  as above
        super().__init__(
            f"{len(unmatched)} kinds of event mean nobody here, so nobody would be on call then: {lines}{more}. "
            "Correct the calendar, add the people, or import the rest without them.",
            field="calendar",
        )
        self.unmatched = unmatched


def look_into(*, by: Actor, schedule: Schedule, text: str | bytes) -> Read:
    """What a calendar would come to, without importing it."""
    policy.must_edit(by, "import calendars")
    return read(text, Person.objects.filter(is_active=True), schedule.time_zone, clock.now())


@transaction.atomic
def import_calendar(
    *,
    by: Actor,
    schedule: Schedule,
    text: str | bytes,
    position: int | None = None,
    name: str = "",
    leave_out: bool = False,
) -> tuple[Layer, Read]:
    """Make the calendar's shifts a layer from now on, in place of what stands at `position`; else on top.

    Raises:
        NotMatched: events mean nobody here, and `leave_out` does not say to import the rest without them.
        Invalid: the file cannot be read, or comes to no shift.
    """
    policy.must_edit(by, "import calendars")
    found = look_into(by=by, schedule=schedule, text=text)
    if found.unmatched and not leave_out:
        raise NotMatched(found.unmatched)
    if not found.shifts:
        raise Invalid("The calendar has no shift from now on. Check that you exported the right one.", field="calendar")
    layer = set_calendar(by=by, schedule=schedule, shifts=found.shifts, position=position, name=name or "calendar")
    return layer, found


def own_shifts(person: Person, start: datetime, end: datetime) -> list[OnCall]:
    """When the person is on call in [start, end), in all schedules: five queries."""
    rotas = queries.rotas_of(queries.schedules(), start, end).values()
    shifts = [s for found in rotas if str(person.pk) in found.people for s in found.shifts(start, end)]
    return sorted((s for s in shifts if s.person.pk == person.pk), key=lambda s: (s.starts, s.schedule.name))


def feed(token: str) -> bytes:
    """The calendar behind a secret address: the person's shifts from 30 days ago to 90 days ahead.

    Raises:
        Missing: the address never worked, was replaced, or its person is no longer here.
    """
    person = Person.objects.filter(
        calendar_token_digest=ids.digest(token), is_active=True, erased_at__isnull=True
    ).first()
    if person is None:
        raise Missing("This calendar address does not work (any more). Make a new one on the schedules page.")
    now = clock.now()
    start = now - _BEHIND
    return write(
        own_shifts(person, start, now + _AHEAD),
        name=f"On call: {person.name}",
        since=start,
        now=now,
        base_url=settings.BASE_URL,
    )
