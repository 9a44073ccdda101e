"""The protocols and the sections of a review, read from the handbook into the values of the practice.

Every file is checked as a whole when it is read, so that a mistake is found by whoever edits the handbook
and not by whoever is woken by an incident: `check` reads everything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib.resources.abc import Traversable

import msgspec

from andon.handbook.recipes import load_books
from andon.handbook.source import HandbookError, convert, read, shipped
from andon.handbook.tables import load_severity_tables
from andon.practice.protocol import Protocol, Step, uncontained_severities
from andon.practice.severity import Severity
from andon.practice.words import IncidentType, Phase, Word

REVIEW_FILE = "review.yaml"
VERSION_DIGITS = 12

_KEY = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


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


class ReviewSection(msgspec.Struct, frozen=True):
    """A section of a review.

    Attributes:
        key: Its stable name.
        title: As it stands above the section.
        prompt: What it has to answer, in Markdown.
        fill: What its draft is pre-filled with.
        least: The mildest severity that asks for it.
        types: The incident types that ask for it.
    """

    key: str
    title: str
    prompt: str
    fill: Fill
    least: Severity
    types: frozenset[IncidentType]

    def applies(self, type: IncidentType, severity: Severity) -> bool:  # noqa: A002  the design's word for it
        """Whether the review of an incident of this type and severity asks for this section."""
        return type in self.types and not self.least.worse_than(severity)


class _StepRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    phase: Phase
    title: str
    body: str
    optional: bool = False
    least: str = msgspec.field(name="from", default=Severity.S5.name)


class _ProtocolFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: IncidentType
    title: str
    steps: list[_StepRow]


class _SectionRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    title: str
    prompt: str
    fill: Fill
    least: str = msgspec.field(name="from", default=Severity.S5.name)
    types: list[IncidentType] | None = None


class _ReviewFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sections: list[_SectionRow]


_KNOWN: Mapping[str, Iterable[str]] = {
    "phase": Phase,
    "type": IncidentType,
    "types": IncidentType,
    "fill": Fill,
}


@cache
def protocol_for(type: IncidentType) -> Protocol:  # noqa: A002  the design's word for it
    """The response prescribed for a type of incident, read once. Raises HandbookError."""
    return load_protocol(shipped(), type)


@cache
def review_sections() -> tuple[ReviewSection, ...]:
    """Every section that a review may have, in order, read once. Raises HandbookError."""
    return load_review_sections(shipped())


def check(root: Traversable) -> list[HandbookError]:
    """What is wrong in the handbook at ``root``: the first mistake of each file, none if it can be used."""
    reads: list[Callable[[], object]] = [
        *(partial(load_protocol, root, type_) for type_ in IncidentType),
        partial(load_review_sections, root),
        partial(load_severity_tables, root),
        partial(load_books, root),
    ]
    mistakes = []
    for load in reads:
        try:
            load()
        except HandbookError as mistake:
            mistakes.append(mistake)
    return mistakes


def load_protocol(root: Traversable, type: IncidentType) -> Protocol:  # noqa: A002  the design's word for it
    """The protocol of a type from the handbook at ``root``. Raises HandbookError naming the place.

    Its version is a digest of what it prescribes: comments and the layout of the file do not change it, a
    comma in a step does. An incident keeps it, so that the review can tell what was prescribed on the day.
    """
    file = f"protocols/{type}.yaml"
    content = convert(read(root, file), _ProtocolFile, file=file, known=_KNOWN)
    if content.type is not type:
        raise HandbookError(file, "type", f"it is {content.type}, and the file is named for {type}. Make them agree.")
    _check_keys(file, "steps", [step.key for step in content.steps])
    _check_texts(file, "steps", {step.key: (step.title, step.body) for step in content.steps})
    _check_order(file, content.steps)
    steps = tuple(
        Step(
            key=row.key,
            phase=row.phase,
            title=row.title,
            body=row.body,
            optional=row.optional,
            severities=_severities(file, f"steps[{row.key}].from", row.least),
        )
        for row in content.steps
    )
    try:
        protocol = Protocol(str(type), content.title, type, _version(content), steps)
    except ValueError as error:
        raise HandbookError(file, "steps", str(error)) from error
    if uncontained := uncontained_severities(protocol):
        names = ", ".join(severity.name for severity in uncontained)
        what = f"nothing contains at {names}. Write a step of phase contain for it that is not optional."
        raise HandbookError(file, "steps", what)
    return protocol


def load_review_sections(root: Traversable) -> tuple[ReviewSection, ...]:
    """The sections of a review from the handbook at ``root``. Raises HandbookError naming the place."""
    rows = convert(read(root, REVIEW_FILE), _ReviewFile, file=REVIEW_FILE, known=_KNOWN).sections
    _check_keys(REVIEW_FILE, "sections", [row.key for row in rows])
    _check_texts(REVIEW_FILE, "sections", {row.key: (row.title, row.prompt) for row in rows})
    return tuple(
        ReviewSection(
            key=row.key,
            title=row.title,
            prompt=row.prompt,
            fill=row.fill,
            least=_severity(REVIEW_FILE, f"sections[{row.key}].from", row.least),
            types=frozenset(IncidentType if row.types is None else row.types),
        )
        for row in rows
    )


def _version(content: _ProtocolFile) -> str:
    """The first digits of the SHA-256 of what the file says, in one fixed spelling."""
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:VERSION_DIGITS]


def _severity(file: str, place: str, name: str) -> Severity:
    """A severity by its name."""
    if name not in Severity.__members__:
        words = ", ".join(Severity.__members__)
        raise HandbookError(file, place, f"{name!r} is no severity. Use one of: {words}.")
    return Severity[name]


def _severities(file: str, place: str, least: str) -> frozenset[Severity]:
    """The named severity and every worse one."""
    mildest = _severity(file, place, least)
    return frozenset(severity for severity in Severity if not mildest.worse_than(severity))


def _check_keys(file: str, place: str, keys: list[str]) -> None:
    """Refuse a key that is badly spelt or stands twice, and a list of nothing."""
    if not keys:
        raise HandbookError(file, place, "there are none. Write at least one.")
    for key in keys:
        if not _KEY.fullmatch(key):
            what = "a key is lower-case letters and digits, joined by single hyphens or underscores."
            raise HandbookError(file, f"{place}[{key}].key", what)
        if keys.count(key) > 1:
            raise HandbookError(file, f"{place}[{key}].key", "it stands more than once. Give each its own key.")


def _check_texts(file: str, place: str, texts: Mapping[str, tuple[str, str]]) -> None:
    """Refuse a step or section that says nothing."""
    for key, (title, text) in texts.items():
        if not title.strip() or not text.strip():
            raise HandbookError(file, f"{place}[{key}]", "its title or its text is empty. Say what to do.")


def _check_order(file: str, steps: list[_StepRow]) -> None:
    """Refuse phases out of order: never diagnosis before containment, never telling before assessing."""
    highest = Phase.PRESERVE
    for step in steps:
        if not step.phase.at_least(highest):
            what = f"phase {step.phase} stands after {highest}. The order is: {', '.join(Phase)}."
            raise HandbookError(file, f"steps[{step.key}].phase", what)
        highest = step.phase
