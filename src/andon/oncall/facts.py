"""What actions are given: checked values, so that form, API and file refuse input in the same words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from andon.kit.errors import Invalid
from andon.oncall.models import Schedule
from andon.people.models import Person, Team
from andon.practice import walltime
from andon.practice.rotation import ALL_DAYS, Cadence

_MOST_TURNS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationFacts:
    """A rotation as somebody describes it; the attributes are those of `andon.practice.rotation.Rotation`."""

    participants: tuple[Person, ...]
    time_zone: str
    start_date: date
    handover: time
    cadence: Cadence = Cadence.WEEKLY
    every: int = 1
    weekdays: tuple[int, ...] = ()
    window_from: time | None = None
    window_until: time | None = None
    skip_inactive: bool = False
    name: str = ""

    def columns(self) -> dict[str, Any]:
        """The columns of a layer, after a check of each.

        Raises:
            Invalid: naming the field that cannot be taken, and why.
        """
        known_zone(self.time_zone)
        if not self.participants:
            raise Invalid("Name at least one person who takes turns.", field="participants")
        if len(self.participants) > _MOST_TURNS:
            raise Invalid(f"A rotation has at most {_MOST_TURNS} turns.", field="participants")
        for person in self.participants:
            must_be_here(person, "participants")
        if not 1 <= self.every <= 365:  # noqa: PLR2004  a turn of more than a year is a typing mistake
            raise Invalid("A turn lasts from 1 to 365 of them.", field="every")
        if not set(self.weekdays) <= ALL_DAYS:
            raise Invalid("Weekdays go from 0 (Monday) to 6 (Sunday).", field="weekdays")
        if (self.window_from is None) != (self.window_until is None):
            raise Invalid("Give both hours of the window, or neither.", field="window_until")
        for field, at in (("handover", self.handover), ("window_from", self.window_from)):
            if at is not None and at.tzinfo is not None:
                raise Invalid("Give local time, without a zone.", field=field)
        return {
            "name": self.name.strip(),
            "time_zone": self.time_zone,
            "start_date": self.start_date,
            "handover": self.handover.replace(second=0, microsecond=0),
            "cadence": self.cadence.value,
            "every": self.every,
            "weekdays": sorted(set(self.weekdays)),
            "window_from": self.window_from,
            "window_until": self.window_until,
            "skip_inactive": self.skip_inactive,
        }


@dataclass(frozen=True, slots=True)
class FixedShift:
    """A shift of a calendar: wall time, zone, and the event it came from."""

    person: Person
    starts_local: datetime
    ends_local: datetime
    time_zone: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class StepFacts:
    """A step of a chain: whom it reaches, and how many minutes the next one waits."""

    wait_minutes: int
    targets: tuple[Person | Schedule | Team, ...]


def known_zone(name: str, field: str = "time_zone") -> str:
    """The name of a zone that can be read; `Invalid` otherwise."""
    try:
        walltime.zone(name)
    except ValueError as error:
        raise Invalid(str(error), field=field) from error
    return name


def must_be_here(person: Person, field: str) -> None:
    """Raise `Invalid` for somebody who can no longer be on call."""
    if not person.is_active or person.erased_at:
        raise Invalid(f"{person} is deactivated and cannot be on call. Choose somebody else.", field=field)


def find_person(ref: str, field: str = "person") -> Person:
    """The person with this key or e-mail address; `Invalid` when there is none."""
    found = find_people([ref], field)
    return found[0]


def find_people(refs: Iterable[str], field: str = "participants") -> list[Person]:
    """The people with these keys or e-mail addresses, in order; one may come twice. Two queries."""
    refs = [ref.strip() for ref in refs]
    keys = {ref: key for ref in refs if (key := _key(ref)) is not None}
    known: dict[str, Person] = {}
    if keys:
        by_key = Person.objects.in_bulk(set(keys.values()))
        known |= {ref: by_key[key] for ref, key in keys.items() if key in by_key}
    mails = {ref.lower() for ref in refs if ref not in keys}
    if mails:
        known |= {p.email.lower(): p for p in Person.objects.filter(email__in=mails)}
    people = []
    for ref in refs:
        person = known.get(ref) or known.get(ref.lower())
        if person is None:
            raise Invalid(f"There is no person {ref!r}. Give an id or e-mail address.", field=field)
        people.append(person)
    return people


def _key(ref: str) -> UUID | None:
    try:
        return UUID(ref)
    except ValueError:
        return None


_TABLES: dict[str, type[Schedule] | type[Team]] = {"schedule": Schedule, "team": Team}


def find_target(kind: str, ref: str, field: str = "steps") -> Person | Schedule | Team:
    """What a step is to reach: a person by key or e-mail address, a schedule or team by key or slug.

    Raises:
        Invalid: the kind is none of the three, or there is no such thing.
    """
    if kind == "person":
        return find_person(ref, field)
    if kind not in _TABLES:
        raise Invalid(f"A step reaches a person, a schedule or a team, not {kind!r}.", field=field)
    key = _key(ref)
    rows = _TABLES[kind]._default_manager  # noqa: SLF001  Django's documented name for it
    found = (rows.filter(slug=ref) if key is None else rows.filter(pk=key)).first()
    if found is None:
        raise Invalid(f"There is no {kind} {ref!r}. Give its short name or id.", field=field)
    return found


def find_team(ref: str | None, field: str = "team") -> Team | None:
    """The team with this slug or key; None for an empty one."""
    if not ref:
        return None
    found = find_target("team", ref, field)
    return found if isinstance(found, Team) else None
