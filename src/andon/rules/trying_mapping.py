"""A draft of a mapping, tried: what signals would have counted as, and which incidents there would have been.

The signals go through `practice.regrouping` once more: those that would have counted as something else find another
incident, or open one, and what they opened may open by another signal or not at all.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q

from andon.incidents.models import Incident
from andon.incidents.policy import visible
from andon.intake.models import Signal
from andon.kit.spans import span
from andon.people.policy import Actor
from andon.practice.grouping import RouteAction, group_key, route
from andon.practice.regrouping import Course, Heard, Known, regroup
from andon.practice.severity import Severity
from andon.practice.words import IncidentKind, IncidentType
from andon.rules.book import Book, Effect, Read, Standing
from andon.rules.onsets import Onsets, onsets_of
from andon.rules.trial import OPENED, Trial

_HOW_LONG: Final = (
    "How long an incident would have been open that there never was, nobody knows: it is taken to be over with "
    "the incidents that its signals are in, or with the signals themselves where their end resolves incidents."
)


def try_mapping(
    trial: Trial, before: Sequence[Read], after: Sequence[Read], draft: Standing, with_it: Book, *, by: Actor
) -> None:
    """Say of each signal what it would have counted as, and what would have become of incidents.

    Args:
        trial: What is said.
        before: The signals without the draft, oldest first.
        after: The same with it.
        draft: The draft.
        with_it: The rules with it.
        by: Who tries it.
    """
    changes: dict[UUID, list[str]] = {}
    wrong: dict[UUID, str] = {}
    for old, new in zip(before, after, strict=True):
        problems = [each["error"] for each in new.told if each["rule"] == draft.rule.number and "error" in each]
        if problems:
            wrong[new.signal.pk] = problems[0]
        changes[new.signal.pk] = list(_changes(old, new))
    fates = _fates(trial, before, after, with_it, by) if any(changes.values()) else {}
    for read in after:
        signal = read.signal
        if signal.pk in wrong:
            trial.wrong(signal, wrong[signal.pk])
        elif says := [*changes[signal.pk], *fates.get(signal.pk, ())]:
            trial.add(signal, "; ".join(says))
    if trial.about and not trial.changed and not trial.errors:
        trial.notes.append("They count as that already, by their sender or by a mapping that is asked earlier.")


def _changes(old: Read, new: Read) -> Iterator[str]:
    if old.system != new.system:
        yield f"system: {old.system or 'none'} → {new.system or 'none'}"
    if old.type != new.type:
        yield f"type: {IncidentType(old.type).words} → {IncidentType(new.type).words}"
    if old.severity != new.severity:
        yield f"severity: {_level(old.severity)} → {_level(new.severity)}"


def _level(severity: Severity | None) -> str:
    return severity.name if severity else "not said"


def _fates(
    trial: Trial, before: Sequence[Read], after: Sequence[Read], with_it: Book, by: Actor
) -> Mapping[UUID, list[str]]:
    """By signal, what is to be said of incidents; counts those that would have opened, and those that would not."""
    openers = _openers(after)
    moved = {_key(new) for old, new in zip(before, after, strict=True) if _key(old) != _key(new)}
    incidents = _incidents(after, moved, by)
    onsets = onsets_of([read.signal.pk for read in after], list(incidents))
    known = {pk: _known(one, openers.get(pk), onsets) for pk, one in incidents.items()}
    heard = [_heard(old, new, known, openers, with_it, onsets) for old, new in zip(before, after, strict=True)]
    told = _Told(regroup(heard, known.values()), known, incidents, {read.signal.pk: read for read in after})
    trial.opened += sum(course.known is None for course in told.courses)
    gone = [pk for pk, one in known.items() if not one.stands and pk not in told.begun]
    trial.not_opened += sorted((incidents[pk] for pk in gone), key=lambda incident: incident.number)
    found = {one.key: told.fate(one) for one in heard if isinstance(one.key, UUID)}
    _notes(trial, told, heard)
    return found


def let_through(
    trial: Trial, reads: Sequence[Read], released: Mapping[UUID, datetime], by: Actor
) -> Mapping[UUID, list[str]]:
    """What would have become of signals without an incident that had waited only until then; counts what they open."""
    moved = {_key(read) for read in reads if read.signal.pk in released}
    incidents = _incidents(reads, moved, by)
    onsets = onsets_of([read.signal.pk for read in reads], list(incidents))
    known = {pk: _known(one, None, onsets) for pk, one in incidents.items()}
    heard = [
        replace(_heard(read, read, {}, {}, None, onsets), at=at, changed=True, regrouped=True, waits=False)
        for read in reads
        if (at := released.get(read.signal.pk)) is not None
    ]
    told = _Told(regroup(heard, known.values()), known, incidents, {read.signal.pk: read for read in reads})
    trial.opened += sum(course.known is None for course in told.courses)
    return {one.key: told.fate(one) for one in heard if isinstance(one.key, UUID)}


def _notes(trial: Trial, told: "_Told", heard: Sequence[Heard]) -> None:
    if any(course.known is None for course in told.courses):
        trial.notes.append(_HOW_LONG)
    waiting = sum(one.changed and one.waits and one.key not in told.where for one in heard)
    if waiting:
        trial.notes.append(
            f"{waiting} of them {'was' if waiting == 1 else 'were'} kept waiting by other rules, and it is taken that "
            "nothing changes in that: those rules are not asked anew."
        )


def _openers(reads: Sequence[Read]) -> dict[UUID, Signal]:
    """By incident, the signal that opened it, where it is among these."""
    found: dict[UUID, Signal] = {}
    for read in reads:
        if read.signal.incident_id is not None and read.signal.reason_joined in OPENED:
            found.setdefault(read.signal.incident_id, read.signal)
    return found


def _key(read: Read) -> str:
    return group_key(read.system.pk if read.system else None, read.type, read.signal.integration.slug)


def _incidents(reads: Sequence[Read], moved: set[str], by: Actor) -> dict[UUID, Incident]:
    """The incidents of these signals, and those that some of them would have joined, as far as the actor sees them."""
    own = {read.signal.incident.pk: read.signal.incident for read in reads if read.signal.incident is not None}
    systems = {read.system.pk for read in reads if read.system is not None and _key(read) in moved}
    there = Q(resolved_at=None) | Q(resolved_at__gt=reads[0].signal.first_at)
    near = Q(group_key__in=moved) | Q(system__in=systems)
    rows = visible(by).filter(near, there, kind=IncidentKind.REAL).defer(*Incident.LONG)
    return {**{incident.pk: incident for incident in rows}, **own}


def _known(incident: Incident, opener: Signal | None, onsets: Onsets) -> Known:
    began = incident.created_at
    if opener is not None and not _waited(opener):
        began = opener.first_at
    joins_by_onset = incident.system_id is not None and not incident.restricted and incident.kind == IncidentKind.REAL
    return Known(
        incident.pk,
        incident.group_key,
        began,
        incident.resolved_at,
        opener is None,
        incident.incident_type,
        incident.system_id if joins_by_onset else None,
        onsets.incidents.get(incident.pk, ()) if opener is None else (),
    )


def _waited(signal: Signal) -> bool:
    """Whether a rule kept it waiting, now or before."""
    return any(told["effect"] == Effect.HELD for told in signal.rules or ())


def _heard(
    old: Read,
    new: Read,
    known: Mapping[UUID, Known],
    openers: Mapping[UUID, Signal],
    with_it: Book | None,
    onsets: Onsets,
) -> Heard:
    signal = new.signal
    home = known.get(signal.incident_id) if signal.incident_id is not None else None
    opened = home is not None and openers.get(signal.incident_id) == signal  # type: ignore[arg-type]
    regrouped = _key(old) != _key(new)
    as_it_was = home is not None and not home.stands and (opened or not regrouped)
    return Heard(
        signal.pk,
        max(signal.first_at, home.began) if home is not None and as_it_was else signal.first_at,
        _key(new),
        new.severity,
        new.type,
        new.system.pk if new.system else None,
        home.until if home is not None else _own_end(signal),
        signal.incident_id,
        opened,
        changed=regrouped or old.severity != new.severity,
        regrouped=regrouped,
        waits=not opened and _waited(signal),
        apart=signal.incident_id is None and with_it is not None and with_it.alive(new),
        over=not signal.count,
        alarm=signal.pk in onsets.signals,
        onset=onsets.signals.get(signal.pk),
    )


def _own_end(signal: Signal) -> datetime | None:
    """Until when an incident of a signal alone would have been open: where its end does not resolve it, until now."""
    return signal.resolved_at if signal.integration.resolves_incidents else None


@dataclass(frozen=True)
class _Fate:
    """Where a signal would have gone."""

    course: Course
    opens: bool


class _Told:
    """What is said of the incidents that there would have been."""

    def __init__(
        self,
        courses: Sequence[Course],
        known: Mapping[UUID, Known],
        incidents: Mapping[UUID, Incident],
        reads: Mapping[UUID, Read],
    ) -> None:
        self.courses = courses
        self._known: dict[Hashable, Known] = {one.key: one for one in known.values()}
        self._refs: dict[Hashable, str] = {pk: incident.ref for pk, incident in incidents.items()}
        self._titles: dict[Hashable, str] = {pk: f"“{read.signal.title}”" for pk, read in reads.items()}
        self.begun = {course.known.key: course for course in courses if course.known is not None}
        self.where = {key: _Fate(course, course.opener == key) for course in courses for key in course.members}

    def fate(self, one: Heard) -> list[str]:
        """What is to be said of the incidents of one signal; nothing where all would have been as it was."""
        fate = self.where.get(one.key)
        says = [self._went(one, fate)]
        if one.opened and not (fate and fate.opens and fate.course.known and fate.course.known.key == one.home):
            says.append(self._without(one))
        return [each for each in says if each]

    def _went(self, one: Heard, fate: _Fate | None) -> str:
        """Where a signal would have gone, if that is elsewhere."""
        if fate is None:
            if one.home is not None:
                return (
                    f"would have opened no incident{self._by_itself(one)}"
                    if one.opened
                    else "would have joined no incident"
                )
            return ""
        course = fate.course
        if course.known is None:
            if fate.opens:
                return f"would have opened an incident{' of its own' if one.home is not None else ''}"
            return f"would have joined the incident that {self._titles[course.opener]} would have opened"
        ref = self._refs[course.known.key]
        if fate.opens:
            return "" if one.opened and course.known.key == one.home else f"would have opened {ref}{self._when(course)}"
        return "" if course.known.key == one.home else f"would have joined {ref}"

    def _without(self, one: Heard) -> str:
        """What would have become of an incident, had the signal not opened it that did."""
        home = self._known[one.home]
        course = self.begun.get(home.key)
        if course is None:
            return f"{self._refs[home.key]} would not have opened"
        return f"{self._refs[home.key]} would have opened{self._when(course)} by {self._titles[course.opener]}"

    def _when(self, course: Course) -> str:
        """How much earlier or later than it did an incident would have opened."""
        if course.known is None or course.began == course.known.began:
            return ""
        apart = span(course.began - course.known.began)
        return f" {apart} {'earlier' if course.began < course.known.began else 'later'}"

    def _by_itself(self, one: Heard) -> str:
        opens = route(one.severity, one.system is not None, None, resolved=one.over).action is RouteAction.OPEN
        return "" if opens else " by itself"
