"""What the files of a handbook may say: one struct for each, from which files are read and JSON Schemas are made.

Descriptions here are what an editor shows beside a key, and what docs/reference/handbook.md is made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from andon.handbook.likeness import SAYS
from andon.handbook.recipes import ColumnsFile, RecipeBook
from andon.practice.containment import ApprovalRule
from andon.practice.severity import Severity
from andon.practice.targets import MOST_HOLIDAYS, SPAN
from andon.practice.words import (
    ClockEvent,
    ContainmentKind,
    Criticality,
    HarmDimension,
    IncidentRole,
    IncidentType,
    Phase,
    Word,
)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
SEVERITY_FILE: Final = "severity.yaml"
REVIEW_FILE: Final = "review.yaml"
CALENDAR_FILE: Final = "calendar.yaml"
ABOUT_FILE: Final = "handbook.yaml"
KEY: Final = r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*"
"""How a key is spelt: lower-case letters and digits, joined by single hyphens or underscores."""
NO_SPAN: Final = "none"
_NO_SPAN: Final = "{value} is no span of time. Write it like"

Level = Literal["S1", "S2", "S3", "S4", "S5"]
Span = Annotated[
    str,
    Meta(
        description="A span of time: 15 min, 4 h, 5 days (elapsed) or 10 working days (without holidays).",
        examples=["15 min", "4 h", "5 days", "10 working days"],
        extra_json_schema={"pattern": f"^{SPAN}$"},
        extra={SAYS: f"{_NO_SPAN} 15 min, 4 h, 5 days or 10 working days."},
    ),
]
SpanOrNone = Annotated[
    str,
    Meta(
        description="A span of time, or none where nothing is asked for.",
        examples=["1 h", "none"],
        extra_json_schema={"pattern": f"^({SPAN}|{NO_SPAN})$"},
        extra={SAYS: f"{_NO_SPAN} 15 min, 4 h, 5 days, 10 working days, or none."},
    ),
]
Key = Annotated[
    str,
    Meta(
        description="A name for ever: lower-case letters and digits, joined by single hyphens or underscores.",
        extra_json_schema={"pattern": f"^{KEY}$"},
        extra={SAYS: "{value} is no key: lower-case letters and digits, joined by single hyphens or underscores."},
    ),
]
From = Annotated[Level, Meta(description="The mildest severity that asks for it; every worse one does too.")]
Text = Annotated[str, Meta(description="In Markdown.")]


class Fill(Word):
    """What a review's draft is pre-filled with from the incident's timeline."""

    SUMMARY = "summary"
    SIGNALS = "signals"
    TIMES = "times"
    TIMELINE = "timeline"
    DETECTION_GAP = "detection_gap", "gap from onset to detection"
    CONTAINMENT = "containment"
    HARM = "harm"
    NONE = "none", "nothing"


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a file: strict, and what is left out has its default."""


class StepRow(Said, frozen=True):
    """One thing to do."""

    key: Annotated[Key, Meta(description="Its name for ever: what was done is recorded under it.")]
    phase: Annotated[Phase, Meta(description="The phase that it belongs to; phases stand in their order.")]
    title: Annotated[str, Meta(description="What to do, in a line.")]
    body: Text
    optional: Annotated[bool, Meta(description="Whether it may be left undone without a word.")] = False
    retired: Annotated[
        bool, Meta(description="Whether it is prescribed no more. A step that somebody did is retired, never removed.")
    ] = False
    least: From = msgspec.field(name="from", default="S5")


class RoleRow(Said, frozen=True):
    """A role that somebody has to take."""

    role: Annotated[IncidentRole, Meta(description="What somebody does in the incident.")]
    least: From = msgspec.field(name="from", default="S5")


class TimesRow(Said, frozen=True):
    """Times that this type asks for in place of those in severity.yaml."""

    acknowledge: Span | None = None
    contain: SpanOrNone | None = None


