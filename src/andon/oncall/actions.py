"""Writes: schedules, their layers and overrides. A change begins a new version; what was stays answerable."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from andon.kit import clock, ids
from andon.kit.db import lock
from andon.kit.errors import Conflict, Invalid
from andon.kit.slugs import free
from andon.oncall import policy
from andon.oncall.facts import FixedShift, RotationFacts, known_zone, must_be_here
from andon.oncall.models import CalendarShift, Layer, LayerParticipant, Override, Schedule, StepTarget
from andon.people.models import Person, Team
from andon.people.policy import Actor
from andon.practice.rotation import HORIZON
from andon.practice.walltime import instant
from andon.practice.words import OrgRole

_MOST_LAYERS = 20


@transaction.atomic
def create_schedule(*, by: Actor, name: str, time_zone: str, slug: str = "", team: Team | None = None) -> Schedule:
    """A schedule with nobody in it yet."""
    policy.must_edit(by, "make schedules")
    known_zone(time_zone)
    return Schedule.objects.create(slug=free(Schedule, name, slug), name=_name(name), time_zone=time_zone, team=team)


@transaction.atomic
def change_schedule(*, by: Actor, schedule: Schedule, name: str, time_zone: str, team: Team | None) -> Schedule:
    """Rename it, or show it in another zone; the zones of its layers are their own and stay."""
    policy.must_edit(by, "change schedules")
    _held(schedule)
    schedule.name, schedule.time_zone, schedule.team = _name(name), known_zone(time_zone), team
    schedule.save(update_fields=["name", "time_zone", "team"])
    return schedule


@transaction.atomic
def archive_schedule(*, by: Actor, schedule: Schedule) -> Schedule:
    """Take a schedule out of use; who was on call in it stays answerable."""
    policy.must_edit(by, "archive schedules")
    _held(schedule)
    users = StepTarget.objects.filter(schedule=schedule, step__chain__archived_at__isnull=True)
    chains = sorted(set(users.values_list("step__chain__name", flat=True)))
    if chains:
        raise Conflict(
            f"{schedule} is asked by the chain {', '.join(chains)}. Take it out of there first, or pages "
            "would reach nobody."
        )
    schedule.archived_at = clock.now()
    schedule.save(update_fields=["archived_at"])
    return schedule


@transaction.atomic
def set_rotation(
    *, by: Actor, schedule: Schedule, facts: RotationFacts, position: int | None = None, replaces: str = ""
) -> Layer:
    """A rotation at a position, from now on; what stood there until now ends now. Without a position, on top.

    `replaces` is the key of the version that was looked at; if another stands there by now, `Conflict`.
    """
    policy.must_edit(by, "change schedules")
    columns = facts.columns()
    layer = _new_version(schedule, position, replaces, kind=Layer.Kind.ROTATION, **columns)
    LayerParticipant.objects.bulk_create(
        LayerParticipant(layer=layer, position=number, person=person)
        for number, person in enumerate(facts.participants, start=1)
    )
    return layer


@transaction.atomic
def set_calendar(
    *,
    by: Actor,
    schedule: Schedule,
    shifts: Sequence[FixedShift],
    position: int | None = None,
    name: str = "",
) -> Layer:
    """Fixed shifts at a position, from now on, as `set_rotation`."""
    policy.must_edit(by, "import calendars")
    layer = _new_version(
        schedule, position, "", kind=Layer.Kind.CALENDAR, name=name.strip(), time_zone=schedule.time_zone
    )
    CalendarShift.objects.bulk_create(
        CalendarShift(
            layer=layer,
            person=shift.person,
            starts_local=shift.starts_local,
            ends_local=shift.ends_local,
            time_zone=shift.time_zone,
            uid=shift.uid[:255],
        )
        for shift in shifts
    )
    return layer


@transaction.atomic
def remove_layer(*, by: Actor, schedule: Schedule, position: int) -> Layer:
    """End a layer now."""
    policy.must_edit(by, "change schedules")
    _held(schedule)
    present = Layer.objects.filter(schedule=schedule, position=position, effective_until__isnull=True).first()
    if present is None:
        raise Conflict(f"{schedule} has no layer {position} (any more).")
    _end(present, clock.now())
    return present


@transaction.atomic
def take_over(
    *,
    by: Actor,
    schedule: Schedule,
    person: Person,
    starts_local: datetime,
    ends_local: datetime,
    time_zone: str,
) -> Override:
    """Put a person on call from one local time to another, over all layers."""
    policy.must_take_over(by, person)
    _held(schedule)
    must_be_here(person, "person")
    known_zone(time_zone)
    for field, at in (("starts_local", starts_local), ("ends_local", ends_local)):
        if at.tzinfo is not None:
            raise Invalid("Give local time without an offset; time_zone says which.", field=field)
    starts_local, ends_local = (at.replace(second=0, microsecond=0) for at in (starts_local, ends_local))
    starts, ends = instant(starts_local, time_zone), instant(ends_local, time_zone)
    if ends <= starts:
        raise Invalid("The end must be after the start.", field="ends_local")
    if ends <= clock.now():
        raise Invalid("This time is over. Who was on call then is history and stays as it was.", field="ends_local")
    if ends - starts > HORIZON:
        raise Invalid(
            f"An override lasts at most {HORIZON.days} days. For longer, change the layers.",
            field="ends_local",
        )
    return Override.objects.create(
        schedule=schedule,
        person=person,
        starts_local=starts_local,
        ends_local=ends_local,
        time_zone=time_zone,
        made_by=by.person,
    )


@transaction.atomic
def cancel_override(*, by: Actor, override: Override) -> Override:
    """End an override now; one that has not begun never takes effect. The row stays."""
    policy.must_cancel(by, override)
    now = clock.now()
    if instant(override.ends_local, override.time_zone) <= now:
        raise Conflict("This override is over. Who was on call then is history and stays as it was.")
    done = Override.objects.filter(pk=override.pk, cancelled_at__isnull=True).update(cancelled_at=now)
    if done != 1:
        raise Conflict("This override is cancelled already.")
    override.cancelled_at = now
    return override


@transaction.atomic
def new_feed(*, by: Actor) -> str:
    """A new secret for the address of one's calendar feed, shown once; the address before stops to work."""
    person = by.must_be_person("have a calendar feed")
    by.must_be(OrgRole.RESPONDER, "have a calendar feed")
    token = ids.new_token("cal")
    person.calendar_token_digest = ids.digest(token)
    person.save(update_fields=["calendar_token_digest"])
    return token


