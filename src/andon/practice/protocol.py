"""Protocols: the response prescribed for an incident type, as steps in phases.

Evidence is preserved before a lever is pulled, and the line stops before anybody looks for the cause: the steps
of preserving and containing come first, in this order, whatever the others are. Diagnosis stays folded until
containment is done or waived.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from andon.practice.severity import DEFAULT_TARGETS, Severity
from andon.practice.words import IncidentType, Phase

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
    """

    key: str
    phase: Phase
    title: str
    body: str = ""
    optional: bool = False
    severities: frozenset[Severity] = frozenset()

    def applies_at(self, severity: Severity) -> bool:
        """Whether it is prescribed at this severity."""
        return not self.severities or severity in self.severities


@dataclass(frozen=True, slots=True)
class Protocol:
    """A response, in order. Raises ValueError, naming the step, where it contradicts itself.

    Attributes:
        slug: Its name for ever.
        title: Its name as people read it.
        type: The incident type that it answers.
        version: Which version of it this is; an incident keeps the one that it opened with.
        steps: What to do, preserving and containing first.
    """

    slug: str
    title: str
    type: IncidentType
    version: str
    steps: tuple[Step, ...]

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
