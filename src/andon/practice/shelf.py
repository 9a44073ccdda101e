"""Which runbooks fit an incident, and which have not been read through for too long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from andon.practice.runbook import Runbook
from andon.practice.words import IncidentType, RankedWord, SystemKind

SOON: Final = timedelta(days=30)
_ALARM, _SIGN, _TYPE, _COMPONENT, _SECONDARY, _SYSTEM, _STRANGE = 5, 5, 4, 4, 2, 1, -4


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known of an incident that a runbook is looked for.

    Attributes:
        type: Its primary type.
        secondary: Its other types.
        system: The kind of its system; None where none is named.
        components: Short names and kinds of what the system stands on.
        watches: Kinds of the watches whose alarms are in it.
        text: Title, description and titles of signals.
    """

    type: IncidentType
    secondary: frozenset[IncidentType] = frozenset()
    system: SystemKind | None = None
    components: frozenset[str] = frozenset()
    watches: frozenset[str] = frozenset()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a runbook fits, and by what."""

    runbook: Runbook
    points: int
    reasons: tuple[str, ...]


def fit(runbook: Runbook, case: Case) -> Fit:
    """How well one runbook fits a case: not at all without a type, an alarm, a sign or a component in common."""
    points, reasons = 0, []
    for kind in runbook.watches:
        if kind in case.watches:
            points += _ALARM
            reasons.append(f"an alarm of {kind.replace('_', ' ')}")
            break
    text = f" {' '.join(case.text.lower().split())} "
    if sign := next((sign for sign in runbook.signs if sign.lower() in text), ""):
        points += _SIGN
        reasons.append(f"“{sign}” is spoken of")
    if case.type in runbook.types:
        points += _TYPE
        reasons.append(f"it is for a {case.type.words}")
    elif common := sorted(case.secondary & set(runbook.types)):
        points += _SECONDARY
        reasons.append(f"it is for a {common[0].words}")
    if shared := sorted(case.components & set(runbook.components)):
        points += _COMPONENT
        reasons.append(f"the system stands on {shared[0]}")
    if not points:
        return Fit(runbook, 0, ())
    if case.system is not None and runbook.systems:
        points += _SYSTEM if case.system in runbook.systems else _STRANGE
    return Fit(runbook, max(0, points), tuple(reasons))


def suggest(runbooks: Iterable[Runbook], case: Case, *, most: int) -> list[Fit]:
    """The runbooks that fit a case, best first; at most so many."""
    fits = [found for runbook in runbooks if (found := fit(runbook, case)).points]
    return sorted(fits, key=lambda one: (-one.points, one.runbook.title, one.runbook.key))[:most]


class Freshness(RankedWord):
    """Whether a runbook was read through lately."""

    FRESH = "fresh", "reviewed"
    SOON = "soon", "review due soon"
    STALE = "stale", "review overdue"


def due_on(reviewed: date, review_days: int) -> date:
    """The day on which a runbook is to be read through again."""
    return reviewed + timedelta(days=review_days)


def freshness(due: date, today: date) -> Freshness:
    """How that day lies to today: stale from the day after it."""
    if due < today:
        return Freshness.STALE
    return Freshness.SOON if due - today <= SOON else Freshness.FRESH
