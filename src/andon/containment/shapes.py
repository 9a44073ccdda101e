"""What the API takes and gives about levers, pulls and rehearsals. Secrets are written and never given."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema

from andon.containment import adapters, probes
from andon.containment.actions import LeverFacts, Trial
from andon.containment.models import Lever, Pull, Rehearsal
from andon.containment.queries import Standing, stages
from andon.incidents.shapes import short
from andon.kit.crypto import unless_sealed
from andon.kit.fields import Field as Setting
from andon.kit.shapes import Given
from andon.oncall.shapes import PersonShort
from andon.practice.containment import ApprovalRule
from andon.practice.words import ContainmentKind


def without_secrets(fields: tuple[Setting, ...], kept: dict[str, str]) -> dict[str, str]:
    """Settings as they may be shown: of a secret only that it is kept."""
    secret = {one.name for one in fields if one.secret}
    return {name: "(kept)" if name in secret else value for name, value in kept.items()}


class FieldOut(Schema):
    """One setting of a kind of lever."""

    name: str
    label: str
    help: str
    secret: bool
    required: bool
    default: str
    choices: list[str]


class KindOut(Schema):
    """A kind of lever that this Andon has an adapter for."""

    kind: str
    title: str
    line: str
    does: list[ContainmentKind]
    undoes: bool = Field(description="Whether a pull can be undone.")
    looks: bool = Field(description="Whether it sees the data plane by itself; else give it a probe.")
    fields: list[FieldOut]


class LeverOut(Schema):
    """A lever, how fit it is, and how its newest pull stands."""

    number: int
    ref: str
    system: str
    name: str
    kind: ContainmentKind
    adapter: str
    effect: str
    settings: dict[str, str] = Field(description="Of a secret only that it is kept.")
    drill_settings: dict[str, str]
    probe: dict[str, str]
    approval: ApprovalRule
    verify_seconds: int
    every_seconds: int
    fit: bool
    unfit: str | None = Field(description="What stands against counting on it.")
    says: str
    rehearsed_at: datetime | None
    pull: str | None = Field(description="Its newest pull for an incident.")
    pull_state: str | None
    holds: bool = Field(description="Whether it is pulled, verified, and not undone since.")
    changed_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, one: Standing) -> "LeverOut":
        """The lever as the API says it."""
        row = one.lever
        known = row.adapter in adapters.kinds()
        fields = adapters.find(row.adapter).fields if known else ()
        plain = ("number", "ref", "name", "kind", "adapter", "effect", "approval", "verify_seconds", "every_seconds")
        return cls(
            **{name: getattr(row, name) for name in plain},
            system=row.system.slug,
            settings=without_secrets(fields, unless_sealed(row.settings, {})) if known else {},
            drill_settings=without_secrets(fields, unless_sealed(row.drill_settings, {})) if known else {},
            probe=without_secrets(probes.FIELDS, unless_sealed(row.probe, {})),
            fit=one.fitness.unfit is None,
            unfit=one.fitness.unfit,
            says=one.fitness.text,
            rehearsed_at=row.rehearsed_at,
            pull=one.newest.ref if one.newest else None,
            pull_state=one.newest.state if one.newest else None,
            holds=one.holds,
            changed_at=row.changed_at,
            ended_at=row.ended_at,
        )


class LeverPage(Schema):
    """Some levers."""

    items: list[LeverOut]
    next_cursor: str | None


class LeverChange(Given):
    """What of a lever is to be otherwise; what is left out stays. A part (`settings`, …) is given whole."""

    name: str | None = None
    kind: ContainmentKind | None = None
    effect: str | None = None
    settings: dict[str, str] | None = Field(default=None, description="An empty secret leaves the kept one in place.")
    drill_settings: dict[str, str] | None = Field(default=None, description="The same, of a target for drills.")
    probe: dict[str, str] | None = Field(default=None, description="An HTTP request that shows the effect; see docs.")
    approval: ApprovalRule | None = None
    verify_seconds: int | None = None
    every_seconds: int | None = None

    def facts(self, row: Lever) -> LeverFacts:
        """The lever as it is to be: what is given, and what stands."""
        given = {name: value for name, value in self.dict().items() if value is not None}
        stands: dict[str, Any] = {
            "name": row.name,
            "kind": ContainmentKind(row.kind),
            "effect": row.effect,
            "settings": row.settings,
            "drill_settings": row.drill_settings,
            "probe": row.probe,
            "approval": ApprovalRule(row.approval),
            "verify_seconds": row.verify_seconds,
            "every_seconds": row.every_seconds,
        }
        return LeverFacts(**(stands | given))


class LeverIn(Given):
    """A lever to be prepared."""

    system: str = Field(description="Short name.")
    adapter: str = Field(description="A kind of `GET /levers/kinds`.")
    name: str = Field(description="What it does, as “Roll back to v6”.")
    kind: ContainmentKind
    effect: str = Field(default="", description="What a customer notices of it.")
    settings: dict[str, str] = {}
    drill_settings: dict[str, str] = {}
    probe: dict[str, str] = {}
    approval: ApprovalRule = ApprovalRule.ALONE
    verify_seconds: int = 120
    every_seconds: int = 2

    def facts(self) -> LeverFacts:
        """What is to be prepared."""
        return LeverFacts(**{name: value for name, value in self.dict().items() if name not in {"system", "adapter"}})


class LeverQuery(Schema):
    """How the list is narrowed."""

    system: str = ""
    ended: bool = False
    cursor: str | None = None
    limit: int = 50


class TryIn(Given):
    """On what a dry run looks."""

    drill: bool = Field(default=False, description="At the target for drills.")


class LeverTrialOut(Schema):
    """What a pull would change now."""

    ok: bool
    says: str
    prior: dict[str, Any] | None
    expected: dict[str, Any] | None

    @classmethod
    def of(cls, trial: Trial) -> "LeverTrialOut":
        """The trial as the API says it."""
        expected = dict(trial.plan.expected) if trial.plan else None
        return cls(
            ok=trial.ok,
            says=trial.says,
            prior=dict(trial.prior) if trial.prior is not None else None,
            expected=expected,
        )


class RehearseIn(Given):
    """On what a lever is rehearsed."""

    on_real: bool = Field(default=False, description="Explicitly: the real target may be acted on.")


class RehearsalOut(Schema):
    """A rehearsal, and what came of it."""

    id: UUID
    lever: str
    target: str
    state: str
    says: str
    by: PersonShort | None
    at: datetime
    ended_at: datetime | None
    pulls: list[str]

    @classmethod
    def of(cls, row: Rehearsal) -> "RehearsalOut":
        """The rehearsal as the API says it."""
        return cls(
            id=row.pk,
            lever=row.lever.ref,
            target=row.target,
            state=row.state,
            says=row.says,
            by=short(row.by),
            at=row.created_at,
            ended_at=row.ended_at,
            pulls=[pull.ref for pull in sorted(row.pulls.all(), key=lambda pull: pull.number)],
        )


class PullIn(Given):
    """For which incident a lever is pulled, and why."""

    incident: int = Field(description="Its number.")
    why: str = ""
    on_real: bool = Field(default=False, description="In a drill, explicitly: the real target may be acted on.")


class WhyIn(Given):
    """Why."""

    reason: str = ""


class StageOut(Schema):
    """One stage of a pull."""

    name: str
    at: datetime | None
    now: bool


class PullStepOut(Schema):
    """One thing that was done about a pull."""

    move: str
    ok: bool | None
    text: str
    count: int
    at: datetime
    last_at: datetime
    seconds: float


class PullOut(Schema):
    """A pull: how far it has come, what it set, and what was seen of it."""

    number: int
    ref: str
    lever: str
    name: str
    system: str
    incident: str | None
    undoes: str | None
    rehearsal: UUID | None
    target: str
    state: str
    says: str
    outcome: str
    seen: str
    in_doubt: bool = Field(description="Nobody could tell at once whether it was done: the data plane was asked.")
    prior: dict[str, Any]
    expected: dict[str, Any]
    rule: str
    asked_by: PersonShort | None
    why: str
    asked_at: datetime
    deadline_at: datetime | None
    ended_at: datetime | None
    stages: list[StageOut]
    trail: list[PullStepOut]

    @classmethod
    def of(cls, row: Pull) -> "PullOut":
        """The pull as the API says it."""
        plain = ("number", "ref", "target", "state", "says", "outcome", "seen", "prior", "expected", "rule", "why")
        trail = [
            PullStepOut(
                move=one.move, ok=one.ok, text=one.text, count=one.count, at=one.created_at, last_at=one.last_at,
                seconds=one.seconds,
            )
            for one in row.trail.all()
        ]  # fmt: skip
        return cls(
            **{name: getattr(row, name) for name in plain},
            lever=row.lever.ref,
            name=row.lever.name,
            system=row.lever.system.slug,
            incident=row.incident.ref if row.incident else None,
            undoes=row.undoes.ref if row.undoes else None,
            rehearsal=row.rehearsal_id,
            in_doubt=row.crashed,
            asked_by=short(row.asked_by),
            asked_at=row.asked_at,
            deadline_at=row.deadline_at,
            ended_at=row.ended_at,
            stages=[StageOut(name=one.name, at=one.at, now=one.now) for one in stages(row)],
            trail=trail,
        )


class PullPage(Schema):
    """Some pulls."""

    items: list[PullOut]
    next_cursor: str | None


class PullQuery(Schema):
    """How the list is narrowed."""

    lever: int | None = None
    incident: int | None = None
    cursor: str | None = None
    limit: int = 50
