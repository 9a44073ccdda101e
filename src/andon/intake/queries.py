"""Reads of what was heard."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db.models import BooleanField, CharField, Count, ExpressionWrapper, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Cast, Coalesce, Greatest

from andon.intake.models import Delivery, Integration, Signal
from andon.intake.policy import may_see_bodies, visible_signals
from andon.kit import db
from andon.kit.charts import bars
from andon.people.policy import Actor
from andon.practice.hearing import Heard, Hearing, hearing
from andon.registry.models import ChangeEvent, System

T = TypeVar("T")
REJECTED: Final = Delivery.Outcome.REJECTED
TAKEN: Final = (Delivery.Outcome.ACCEPTED, Delivery.Outcome.PARTLY)
"""The outcomes of what was heard from a sender itself: what was refused may be a stranger's."""
NOT_WHOLLY: Final = (REJECTED, Delivery.Outcome.PARTLY)
COUNTED = 10_000
"""From how many requests of an hour on they are no longer counted: a page must not wait for a storm's."""
MOST_SORTS = 20_000
"""How many sorts of due signals are told apart in one round."""


def find_system(integration: Integration, hint: str, named: Mapping[str, System] | None = None) -> System | None:
    """The system that a signal is about: the one it names, else its integration's own.

    A name that is not in the register is not overruled: such a signal stays unrouted, where it is seen. `named` is
    what `systems_named` found for many signals at once.
    """
    if not hint:
        return integration.system
    return (systems_named([hint]) if named is None else named).get(hint)


def systems_named(hints: Iterable[str]) -> dict[str, System]:
    """The systems that names stand for, in one query; names that are not in the register are left out."""
    wanted = {hint for hint in hints if hint}
    return _by_name(wanted, {system.slug: system for system in _named(wanted)})


def keys_of_systems_named(hints: Iterable[str]) -> dict[str, UUID]:
    """As `systems_named`, their keys alone: for a storm that names hundreds."""
    wanted = {hint for hint in hints if hint}
    return _by_name(wanted, dict(_named(wanted).values_list("slug", "pk")))


def _named(hints: set[str]) -> QuerySet[System]:
    """A name that is not in the register as it stands is looked for in small letters."""
    return System.objects.filter(slug__in=hints | {hint.lower() for hint in hints})


def _by_name(hints: set[str], found: Mapping[str, T]) -> dict[str, T]:
    each = {hint: found.get(hint) or found.get(hint.lower()) for hint in hints}
    return {hint: one for hint, one in each.items() if one is not None}


def more_are_due(now: datetime, limit: int) -> bool:
    """Whether more signals than so many are due for routing: one look at the front of the index."""
    return _due(now).order_by("route_at")[limit : limit + 1].values_list("pk").exists()


def take_due(now: datetime, limit: int, *, about: Collection[str] | None = None, lean: bool = False) -> list[Signal]:
    """Up to `limit` signals that are due for routing, oldest first; the caller's until its transaction ends.

    Those that somebody else holds are left out. A crash undoes the transaction, and they are due as before.

    Args:
        now: The present.
        limit: The most.
        about: What they say of their system (`Sort.system_hint`), to take those of few incidents; None: any.
        lean: Leave in the database what only a rule, or an incident that opens, asks for.
    """
    rows = _due(now) if about is None else _due(now).filter(system_hint__in=about)
    return list(_taken(rows.order_by("route_at", "pk"), lean=lean)[:limit])


def take(keys: Iterable[UUID], now: datetime) -> list[Signal]:
    """As `take_due`, those of these that are due."""
    return list(_taken(_due(now).filter(pk__in=set(keys)).order_by("pk")))


_NOT_ASKED = (
    "created_at",
    "episode",
    "past_episodes",
    "ended_before",
    "first_delivery",
    "last_delivery",
    "echo_at",
    "echo_reason",
    "echo_count",
    "echo_delivery",
    "leased_until",
)
_SELDOM_ASKED = ("resolved_at", "dedup_reason", "description", "url", "labels", "starts_at")


