"""Signals find their incident: join the open one of their system and type, open one, or be kept without one.

The engine calls `route_due`. What is due is taken up, decided and written in one transaction, so that a crash in the
middle leaves everything due as it was. Many groups go together; where that fails, in halves, so that what is wrong
with one group holds up no other (`andon.kit.together`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from andon.incidents.actions import hold_numbers
from andon.incidents.models import Incident
from andon.incidents.timeline import News, record_all
from andon.intake import actions as intake
from andon.intake import queries as heard
from andon.intake.actions import Routed
from andon.intake.models import Integration, Signal
from andon.kit import db
from andon.kit.together import together
from andon.people.policy import Actor
from andon.practice.grouping import RouteAction, RouteDecision, group_key, route
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.severity import Severity
from andon.practice.words import IncidentType
from andon.registry.models import System
from andon.response.opening import Opening, open_incidents, technical_from
from andon.response.resolving import resolve_by_rule

REST = timedelta(seconds=30)
"""How long signals are left alone that could not be routed."""
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


Batch = Sequence[tuple[Group, list[Signal]]]


def route_due(now: datetime, limit: int) -> int:
    """Route up to `limit` signals that are due, and the first ones of groups without an incident that wait behind them.

    Returns how many were taken up. What is wrong with one signal or group must not hold up the others: it is raised
    after them, and its signals come again when they have rested. Only a database that is away ends the round at once.
    """
    failures: list[Exception] = []
    with transaction.atomic():
        taken = _take_up(now, limit)
        groups = _grouped(taken, now, failures)
        together(groups, _route_groups, partial(_route_alone, now=now, failures=failures))
    if failures:
        raise failures[0]
    return len(taken)


def _take_up(now: datetime, limit: int) -> list[Signal]:
    """What is routed in this round. In a storm that is the oldest, and whatever may open an incident."""
    oldest = heard.take_due(now, limit)
    if len(oldest) < limit:
        return oldest
    held = {signal.pk for signal in oldest}
    ahead = [key for key in _without_incident(heard.first_of_each_sort(now)) if key not in held]
    return heard.take(ahead[:limit], now) + oldest


def _without_incident(waiting: Sequence[heard.Waiting]) -> list[UUID]:
    """Which of these belong to no open incident, as far as their senders' own words tell."""
    senders = Integration.objects.select_related("system").in_bulk({one.integration for one in waiting})
    systems = heard.systems_named(one.system_hint for one in waiting)
    keys = [_belongs(senders[one.integration], one.system_hint, one.type_hint, systems).key for one in waiting]
    open_ = set(
        Incident.objects.filter(group_key__in=set(keys), state__in=UNRESOLVED).values_list("group_key", flat=True)
    )
    return [one.signal for one, key in zip(waiting, keys, strict=True) if key not in open_]


def _grouped(signals: Iterable[Signal], now: datetime, failures: list[Exception]) -> Batch:
    """The signals by group; those whose group cannot even be told rest."""
    systems = heard.systems_named(signal.system_hint for signal in signals)
    groups: dict[Group, list[Signal]] = defaultdict(list)
    for signal in signals:
        try:
            groups[_group_of(signal, systems)].append(signal)
        except Exception as error:  # noqa: BLE001  whatever it is, it is one signal's trouble and not the others'
            _put_aside([signal], error, now, failures)
    return list(groups.items())


def _put_aside(signals: Sequence[Signal], error: Exception, now: datetime, failures: list[Exception]) -> None:
    """Let signals rest that could not be routed, so that they do not keep the round failing; say why."""
    log.error("signals could not be routed", signals=[str(signal.pk) for signal in signals[:NAMED]], exc_info=error)
    intake.rest(signals, now + REST)
    failures.append(error)


def _route_alone(one: tuple[Group, list[Signal]], *, now: datetime, failures: list[Exception]) -> int:
    """Route one group; if another writer was quicker (a deadlock, an incident opened at once), decide again."""
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                return _route_groups([one])
        except (OperationalError, InterfaceError) as error:
            if not db.of_these_rows(error):
                raise  # the database is away or busy: each further group would only wait for it again
            trouble: Exception = error
        except Exception as error:  # noqa: BLE001  whatever it is, it is one group's trouble and not the others'
            trouble = error
        if attempt == TRIES or not (isinstance(trouble, DatabaseError) and db.lost_a_race(trouble)):
            break
    _put_aside(one[1], trouble, now, failures)
    return 0


def _group_of(signal: Signal, systems: Mapping[str, System]) -> Group:
    """Where a signal belongs. One that has an incident already (its end, or a repeat) stays with it."""
    integration, incident = signal.integration, signal.incident
    if incident is not None:
        return Group(incident.group_key, incident.incident_type, incident.system, integration)
    return _belongs(integration, signal.system_hint, signal.type_hint, systems)


def _belongs(integration: Integration, system_hint: str, type_hint: str, systems: Mapping[str, System]) -> Group:
    """The group of what an integration says of a system and a type."""
    system = heard.find_system(integration, system_hint, systems)
    hinted = type_hint or integration.settings.get("type", "")
    type_ = IncidentType(hinted) if hinted else IncidentType.TECHNICAL_FAILURE
    return Group(group_key(system.pk if system else None, type_, integration.slug), type_, system, integration)


