"""An iCalendar file as shifts in wall time. What cannot be read or matched is listed, never passed over."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, Final

import icalendar
import recurring_ical_events

from andon.kit.errors import Invalid
from andon.oncall.adapters.ical.matching import People
from andon.oncall.adapters.ical.zones import known, tamed
from andon.oncall.facts import FixedShift
from andon.people.models import Person
from andon.practice import walltime

MOST_BYTES: Final = 1024 * 1024
MOST_SHIFTS: Final = 3000
HORIZON: Final = timedelta(days=400)
_STRIDE: Final = timedelta(days=40)
_OFTEN: Final = {"SECONDLY", "MINUTELY", "HOURLY"}
_WITHIN_A_DAY: Final = ("BYHOUR", "BYMINUTE", "BYSECOND")


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An event that became no shift: what it is called, when it begins, and why."""

    summary: str
    starts: str
    why: str


@dataclass(slots=True)
class Read:
    """What a file comes to: shifts in order, and what could not be matched."""

    shifts: list[FixedShift] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)


def read(text: str | bytes, people: Iterable[Person], zone: str, now: datetime) -> Read:
    """The shifts of an iCalendar file that end after `now`, up to `HORIZON` ahead; repeats are written out.

    Args:
        text: The file, at most `MOST_BYTES`.
        people: Who can be on call; matched by attendee, then summary, then organizer.
        zone: The zone for times without one, and for zones that are not in the IANA database.
        now: The present instant.

    Raises:
        Invalid: it is too large, is no calendar, repeats by the hour or faster, or comes to too many shifts.
    """
    calendar = _parsed(text)
    here = People(people)
    found = Read()
    complained: set[str] = set()
    for event in _events(calendar, now):
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        person, why = here.match(event)
        if person is None:
            summary = str(event.get("SUMMARY", "")).strip() or "(no summary)"
            if f"{summary}\n{why}" not in complained:
                complained.add(f"{summary}\n{why}")
                found.unmatched.append(Unmatched(summary, f"{event['DTSTART'].dt:%Y-%m-%d}", why))
            continue
        shift = _shift(event, person, zone)
        if shift is not None:
            found.shifts.append(shift)
    found.shifts.sort(key=lambda shift: (shift.starts_local, shift.uid))
    return found


def _parsed(text: str | bytes) -> icalendar.Calendar:
    data = text if isinstance(text, bytes) else text.encode()
    if len(data) > MOST_BYTES:
        raise Invalid("The calendar is larger than 1 MB. Export only the schedule.", field="calendar")
    try:
        calendar = icalendar.Calendar.from_ical(tamed(data.decode("utf-8-sig")))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise Invalid(
            f"This is no iCalendar file that can be read ({error}). It begins with BEGIN:VCALENDAR.",
            field="calendar",
        ) from error
    if calendar.name != "VCALENDAR":
        raise Invalid("An iCalendar file begins with BEGIN:VCALENDAR; this one does not.", field="calendar")
    return calendar


def _events(calendar: icalendar.Calendar, now: datetime) -> Iterator[Any]:
    """Single events from now on, repeats written out, no more than are allowed."""
    for event in calendar.walk("VEVENT"):
        _check(event)
    try:
        events = list(islice(_written_out(calendar, now), MOST_SHIFTS + 1))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise Invalid(f"An event in this calendar cannot be read: {error}.", field="calendar") from error
    if len(events) > MOST_SHIFTS:
        raise Invalid(
            f"The calendar comes to more than {MOST_SHIFTS} shifts in {HORIZON.days} days. Export only the schedule.",
            field="calendar",
        )
    yield from events


def _written_out(calendar: icalendar.Calendar, now: datetime) -> Iterator[Any]:
    """Every event that touches the time from now to the horizon, once, a month or so at a time.

    The library's own way to go forward without an end takes a hundred times as long.
    """
    query = recurring_ical_events.of(calendar)
    seen: set[tuple[str, str]] = set()
    start = now
    while start < now + HORIZON:
        end = min(start + _STRIDE, now + HORIZON)
        for event in query.between(start, end):
            key = (str(event.get("UID", "")), f"{event['DTSTART'].dt}")
            if key not in seen:
                seen.add(key)
                yield event
        start = end


def _check(event: Any) -> None:
    name = str(event.get("SUMMARY", "")) or "without a summary"
    if event.errors or "DTSTART" not in event:
        wrong = "; ".join(str(error[1]) for error in event.errors) or "it has no start"
        raise Invalid(f"The event {name!r} cannot be read: {wrong}.", field="calendar")
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        often = {str(word).upper() for word in rule.get("FREQ", [])} & _OFTEN
        if often or any(len(rule.get(part, [])) > 1 for part in _WITHIN_A_DAY):
            raise Invalid(
                f"The event {name!r} repeats by the hour or faster, which is no shift. Take it out.",
                field="calendar",
            )
    for key in ("DTSTART", "DTEND"):
        named = event[key].params.get("TZID") if key in event else None
        at = event[key].dt if key in event else None
        if named and isinstance(at, datetime) and at.tzinfo is None:
            raise Invalid(
                f"The event {name!r} is in the time zone {named!r}, which is not known and not described in "
                "the file. Export it with IANA zones such as Europe/Berlin.",
                field="calendar",
            )


def _shift(event: Any, person: Person, zone: str) -> FixedShift | None:
    starts, ends = event.start, event.end
    if isinstance(starts, datetime):
        place = _iana(event["DTSTART"], zone)
        local, until = _wall(starts, place), _wall(ends, place)
    else:
        place, local, until = zone, _midnight(starts), _midnight(ends)
    if until <= local:
        return None
    uid = f"{event.get('UID', '')}"
    return FixedShift(person, local, until, place, uid)


def _iana(start: Any, zone: str) -> str:
    """The IANA name of an event's zone; the schedule's zone where it has none."""
    tz = start.dt.tzinfo
    if tz is None:
        return zone
    named = str(start.params.get("TZID", "") or tz)
    return known(str(getattr(tz, "key", ""))) or known(named) or zone


def _wall(at: datetime, zone: str) -> datetime:
    local = at if at.tzinfo is None else walltime.wall(at, zone)
    return local.replace(second=0, microsecond=0)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min)
