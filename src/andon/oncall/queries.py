"""Reads: who is on call, who is next, where nobody is, and whom a step of a chain reaches."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from andon.kit import clock
from andon.oncall import rota
from andon.oncall.models import Chain, ChainStep, Layer, Override, Schedule, StepTarget
from andon.oncall.rota import OnCall, Rota
from andon.people.models import ContactPoint, Membership, Person
from andon.practice import rotation
from andon.practice.rotation import Cadence, Gap, WallShift
from andon.practice.walltime import instant

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

__all__ = [
    "NowAndNext",
    "OnCall",
    "Reached",
    "Rota",
    "board",
    "chain_json",
    "chains",
    "chains_asking",
    "describe",
    "fallback",
    "freeze",
    "freeze_each",
    "gaps_between",
    "on_call_and_next",
    "once",
    "overrides_ahead",
    "people_reached",
    "people_reached_each",
    "present_layers",
    "reachable",
    "rotas_of",
    "rotation_of",
    "schedules",
    "shifts_between",
    "steps_at_hand",
    "target_json",
    "targets_json",
    "who_is_on_call",
    "working_contact_points",
]


@dataclass(frozen=True, slots=True)
class NowAndNext:
    """Who is on call in a schedule now, and who takes over next; None where nobody is."""

    schedule: Schedule
    now: OnCall | None
    next: OnCall | None


@dataclass(frozen=True, slots=True)
class Reached:
    """A person whom a step reaches; `via` completes "paged because they are …"."""

    person: Person
    via: str


def schedules() -> QuerySet[Schedule]:
    """The schedules in use, by name."""
    return Schedule.objects.filter(archived_at__isnull=True).select_related("team")


def chains() -> QuerySet[Chain]:
    """The chains in use, by name, with their steps and targets at hand."""
    return Chain.objects.filter(archived_at__isnull=True).prefetch_related(steps_at_hand())


def steps_at_hand() -> "Prefetch[str, QuerySet[ChainStep], str]":
    """For `prefetch_related` on chains: their steps with targets, in three queries."""
    targets = StepTarget.objects.select_related("person", "schedule", "team")
    return Prefetch("steps", ChainStep.objects.prefetch_related(Prefetch("targets", targets)))


def rotas_of(schedules: Iterable[Schedule], start: datetime, end: datetime | None = None) -> dict[UUID, Rota]:
    """The schedules as values by key, for any number of questions about [start, end): five queries."""
    return rota.load(schedules, start, end or start)


def rotation_of(schedule: Schedule, at: datetime | None = None) -> tuple[list[rotation.Layer], list[WallShift]]:
    """Layers and overrides of a schedule as values of the practice, around `at` (now when not given)."""
    found = rotas_of([schedule], at or clock.now())[schedule.pk]
    return found.layers, found.overrides


def who_is_on_call(schedule: Schedule, at: datetime) -> OnCall | None:
    """Who is on call in the schedule at an instant; None when nobody is."""
    return rotas_of([schedule], at)[schedule.pk].on_call(at)


def on_call_and_next(schedule: Schedule, now: datetime) -> NowAndNext:
    """Who is on call, and who takes over next."""
    return board([schedule], now)[0]


def board(schedules: Iterable[Schedule], now: datetime) -> list[NowAndNext]:
    """Who is on call now and next in each of the schedules, in their order: five queries however many."""
    return [
        NowAndNext(found.schedule, found.on_call(now), found.next(now)) for found in rotas_of(schedules, now).values()
    ]


def shifts_between(schedule: Schedule, start: datetime, end: datetime) -> list[OnCall]:
    """Who is on call in [start, end), in order, cut at its ends."""
    return rotas_of([schedule], start, end)[schedule.pk].shifts(start, end)


def gaps_between(schedule: Schedule, start: datetime, end: datetime) -> list[Gap]:
    """When nobody is on call in [start, end), in order."""
    return rotas_of([schedule], start, end)[schedule.pk].gaps(start, end)


def fallback() -> Chain | None:
    """The organisation's fallback: asked when a chain ends without an answer, or there is none."""
    return Chain.objects.filter(is_fallback=True).prefetch_related(steps_at_hand()).first()


def freeze(chain: Chain | None) -> dict[str, Any]:
    """A chain as JSON to keep on an incident, so that later edits of the chain do not reach it.

    Targets keep their kind, key and label; who is on call in a schedule is found anew at each page. Without
    a chain the answer has no steps, and paging goes on to the fallback.
    """
    if chain is None:
        return {"slug": "", "name": "No chain", "repeats": 0, "steps": []}
    # Read anew: the chain in hand may have been looked at before somebody changed it.
    return freeze_each([chain.pk])[chain.pk]


