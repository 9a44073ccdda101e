"""Shifts as an iCalendar file to subscribe to."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import icalendar

from andon.oncall.rota import OnCall

REFRESH = timedelta(hours=1)


def write(shifts: Iterable[OnCall], *, name: str, since: datetime, now: datetime, base_url: str) -> bytes:
    """The shifts as a calendar called `name`; times are UTC instants, which every client reads the same.

    A shift's UID is made of its schedule, person and start, so that a client updates it in place. One that began
    before `since` is cut there; its UID says so in place of the start, which would move from hour to hour.
    """
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Andon//On call//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("name", name)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for shift in shifts:
        calendar.add_component(_event(shift, since, now, base_url))
    return bytes(calendar.to_ical())


def _event(shift: OnCall, since: datetime, now: datetime, base_url: str) -> icalendar.Event:
    start = "ongoing" if shift.starts <= since else f"{shift.starts:%Y%m%dT%H%M%SZ}"
    event = icalendar.Event()
    event.add("uid", f"{shift.schedule.pk}.{shift.person.pk}.{start}@andon")
    event.add("dtstamp", now)
    event.add("dtstart", shift.starts)
    event.add("dtend", shift.ends)
    event.add("summary", f"On call: {shift.schedule.name}")
    event.add("description", f"{shift.schedule.name}, by {shift.source}.")
    event.add("url", f"{base_url}/schedules/{shift.schedule.slug}")
    # Being on call is no appointment: it leaves the day free for others to invite.
    event.add("transp", "TRANSPARENT")
    return event
