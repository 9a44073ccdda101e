"""The protocols and the sections of a review, read from a handbook's folder into the values of the practice.

Every file is checked as a whole when it is read, so that a mistake is found by whoever edits the handbook
and not by whoever is woken by an incident: `andon.handbook.book.check` reads everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Final

import msgspec

from andon.handbook.files import (
    CALENDAR_FILE,
    KNOWN,
    NO_SPAN,
    REVIEW_FILE,
    CalendarFile,
    Fill,
    ProtocolFile,
    ReviewFile,
    ReviewRow,
    StepRow,
)
from andon.handbook.source import Document, HandbookError, convert, raise_all, read
from andon.practice.containment import ApprovalRule
from andon.practice.protocol import (
    NOTHING_TO_CONTAIN,
    Asks,
    Duty,
    Protocol,
    ReviewDue,
    Step,
    uncontained_severities,
)
from andon.practice.severity import FirstWord, Severity, Within
from andon.practice.targets import MOST_HOLIDAYS
from andon.practice.words import IncidentType, Phase

VERSION_DIGITS: Final = 12
RUNBOOKS: Final = "runbooks"


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


def load_protocol(root: Traversable, type: IncidentType) -> Protocol:  # noqa: A002  the design's word for it
    """The protocol of a type from the handbook at ``root``. Raises HandbookError naming the place.

    Its version is a digest of what it prescribes: comments and the layout of the file do not change it, a
    comma in a step does. An incident keeps it, so that the review can tell what was prescribed on the day.
    """
    document = read(root, f"protocols/{type}.yaml")
    content = convert(document, ProtocolFile, known=KNOWN)
    if content.type is not type:
        raise document.error("type", f"it is {content.type}, and the file is named for {type}. Make them agree.")
    raise_all([*_wrong_steps(document, content.steps), *_wrong_lists(document, content, root)])
    steps = tuple(
        Step(
            key=row.key,
            phase=row.phase,
            title=row.title,
            body=row.body,
            optional=row.optional,
            severities=_severities(row.least),
            retired=row.retired,
        )
        for row in content.steps
    )
    asks = MappingProxyType({severity: _asks(document, content, severity) for severity in Severity})
    try:
        protocol = Protocol(str(type), content.title, type, _version(content), steps, asks)
    except ValueError as error:
        raise document.error("steps", str(error)) from error
    if uncontained := uncontained_severities(protocol):
        names = ", ".join(severity.name for severity in uncontained)
        what = f"nothing contains at {names}. Write a step of phase contain for it that is not optional."
        raise document.error("steps", what)
    return protocol


def load_review_sections(root: Traversable) -> tuple[ReviewSection, ...]:
    """The sections of a review from the handbook at ``root``. Raises HandbookError naming the place."""
    document = read(root, REVIEW_FILE)
    rows = convert(document, ReviewFile, known=KNOWN).sections
    keys, texts = [row.key for row in rows], [(row.key, row.title, row.prompt) for row in rows]
    raise_all([*_wrong_keys(document, "sections", keys), *_wrong_texts(document, "sections", texts)])
    return tuple(
        ReviewSection(
            key=row.key,
            title=row.title,
            prompt=row.prompt,
            fill=row.fill,
            least=Severity[row.least],
            types=frozenset(IncidentType if row.types is None else row.types),
        )
        for row in rows
    )


def load_holidays(root: Traversable) -> frozenset[date]:
    """The days on which nobody works from the handbook at ``root``; none without a calendar. Raises HandbookError."""
    if not root.joinpath(CALENDAR_FILE).is_file():
        return frozenset()
    document = read(root, CALENDAR_FILE)
    days = [row.day for row in convert(document, CalendarFile).holidays]
    wrong = list(_twice(document, "holidays", [day.isoformat() for day in days]))
    if len(days) > MOST_HOLIDAYS:
        wrong.append(document.error("holidays", f"there are more than {MOST_HOLIDAYS}. Take out those that are past."))
    raise_all(wrong)
    return frozenset(days)


def span(document: Document, place: str, text: str) -> Within:
    """A span as people write it: "15 min", "4 h", "5 days", "10 working days". Raises HandbookError."""
    try:
        return Within.parse(text)
    except ValueError as error:
        raise document.error(place, str(error)) from error


def _asks(document: Document, content: ProtocolFile, severity: Severity) -> Asks:
    """What the file asks for at a severity, beside its steps."""
    times = getattr(content.targets, severity.name)
    at = f"targets.{severity.name}"
    contain: Within | str | None = None
    if times.contain is not None:
        contain = NOTHING_TO_CONTAIN if times.contain == NO_SPAN else span(document, f"{at}.contain", times.contain)
    audiences = [
        FirstWord(row.to, None if row.within is None else span(document, f"audiences[{row.to}].within", row.within))
        for row in _from(content.audiences, severity)
    ]
    duties = [
        Duty(row.key, row.what, row.to, row.clock, span(document, f"duties[{row.key}].within", row.within), row.when)
        for row in _from(content.duties, severity)
    ]
    return Asks(
        roles=tuple(row.role for row in _from(content.roles, severity)),
        acknowledge=times.acknowledge and span(document, f"{at}.acknowledge", times.acknowledge),
        contain=contain,
        audiences=tuple(audiences),
        runbooks=tuple(row.key for row in _from(content.runbooks, severity)),
        levers=tuple(content.levers.wanted),
        approval=ApprovalRule(getattr(content.levers.approval, severity.name)),
        duties=tuple(duties),
        review=_review(document, severity, getattr(content.review, severity.name)),
    )


def _review(document: Document, severity: Severity, row: ReviewRow | None) -> ReviewDue | None:
    if row is None:
        return None
    return ReviewDue(span(document, f"review.{severity.name}.within", row.within), tuple(row.signs))


def _from(rows: Iterable[Any], severity: Severity) -> list[Any]:
    """The rows of a list that a severity asks for."""
    return [row for row in rows if severity in _severities(row.least)]


def _version(content: ProtocolFile) -> str:
    """The first digits of the SHA-256 of what the file says, in one fixed spelling."""
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:VERSION_DIGITS]


def _severities(least: str) -> frozenset[Severity]:
    """The named severity and every worse one."""
    mildest = Severity[least]
    return frozenset(severity for severity in Severity if not mildest.worse_than(severity))


def _wrong_steps(document: Document, steps: list[StepRow]) -> Iterator[HandbookError]:
    yield from _wrong_keys(document, "steps", [step.key for step in steps])
    yield from _wrong_texts(document, "steps", [(step.key, step.title, step.body) for step in steps])
    yield from _wrong_order(document, steps)


def _wrong_lists(document: Document, content: ProtocolFile, root: Traversable) -> Iterator[HandbookError]:
    """What stands twice in a list, what says nothing, and a runbook that there is not."""
    yield from _wrong_keys(document, "duties", [row.key for row in content.duties], empty=True)
    yield from _wrong_keys(document, "runbooks", [row.key for row in content.runbooks], empty=True)
    yield from _twice(document, "audiences", [row.to for row in content.audiences])
    yield from _twice(document, "roles", [str(row.role) for row in content.roles])
    yield from _twice(document, "levers.wanted", [str(kind) for kind in content.levers.wanted])
    for duty in content.duties:
        if not duty.what.strip() or not duty.to.strip():
            yield document.error(f"duties[{duty.key}]", "it does not say what is owed, or to whom. Say both.")
    for audience in content.audiences:
        if not audience.to.strip():
            yield document.error("audiences", "one of them has no name. Say whom to tell.")
    folder = root.joinpath(RUNBOOKS)
    for row in content.runbooks:
        if not folder.joinpath(f"{row.key}.md").is_file():
            what = f"there is no file {RUNBOOKS}/{row.key}.md. Write that runbook, or take it out here."
            yield document.error(f"runbooks[{row.key}]", what)


def _wrong_keys(document: Document, place: str, keys: list[str], *, empty: bool = False) -> Iterator[HandbookError]:
    """A key that stands twice, and a list of nothing unless it may be `empty`."""
    if not keys and not empty:
        yield document.error(place, "there are none. Write at least one.")
    yield from _twice(document, place, keys, field=".key")


def _twice(document: Document, place: str, names: Sequence[str], *, field: str = "") -> Iterator[HandbookError]:
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield document.error(f"{place}[{name}]{field}", "it stands more than once. Give each its own key.")


def _wrong_texts(document: Document, place: str, texts: list[tuple[str, str, str]]) -> Iterator[HandbookError]:
    """A step or section that says nothing."""
    for key, title, text in texts:
        if not title.strip() or not text.strip():
            yield document.error(f"{place}[{key}]", "its title or its text is empty. Say what to do.")


def _wrong_order(document: Document, steps: list[StepRow]) -> Iterator[HandbookError]:
    """Phases out of order: never diagnosis before containment, never telling before assessing."""
    highest = Phase.PRESERVE
    for step in steps:
        if step.phase.at_least(highest):
            highest = step.phase
        else:
            what = f"phase {step.phase} stands after {highest}. The order is: {', '.join(Phase)}."
            yield document.error(f"steps[{step.key}].phase", what)
