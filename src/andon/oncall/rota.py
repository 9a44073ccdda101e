"""Rows of a schedule as values of `andon.practice.rotation`, in few queries for any number of schedules.

What is past stays as it was: a layer's version holds from `effective_from` to `effective_until`, an override
from when it was written, and until it was cancelled if that came while it ran.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Q

from andon.oncall.models import Layer, Override, Schedule
from andon.people.models import Person
from andon.practice import rotation
from andon.practice.rotation import HORIZON, Cadence, Calendar, Rotation, Shift, WallShift
from andon.practice.walltime import instant

# A wall clock is never further from UTC than 14 hours; two days hold any zone, and a shift that lasts over an
# edge is found by its other end.
_ZONES = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class OnCall:
    """A person on call in a schedule between two instants (aware, UTC); `source` says what put them there.

    `lasting` says that no hand-over is in sight: `ends` is then where the look ahead stopped, not an end to tell.
    """

    schedule: Schedule
    person: Person
    starts: datetime
    ends: datetime
    source: str
    lasting: bool = False


@dataclass(slots=True)
class Rota:
    """One schedule as values: its layers, lowest first, its overrides, and the people they name."""

    schedule: Schedule
    layers: list[rotation.Layer] = field(default_factory=list)
    overrides: list[WallShift] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)

    def on_call(self, at: datetime) -> OnCall | None:
        """Who is on call at an instant."""
        found = self._named(rotation.on_call(self.layers, self.overrides, at))
        return replace(found, lasting=found.ends >= at + HORIZON) if found else None

    def next(self, at: datetime) -> OnCall | None:
        """Who takes over next from whoever is on call at an instant."""
        return self._named(rotation.next_shift(self.layers, self.overrides, at))

    def shifts(self, start: datetime, end: datetime) -> list[OnCall]:
        """Who is on call in [start, end), in order, cut at its ends."""
        return [
            named
            for shift in rotation.shifts(self.layers, self.overrides, start, end)
            if (named := self._named(shift)) is not None
        ]

    def gaps(self, start: datetime, end: datetime) -> list[rotation.Gap]:
        """When nobody is on call in [start, end), in order."""
        return rotation.gaps(self.layers, self.overrides, start, end)

    def _named(self, shift: Shift | None) -> OnCall | None:
        if shift is None:
            return None
        person = self.people[shift.participant]
        return OnCall(self.schedule, person, shift.starts, shift.ends, shift.source)


def load(schedules: Iterable[Schedule], start: datetime, end: datetime) -> dict[UUID, Rota]:
    """The rotas of the schedules, good for questions about [start, end): five queries in all.

    What lies further away than twice `HORIZON` from that range is left out: `next` looks one ahead for a
    shift, and from there one more for its end.
    """
    rotas = {schedule.pk: Rota(schedule) for schedule in schedules}
    if not rotas:
        return rotas
    start, end = start - 2 * HORIZON, end + 2 * HORIZON
    named: dict[UUID, set[UUID]] = defaultdict(set)
    for layer in _layers(rotas, start, end):
        rotas[layer.schedule_id].layers.append(layer_value(layer))
        named[layer.schedule_id] |= {turn.person_id for turn in layer.participants.all()}
        named[layer.schedule_id] |= {shift.person_id for shift in layer.shifts.all()}
    for override in _overrides(rotas, start, end):
        value = override_value(override)
        if value is not None:
            rotas[override.schedule_id].overrides.append(value)
            named[override.schedule_id].add(override.person_id)
    people = Person.objects.in_bulk({pk for pks in named.values() for pk in pks})
    for schedule_id, pks in named.items():
        rotas[schedule_id].people = {str(pk): people[pk] for pk in pks}
    return rotas


def _layers(rotas: dict[UUID, Rota], start: datetime, end: datetime) -> Iterator[Layer]:
    yield from (
        Layer.objects.filter(schedule__in=rotas)
        .filter(Q(effective_until__isnull=True) | Q(effective_until__gt=start))
        .filter(Q(effective_from__isnull=True) | Q(effective_from__lt=end))
        .order_by("schedule", "position", "created_at")
        .prefetch_related("participants", "shifts")
    )


def _overrides(rotas: dict[UUID, Rota], start: datetime, end: datetime) -> Iterator[Override]:
    low, high = (edge.astimezone(UTC).replace(tzinfo=None) for edge in (start - _ZONES, end + _ZONES))
    yield from Override.objects.filter(schedule__in=rotas, ends_local__gt=low, starts_local__lt=high).order_by(
        "created_at", "pk"
    )


def layer_value(row: Layer) -> rotation.Layer:
    """One version of a layer as a value."""
    name = row.name or f"layer {row.position}"
    if row.kind == Layer.Kind.CALENDAR or row.start_date is None or row.handover is None:
        return Calendar(
            shifts=tuple(
                WallShift(str(s.person_id), s.starts_local, s.ends_local, s.time_zone) for s in row.shifts.all()
            ),
            valid_from=row.effective_from,
            valid_until=row.effective_until,
            name=name,
        )
    window = (row.window_from, row.window_until) if row.window_from and row.window_until else None
    return Rotation(
        participants=tuple(str(turn.person_id) for turn in row.participants.all()),
        zone=row.time_zone,
        start=row.start_date,
        handover=row.handover,
        cadence=Cadence(row.cadence or Cadence.WEEKLY),
        every=row.every,
        weekdays=frozenset(row.weekdays) or rotation.ALL_DAYS,
        window=window,
        skip_inactive=row.skip_inactive,
        valid_from=row.effective_from,
        valid_until=row.effective_until,
        name=name,
    )


def override_value(row: Override) -> WallShift | None:
    """An override as a value; None when it never took effect.

    One that was written after its start, or cancelled before its end, is cut there and kept in UTC: an
    instant in the hour that the clock shows twice has no wall time of its own.
    """
    starts = instant(row.starts_local, row.time_zone)
    ends = instant(row.ends_local, row.time_zone)
    held_from = max(starts, row.created_at)
    held_until = min(ends, row.cancelled_at) if row.cancelled_at else ends
    if held_until <= held_from:
        return None
    if (held_from, held_until) == (starts, ends):
        return WallShift(str(row.person_id), row.starts_local, row.ends_local, row.time_zone)
    return WallShift(str(row.person_id), _utc(held_from), _utc(held_until), "UTC")


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
