"""What stands in the blocks of a runbook's file, and what is wrong in them: each finding with its line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import Meta

from andon.practice.words import ContainmentKind, IncidentType, Measure, StepKind, SystemKind, WatchKind

PLACES: Final = ("ref", "title", "system", "severity", "detected", "contained", "onset", "lead")
"""What a draft may leave to be filled in from the incident, as {ref}."""
MEASURES: Final = (Measure.RATE, Measure.MEAN, Measure.COUNT)
"""What a query may measure: what adds up from window to window."""
WINDOW_MINUTES: Final = 60
HOURS: Final = 72
MOST_MINUTES: Final = 7 * 24 * 60
MOST_HOURS: Final = 90 * 24
MOST_WINDOWS: Final = 1_000
LONGEST_TITLE: Final = 120

_KEY = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LONGEST_KEY: Final = 60
_PLACE = re.compile(r"\{(\w+)\}")


class Places(Protocol):
    """The lines, from 1, on which the fields of a block stand."""

    def __getitem__(self, name: str) -> int:
        """The line of a field."""


Wrong = tuple[int, str]
"""A line, from 1, and what is wrong there."""


class Front(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The front matter, between two lines of `---` at the top of the file."""

    key: Annotated[str, Meta(description="Its name for ever, the same as the file's without .md.")]
    title: Annotated[str, Meta(description=f"What went wrong; at most {LONGEST_TITLE} characters.")]
    summary: Annotated[str, Meta(description="When to take it, in a sentence or two.")]
    owner: Annotated[
        str, Meta(description="Who keeps it right: a role in words, or the e-mail address of somebody here.")
    ]
    types: Annotated[list[IncidentType], Meta(description="Incident types that it is for; at least one.")]
    reviewed: Annotated[date, Meta(description="When somebody last read it as a whole and found it right.")]
    minutes: Annotated[int, Meta(description="How long a run takes, about.")]
    review_every_days: Annotated[int, Meta(description="After how many days that is due again.")] = 180
    systems: Annotated[list[SystemKind], Meta(description="Kinds of system that it is for; left out: any.")] = []
    components: Annotated[list[str], Meta(description="Components, by short name or kind, that it is about.")] = []
    watches: Annotated[list[WatchKind], Meta(description="Kinds of watch whose alarm calls for it.")] = []
    signs: Annotated[list[str], Meta(description="Words of a title, description or signal that call for it.")] = []


class OutcomeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer to a decision. One may lead back; not all."""

    key: Annotated[str, Meta(description="Its name for ever in this step.")]
    when: Annotated[str, Meta(description="When it holds; it stands on the button.")]
    to: Annotated[str, Meta(description="The step that it leads to; left out: the next.")] = ""


class StepBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Andon has to know of a step, in a fenced block `step` below its heading."""

    key: Annotated[str, Meta(description="Its name for ever: what was done is recorded under it.")]
    kind: Annotated[StepKind, Meta(description="What it asks for.")] = StepKind.MANUAL
    minutes: Annotated[int | None, Meta(description="How long it takes, about.")] = None
    optional: Annotated[bool, Meta(description="Whether it may be skipped without a reason.")] = False
    then: Annotated[str, Meta(description="The step to go on with once this one is done; left out: the next.")] = ""
    outcomes: Annotated[list[OutcomeRow], Meta(description="The answers; at least two.")] = []
    does: Annotated[ContainmentKind | None, Meta(description="Which way of stopping the line is looked for.")] = None
    lever: Annotated[str, Meta(description="The name of one lever on the system, in place of `does`.")] = ""
    measure: Annotated[
        Measure | None, Meta(description="What is made of the rows of a window: rate, mean or count.")
    ] = None
    what: Annotated[
        str, Meta(description="An SQL expression; {role} is the column that plays the role. A count needs none.")
    ] = ""
    only: Annotated[str, Meta(description="A condition: other rows are not counted.")] = ""
    by: Annotated[
        str, Meta(description="The {role} or column whose values are compared; left out: all rows together.")
    ] = ""
    window_minutes: Annotated[int | None, Meta(description=f"How long a window is; left out: {WINDOW_MINUTES}.")] = None
    hours: Annotated[int | None, Meta(description=f"How far before the onset it looks; left out: {HOURS}.")] = None
    audience: Annotated[str, Meta(description="Who is told.")] = ""
    within: Annotated[str, Meta(description="How soon after detection, in words.")] = ""


FIELDS: Final[Mapping[StepKind, tuple[str, ...]]] = {
    StepKind.MANUAL: (),
    StepKind.DECISION: ("outcomes",),
    StepKind.LEVER: ("does", "lever"),
    StepKind.QUERY: ("measure", "what", "only", "by", "window_minutes", "hours"),
    StepKind.NOTICE: ("audience", "within"),
}
"""The fields that a kind of step has beside `key`, `kind`, `minutes`, `optional` and `then`."""

DOES: Final[Mapping[StepKind, str]] = {
    StepKind.MANUAL: "Something that a person does.",
    StepKind.DECISION: "A question; its answer leads on, past steps, or back.",
    StepKind.LEVER: "A lever of the system is pulled; seen to hold, it settles the step.",
    StepKind.QUERY: "An aggregate of the decision log, drawn as a chart and kept with the run.",
    StepKind.NOTICE: "Somebody is told; a draft is filled in from the incident.",
}
"""What each kind of step is, in a sentence."""

KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "types": tuple(IncidentType),
    "systems": tuple(SystemKind),
    "watches": tuple(WatchKind),
    "kind": tuple(StepKind),
    "does": tuple(ContainmentKind),
    "measure": tuple(MEASURES),
}
"""Words that a field accepts, said where another stood."""


def wrong_key(line: int, key: str) -> Iterator[Wrong]:
    """What is wrong with a key."""
    if not _KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
        what = f"{key!r} is no key. A key is at most {_LONGEST_KEY} lower-case letters and digits, joined by hyphens."
        yield line, what


def wrong_front(front: Front, at: Places, stem: str) -> Iterator[Wrong]:
    """What is wrong in a front matter whose fields stand on these lines, in a file of this name; empty = in none."""
    yield from wrong_key(at["key"], front.key)
    if stem and stem != front.key:
        yield at["key"], f"its key is {front.key}, and its file is called {stem}. Make them agree."
    for name in ("title", "summary", "owner"):
        if not getattr(front, name).strip():
            yield at[name], f"{name} is empty. Fill it in."
    if len(front.title) > LONGEST_TITLE:
        yield at["title"], f"the title is longer than {LONGEST_TITLE} characters. Say it shorter."
    if not front.types:
        yield at["types"], f"types is empty. Name at least one of: {', '.join(IncidentType)}."
    for name, most in (("minutes", MOST_MINUTES), ("review_every_days", 1_000)):
        if not 1 <= getattr(front, name) <= most:
            yield at[name], f"{name} is {getattr(front, name)}. Write a number from 1 to {most:,}."
    for name in ("components", "signs"):
        if any(not word.strip() for word in getattr(front, name)):
            yield at[name], f"{name} holds an empty word. Take it out."


def wrong_block(block: StepBlock, at: Places, begin: int, roles: Collection[str] | None) -> Iterator[Wrong]:
    """What is wrong in a step's block that begins at a line and whose fields stand on these.

    `roles` are those that a column may play; None = do not look.
    """
    yield from wrong_key(at["key"], block.key)
    theirs = {name for names in FIELDS.values() for name in names} - set(FIELDS[block.kind])
    for name in sorted(name for name in theirs if getattr(block, name) not in (None, "", [])):
        kinds = [kind for kind, names in FIELDS.items() if name in names]
        yield at[name], f"{name} belongs to a step of kind {' or '.join(kinds)}; this one is {block.kind}."
    if block.minutes is not None and not 0 <= block.minutes <= MOST_MINUTES:
        yield at["minutes"], f"minutes is {block.minutes}. Write a number from 0 to {MOST_MINUTES:,}."
    match block.kind:
        case StepKind.DECISION:
            yield from _wrong_outcomes(block, at["outcomes"])
        case StepKind.LEVER if block.does is None and not block.lever:
            ways = ", ".join(ContainmentKind)
            yield begin, f"a lever says what it does ({ways}), or which one it is (lever: its short name)."
        case StepKind.QUERY:
            yield from _wrong_query(block, at, begin, roles)
        case StepKind.NOTICE if not block.audience.strip():
            yield begin, "a notice says who is told. Write audience."
        case _:
            return


def _wrong_outcomes(block: StepBlock, line: int) -> Iterator[Wrong]:
    if len(block.outcomes) < 2:  # noqa: PLR2004  one answer is no decision
        yield line, "a decision has at least two outcomes, each with key and when."
    if block.then:
        yield line, "a decision leads on by its outcomes. Write to at an outcome instead of then."
    keys = [row.key for row in block.outcomes]
    for key in dict.fromkeys(keys):
        yield from wrong_key(line, key)
        if keys.count(key) > 1:
            yield line, f"the outcome {key} stands more than once. Give each its own key."
    for row in block.outcomes:
        if not row.when.strip():
            yield line, f"the outcome {row.key} does not say when. Write it in words."


def _wrong_query(block: StepBlock, at: Places, begin: int, roles: Collection[str] | None) -> Iterator[Wrong]:
    if block.measure not in MEASURES:
        yield at["measure"], f"a query says what it measures: measure is one of {', '.join(MEASURES)}."
    elif not block.what.strip() and block.measure is not Measure.COUNT:
        yield at["measure"], f"a {block.measure} needs what: an expression such as {{score}}."
    window = WINDOW_MINUTES if block.window_minutes is None else block.window_minutes
    hours = HOURS if block.hours is None else block.hours
    if not 1 <= window <= MOST_MINUTES:
        yield at["window_minutes"], f"window_minutes is {window}. Write a number from 1 to {MOST_MINUTES:,}."
    elif not 1 <= hours <= MOST_HOURS:
        yield at["hours"], f"hours is {hours}. Write a number from 1 to {MOST_HOURS:,}."
    elif hours * 60 / window > MOST_WINDOWS:
        yield begin, f"that is more than {MOST_WINDOWS:,} windows. Make windows longer, or look back less far."
    for name in ("what", "only", "by"):
        for role in _PLACE.findall(getattr(block, name)):
            if roles is not None and role not in roles:
                yield at[name], f"{{{role}}} is no role of a column. Use one of: {', '.join(sorted(roles))}."


def wrong_draft(text: str, begin: int) -> Iterator[Wrong]:
    """What is wrong in a notice's draft whose first line is `begin`."""
    for place, line in enumerate(text.split("\n")):
        for name in _PLACE.findall(line):
            if name not in PLACES:
                words = ", ".join(PLACES)
                yield begin + place, f"{{{name}}} is nothing that an incident can fill in. Use one of: {words}."
