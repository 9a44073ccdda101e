"""Reads of runbooks and runs, for whoever may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet

from andon.containment.queries import asks_of
from andon.incidents.models import Incident
from andon.incidents.policy import may_respond
from andon.intake.models import Signal
from andon.people.policy import Actor
from andon.practice.shelf import Case, Fit, Freshness, due_on, freshness, suggest
from andon.practice.words import IncidentKind, IncidentType, StepState, SystemKind
from andon.registry.models import System
from andon.reviews.queries import today
from andon.runbooks import shelf as shelves
from andon.runbooks.models import Feedback, Proposal, Run, RunStep, Version
from andon.runbooks.policy import must_view, visible_runs
from andon.runbooks.shelf import Shelved
from andon.watch.models import Alarm, Log

SUGGESTED: Final = 3
FROZEN: Final = "the handbook has it no more, so this is what it said when the incident opened"
_SIGNALS: Final = 50


@dataclass(frozen=True)
class Use:
    """How a runbook was used, as far as the viewer may know: drills apart."""

    runs: int = 0
    drills: int = 0
    last_at: datetime | None = None
    helped: int = 0
    answers: int = 0


@dataclass(frozen=True)
class Standing:
    """A runbook in the library: what it says, who answers for it, whether it was read through lately, and its use."""

    shelved: Shelved
    reviewed: date
    due: date
    freshness: Freshness
    use: Use
    proposals: int

    @property
    def owner(self) -> str:
        """Who answers for it: a person here, or the role that the text names."""
        row = self.shelved.row
        return str(row.owner) if row and row.owner else self.shelved.runbook.owner


def library(by: Actor, *, off: bool = False) -> list[Standing]:
    """The runbooks on the shelf with their use, by title."""
    must_view(by)
    uses = _uses(by)
    waiting = dict(
        Proposal.objects.filter(state=Proposal.State.OPEN).values_list("runbook").annotate(Count("pk")).order_by()
    )
    day = today()
    return [_standing(one, uses, waiting, day) for one in shelves.shelf(off=off).values()]


def standing(by: Actor, key: str) -> Standing:
    """One runbook with its use. Raises `Missing`."""
    must_view(by)
    found = shelves.one(key)
    waiting = {}
    if found.row:
        open_ = Proposal.objects.filter(runbook=found.row, state=Proposal.State.OPEN).count()
        waiting = {found.row.pk: open_}
    return _standing(found, _uses(by, key), waiting, today())


def _standing(found: Shelved, uses: Mapping[str, Use], waiting: Mapping[UUID, int], day: date) -> Standing:
    row = found.row
    reviewed = found.runbook.reviewed
    if row and row.reviewed_on and not found.from_file:
        reviewed = max(reviewed, row.reviewed_on)
    due = due_on(reviewed, found.runbook.review_days)
    proposals = waiting.get(row.pk, 0) if row else 0
    return Standing(found, reviewed, due, freshness(due, day), uses.get(found.key, Use()), proposals)


def _uses(by: Actor, key: str = "") -> dict[str, Use]:
    runs = visible_runs(by).order_by()
    answers = Feedback.objects.filter(run__in=runs.values("pk"), run__incident__kind=IncidentKind.REAL)
    if key:
        runs, answers = runs.filter(runbook__key=key), answers.filter(run__runbook__key=key)
    real = Q(incident__kind=IncidentKind.REAL)
    counted = runs.values("runbook__key").annotate(
        real=Count("pk", filter=real), drills=Count("pk", filter=~real), last=Max("created_at", filter=real)
    )
    said = {
        row["run__runbook__key"]: (row["yes"], row["all"])
        for row in answers.order_by()
        .values("run__runbook__key")
        .annotate(yes=Count("pk", filter=Q(helped=Feedback.Helped.YES)), all=Count("pk"))
    }
    return {
        (name := row["runbook__key"]): Use(row["real"], row["drills"], row["last"], *said.get(name, (0, 0)))
        for row in counted
    }


def runs_of(by: Actor, key: str) -> QuerySet[Run]:
    """The runs of a runbook that the viewer may know of, newest first."""
    must_view(by)
    return visible_runs(by).filter(runbook__key=key).order_by("-number")


def versions_of(by: Actor, found: Shelved) -> list[Version]:
    """The versions that are kept of a runbook, newest first."""
    must_view(by)
    return list(found.row.versions.select_related("by").order_by("-number")) if found.row else []


def proposals_of(by: Actor, found: Shelved) -> list[Proposal]:
    """The proposals for a runbook, those to be decided first."""
    must_view(by)
    if found.row is None:
        return []
    rows = list(found.row.proposals.select_related("by", "decided_by").order_by("-number"))
    return sorted(rows, key=lambda row: row.state != Proposal.State.OPEN)


def proposals(by: Actor, *, runbook: str = "", state: str = "") -> QuerySet[Proposal]:
    """Proposals for a runbook, or for all, that stand so; newest first."""
    must_view(by)
    rows = Proposal.objects.select_related("runbook", "base", "by", "decided_by", "made").order_by("-number")
    rows = rows.filter(runbook__key=runbook) if runbook else rows
    return rows.filter(state=state) if state else rows


@dataclass(frozen=True)
class Compared:
    """With what a proposal is compared: a text, and the number of the version that it would follow now."""

    against: str
    now: int
    shelved: Shelved


def compared(row: Proposal) -> Compared:
    """An open proposal is compared with what the runbook says now, a decided one with what its writer began from."""
    found = shelves.one(row.runbook.key)
    now = found.version.number if found.version and found.is_kept else row.base.number + 1
    return Compared(found.text if row.state == Proposal.State.OPEN else row.base.text, now, found)


@dataclass(frozen=True)
class Lack:
    """What somebody said was missing in a run, the change that came of it, and whether the viewer may propose one."""

    said: Feedback
    proposal: Proposal | None
    may: bool


def lacks_of(by: Actor, key: str, *, most: int) -> list[Lack]:
    """What was said to be missing in the runs of a runbook that the viewer may know of; without a change yet first."""
    must_view(by)
    said = Feedback.objects.filter(run__in=visible_runs(by).filter(runbook__key=key).order_by().values("pk"))
    rows = said.exclude(missing="").select_related("run__incident", "by").order_by("-created_at")
    proposed = {one.run_id: one for one in Proposal.objects.filter(run__in=rows.values("run"))}
    lacks = [Lack(row, proposed.get(row.run_id), may_respond(by, row.run.incident)) for row in rows[:most]]
    return sorted(lacks, key=lambda one: one.proposal is not None)


def on_incident(by: Actor, incident: Incident) -> list[Run]:
    """The runs on an incident that the viewer may see, those that go on first."""
    rows = list(visible_runs(by).filter(incident=incident).order_by("-number"))
    return sorted(rows, key=lambda run: run.state != Run.State.GOING)


def case_of(incident: Incident) -> Case:
    """What is known of an incident that a runbook is looked for."""
    titles = Signal.objects.filter(incident=incident).order_by("-last_at").values_list("title", flat=True)[:_SIGNALS]
    alarms = Alarm.objects.filter(signal__incident=incident).values_list("watch__kind", flat=True)
    components: set[str] = set()
    if incident.system is not None:
        for slug, kind in incident.system.components.values_list("slug", "kind"):
            components.update((slug, kind))
    return Case(
        type=incident.incident_type,
        secondary=frozenset(IncidentType(one) for one in incident.secondary_types),
        system=SystemKind(incident.system.kind) if incident.system else None,
        components=frozenset(components),
        watches=frozenset(alarms),
        text=" ".join((incident.title, incident.description, *titles)),
    )


@dataclass(frozen=True)
class Offers:
    """The runbooks that are offered for an incident.

    Attributes:
        fits: Those that its protocol asks for first, then those that fit, best first.
        off: Those that its protocol asks for, and that somebody took off the shelf.
    """

    fits: list[Fit]
    off: list[Shelved]


def offers(incident: Incident, *, most: int | None = SUGGESTED) -> Offers:
    """The runbooks for an incident; at most so many, or all that fit.

    What its protocol asks for and a later handbook provides no more is offered as the handbook that the incident opened
    with has it.
    """
    asked, found = asks_of(incident).runbooks, shelves.shelf()
    missing = [one for key in asked if key not in found and (one := shelves.known(key, opened=incident.edition_id))]
    books = [*found.values(), *(one for one in missing if not one.is_off)]
    fits = suggest([one.runbook for one in books], case_of(incident), most=most or len(books), asked=asked)
    frozen = {one.key for one in books if one.frozen}
    fits = [replace(fit, reasons=(*fit.reasons, FROZEN)) if fit.runbook.key in frozen else fit for fit in fits]
    return Offers(fits, [one for one in missing if one.is_off])


def latest(run: Run) -> list[RunStep]:
    """Every step of a run as it stands: its newest turn, in order."""
    found: dict[str, RunStep] = {}
    for row in run.steps.select_related("by").order_by("position", "turn"):
        found[row.key] = row
    return list(found.values())


def states(steps: Sequence[RunStep]) -> dict[str, StepState]:
    """How the steps stand, by key."""
    return {step.key: StepState(step.state) for step in steps}


def earlier(run: Run) -> dict[str, list[RunStep]]:
    """The turns of steps that were taken before the present one, by key, oldest first."""
    found: dict[str, list[RunStep]] = {}
    for row in run.steps.select_related("by").order_by("position", "turn"):
        found.setdefault(row.key, []).append(row)
    return {key: rows[:-1] for key, rows in found.items() if len(rows) > 1}


def logs_of(system: System | None) -> list[Log]:
    """The decision logs of a system that are connected, by name."""
    return list(Log.objects.filter(system=system, ended_at=None).order_by("name")) if system is not None else []
