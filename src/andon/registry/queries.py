"""Reads: systems, whether they are ready, and who is on call for them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from django.db.models import Count, Prefetch, QuerySet

from andon.oncall import queries as oncall
from andon.oncall.models import Chain, Schedule, StepTarget
from andon.oncall.queries import NowAndNext, Reached
from andon.oncall.rota import Rota
from andon.people import ways
from andon.people.models import ChannelKind, ContactPoint, Membership, Person
from andon.practice import readiness as rules
from andon.practice.readiness import HORIZON, Readiness
from andon.practice.words import Stage
from andon.registry import parts
from andon.registry.models import ChangeEvent, Component, StageChange, System

LOOKED_BACK = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A system in production that is not ready, and what stands against it."""

    system: System
    readiness: Readiness


@dataclass(frozen=True, slots=True)
class OnCallFor:
    """Who would be paged first for a system now, and who is on call now and next in the schedules asked first."""

    system: System
    reached: list[Reached]
    schedules: list[NowAndNext]


def systems() -> QuerySet[System]:
    """The register, by name."""
    return System.objects.select_related("owner", "team", "chain")


def covered() -> QuerySet[System]:
    """The systems somebody should be on call for: those in pilot or production."""
    return systems().filter(stage__in=[Stage.PILOT, Stage.PRODUCTION])


def components() -> QuerySet[Component]:
    """The components, by name, each with the number of systems that stand on it as `dependents`."""
    return Component.objects.annotate(dependents=Count("dependencies"))


def readiness(system: System, now: datetime, zone: tzinfo = UTC) -> Readiness:
    """Whether a system is ready for production, and everything that stands against it, with times in `zone`."""
    return readiness_of([system], now, zone)[system.pk]


def readiness_of(of: Iterable[System], now: datetime, zone: tzinfo = UTC) -> dict[UUID, Readiness]:
    """The readiness of systems by key; a fixed number of queries, however many there are."""
    rows = list(of)
    chains = _Chains({system.chain_id for system in rows if system.chain_id}, now)
    levers = parts.levers_of(rows, now)
    return {system.pk: rules.check(_facts(system, chains, zone, levers.get(system.pk)), now) for system in rows}


def uncovered(now: datetime, zone: tzinfo = UTC) -> list[Uncovered]:
    """The systems in production that are not ready, by name."""
    rows = list(systems().filter(stage=Stage.PRODUCTION))
    verdicts = readiness_of(rows, now, zone)
    return [Uncovered(row, verdicts[row.pk]) for row in rows if not verdicts[row.pk].ready]


def override_of(system: System, verdict: Readiness) -> StageChange | None:
    """The override by which a system that is not ready is in production, for as long as that lasts."""
    if system.stage != Stage.PRODUCTION or verdict.ready:
        return None
    latest = system.stage_changes.filter(after=Stage.PRODUCTION).select_related("by").first()
    return latest if latest and latest.override_reason else None


def changes_of(system: System) -> QuerySet[ChangeEvent]:
    """What changed about a system, newest first."""
    return ChangeEvent.objects.filter(system=system)


def changes_before(system: System, began: datetime, until: datetime) -> QuerySet[ChangeEvent]:
    """What changed about a system in the `LOOKED_BACK` before something began, and until it was seen; newest first."""
    return changes_of(system).filter(at__gt=began - LOOKED_BACK, at__lte=until)


def on_call_for(of: Iterable[System], now: datetime) -> list[OnCallFor]:
    """Who is asked first for each system now, by the first step of its chain or else of the fallback."""
    rows = list(of)
    spare = oncall.fallback()
    wanted = {row.chain_id for row in rows if row.chain_id} | ({spare.pk} if spare else set())
    chains = {chain.pk: chain for chain in oncall.chains().filter(pk__in=wanted)}
    first: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        chain = (chains.get(row.chain_id) if row.chain_id else None) or spare
        steps = [step for step in chain.steps.all() if step.targets.all()] if chain else []
        first[row.pk] = oncall.targets_json(steps[0]) if steps else []
    asked = {t["id"]: t for targets in first.values() for t in targets}
    everyone = oncall.people_reached_each(list(asked.values()), now)
    keys = {t["id"] for t in asked.values() if t["kind"] == "schedule"}
    boards = {str(row.schedule.pk): row for row in oncall.board(Schedule.objects.filter(pk__in=keys), now)}
    return [
        OnCallFor(
            row,
            oncall.once(r for target in first[row.pk] for r in everyone[target["id"]]),
            [boards[target["id"]] for target in first[row.pk] if target["id"] in boards],
        )
        for row in rows
    ]