def freeze_each(chains: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """As `freeze`, of many chains by their keys: three queries."""
    rows = Chain.objects.filter(pk__in=set(chains)).prefetch_related(steps_at_hand())
    return {chain.pk: chain_json(chain) for chain in rows}


def chain_json(chain: Chain) -> dict[str, Any]:
    """As `freeze`, of a chain that has `steps_at_hand`."""
    return {
        "slug": chain.slug,
        "name": chain.name,
        "repeats": chain.repeats,
        "steps": [{"wait_minutes": step.wait_minutes, "targets": targets_json(step)} for step in chain.steps.all()],
    }


def targets_json(step: ChainStep) -> list[dict[str, str]]:
    """Whom a step reaches, as a frozen chain and the API say it; people first, then by label."""
    return sorted(map(target_json, step.targets.all()), key=lambda t: (t["kind"], t["label"], t["id"]))


def target_json(target: StepTarget) -> dict[str, str]:
    """A target as JSON: kind, id, label."""
    kind = "person" if target.person_id else "schedule" if target.schedule_id else "team"
    key = target.person_id or target.schedule_id or target.team_id
    return {"kind": kind, "id": str(key), "label": str(target)}


def people_reached(targets: Sequence[dict[str, Any]], at: datetime) -> list[Reached]:
    """The active people whom frozen targets come to at an instant, each once, in the order of the targets.

    A target that is gone, a schedule with nobody on call, and people who were deactivated or erased are left
    out.
    """
    each = people_reached_each(targets, at)
    return once(reached for target in targets for reached in each[target["id"]])


def once(reached: Iterable[Reached]) -> list[Reached]:
    """Every person once, by the first way that reaches them."""
    seen: dict[UUID, Reached] = {}
    for one in reached:
        seen.setdefault(one.person.pk, one)
    return list(seen.values())


def people_reached_each(targets: Sequence[dict[str, Any]], at: datetime) -> dict[str, list[Reached]]:
    """As `people_reached`, for each target by its id: eight queries at most, however many targets."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for target in targets:
        wanted[target["kind"]].add(target["id"])
    people = {str(p.pk): [p] for p in Person.objects.filter(pk__in=wanted["person"])}
    on_call = {
        str(pk): [shift.person]
        for pk, found in rotas_of(Schedule.objects.filter(pk__in=wanted["schedule"]), at).items()
        if (shift := found.on_call(at)) is not None
    }
    members: dict[str, list[Person]] = defaultdict(list)
    for place in Membership.objects.filter(team__pk__in=wanted["team"]).select_related("person"):
        members[str(place.team_id)].append(place.person)
    by_kind: dict[str, tuple[dict[str, list[Person]], str]] = {
        "person": (people, "named in the chain"),
        "schedule": (on_call, "on call for {label}"),
        "team": (members, "in the team {label}"),
    }
    each: dict[str, list[Reached]] = {}
    for target in targets:
        found, via = by_kind[target["kind"]]
        each[target["id"]] = [
            Reached(person, via.format(label=target.get("label", "")))
            for person in found.get(target["id"], [])
            if person.is_active and not person.erased_at
        ]
    return each


def working_contact_points(person: Person) -> list[ContactPoint]:
    """How a page can be expected to reach the person, in the order in which it is tried."""
    return [point for point in person.contact_points.all() if point.works]


def reachable(people: Iterable[UUID]) -> set[UUID]:
    """Which of these people are active and have a working contact point: one query."""
    return set(
        ContactPoint.objects.filter(
            person__in=set(people),
            person__is_active=True,
            person__erased_at__isnull=True,
            verified_at__isnull=False,
            broken_at__isnull=True,
            removed_at__isnull=True,
        ).values_list("person", flat=True)
    )


def present_layers(schedule: Schedule) -> list[Layer]:
    """The layers as they stand now, lowest first, with who takes turns."""
    return list(
        Layer.objects.filter(schedule=schedule, effective_until__isnull=True)
        .order_by("position")
        .prefetch_related("participants__person", "shifts")
    )


def overrides_ahead(schedule: Schedule, now: datetime) -> list[Override]:
    """The overrides that run or are to come, first one first."""
    low = (now - timedelta(days=2)).astimezone(UTC).replace(tzinfo=None)
    rows = Override.objects.filter(schedule=schedule, cancelled_at__isnull=True, ends_local__gt=low).select_related(
        "person", "made_by"
    )
    ahead = [row for row in rows if instant(row.ends_local, row.time_zone) > now]
    return sorted(ahead, key=lambda row: instant(row.starts_local, row.time_zone))


def chains_asking(schedule: Schedule) -> list[Chain]:
    """The chains in use that ask a schedule."""
    return list(Chain.objects.filter(archived_at__isnull=True, steps__targets__schedule=schedule).distinct())


def describe(layer: Layer) -> str:
    """A layer in one line: "weekly turns, hand-over Monday 09:00, only Mon, Tue, Europe/Berlin"."""
    if layer.kind == Layer.Kind.CALENDAR or layer.start_date is None or layer.handover is None:
        return f"{len(layer.shifts.all())} shifts of an imported calendar"
    weekly = layer.cadence == Cadence.WEEKLY
    unit = "week" if weekly else "day"
    turn = f"turns of {layer.every} {unit}s" if layer.every > 1 else "weekly turns" if weekly else "daily turns"
    day = f"{layer.start_date:%A} " if weekly else ""
    parts = [turn, f"hand-over {day}{layer.handover:%H:%M}"]
    if layer.weekdays:
        parts.append("only " + ", ".join(_DAYS[number] for number in sorted(layer.weekdays)))
    if layer.window_from and layer.window_until:
        parts.append(f"{layer.window_from:%H:%M} to {layer.window_until:%H:%M}")
    return ", ".join([*parts, layer.time_zone])