def _taken(rows: QuerySet[Signal], *, lean: bool = False) -> QuerySet[Signal]:
    """Held, with integration, system and incident, each read once however many signals share it."""
    shared = rows.prefetch_related("integration__system", "incident__system")
    return db.lock_free(shared.defer(*_NOT_ASKED, *(_SELDOM_ASKED if lean else ())))


@dataclass(frozen=True, slots=True)
class Sort:
    """Due signals that say the same of where they belong and how bad it is; `fresh` have no incident yet.

    Attributes:
        severity: As they say it, 1 the worst; None = they say nothing.
        count: How many there are.
        oldest: The first of them.
    """

    integration: UUID
    system_hint: str
    type_hint: str
    fresh: bool
    severity: int | None
    count: int
    oldest: UUID


def sorts_due(now: datetime) -> list[Sort]:
    """What sorts of signals are due for routing; the one whose oldest signal is the oldest comes first.

    One pass over the index of what is due. What opens an incident is found by it behind a storm of what joins one.
    """
    sort = ["integration", "system_hint", "type_hint", "fresh", "severity_hint"]
    fresh = ExpressionWrapper(Q(incident__isnull=True), output_field=BooleanField())
    oldest = Min(Cast("pk", CharField()))  # PostgreSQL has no least UUID; their text is in the same order
    found = _due(now).order_by().annotate(fresh=fresh).values_list(*sort).annotate(count=Count("pk"), oldest=oldest)
    return [
        Sort(integration, system_hint, type_hint, fresh, severity, count, UUID(first))
        for integration, system_hint, type_hint, fresh, severity, count, first in found.order_by("oldest")[:MOST_SORTS]
    ]


def _due(now: datetime) -> QuerySet[Signal]:
    """Signals to be routed, but for those that could not be a moment ago."""
    return Signal.objects.filter(Q(leased_until__isnull=True) | Q(leased_until__lte=now), route_at__lte=now)


@dataclass(frozen=True)
class SignalFilter:
    """What a list of signals is narrowed to; empty means all."""

    status: str = ""
    system: str = ""
    integration: str = ""
    unrouted: bool = False
    quiet: bool = False


def signals(by: Actor, wanted: SignalFilter) -> QuerySet[Signal]:
    """The signals that the actor may know of, narrowed."""
    rows = visible_signals(by)
    if wanted.status:
        rows = rows.filter(status=wanted.status)
    if wanted.system:
        rows = rows.filter(system__slug=wanted.system)
    if wanted.integration:
        rows = rows.filter(integration__slug=wanted.integration)
    if wanted.unrouted:
        rows = rows.filter(system__isnull=True)
    if wanted.quiet:
        rows = rows.filter(held_by__isnull=False)
    return rows


def earlier_episodes(by: Actor, signal: Signal, limit: int = 10) -> Sequence[Signal]:
    """The other times that the same thing fired, newest first."""
    same = visible_signals(by).filter(integration=signal.integration_id, fingerprint=signal.fingerprint)
    return list(same.exclude(pk=signal.pk).order_by("-first_at")[:limit])


def deliveries_of(by: Actor, signal: Signal) -> Sequence[Delivery]:
    """A signal's first and newest delivery, and the newest that changed nothing, if kept and the actor's to see."""
    if not may_see_bodies(by, signal.integration):
        return []
    named = {key for key in (signal.first_delivery, signal.last_delivery, signal.echo_delivery) if key}
    return list(Delivery.objects.filter(pk__in=named).order_by("created_at"))


def delivery_of(integration: UUID, key: str) -> Delivery | None:
    """A delivery of an integration by its id as text, if it is still kept."""
    try:
        return Delivery.objects.filter(pk=UUID(key), integration=integration).first()
    except ValueError:
        return None


