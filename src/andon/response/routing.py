"""Signals find their incident: join the open one of their system and type, open one, or be kept without one.

The engine calls `route_due`. Signals are claimed under a lease and decided a group at a time, one transaction each,
so that a storm of alerts from one system opens one incident and writes one line on its timeline. A crash in the
middle leaves the lease to expire, and the signals are routed again: joining twice changes nothing.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, transaction

from andon.incidents.models import Incident
from andon.incidents.timeline import record
from andon.intake import actions as intake
from andon.intake import queries as heard
from andon.intake.models import Integration, Signal
from andon.kit import clock, db
from andon.people.policy import Actor
from andon.practice.grouping import RouteAction, RouteDecision, group_key, route
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.severity import Severity
from andon.practice.words import IncidentType
from andon.registry.models import System
from andon.response.opening import open_incident, technical_from
from andon.response.resolving import resolve_by_rule

LEASE = timedelta(seconds=30)
TRIES = 3  # for a group that loses a race against another writer
NAMED = 3  # titles that a joining entry names before it counts the rest

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Group:
    """Signals that share an incident."""

    key: str
    type_: IncidentType
    system: System | None
    integration: Integration


def route_due(now: datetime, limit: int, *, turn: float = math.inf) -> int:
    """Route up to `limit` signals that are due; returns how many were taken up.

    No group is begun once `turn` seconds are over; what is left is given back, so that in a storm the first pages go
    out while the rest of it is still being routed.

    What is wrong with one signal or group must not hold up the others: it is raised after them, and its signals come
    again when their lease has run out. Only a database that is away ends the round at once.
    """
    claimed = heard.claim_for_routing(now, limit, LEASE)
    groups: dict[Group, list[Signal]] = defaultdict(list)
    failures: list[Exception] = []
    systems = heard.systems_named(signal.system_hint for signal in claimed)
    for signal in claimed:
        with _contained(failures, signals=[signal]):
            groups[_group_of(signal, systems)].append(signal)
    ends = clock.monotonic() + turn
    waiting = list(groups.items())
    while waiting:
        group, signals = waiting.pop(0)
        with _contained(failures, signals=signals):
            _route_trying_again(group, signals)
        if clock.monotonic() > ends:
            break
    intake.give_back([signal for _, signals in waiting for signal in signals])
    if failures:
        raise failures[0]
    return len(claimed)


@contextmanager
def _contained(failures: list[Exception], *, signals: Sequence[Signal]) -> Iterator[None]:
    """Log and keep what goes wrong inside, so that the next group has its turn."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if not db.of_these_rows(error):
            raise  # the database is away or busy: each further group would only wait for it again
        _keep(failures, error, signals)
    except Exception as error:  # noqa: BLE001  whatever it is, it is one group's trouble and not the others'
        _keep(failures, error, signals)


def _keep(failures: list[Exception], error: Exception, signals: Sequence[Signal]) -> None:
    log.error("signals could not be routed", signals=[str(signal.pk) for signal in signals[:NAMED]], exc_info=error)
    failures.append(error)


def _route_trying_again(group: Group, signals: Sequence[Signal]) -> None:
    """Route a group; if another writer was quicker (a deadlock, an incident opened at once), decide again."""
    for _ in range(TRIES - 1):
        try:
            return _route_group(group, signals)
        except DatabaseError as error:
            if not db.lost_a_race(error):
                raise
    return _route_group(group, signals)


def _group_of(signal: Signal, systems: Mapping[str, System]) -> Group:
    """Where a signal belongs. One that has an incident already (its end, or a repeat) stays with it."""
    integration = signal.integration
    system = heard.find_system(integration, signal.system_hint, systems)
    hinted = signal.type_hint or integration.settings.get("type", "")
    type_ = IncidentType(hinted) if hinted else IncidentType.TECHNICAL_FAILURE
    if signal.incident is not None:
        return Group(signal.incident.group_key, signal.incident.incident_type, signal.incident.system, integration)
    key = group_key(system.pk if system else None, type_, integration.slug)
    return Group(key, type_, system, integration)


@transaction.atomic
def _route_group(group: Group, claimed: Sequence[Signal]) -> None:
    """Decide for one group in one transaction, by what its signals say now: a lease may have run out meanwhile."""
    incident = _unresolved(group)
    keys = [signal.pk for signal in claimed]
    signals = list(db.lock(Signal.objects.filter(pk__in=keys, route_at__isnull=False).order_by("pk")))
    if not signals:
        return  # another engine took them up when this one's lease had ended
    fresh: list[Signal] = []
    for signal in sorted(signals, key=lambda s: s.first_at):
        if signal.incident_id is not None and (incident is None or signal.incident_id != incident.pk):
            # It belonged to an incident that is over: its end is news there and nothing new here.
            intake.routed([signal], incident=signal.incident, system=signal.system, reason=signal.reason_joined)
            continue
        decision = _decide(signal, group, incident)
        if decision.action is RouteAction.OPEN:
            incident = _open(group, signal)
        if decision.action is RouteAction.RECORD:
            intake.routed([signal], incident=None, system=group.system, reason=decision.reason)
            continue
        if signal.incident_id is None:
            fresh.append(signal)
        intake.routed([signal], incident=incident, system=group.system, reason=decision.reason)
    if incident is not None:
        _tell_timeline(incident, group, fresh, [s for s in signals if s.status == Signal.Status.RESOLVED])
        resolve_by_rule(incident, integration=group.integration)


def _decide(signal: Signal, group: Group, incident: Incident | None) -> RouteDecision:
    """What the rules say about one signal."""
    return route(
        Severity(signal.severity_hint) if signal.severity_hint else None,
        group.system is not None,
        incident,
        resolved=signal.status == Signal.Status.RESOLVED,
    )


def _open(group: Group, signal: Signal) -> Incident:
    """Open the group's incident for a signal, or find the one that another replica opened meanwhile."""
    hint = Severity(signal.severity_hint) if signal.severity_hint else None
    try:
        with transaction.atomic():
            return open_incident(
                title=signal.title,
                type_=group.type_,
                system=group.system,
                key=group.key,
                detected_at=signal.first_at,
                by=Actor.integration(group.integration.slug),
                technical=technical_from(hint),
                description=signal.description,
                onset=signal.starts_at if signal.starts_at and signal.starts_at <= signal.first_at else None,
                because=f"signal from {group.integration.name}",
            )
    except IntegrityError:
        existing = _unresolved(group)
        if existing is None:
            raise  # it was opened and resolved between the two looks: decide again
        return existing


def _unresolved(group: Group) -> Incident | None:
    """The open incident of a group, held."""
    return db.lock(Incident.objects.filter(group_key=group.key, state__in=UNRESOLVED)).first()


def _tell_timeline(incident: Incident, group: Group, joined: Sequence[Signal], ended: Sequence[Signal]) -> None:
    """One entry for what joined and one for what ended, however many they were."""
    by = Actor.integration(group.integration.slug)
    for kind, signals in (("signals_joined", joined), ("signals_ended", ended)):
        if signals:
            titles = [signal.title for signal in signals[:NAMED]]
            record(incident, kind, {"count": len(signals), "titles": titles}, by=by)