class TimesBySeverity(Said, frozen=True):
    """Times by severity; what is left out is as in severity.yaml."""

    S1: TimesRow = TimesRow()
    S2: TimesRow = TimesRow()
    S3: TimesRow = TimesRow()
    S4: TimesRow = TimesRow()
    S5: TimesRow = TimesRow()


class AudienceRow(Said, frozen=True):
    """Who is told first, beside those in severity.yaml; the same audience here replaces the one there."""

    to: Annotated[str, Meta(description="Whom, as it reads in a sentence: works council, affected people.")]
    within: Annotated[Span | None, Meta(description="From the first signal; left out: where it is looked at next.")] = (
        None
    )
    least: From = msgspec.field(name="from", default="S5")


class RunbookRow(Said, frozen=True):
    """A runbook to work by."""

    key: Annotated[Key, Meta(description="The name of its file in runbooks/, without .md.")]
    least: From = msgspec.field(name="from", default="S5")


class ApprovalBySeverity(Said, frozen=True):
    """Whose word it takes to pull a lever. At S1 whoever is on call decides alone, always."""

    S1: Literal["alone"] = "alone"
    S2: ApprovalRule = ApprovalRule.ALONE
    S3: ApprovalRule = ApprovalRule.SECOND
    S4: ApprovalRule = ApprovalRule.LEAD
    S5: ApprovalRule = ApprovalRule.LEAD


class LeversRow(Said, frozen=True):
    """How the line is stopped."""

    wanted: Annotated[
        list[ContainmentKind], Meta(description="The kinds of levers to look for, the best first.", min_length=1)
    ]
    approval: ApprovalBySeverity = ApprovalBySeverity()


class DutyRow(Said, frozen=True):
    """Something owed to somebody by a deadline, as this organisation promises it. It is no legal advice."""

    key: Annotated[Key, Meta(description="Its name for ever, best that of the rule behind it: gdpr-33.")]
    what: Annotated[str, Meta(description="What is to be done, as a line: Notify the data protection authority.")]
    to: Annotated[str, Meta(description="Whom it is owed to.")]
    clock: Annotated[ClockEvent, Meta(description="From what its time counts.")]
    within: Span
    when: Annotated[str, Meta(description="In which case it is owed, in words; a person decides whether it is.")] = ""
    least: From = msgspec.field(name="from", default="S5")


class ReviewRow(Said, frozen=True):
    """A review that is due."""

    within: Annotated[Span, Meta(description="From the resolution.")]
    signs: Annotated[list[IncidentRole], Meta(description="The roles that sign it off.", min_length=1)]


class ReviewBySeverity(Said, frozen=True):
    """Whether a review is due, by when and who signs it off; a severity that is left out needs none."""

    S1: ReviewRow | None = None
    S2: ReviewRow | None = None
    S3: ReviewRow | None = None
    S4: ReviewRow | None = None
    S5: ReviewRow | None = None


class ProtocolFile(Said, frozen=True):
    """protocols/TYPE.yaml: the response prescribed for a type of incident, at each severity."""

    type: Annotated[IncidentType, Meta(description="The type that it answers; the file is named for it.")]
    title: Annotated[str, Meta(description="Its name as people read it.")]
    roles: list[RoleRow]
    levers: LeversRow
    review: ReviewBySeverity
    steps: Annotated[list[StepRow], Meta(description="What to do, in order: preserve and contain come first.")]
    targets: TimesBySeverity = TimesBySeverity()
    audiences: list[AudienceRow] = []
    runbooks: list[RunbookRow] = []
    duties: list[DutyRow] = []


class SectionRow(Said, frozen=True):
    """A section of a review."""

    key: Key
    title: Annotated[str, Meta(description="As it stands above the section.")]
    prompt: Annotated[str, Meta(description="What it has to answer, in Markdown.")]
    fill: Annotated[Fill, Meta(description="What its draft is pre-filled with from the timeline.")]
    least: From = msgspec.field(name="from", default="S5")
    types: Annotated[
        list[IncidentType] | None, Meta(description="The types that ask for it; left out: all of them.")
    ] = None


