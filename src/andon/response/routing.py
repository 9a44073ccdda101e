"""Signals find their incident: join the open one of their system and type, open one, or be kept without one.

The engine calls `route_due`. What is due is taken up, decided and written in one transaction, so that a crash in the
middle leaves everything due as it was. Many groups go together; where that fails, in halves, so that what is wrong
with one group holds up no other (`andon.kit.together`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from andon.incidents.actions import hold_numbers
from andon.incidents.models import Incident
from andon.incidents.timeline import News, record_all
from andon.intake import actions as intake
from andon.intake import own
from andon.intake import queries as heard
from andon.intake.actions import Routed
from andon.intake.models import Integration, Signal
from andon.intake.queries import Sort
from andon.kit import clock, db, fence
from andon.kit.together import together
from andon.people.policy import Actor
from andon.practice.grouping import RouteAction, RouteDecision, group_key, route
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.severity import Severity
from andon.practice.words import IncidentType
from andon.registry.models import System
from andon.response import named_late, worsening
from andon.response.opening import Opening, open_incidents, technical_from
from andon.response.placing import Placed, placed
from andon.response.resolving import resolve_by_rule
from andon.response.ruling import Ruling, Turn
from andon.rules import actions as rules
from andon.rules.book import Read
from andon.watch.actions import telling

REST = timedelta(seconds=30)
"""How long signals are left alone that could not be routed."""
OPENED_AT_ONCE = 256
"""Groups without an incident that are routed in one transaction. Half of what a round costs does not grow with it."""
RAISED_AT_ONCE = 8
"""Incidents that are made worse in one transaction, beside those that open: each costs as much as several of these."""
STORM = 100
"""With more signals due than these, what opens incidents is looked for behind what merely joins some."""
PATIENCE = timedelta(seconds=2)
"""How long signals that join an incident wait for others to open theirs before some are let in between."""
JOINED_BESIDE = 50
"""Signals that have waited so long and are let in between in one transaction."""
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
    by_onset: Mapping[UUID, Placed] = field(default_factory=dict, compare=False)


Batch = Sequence[tuple[Group, list[Signal]]]


def route_due(now: datetime, limit: int) -> int:
    """Route up to `limit` signals that are due, and the first ones of groups without an incident that wait behind them.

    Returns how many were routed. What is wrong with one signal or group must not hold up the others: it is raised
    after them, and its signals come again when they have rested. Only a database that is away ends the round at once.
    """
    failures: list[Exception] = []
    with transaction.atomic():
        fence.hold()
        rules.hold_still()
        ruling = Ruling(now)
        taken, storm, worse = _take_up(now, limit, ruling)
        if not taken:
            return 0
        ruling.about(taken)
        batch = _of_this_round(_grouped(taken, ruling, now, failures), now, storm=storm, worse=worse)
        ruling.remember()
        alone = partial(_route_alone, ruling=ruling, now=now, failures=failures)
        done = together(batch, partial(_route_groups, ruling=ruling), alone)
    if failures:
        raise failures[0]
    return done


def _take_up(now: datetime, limit: int, ruling: Ruling) -> tuple[list[Signal], bool, Collection[UUID]]:
    """The signals of this round, whether so much is due that some of it waits, and which say worse than is known.

    In a storm that is whatever may open an incident or make one worse, and beside it a little of what has waited for
    long: to read a thousand signals that merely join would cost each new incident's page that time. Where rules go by
    what was heard before, the oldest are read first all the same, or what explains a signal would be seen too late.
    """
    if not heard.more_are_due(now, min(limit, STORM)):
        return heard.take_due(now, limit), False, ()
    sorts = heard.sorts_due(now)
    opening, worse = _ahead(sorts)
    ahead = heard.take(opening, now)
    if ruling.goes_by_signals:
        oldest = heard.take_due(now, limit)
    elif ahead:
        oldest = heard.take_due(now - PATIENCE, min(limit, JOINED_BESIDE))
    else:
        oldest = _of_few_incidents(sorts, now, limit, lean=ruling.empty)
    ahead += heard.take(worse.difference(opening), now)
    held = {signal.pk for signal in ahead}
    return [*(signal for signal in oldest if signal.pk not in held), *ahead], True, worse


def _ahead(sorts: Iterable[Sort]) -> tuple[list[UUID], set[UUID]]:
    """The signals that look as if they open incidents, and those that look as if they make an open one worse.

    Of as many groups as are opened at once; of a group the first and the worst are enough. What rules would make of
    them is not asked for that: a sender's own words tell well enough.
    """
    fresh = [sort for sort in sorts if sort.fresh]
    senders = Integration.objects.in_bulk({sort.integration for sort in fresh})
    systems = heard.keys_of_systems_named(sort.system_hint for sort in fresh)
    said: dict[str, list[Sort]] = defaultdict(list)
    for sort in fresh:
        said[_key_of(sort, senders[sort.integration], systems)].append(sort)
    known = _known(said)
    opening: list[UUID] = []
    for group in islice((group for key, group in said.items() if key not in known), OPENED_AT_ONCE):
        opening += {group[0].oldest, _worst(group).oldest}
    # What Andon says itself may open another one beside the incident of its system and type (see `placing`).
    own_words = (sort for sort in fresh if senders[sort.integration].kind == own.KIND)
    opening += [sort.oldest for sort in islice(own_words, OPENED_AT_ONCE)]
    worst = ((known[key], _worst(group)) for key, group in said.items() if key in known)
    worse = (sort.oldest for level, sort in worst if sort.severity is not None and sort.severity < level)
    return opening, set(islice(worse, RAISED_AT_ONCE))


def _worst(sorts: Sequence[Sort]) -> Sort:
    """The one that says worst, the oldest of equals."""
    return min(sorts, key=lambda sort: sort.severity or Severity.S5)


def _key_of(sort: Sort, sender: Integration, systems: Mapping[str, UUID]) -> str:
    type_ = sort.type_hint or sender.settings.get("type", "") or IncidentType.TECHNICAL_FAILURE
    system = systems.get(sort.system_hint) if sort.system_hint else sender.system_id
    return group_key(system, IncidentType(type_), sender.slug)


def _of_few_incidents(sorts: Iterable[Sort], now: datetime, limit: int, *, lean: bool) -> list[Signal]:
    """Signals of as few incidents as fill a round, those first that have waited longest.

    What joins an incident in one round is one entry of its timeline: a round with two signals of each of five hundred
    incidents costs far more than one with forty of each of twenty-five.
    """
    about: set[str] = set()
    count = 0
    for sort in sorts:
        about.add(sort.system_hint)
        count += sort.count
        if count >= limit:
            break
    found = heard.take_due(now, limit, about=about, lean=lean)
    return found or heard.take_due(now, limit, lean=lean)  # another replica has them in hand


def _of_this_round(groups: Batch, now: datetime, *, storm: bool, worse: Collection[UUID]) -> Batch:
    """What opens incidents first, not too much at once, so that its pages go out before the rest is routed.

    In a storm what merely joins waits for that, but for what is worse or has waited for long; what is left stays due.
    """
    known = _known(group.key for group, _ in groups)
    news = [one for one in groups if one[0].key not in known][:OPENED_AT_ONCE]
    joining = [one for one in groups if one[0].key in known]
    if not storm or not news:
        return [*news, *joining]
    rising = [(group, [s for s in signals if s.pk in worse]) for group, signals in joining]
    waited = [
        (group, [s for s in signals if s.pk not in worse and s.route_at and s.route_at <= now - PATIENCE])
        for group, signals in joining
    ]
    return [*news, *filter(_any, rising), *islice(filter(_any, waited), JOINED_BESIDE)]


def _any(one: tuple[Group, list[Signal]]) -> bool:
    return bool(one[1])


def _known(keys: Iterable[str]) -> dict[str, int]:
    """Which of these groups have an open incident, as it looks now, and of which severity."""
    rows = Incident.objects.filter(group_key__in=set(keys), state__in=UNRESOLVED)
    return dict(rows.values_list("group_key", "severity"))


def _grouped(signals: Iterable[Signal], ruling: Ruling, now: datetime, failures: list[Exception]) -> Batch:
    """The signals by group; those whose group cannot even be told rest."""
    reads: list[Read] = []
    for signal in signals:
        try:
            reads.append(ruling.read(signal))
        except Exception as error:  # noqa: BLE001  whatever it is, it is one signal's trouble and not the others'
            _put_aside([signal], error, now, failures)
    by_onset = placed(reads)
    groups: dict[Group, list[Signal]] = defaultdict(list)
    for read in reads:
        try:
            groups[_group_of(read, by_onset)].append(read.signal)
        except Exception as error:  # noqa: BLE001  as above
            _put_aside([read.signal], error, now, failures)
    return list(groups.items())


def _put_aside(signals: Sequence[Signal], error: Exception, now: datetime, failures: list[Exception]) -> None:
    """Let signals rest that could not be routed, so that they do not keep the round failing; say why."""
    log.error("signals could not be routed", signals=[str(signal.pk) for signal in signals[:NAMED]], exc_info=error)
    intake.rest(signals, now + REST)
    failures.append(error)


def _route_alone(one: tuple[Group, list[Signal]], *, ruling: Ruling, now: datetime, failures: list[Exception]) -> int:
    """Route one group; if another writer was quicker (a deadlock, an incident opened at once), decide again."""
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                return _route_groups([one], ruling=ruling)
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


def _group_of(read: Read, by_onset: Mapping[UUID, Placed]) -> Group:
    """Where a signal belongs. One that has an incident already (its end, or a repeat) stays with it."""
    integration, incident = read.signal.integration, read.signal.incident
    if incident is not None:
        return Group(incident.group_key, incident.incident_type, incident.system, integration)
    if alarm := by_onset.get(read.signal.pk):
        return Group(alarm.key, alarm.type, alarm.system, integration, by_onset)
    return _belongs(integration, read.system, read.type)


def _belongs(integration: Integration, system: System | None, type_: IncidentType) -> Group:
    """The group of what an integration says of a system and a type."""
    return Group(group_key(system.pk if system else None, type_, integration.slug), type_, system, integration)


@dataclass
class Plan:
    """What becomes of a group's signals; decided before anything is written.

    Attributes:
        worst: What those that join and fire say of their severity; None = nothing.
        told: The incident's timeline says so already.
        named: The system that the incident is about only since one of these signals has said so.
        moved: Those whose incident goes by another key since they were read: they stay due, for whoever reads it anew.
    """

    group: Group
    signals: Sequence[Signal]
    incident: Incident | None
    turn: Turn
    opener: Signal | None = None
    worst: Severity | None = None
    over: list[Signal] = field(default_factory=list)
    moved: list[Signal] = field(default_factory=list)
    kept: list[tuple[Signal, str]] = field(default_factory=list)
    held: list[tuple[Signal, str]] = field(default_factory=list)
    joined: list[tuple[Signal, str]] = field(default_factory=list)
    told: bool = False
    named: System | None = None

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
        inside = self.named.pk if self.named else system
        by_rules = partial(self.turn.outcome, held=False)
        return [
            *(Routed(s, s.incident_id, s.system_id, s.reason_joined, by_rules(s)) for s in self.over),
            *(Routed(signal, None, system, reason, by_rules(signal)) for signal, reason in self.kept),
            *(
                Routed(signal, None, system, reason, self.turn.outcome(signal, held=True))
                for signal, reason in self.held
            ),
            *(Routed(signal, where, inside, reason, by_rules(signal)) for signal, reason in self.joined),
        ]


def _route_groups(batch: Batch, *, ruling: Ruling) -> int:
    """Decide and write for many groups in the running transaction, by what their incidents say now."""
    incidents, turn = _unresolved(group.key for group, _ in batch), ruling.turn()
    away = _still_open(batch, incidents)
    plans = [_plan(group, signals, incidents.get(group.key), turn, ruling, away) for group, signals in batch]
    asking = [plan.group.key for plan in plans if plan.opener]
    if asking:
        # Whoever opens takes turns: what another replica has opened meanwhile is seen from here on, and joined.
        hold_numbers("incident")
        plans = _open_what_is_asked(plans, _unresolved(asking), ruling, away)
    record_all([news for plan in plans for news in _news(plan)])
    for plan in plans:
        _heed_names(plan, ruling)
    intake.routed([routed for plan in plans for routed in plan.routed()])
    if alarms := [signal.pk for plan in plans for signal in plan.fresh if signal.pk in plan.group.by_onset]:
        telling.joined(alarms, clock.now())
    for plan in plans:
        if plan.incident is not None and plan.joined:
            by = Actor.integration(plan.group.integration.slug)
            worsening.heed(plan.incident, [ruling.read(signal) for signal, _ in plan.joined], by=by)
    for plan in plans:
        if plan.incident is not None and plan.ended and plan.group.integration.resolves_incidents:
            resolve_by_rule(plan.incident, integration=plan.group.integration, waits=ruling.held_open(plan.ended))
    return sum(len(plan.signals) - len(plan.moved) for plan in plans)


def _heed_names(plan: Plan, ruling: Ruling) -> None:
    """The incident, and with it its signals, are about the system that one of them names only now (`named_late`)."""
    if plan.incident is None:
        return
    reads = [ruling.read(signal) for signal, _ in plan.joined if signal.incident_id is not None]
    plan.named = named_late.heed(plan.incident, reads)


def _still_open(batch: Batch, incidents: Mapping[str, Incident]) -> Collection[UUID]:
    """Incidents that signals have, that are open, and that were not found by the key they had when these were read.

    Somebody named another system meanwhile. Where one transaction writes at a time, that cannot be.
    """
    held = {incident.pk for incident in incidents.values()}
    missing = {signal.incident_id for _, signals in batch for signal in signals if signal.incident_id} - held
    if not missing:
        return ()
    return set(Incident.objects.filter(pk__in=missing, state__in=UNRESOLVED).values_list("pk", flat=True))


def _open_what_is_asked(
    plans: Sequence[Plan], incidents: Mapping[str, Incident], ruling: Ruling, away: Collection[UUID]
) -> list[Plan]:
    """The plans with the incidents that they ask for, which `incidents` has or which are opened here, one a key."""
    asking = {plan.group.key: plan for plan in reversed(plans) if plan.opener and plan.group.key not in incidents}
    ordered = sorted(asking.values(), key=lambda plan: plan.signals[0].first_at)
    opened = open_incidents([_opening(plan, ruling.read(plan.opener)) for plan in ordered if plan.opener])
    found = {**incidents, **{incident.group_key: incident for incident in opened}}
    for plan in ordered:
        plan.incident, plan.told = found[plan.group.key], True
    # A group that asked for the same one as another, or whose incident was there after all, decides again.
    return [
        plan if plan.incident else _plan(plan.group, plan.signals, found.get(plan.group.key), plan.turn, ruling, away)
        for plan in plans
    ]


def _plan(
    group: Group,
    signals: Sequence[Signal],
    incident: Incident | None,
    turn: Turn,
    ruling: Ruling,
    away: Collection[UUID],
) -> Plan:
    """Decide for one group; `away` is what `_still_open` found."""
    plan = Plan(group, signals, incident, turn)
    for signal in sorted(signals, key=lambda s: s.first_at):
        if signal.incident_id is not None and (incident is None or signal.incident_id != incident.pk):
            # It belonged to an incident that is over: its end is news there and nothing new here.
            (plan.moved if signal.incident_id in away else plan.over).append(signal)
            continue
        # What only says that all is well is part of no incident, or that would never end by itself.
        apart = signal.incident_id is None and turn.alive(signal)
        read = ruling.read(signal)
        decision = _decide(read, group, None if apart else incident or plan.opener)
        if decision.action is RouteAction.OPEN and (held := turn.holds(signal)):
            plan.held.append((signal, held.value))
            continue
        if decision.action is RouteAction.RECORD:
            plan.kept.append((signal, turn.reason_of(signal, decision.reason)))
            continue
        if decision.action is RouteAction.OPEN:
            plan.opener = signal
        # Whose incident it was before stays what it was: one that opened it has not joined it by ending.
        before = signal.reason_joined if signal.incident_id is not None else ""
        plan.joined.append((signal, before or decision.reason.value))
        if read.fires and read.severity is not None:
            plan.worst = min(plan.worst or read.severity, read.severity)
    return plan


def _decide(read: Read, group: Group, open_incident: object | None) -> RouteDecision:
    """What becomes of one signal; `open_incident` is the one of its group, or what is about to open it."""
    alarm = group.by_onset.get(read.signal.pk)
    by_onset = alarm.reason if alarm else None
    return route(read.severity, group.system is not None, open_incident, resolved=not read.fires, by_onset=by_onset)


def _opening(plan: Plan, read: Read) -> Opening:
    """What is known of an incident that a signal opens; it is as bad as the worst that joins it at once."""
    signal, group = read.signal, plan.group
    alarm = group.by_onset.get(signal.pk)
    return Opening(
        title=signal.title,
        type_=group.type_,
        system=group.system,
        key=group.key,
        detected_at=signal.first_at,
        by=Actor.integration(group.integration.slug),
        technical=technical_from(plan.worst),
        description=signal.description,
        onset=signal.starts_at if signal.starts_at and signal.starts_at <= signal.first_at else None,
        onset_low=alarm.onset_low if alarm else None,
        onset_high=alarm.onset_high if alarm else None,
        because=f"signal from {group.integration.name}",
        told=_told(plan),
    )


def _unresolved(keys: Iterable[str]) -> dict[str, Incident]:
    """The open incidents of groups by key, held; always in the same order, so that nobody waits in a ring."""
    rows = Incident.objects.filter(group_key__in=set(keys), state__in=UNRESOLVED).order_by("pk")
    return {incident.group_key: incident for incident in db.lock(rows.defer(*Incident.LONG))}


def _news(plan: Plan) -> list[News]:
    """What is still to be told on the timeline of the incident."""
    if plan.incident is None or plan.told:
        return []
    by = Actor.integration(plan.group.integration.slug)
    return [News(plan.incident, kind, body, by) for kind, body in _told(plan)]


def _told(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    """One entry for what joined and one for what ended, however many they were."""
    told = (("signals_joined", plan.fresh), ("signals_ended", plan.ended))
    return [
        (kind, {"count": len(signals), "titles": [signal.title for signal in signals[:NAMED]]})
        for kind, signals in told
        if signals
    ]
