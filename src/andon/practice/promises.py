"""What the protocol of an incident promises to be done by a time, and what becomes of it when the incident changes.

An incident promises what its protocol asks for at its severity: to be acknowledged, to be contained, a first word to
each audience, its duties, its review. When the type or the severity changes, what is due follows it, and nothing that
ran is lost:

* what is asked for now applies, whatever stood before: the way there makes no difference;
* what is asked for no more stays, as no longer asked for, with what became of it;
* what was kept or missed stays so, and that a duty was found not to apply.

What is promised to others, and the review, outlast the resolution: they are watched until the incident is closed. This
module knows no law: a promise is the organisation's own, and a person decides whether a duty is owed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from andon.practice.targets import Office, Within
from andon.practice.words import ClockEvent, Word


class PromiseKind(Word):
    """What is promised."""

    ACKNOWLEDGE = "acknowledge"
    CONTAIN = "contain"
    FIRST_WORD = "first_word", "first word"
    DUTY = "duty"
    REVIEW = "review"


class Became(Word):
    """What a person may say of a duty."""

    DONE = "done", "it was done"
    NOT_OWED = "not_owed", "it does not apply"
    BEGAN = "began", "its clock began"
    OWED = "owed", "it applies after all"


class Standing(Word):
    """How a promise stands."""

    OPEN = "open"
    KEPT = "kept"
    KEPT_LATE = "kept_late", "kept, but late"
    MISSED = "missed"
    NOT_ASKED = "not_asked", "no longer asked for"
    NOT_OWED = "not_owed", "does not apply"


LASTS: Final = frozenset({PromiseKind.DUTY, PromiseKind.REVIEW})
"""What is still promised once the incident is resolved, until it is closed."""
CLOCKS: Final = frozenset(PromiseKind) - {PromiseKind.REVIEW}
"""What runs as a clock of the response; a review has its own page and list."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that a protocol asks for.

    Attributes:
        key: Its name for ever: "contain", "first_word:executives".
        kind: What sort of thing.
        what: What is to be done, as a line that stands alone: "Tell executives".
        clock: From what its time counts.
        within: In what time; None where it is asked for without one.
    """

    key: str
    kind: PromiseKind
    what: str
    clock: ClockEvent
    within: Within | None


@dataclass(frozen=True, slots=True)
class Promise:
    """What was asked of an incident, and what became of it.

    Attributes:
        asked: As the protocol last put it.
        applies: Whether it is asked for at present.
        since: When its clock began anew, if it did: the incident was reopened.
        kept_at: When it was kept; None as long as it is not.
        missed_at: When it was found missed, and somebody was paged for that; None if it was not.
        not_owed: Whether a person decided that it does not apply; `kept_at` is then when.
    """

    asked: Asked
    applies: bool = True
    since: datetime | None = None
    kept_at: datetime | None = None
    missed_at: datetime | None = None
    not_owed: bool = False

    def due(self, clocks: Mapping[ClockEvent, datetime], office: Office) -> datetime | None:
        """By when it is due; None where it has no time, or what starts its clock has not happened.

        Args:
            clocks: When each event happened that has.
            office: In whose working days it is counted.
        """
        start = self.since or clocks.get(self.asked.clock)
        return office.due(self.asked.within, start) if start is not None and self.asked.within is not None else None

    def look_at(self, due: datetime | None, office: Office, *, resolved: bool, closed: bool) -> datetime | None:
        """When somebody must look whether it was missed; None if never.

        A review that is late calls somebody on a working morning: it is worth a call, and no waking.

        Args:
            due: By when it is due.
            office: When people work.
            resolved: Whether the incident is resolved: then only `LASTS` are watched.
            closed: Whether it is closed: then nothing is.
        """
        waits = self.applies and self.kept_at is None and self.missed_at is None
        if due is None or not waits or closed or (resolved and self.asked.kind not in LASTS):
            return None
        return office.morning(due) if self.asked.kind is PromiseKind.REVIEW else due

    def standing(self, due: datetime | None, now: datetime) -> Standing:
        """How it stands now."""
        if self.not_owed:
            return Standing.NOT_OWED
        if self.kept_at is not None:
            return Standing.KEPT_LATE if due is not None and self.kept_at > due else Standing.KEPT
        if not self.applies:
            return Standing.NOT_ASKED
        return Standing.MISSED if due is not None and due < now else Standing.OPEN


def grow(have: Sequence[Promise], asked: Iterable[Asked]) -> tuple[Promise, ...]:
    """The promises of an incident of which this is asked now: those it had, in their order, then those that are new."""
    wanted = {one.key: one for one in asked}
    kept = tuple(
        replace(promise, asked=wanted.get(promise.asked.key, promise.asked), applies=promise.asked.key in wanted)
        for promise in have
    )
    known = {promise.asked.key for promise in have}
    return (*kept, *(Promise(one) for key, one in wanted.items() if key not in known))


def again(promise: Promise, since: datetime) -> Promise:
    """The promise after its incident was reopened: what held no longer holds, so its clock begins anew.

    Words once given to an audience stay given, and so does a review. What counts from the resolution counts from the
    next one; that a review was gone without is no longer so.
    """
    if promise.asked.kind in {PromiseKind.ACKNOWLEDGE, PromiseKind.CONTAIN}:
        return replace(promise, since=since, kept_at=None, missed_at=None)
    if promise.asked.kind is PromiseKind.REVIEW and promise.not_owed:
        return replace(promise, kept_at=None, missed_at=None, not_owed=False)
    if promise.asked.clock is ClockEvent.RESOLVED and promise.kept_at is None:
        return replace(promise, missed_at=None)
    return promise