@transaction.atomic
def stop_feed(*, by: Actor) -> None:
    """The address of one's calendar feed stops to work."""
    person = by.must_be_person("have a calendar feed")
    person.calendar_token_digest = ""
    person.save(update_fields=["calendar_token_digest"])


def _held(schedule: Schedule) -> Schedule:
    """The schedule, locked, so that two editors take turns; refused when archived."""
    held = lock(Schedule.objects.filter(pk=schedule.pk)).get()
    if held.archived_at:
        raise Conflict(f"{held} is archived and takes no changes. Make a new schedule.")
    return held


def _new_version(schedule: Schedule, position: int | None, replaces: str, **columns: Any) -> Layer:
    """End what stands at a position and begin anew there; the present version is read under the lock."""
    _held(schedule)
    now = clock.now()
    present = Layer.objects.filter(schedule=schedule, effective_until__isnull=True)
    if position is None:
        highest = Layer.objects.filter(schedule=schedule).aggregate(top=Max("position"))["top"]
        position = (highest or 0) + 1
    before = present.filter(position=position).first()
    if replaces and (before is None or str(before.pk) != replaces):
        raise Conflict(
            "Somebody changed this layer meanwhile. Your change is not saved: look at theirs, then repeat it."
        )
    if before is None and present.count() >= _MOST_LAYERS:
        raise Invalid(f"A schedule has at most {_MOST_LAYERS} layers.", field="position")
    if before is not None:
        _end(before, now)
    return Layer.objects.create(schedule=schedule, position=position, effective_from=now, **columns)


def _end(layer: Layer, now: datetime) -> None:
    # A clock that was set back must not make a version end before it began.
    until = max(now, layer.effective_from or now)
    done = Layer.objects.filter(pk=layer.pk, effective_until__isnull=True).update(effective_until=until)
    if done != 1:
        raise Conflict("Somebody changed this layer meanwhile. Your change is not saved.")
    layer.effective_until = until


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 120:  # noqa: PLR2004  the column's length
        raise Invalid("Give a name of 1 to 120 characters.", field="name")
    return name