def integrations() -> QuerySet[Integration]:
    """All integrations, each with `heard_at`, when it last sent what was taken, and `firing`, how many signals are."""
    wholly, partly = (Subquery(newest_first(OuterRef("pk"), outcome).values("created_at")[:1]) for outcome in TAKEN)
    of_it = Signal.objects.filter(integration=OuterRef("pk"), status=Signal.Status.FIRING).order_by()
    firing = Subquery(of_it.values("integration").annotate(n=Count("pk")).values("n"))
    return Integration.objects.select_related("system").annotate(
        heard_at=Greatest(Coalesce(wholly, partly), Coalesce(partly, wholly)),  # on SQLite nothing is greater than NULL
        firing=Coalesce(firing, 0),
    )


def changes_of_unknown_systems(integration: Integration, limit: int = 5) -> Sequence[ChangeEvent]:
    """The newest changes that an integration told of systems that are not in the register."""
    rows = ChangeEvent.objects.filter(source=integration.slug, system__isnull=True)
    return list(rows.order_by("-pk")[:limit])


@dataclass(frozen=True)
class Activity:
    """How a sender is heard.

    Attributes:
        health: In a word of the practice.
        last_at: When something was last taken from it, wholly or in part; None = never.
        last_minute: Requests of the last minute, counted up to `COUNTED`.
        hours: Requests of each of the last 24 hours, the last one up to now.
    """

    health: Hearing
    last_at: datetime | None
    last_minute: int
    hours: Sequence[bars.Count]


def activity(integration: Integration, now: datetime) -> Activity:
    """How a sender is heard: bounded counts by the index of its deliveries, however many there are."""
    newest = {
        outcome: newest_first(integration.pk, outcome).values_list("created_at", flat=True).first()
        for outcome in Delivery.Outcome
    }
    day = now - timedelta(days=1)
    came = [outcome for outcome, at in newest.items() if at and at >= day]  # of the last day; others need no count
    heard, troubled = _of(integration, came), _of(integration, [one for one in came if one in NOT_WHOLLY])
    bad = _counted(troubled, day, now)
    wholly_at, partly_at = (newest[outcome] for outcome in TAKEN)
    known = Heard(integration.disabled_at is not None, wholly_at, partly_at, newest[REJECTED], bad)
    hours = [now - timedelta(hours=left) for left in range(24, 0, -1)] if came else []
    return Activity(
        hearing(known),
        known.last_at,
        _counted(heard, now - timedelta(minutes=1), now),
        [_hour(heard, troubled, at, any_bad=bad > 0) for at in hours],
    )


def newest_first(integration: Any, outcome: str) -> QuerySet[Delivery]:
    """What came from a sender with this outcome, by the index that holds them so."""
    return Delivery.objects.filter(integration=integration, outcome=outcome).order_by("-created_at")


def _of(integration: Integration, outcomes: Collection[str]) -> QuerySet[Delivery]:
    return Delivery.objects.filter(integration=integration, outcome__in=outcomes)


def _hour(heard: QuerySet[Delivery], troubled: QuerySet[Delivery], at: datetime, *, any_bad: bool) -> bars.Count:
    until = at + timedelta(hours=1)
    all_ = _counted(heard, at, until)
    bad = _counted(troubled, at, until) if any_bad and all_ else 0
    return bars.Count(at, all_, min(bad, all_), capped=all_ == COUNTED)


def _counted(rows: QuerySet[Delivery], since: datetime, until: datetime) -> int:
    return rows.filter(created_at__gt=since, created_at__lte=until).order_by()[:COUNTED].count()


def rejected(by: Actor, integration: Integration, limit: int = 10) -> Sequence[Delivery]:
    """The newest deliveries of an integration that were not understood, or only in part, if the actor may see them."""
    if not may_see_bodies(by, integration):
        return []
    each = [newest_first(integration.pk, outcome)[:limit] for outcome in NOT_WHOLLY]
    return sorted(chain.from_iterable(each), key=lambda row: row.created_at, reverse=True)[:limit]


def body_as_text(delivery: Delivery) -> str:
    """A delivery's body for a person to read; what is no UTF-8 is shown as what it is not."""
    return bytes(delivery.body).decode("utf-8", errors="replace")
