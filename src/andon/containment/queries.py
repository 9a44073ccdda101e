"""Reads of levers and pulls: how fit each lever is, how far each pull has come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from andon.containment import adapters, probes
from andon.containment.lever import complaints
from andon.containment.models import Lever, Pull, Rehearsal, Target
from andon.containment.policy import must_view, visible_pulls
from andon.handbook.queries import handbook_at
from andon.incidents.models import Incident
from andon.kit import clock
from andon.kit.crypto import LOST_KEY, readable, unless_sealed
from andon.people.policy import Actor
from andon.practice import containment as rules
from andon.practice.containment import OPEN, TROUBLED, ApprovalRule, PullState, Unfit
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.protocol import Asks
from andon.practice.words import SwitchMode
from andon.registry.models import System
from andon.switch import queries as switches
from andon.switch.models import Revision, Switch

SWITCH: Final = "switch"
"""The kind of lever whose other side is Andon's own kill switch."""


@dataclass(frozen=True)
class Fitness:
    """Whether a lever can be counted on, and in words what stands against it."""

    unfit: Unfit | None
    text: str
    may_be_pulled: bool


@dataclass(frozen=True)
class Standing:
    """A lever as it stands: its fitness, and the newest pull for an incident, if there was any."""

    lever: Lever
    fitness: Fitness
    newest: Pull | None

    @property
    def under_way(self) -> Pull | None:
        """The pull that is not at an end."""
        return self.newest if self.newest is not None and self.newest.is_open else None

    @property
    def holds(self) -> bool:
        """Whether it is pulled now: verified, and not undone since."""
        return self.newest is not None and self.newest.undoes_id is None and self.newest.phase is PullState.VERIFIED


@dataclass(frozen=True)
class Stage:
    """One stage of a pull on its way: what it is, when it was reached, whether it is the present one, or a bad end."""

    name: str
    at: datetime | None
    now: bool = False
    bad: bool = False


def levers(by: Actor, system: System | None = None, *, ended: bool = False) -> QuerySet[Lever]:
    """The levers of a system, or all, by number."""
    must_view(by)
    rows = Lever.objects.filter(ended_at__isnull=not ended).select_related("system", "made_by")
    return rows if system is None else rows.filter(system=system)


def problems(lever: Lever, *, drill: bool = False) -> tuple[str, ...]:
    """What is wrong with a lever's settings, in words; nothing when it can be pulled."""
    try:
        adapter = adapters.find(lever.adapter)
    except LookupError:
        return (f"This Andon has no adapter {lever.adapter!r}.",)
    settings = lever.drill_settings if drill else lever.settings
    lost = [name for name, value in (("settings", settings), ("probe", lever.probe)) if not readable(value)]
    if lost:
        return (f"Its {' and '.join(lost)} cannot be read. {LOST_KEY} Or change the lever, and give them again.",)
    wrong = complaints(adapter, settings)
    if not drill and lever.probe:
        wrong += probes.complaints(lever.probe)
    return tuple(wrong)


def asks_of(incident: Incident) -> Asks:
    """What the protocol that the incident opened with asks for, at its type and severity as they are now."""
    return handbook_at(incident.edition_id).prescription(incident.incident_type, incident.level).asks


def rule_of(lever: Lever, incident: Incident) -> ApprovalRule:
    """Who must agree before a lever is pulled for an incident, as it stands."""
    return rules.rule_at(incident.level, ApprovalRule(lever.approval), asks_of(incident).approval)


def fitness(lever: Lever, now: datetime) -> Fitness:
    """Whether a lever can be counted on."""
    wrong = problems(lever)
    unfit = rules.unfit(lever.facts(wrong), now)
    text = "" if unfit is None else wrong[0] if unfit is Unfit.SETTINGS else unfit.words
    return Fitness(unfit, text, rules.may_be_pulled(unfit))


def standings(by: Actor, rows: Iterable[Lever]) -> list[Standing]:
    """Levers as they stand, in the order given, with what the actor may know of their pulls; two queries."""
    found, now = list(rows), clock.now()
    newest: dict[UUID, Pull] = {}
    known = visible_pulls(by).filter(lever__in=found, rehearsal=None).exclude(state=PullState.WITHDRAWN)
    for pull in known.order_by("number"):
        newest[pull.lever_id] = pull
    return [Standing(lever, fitness(lever, now), newest.get(lever.pk)) for lever in found]


def pulls(by: Actor, *, lever: Lever | None = None, incident: Incident | None = None) -> QuerySet[Pull]:
    """Pulls that the actor may know of, newest first."""
    rows = visible_pulls(by).order_by("-number")
    if lever is not None:
        rows = rows.filter(lever=lever)
    return rows if incident is None else rows.filter(incident=incident)


def of_lever_for(incident: Incident) -> QuerySet[Pull]:
    """The pulls for an incident that count, the newest last: what was withdrawn did nothing."""
    return Pull.objects.filter(incident=incident).exclude(state=PullState.WITHDRAWN).order_by("number")


def rehearsals(by: Actor, lever: Lever) -> QuerySet[Rehearsal]:
    """The rehearsals of a lever, newest first."""
    must_view(by)
    return lever.rehearsals.select_related("by").prefetch_related("pulls")


