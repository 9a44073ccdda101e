"""What the API takes and gives about rules."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema

from andon.incidents.shapes import short
from andon.kit.errors import Invalid
from andon.kit.instants import Instant
from andon.kit.shapes import Given
from andon.oncall.shapes import PersonShort
from andon.practice.rules import RuleKind
from andon.registry.models import System
from andon.rules import book, wording
from andon.rules.facts import RuleFacts
from andon.rules.models import Rule, RuleVersion
from andon.rules.trial import Line, Trial


class RuleOut(Schema):
    """A rule about signals, as it says now."""

    number: int
    ref: str
    kind: str
    name: str
    says: str = Field(description="What it does to the signals that it is about.")
    fault: str = Field(description="Why it does nothing though it is in force: it cannot be read any more. Or empty.")
    position: int = Field(description="Rules of a kind are asked from the lowest.")
    expression: str = Field(description="Which signals it is about, in CEL; empty = every signal of its system.")
    system: str | None
    settings: dict[str, Any] = Field(description="What its kind needs beside that; see docs/reference/rules.md.")
    starts_at: datetime | None
    ends_at: datetime | None
    comment: str
    version: int
    made_at: datetime
    made_by: PersonShort | None
    ended_at: datetime | None
    ended_by: PersonShort | None
    holding: int = Field(description="How many firing signals it keeps from opening an incident.")
    missing_since: datetime | None = Field(description="Since when its heartbeat is missing.")
    heard_at: datetime | None = Field(description="When its heartbeat was last looked at and found.")

    @classmethod
    def of(cls, row: Rule, holding: int) -> "RuleOut":
        """The rule as the API says it."""
        beat = getattr(row, "heartbeat", None)
        plain = (
            "number",
            "ref",
            "kind",
            "name",
            "position",
            "expression",
            "settings",
            "starts_at",
            "ends_at",
            "comment",
            "version",
            "ended_at",
        )
        return cls(
            **{name: getattr(row, name) for name in plain},
            says=wording.summary(row.what, row.settings),
            fault="" if row.ended_at else book.fault(row),
            system=row.system.slug if row.system else None,
            made_at=row.created_at,
            made_by=short(row.made_by),
            ended_by=short(row.ended_by),
            holding=holding,
            missing_since=beat.missing_since if beat else None,
            heard_at=beat.heard_at if beat else None,
        )


class RuleQuery(Schema):
    """Which rules to list."""

    kind: RuleKind | None = None
    system: str = ""
    ended: bool = Field(default=False, description="Those that are over, in place of those in force.")


class RuleIn(Given):
    """A new rule."""

    kind: RuleKind
    name: str
    expression: str = ""
    system: str = Field(default="", description="Short name; empty = any.")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="What its kind needs; see docs/reference/rules.md."
    )
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    comment: str = ""

    def facts(self) -> RuleFacts:
        """What the actions take."""
        return RuleFacts(
            self.kind,
            self.name,
            self.expression,
            find_system(self.system),
            self.comment,
            self.starts_at,
            self.ends_at,
            self.settings,
        )


class RuleDraft(RuleIn):
    """A draft to be tried, named or not; `instead_of` is the number of the rule that it would change."""

    name: str = ""
    instead_of: int | None = None


class RuleChange(Given):
    """What is to be different; what is left out stays. `version` is the one that you looked at."""

    name: str | None = None
    expression: str | None = None
    system: str | None = None
    settings: dict[str, Any] | None = Field(default=None, description="All of them: they are not merged.")
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    comment: str | None = None
    version: int | None = None

    def changes(self) -> dict[str, Any]:
        """What was given, as `actions.facts_of` takes it."""
        given: dict[str, Any] = self.dict(exclude_unset=True, exclude={"version"})
        if "system" in given:
            given["system"] = find_system(given["system"] or "")
        return {
            name: "" if value is None and name in {"name", "expression", "comment"} else value
            for name, value in given.items()
        }


class RuleMove(Given):
    """Where to among the rules of its kind."""

    earlier: bool


class RuleVersionOut(Schema):
    """What a rule said from then on."""

    version: int
    at: datetime
    by: PersonShort | None
    facts: dict[str, Any]

    @classmethod
    def of(cls, row: RuleVersion) -> "RuleVersionOut":
        """The version as the API says it."""
        return cls(version=row.version, at=row.created_at, by=short(row.by), facts=row.facts)


class TrialLine(Schema):
    """What would have become of one signal."""

    signal: UUID
    title: str
    first_at: datetime
    says: str
    error: bool = Field(description="Whether the rule could not say anything about it.")

    @classmethod
    def of(cls, line: Line) -> "TrialLine":
        """The line as the API says it."""
        signal = line.signal
        return cls(signal=signal.pk, title=signal.title, first_at=signal.first_at, says=line.says, error=line.error)


class RuleTrialOut(Schema):
    """What a draft would have done, had it been in force for the newest signals."""

    looked_at: int
    since: datetime | None
    about: int = Field(description="How many of them it is about.")
    changed: int
    errors: int
    opened: int = Field(
        description="Incidents that would have opened and never did; one that several signals share counts once."
    )
    not_opened: list[int] = Field(description="Numbers of incidents that would not have opened.")
    open_longer: list[int] = Field(
        description="Numbers of incidents that would have been resolved later than they were, or be open still."
    )
    notes: list[str]
    lines: list[TrialLine] = Field(description="The newest 200 that it would have changed or could not read.")
    unanswered: list[TrialLine] = Field(
        description="All signals of which it is not said whether they would have opened an incident, each with why."
    )

    @classmethod
    def of(cls, trial: Trial) -> "RuleTrialOut":
        """The trial as the API says it."""
        plain = ("looked_at", "since", "about", "changed", "errors", "opened", "notes")
        return cls(
            **{name: getattr(trial, name) for name in plain},
            not_opened=[incident.number for incident in trial.not_opened],
            open_longer=[incident.number for incident in trial.open_longer],
            lines=[TrialLine.of(line) for line in trial.lines],
            unanswered=[TrialLine.of(line) for line in trial.unanswered],
        )


def find_system(slug: str) -> System | None:
    """The system that a caller names; none for an empty name."""
    if not slug:
        return None
    system = System.objects.filter(slug=slug).first()
    if system is None:
        raise Invalid(f"There is no system {slug!r} in the register.", field="system")
    return system
