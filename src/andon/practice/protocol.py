"""Protocols: the response prescribed for an incident type, as steps in phases.

Evidence is preserved before a lever is pulled, and the line stops before anybody looks for the cause: the steps
of preserving and containing come first, in this order, whatever the others are. Diagnosis stays folded until
containment is done or waived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from andon.practice.containment import ApprovalRule
from andon.practice.promises import Asked, PromiseKind
from andon.practice.severity import DEFAULT_TARGETS, Severity
from andon.practice.targets import FirstWord, Targets, Within
from andon.practice.words import ClockEvent, ContainmentKind, IncidentRole, IncidentType, Phase, Word

_FIRST = (Phase.PRESERVE, Phase.CONTAIN)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        key: Its name inside the protocol, for ever: what was done is recorded under it.
        phase: Which phase it belongs to.
        title: What to do, in a line.
        body: How, in Markdown; may be empty.
        optional: Whether it may be left undone without a word.
        severities: At which severities it is prescribed; empty is at all of them.
        retired: Whether it is prescribed no more; its key stays taken, for what was done under it.
    """

    key: str
    phase: Phase
    title: str
    body: str = ""
    optional: bool = False
    severities: frozenset[Severity] = frozenset()
    retired: bool = False

    def applies_at(self, severity: Severity) -> bool:
        """Whether it is prescribed at this severity."""
        if self.retired:
            return False
        return not self.severities or severity in self.severities


@dataclass(frozen=True, slots=True)
class Duty:
    """Something owed to somebody by a deadline, as the organisation promises it.

    Attributes:
        key: Its name for ever.
        what: What is to be done, as a line.
        to: Whom it is owed to.
        clock: From what its time counts.
        within: In what time.
        when: In which case it is owed, in words; empty for always.
    """

    key: str
    what: str
    to: str
    clock: ClockEvent
    within: Within
    when: str = ""


@dataclass(frozen=True, slots=True)
class ReviewDue:
    """A review that is due: within what time of the resolution, and which roles sign it off."""

    within: Within
    signs: tuple[IncidentRole, ...]


@dataclass(frozen=True, slots=True)
class Asks:
    """What a protocol asks for at one severity, beside its steps.

    Attributes:
        roles: Who is needed.
        acknowledge: The time for it where the type says another than the severity; else None.
        contain: As `acknowledge`; `NOTHING_TO_CONTAIN` where the type asks for no containment at all.
        audiences: Who is told first, beside those that the severity names; the same name replaces the one there.
        runbooks: Keys of the runbooks to work by.
        levers: The kinds of levers to look for, the best first.
        approval: Whose word it takes to pull one.
        duties: What is owed to somebody outside.
        review: The review that is due, if one is.
    """

    roles: tuple[IncidentRole, ...] = ()
    acknowledge: Within | None = None
    contain: Within | str | None = None
    audiences: tuple[FirstWord, ...] = ()
    runbooks: tuple[str, ...] = ()
    levers: tuple[ContainmentKind, ...] = ()
    approval: ApprovalRule = ApprovalRule.ALONE
    duties: tuple[Duty, ...] = ()
    review: ReviewDue | None = None


NOTHING_TO_CONTAIN: Final = "none"


@dataclass(frozen=True, slots=True)
class Prescription:
    """What is prescribed for an incident of one type at one severity: all that a responder has to know.

    Attributes:
        type: The type.
        severity: The severity.
        steps: What to do, in order.
        asks: Who, with what and for whom.
        targets: In what time.
    """

    type: IncidentType
    severity: Severity
    steps: tuple[Step, ...]
    asks: Asks
    targets: Targets

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Everything that has to be done by a time, as it is promised, in the order in which it is looked at."""
        signal = ClockEvent.FIRST_SIGNAL
        found = [Asked("acknowledge", PromiseKind.ACKNOWLEDGE, "Acknowledge", signal, self.targets.acknowledge)]
        if self.targets.contain is not None:
            found.append(Asked("contain", PromiseKind.CONTAIN, "Contain", signal, self.targets.contain))
        for word in self.targets.first_communication:
            key = f"first_word:{word.audience.replace(' ', '-')}"
            found.append(Asked(key, PromiseKind.FIRST_WORD, f"Tell {word.audience}", signal, word.within))
        found += [
            Asked(f"duty:{duty.key}", PromiseKind.DUTY, duty.what, duty.clock, duty.within) for duty in self.asks.duties
        ]
        if self.asks.review is not None:
            within = self.asks.review.within
            found.append(Asked("review", PromiseKind.REVIEW, "Publish the review", ClockEvent.RESOLVED, within))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Protocol:
    """A response, in order. Raises ValueError, naming the step, where it contradicts itself.

    Attributes:
        slug: Its name for ever.
        title: Its name as people read it.
        type: The incident type that it answers.
        version: Which version of it this is; an incident keeps the one that it opened with.
        steps: What to do, preserving and containing first.
        asks: What else it asks for, by severity; nothing more where a severity is not named.
    """

    slug: str
    title: str
    type: IncidentType
    version: str
    steps: tuple[Step, ...]
    asks: Mapping[Severity, Asks] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be followed: steps without a name, named twice, or in the wrong order."""
        seen: set[str] = set()
        for step in self.steps:
            if not step.key.strip() or not step.title.strip():
                raise ValueError(f"Protocol {self.slug}: a step has no key or no title. Every step needs both.")
            if step.key in seen:
                raise ValueError(f"Protocol {self.slug}: two steps have the key {step.key}. Rename one of them.")
            seen.add(step.key)
        for before, after in pairwise(self.steps):
            if _place(after.phase) < _place(before.phase):
                raise ValueError(
                    f"Protocol {self.slug}: step {after.key} ({after.phase.words}) comes after {before.key} "
                    f"({before.phase.words}). Preserving evidence comes first, containing second, all else after."
                )