@dataclass
class Plan:
    """What becomes of a group's signals; decided before anything is written."""

    group: Group
    signals: Sequence[Signal]
    incident: Incident | None
    opener: Signal | None = None
    over: list[Signal] = field(default_factory=list)
    kept: list[tuple[Signal, str]] = field(default_factory=list)
    joined: list[tuple[Signal, str]] = field(default_factory=list)

    @property
    def fresh(self) -> list[Signal]:
        """Those that join now, and not those whose incident it was before."""
        return [signal for signal, _ in self.joined if signal.incident_id is None]

    @property
    def ended(self) -> list[Signal]:
        """Those that have ended by now."""
        return [signal for signal, _ in self.joined if signal.status == Signal.Status.RESOLVED]

    def routed(self) -> list[Routed]:
        """Where each signal goes, and why."""
        where = self.incident.pk if self.incident else None
        system = self.group.system.pk if self.group.system else None
        return [
            *(Routed(signal, signal.incident_id, signal.system_id, signal.reason_joined) for signal in self.over),
            *(Routed(signal, None, system, reason) for signal, reason in self.kept),
            *(Routed(signal, where, system, reason) for signal, reason in self.joined),
        ]


def _route_groups(batch: Batch) -> int:
    """Decide and write for many groups in the running transaction, by what their incidents say now."""
    incidents = _unresolved(group.key for group, _ in batch)
    plans = [_plan(group, signals, incidents.get(group.key)) for group, signals in batch]
    asking = [plan.group.key for plan in plans if plan.opener]
    if asking:
        # Whoever opens takes turns: what another replica has opened meanwhile is seen from here on, and joined.
        hold_numbers("incident")
        plans = _open_what_is_asked(plans, _unresolved(asking))
    intake.routed([routed for plan in plans for routed in plan.routed()])
    record_all([news for plan in plans for news in _news(plan)])
    for plan in plans:
        if plan.incident is not None and plan.ended and plan.group.integration.resolves_incidents:
            resolve_by_rule(plan.incident, integration=plan.group.integration)
    return sum(len(plan.signals) for plan in plans)


def _open_what_is_asked(plans: Sequence[Plan], incidents: Mapping[str, Incident]) -> list[Plan]:
    """The plans with the incidents that they ask for, which `incidents` has or which are opened here, one a key."""
    asking = {plan.group.key: plan for plan in reversed(plans) if plan.opener and plan.group.key not in incidents}
    ordered = sorted(asking.values(), key=lambda plan: plan.signals[0].first_at)
    opened = open_incidents([_opening(plan.group, plan.opener) for plan in ordered if plan.opener])
    found = {**incidents, **{incident.group_key: incident for incident in opened}}
    for plan in ordered:
        plan.incident = found[plan.group.key]
    # A group that asked for the same one as another, or whose incident was there after all, decides again.
    return [plan if plan.incident else _plan(plan.group, plan.signals, found.get(plan.group.key)) for plan in plans]


def _plan(group: Group, signals: Sequence[Signal], incident: Incident | None) -> Plan:
    """Decide for one group."""
    plan = Plan(group, signals, incident)
    for signal in sorted(signals, key=lambda s: s.first_at):
        if signal.incident_id is not None and (incident is None or signal.incident_id != incident.pk):
            # It belonged to an incident that is over: its end is news there and nothing new here.
            plan.over.append(signal)
            continue
        decision = _decide(signal, group, incident or plan.opener)
        if decision.action is RouteAction.RECORD:
            plan.kept.append((signal, decision.reason.value))
            continue
        if decision.action is RouteAction.OPEN:
            plan.opener = signal
        plan.joined.append((signal, decision.reason.value))
    return plan


def _decide(signal: Signal, group: Group, open_incident: object | None) -> RouteDecision:
    """What the rules say about one signal; `open_incident` is the one of its group, or what is about to open it."""
    return route(
        Severity(signal.severity_hint) if signal.severity_hint else None,
        group.system is not None,
        open_incident,
        resolved=signal.status == Signal.Status.RESOLVED,
    )


def _opening(group: Group, signal: Signal) -> Opening:
    """What is known of an incident that a signal opens."""
    return Opening(
        title=signal.title,
        type_=group.type_,
        system=group.system,
        key=group.key,
        detected_at=signal.first_at,
        by=Actor.integration(group.integration.slug),
        technical=technical_from(Severity(signal.severity_hint) if signal.severity_hint else None),
        description=signal.description,
        onset=signal.starts_at if signal.starts_at and signal.starts_at <= signal.first_at else None,
        because=f"signal from {group.integration.name}",
    )


def _unresolved(keys: Iterable[str]) -> dict[str, Incident]:
    """The open incidents of groups by key, held; always in the same order, so that nobody waits in a ring."""
    rows = Incident.objects.filter(group_key__in=set(keys), state__in=UNRESOLVED).order_by("pk")
    return {incident.group_key: incident for incident in db.lock(rows)}


def _news(plan: Plan) -> list[News]:
    """One entry for what joined and one for what ended, however many they were."""
    if plan.incident is None:
        return []
    by = Actor.integration(plan.group.integration.slug)
    told = (("signals_joined", plan.fresh), ("signals_ended", plan.ended))
    return [
        News(plan.incident, kind, {"count": len(signals), "titles": [signal.title for signal in signals[:NAMED]]}, by)
        for kind, signals in told
        if signals
    ]