_REACHED: Final[Mapping[str, str]] = {
    "Asked": "asked_at",
    "Agreed": "approved_at",
    "Evidence kept": "preserved_at",
    "Prior state written down": "prepared_at",
    "Acted": "acted_at",
}
_WAITS_FOR: Final[Mapping[PullState, str]] = {
    PullState.ASKED: "Agreed",
    PullState.APPROVED: "Evidence kept",
    PullState.PRESERVED: "Prior state written down",
    PullState.PREPARED: "Acted",
    PullState.ACTING: "Acted",
}


def stages(pull: Pull) -> list[Stage]:
    """The way of a pull: the stages that were reached, the one that it waits for, and its end."""
    waits = _WAITS_FOR.get(pull.phase)
    found = [Stage(name, getattr(pull, column), now=name == waits) for name, column in _REACHED.items()]
    last = pull.phase.label if not pull.is_open else "Verified"
    return [*found, Stage(last, pull.ended_at, now=pull.phase is PullState.ACTED, bad=pull.phase in TROUBLED)]


def unfit_of(systems: Iterable[System], now: datetime) -> dict[UUID, list[Unfit | None]]:
    """For each system by key, what stands against each of its levers; one query, however many systems there are."""
    found: dict[UUID, list[Unfit | None]] = {system.pk: [] for system in systems}
    for lever in Lever.objects.filter(system__in=list(found), ended_at=None):
        found[lever.system_id].append(fitness(lever, now).unfit)
    return found


def has_open_rehearsal(lever: Lever) -> bool:
    """Whether it is being rehearsed."""
    return lever.rehearsals.filter(state=Rehearsal.State.RUNNING).exists()


def open_pull(lever: Lever) -> Pull | None:
    """The pull or undo that is under way for an incident, if there is one."""
    return lever.pulls.filter(state__in=OPEN, rehearsal=None).select_related("asked_by", "lever").first()


def standing(lever: Lever, target: Target = Target.REAL, *, after: int = 0) -> Pull | None:
    """The newest pull of a lever that stands: it acted, or may have, for an incident that goes on, and was not undone.

    With `after` only pulls with a higher number than that.
    """
    rows = lever.pulls.filter(rehearsal=None, undoes=None, target=target, number__gt=after, state__in=rules.SEEN_TO)
    rows = rows.filter(incident__state__in=UNRESOLVED).exclude(undone_by__state=PullState.VERIFIED)
    return rows.order_by("-number").first()


def holds_for(incident: Incident) -> bool:
    """Whether a lever holds for an incident: the last that was seen to of one of them is a verified pull."""
    rows = incident.pulls.filter(state__in=rules.SEEN_TO).select_related("lever").order_by("number")
    if incident.system_id is not None:
        rows = rows.filter(lever__system=incident.system_id)  # it may have been about another one when that was pulled
    last = {pull.lever_id: pull for pull in rows}
    verified = [pull for pull in last.values() if pull.undoes_id is None and pull.phase is PullState.VERIFIED]
    return any(not taken_back(pull) for pull in verified)


def switch_of(pull: Pull) -> Switch | None:
    """The kill switch that a pull sets, where its lever is Andon's own."""
    if pull.lever.adapter != SWITCH:
        return None
    system = System.objects.filter(slug=unless_sealed(pull.settings, {}).get("system", "")).first()
    return switches.switch_of(system) if system is not None else None


def holding_back(system: System) -> list[Pull]:
    """The pulls that hold a system back by its kill switch, for what goes on, seen to yet or not.

    Not where an undo is agreed to, nor where the system was put back into service since.
    """
    rows = Pull.objects.filter(
        lever__adapter=SWITCH, rehearsal=None, undoes=None, target=Target.REAL, state__in=rules.MAY_HOLD,
        incident__state__in=UNRESOLVED,
    ).exclude(undone_by__approved_at__isnull=False)  # fmt: skip
    pulls = rows.select_related("lever", "incident").order_by("-number")
    here = [pull for pull in pulls if unless_sealed(pull.settings, {}).get("system") == system.slug]
    return [pull for pull in here if not _served_since(system, pull)]


def _served_since(system: System, pull: Pull) -> bool:
    """Whether a system was in service again after a pull set its switch."""
    said = Revision.objects.filter(switch__system=system)
    own = said.filter(key=pull.key).values_list("number", flat=True).first()
    return own is not None and said.filter(number__gt=own, mode=SwitchMode.ON).exists()


def taken_back(pull: Pull) -> bool:
    """Whether the switch that a pull set lets the system decide again, though nobody undid the pull."""
    switch = switch_of(pull)
    return switch is not None and not switch.what_mode.contains


def contained_by_one(pulls: Iterable[Pull], incident: Incident) -> bool:
    """Whether it was one of these pulls that contained an incident, and not a person's word."""
    return any(f"({pull.ref})" in incident.containment_note for pull in pulls)


def targets(lever: Lever) -> list[Target]:
    """On what a lever can be rehearsed: its target for drills, if it has one; the real one if that can be undone."""
    adapter = adapters.find(lever.adapter) if lever.adapter in adapters.kinds() else None
    if problems(lever):
        return []
    found = [Target.DRILL] if lever.drill_settings else []
    return [*found, Target.REAL] if adapter is not None and adapter.undoable(lever.settings) else found