class _Chains:
    """What readiness needs to know of chains, read once for all of them."""

    def __init__(self, keys: set[UUID], now: datetime) -> None:
        self.now, self.until = now, now + HORIZON
        self.steps: dict[UUID, list[list[StepTarget]]] = {
            chain.pk: [list(step.targets.all()) for step in chain.steps.all()]
            for chain in Chain.objects.filter(pk__in=keys).prefetch_related(oncall.steps_at_hand())
        }
        targets = [target for steps in self.steps.values() for step in steps for target in step]
        schedules = {t.schedule.pk: t.schedule for t in targets if t.schedule}
        self.rotas: dict[UUID, Rota] = oncall.rotas_of(schedules.values(), self.now, self.until)
        self.shifts = {key: found.shifts(self.now, self.until) for key, found in self.rotas.items()}
        self.members: dict[UUID, list[UUID]] = defaultdict(list)
        for place in Membership.objects.filter(team__in={t.team_id for t in targets if t.team_id}):
            self.members[place.team_id].append(place.person_id)
        people = {t.person_id for t in targets if t.person_id}
        people |= {pk for pks in self.members.values() for pk in pks}
        people |= {shift.person.pk for shifts in self.shifts.values() for shift in shifts}
        self.people = _people(people)

    def facts(self, target: StepTarget) -> rules.TargetFacts:
        """One target as the rules know it."""
        if target.schedule_id is not None:
            shifts = self.shifts[target.schedule_id]
            return rules.TargetFacts(
                label=f"schedule {target}",
                working_contact_points=self._working({s.person.pk for s in shifts}),
                gaps=tuple((gap.starts, gap.ends) for gap in self.rotas[target.schedule_id].gaps(self.now, self.until)),
                unreached=tuple((str(s.person), s.starts, s.ends) for s in shifts if not self._working([s.person.pk])),
                people=self._known(dict.fromkeys(s.person.pk for s in shifts)),
            )
        if target.team_id is not None:
            members = self.members[target.team_id]
            return rules.TargetFacts(f"team {target}", self._working(members), people=self._known(members, named=False))
        alone = [target.person_id] if target.person_id else []
        return rules.TargetFacts(str(target), self._working(alone), people=self._known(alone))

    def _working(self, people: Iterable[UUID]) -> int:
        """How many working contact points these people have together."""
        return sum(point.works for person in self._known(people) for point in person.points)

    def _known(self, people: Iterable[UUID], *, named: bool = True) -> tuple[rules.PersonFacts, ...]:
        """Those of them who are still here."""
        return tuple(replace(self.people[pk], named=named) for pk in people if pk in self.people)


def _facts(system: System, chains: _Chains, zone: tzinfo, levers: rules.LeverFacts | None) -> rules.Facts:
    steps = chains.steps.get(system.chain_id) if system.chain_id else None
    return rules.Facts(
        owner=str(system.owner) if system.owner else None,
        owner_active=_is_here(system.owner),
        steps=None
        if steps is None
        else tuple(
            rules.StepFacts(number, tuple(chains.facts(target) for target in targets))
            for number, targets in enumerate(steps, start=1)
        ),
        zone=zone,
        levers=levers,
    )


def _is_here(person: Person | None) -> bool:
    return person is not None and person.is_active and person.erased_at is None


def _people(people: Iterable[UUID]) -> dict[UUID, rules.PersonFacts]:
    """What readiness asks of each of these people; those who are no longer here are not in it."""
    points = ContactPoint.objects.filter(removed_at__isnull=True)
    found = Person.objects.filter(pk__in=set(people), is_active=True, erased_at__isnull=True)
    rows = list(found.prefetch_related(Prefetch("contact_points", points)))
    kinds = {ChannelKind(point.kind) for person in rows for point in person.contact_points.all()}
    unusable = {kind: ways.missing(kind) for kind in kinds}
    return {
        person.pk: rules.PersonFacts(
            str(person), tuple(_point(point, unusable) for point in person.contact_points.all())
        )
        for person in rows
    }


def _point(point: ContactPoint, unusable: Mapping[ChannelKind, str]) -> rules.PointFacts:
    kind = ChannelKind(point.kind)
    proofs = [at for at in (point.verified_at, point.proved_at) if at is not None]
    return rules.PointFacts(
        channel=kind.label,
        verified=point.verified_at is not None,
        broken_at=point.broken_at,
        why_broken=point.broken_reason,
        unusable=unusable[kind],
        proved_at=max(proofs, default=None),
        wakes=kind is not ChannelKind.LOG,
    )