@dataclass(frozen=True, slots=True)
class StepState:
    """A step as it stands in an incident: its phase, and whether it is done or waived."""

    phase: Phase
    done: bool


def for_severity(protocol: Protocol, severity: Severity) -> tuple[Step, ...]:
    """The steps of the protocol that are prescribed at this severity, in their order."""
    return tuple(step for step in protocol.steps if step.applies_at(severity))


def prescribe(protocol: Protocol, severity: Severity, targets: Targets) -> Prescription:
    """What the protocol prescribes at a severity.

    Args:
        protocol: The response to the incident's type.
        severity: How bad it is.
        targets: What that severity asks for in time, whatever the type; the protocol may say otherwise.
    """
    asks = protocol.asks.get(severity, Asks())
    words = {word.audience: word for word in (*targets.first_communication, *asks.audiences)}
    contain = targets.contain
    if asks.contain is not None:
        contain = asks.contain if isinstance(asks.contain, Within) else None
    in_time = Targets(asks.acknowledge or targets.acknowledge, contain, tuple(words.values()))
    return Prescription(protocol.type, severity, for_severity(protocol, severity), asks, in_time)


class Ran(Word):
    """What became of a step that an incident has."""

    TODO = "todo", "to do"
    DONE = "done"
    WAIVED = "waived"
    NOT_ASKED = "not_asked", "no longer asked for"


def grow(have: Mapping[str, Ran], wanted: Iterable[str]) -> dict[str, Ran]:
    """The steps of an incident after a change of its type or severity: by key, what they are now.

    What was done or waived stays so. What is wanted and has not run is to do; what is wanted no more and has not run
    stays as no longer asked for. So nothing that ran is lost, and what is to do is what is wanted now but for what ran,
    however the incident came there.

    Args:
        have: The steps that it has, by key.
        wanted: The keys of those that are prescribed now.
    """
    asked = dict.fromkeys(wanted)
    ran = {Ran.DONE, Ran.WAIVED}
    before = {key: was if was in ran else Ran.TODO if key in asked else Ran.NOT_ASKED for key, was in have.items()}
    return before | {key: Ran.TODO for key in asked if key not in have}


def uncontained_severities(protocol: Protocol) -> tuple[Severity, ...]:
    """The severities at which containment is owed, but no step that must be done prescribes it.

    For the check of a handbook: a protocol that lets the line run on at S2 is hardly meant.
    """
    return tuple(
        severity
        for severity, targets in DEFAULT_TARGETS.items()
        if targets.contain is not None
        and not any(
            step.phase is Phase.CONTAIN and not step.optional and step.applies_at(severity) for step in protocol.steps
        )
    )


def folded(steps_state: Iterable[StepState], contained_or_waived: bool) -> bool:  # noqa: FBT001 - the one fact it turns on
    """Whether the diagnosis steps are to be shown folded.

    They are until containment is done or waived, as long as any of them is still to be done: what somebody has
    already done is a record, and is not hidden.
    """
    if contained_or_waived:
        return False
    return any(step.phase is Phase.DIAGNOSE and not step.done for step in steps_state)


def _place(phase: Phase) -> int:
    """Preserve, contain, then all others alike: their order is the protocol's own business."""
    return _FIRST.index(phase) if phase in _FIRST else len(_FIRST)
