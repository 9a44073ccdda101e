"""Which runbooks fit an incident, and which have not been read through for too long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from andon.practice.runbook import Runbook
from andon.practice.words import IncidentType, RankedWord, SystemKind

SOON: Final = timedelta(days=30)
ASKED: Final = "the protocol asks for it"
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


def suggest(runbooks: Iterable[Runbook], case: Case, *, most: int, asked: Sequence[str] = ()) -> list[Fit]:
    """The runbooks that fit a case; at most so many.

    Those that the protocol asks for (`asked`, their keys) come first, whatever else is known, but for one that is not
    for this kind of system; then those that fit. Among each, the better fit is first, then the protocol's order.
    """
    found = [(_asked_for(runbook, case, asked), fit(runbook, case)) for runbook in runbooks]
    places = {key: place for place, key in enumerate(asked)}
    fits = [
        (named, Fit(one.runbook, one.points, (ASKED, *one.reasons)) if named else one)
        for named, one in found
        if named or one.points
    ]

    def order(one: tuple[bool, Fit]) -> tuple[bool, int, int, str, str]:
        named, this = one
        return not named, -this.points, places.get(this.runbook.key, 0), this.runbook.title, this.runbook.key

    return [one for _, one in sorted(fits, key=order)[:most]]


def _asked_for(runbook: Runbook, case: Case, asked: Sequence[str]) -> bool:
    """Whether the protocol asks for a runbook that is for this kind of system."""
    strange = case.system is not None and runbook.systems and case.system not in runbook.systems
    return runbook.key in asked and not strange


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