class ReviewFile(Said, frozen=True):
    """review.yaml: the sections of a blameless review, in the order in which they are read."""

    sections: list[SectionRow]


class FirstWordRow(Said, frozen=True):
    """Who is told first."""

    to: Annotated[str, Meta(description="Whom, as it reads in a sentence.")]
    within: Annotated[Span | None, Meta(description="From the first signal; left out: where it is looked at next.")] = (
        None
    )


class TargetsRow(Said, frozen=True):
    """What a severity asks for in time, whatever the type."""

    acknowledge: Span
    contain: SpanOrNone
    first_communication: list[FirstWordRow]


class TargetsBySeverity(Said, frozen=True):
    """What each severity asks for in time."""

    S1: TargetsRow
    S2: TargetsRow
    S3: TargetsRow
    S4: TargetsRow
    S5: TargetsRow


class SeverityFile(Said, frozen=True):
    """severity.yaml: what each severity asks for, and what counts for a dimension that nobody has scored."""

    targets: TargetsBySeverity
    plausible_worst: Annotated[
        dict[str, dict[str, dict[str, int]]],
        Meta(
            description="By criticality, type and dimension, 0 to 4: the worst that a sober colleague would expect.",
            extra_json_schema={
                "propertyNames": {"enum": [str(one) for one in Criticality]},
                "additionalProperties": {
                    "type": "object",
                    "propertyNames": {"enum": [str(one) for one in IncidentType]},
                    "additionalProperties": {
                        "type": "object",
                        "propertyNames": {"enum": ["technical", *(str(one) for one in HarmDimension)]},
                        "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 4},
                    },
                },
            },
        ),
    ]


class AboutFile(Said, frozen=True):
    """handbook.yaml: what this handbook is called, and where a change to it is proposed."""

    title: Annotated[str, Meta(description="What it is called.")]
    propose: Annotated[
        str,
        Meta(
            description="Where a change to a file is proposed; {file} stands for its path. Empty: nowhere.",
            examples=["https://git.example.org/practice/edit/main/{file}"],
        ),
    ] = ""


class HolidayRow(Said, frozen=True):
    """A day on which the organisation does not work."""

    day: Annotated[date, Meta(description="Which day.", examples=["2026-12-25"])]
    name: Annotated[str, Meta(description="What it is called.")] = ""


class CalendarFile(Said, frozen=True):
    """calendar.yaml: days that are no working days, beside Saturdays and Sundays. Without the file there are none."""

    holidays: Annotated[list[HolidayRow], Meta(description=f"At most {MOST_HOLIDAYS}.")] = []


KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "phase": tuple(Phase),
    "type": tuple(IncidentType),
    "types": tuple(IncidentType),
    "fill": tuple(Fill),
    "from": tuple(Severity.__members__),
    "role": tuple(IncidentRole),
    "signs": tuple(IncidentRole),
    "clock": tuple(ClockEvent),
    "wanted": tuple(ContainmentKind),
    "S1": (ApprovalRule.ALONE,),
    **dict.fromkeys(("S2", "S3", "S4", "S5"), tuple(ApprovalRule)),
}
"""The words that a field accepts: listed where another word stood."""

_SCHEMAS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "protocol": ProtocolFile,
    "review": ReviewFile,
    "severity": SeverityFile,
    "handbook": AboutFile,
    "calendar": CalendarFile,
    "watches": RecipeBook,
    "columns": ColumnsFile,
}


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (2020-12) of each kind of file, by its name."""
    return {name: _schema(name, model) for name, model in _SCHEMAS.items()}


def _schema(name: str, model: type[msgspec.Struct]) -> dict[str, Any]:
    """The schema of one kind of file; its parts are called as in this module."""
    return {"$schema": DIALECT, "title": f"Andon handbook: {name}", **schema_of(model)}


def schema_of(model: type[msgspec.Struct]) -> dict[str, Any]:
    """A model and its parts as a schema, with descriptions on one line."""
    made = msgspec.json.schema(model)
    for part in made["$defs"].values():
        part["description"] = " ".join(str(part.get("description", "")).split())
    return made
