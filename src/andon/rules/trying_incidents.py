"""The signals and incidents of a trial as `practice.regrouping` takes them, and what is said of what it finds."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.kit.spans import span
from andon.practice.grouping import RouteAction, group_key, route
from andon.practice.regrouping import Course, Heard, Known
from andon.practice.words import IncidentKind
from andon.rules.book import Book, Effect, Read
from andon.rules.onsets import Onsets
from andon.rules.trial import OPENED


def openers_of(reads: Sequence[Read]) -> dict[UUID, Signal]:
    """By incident, the signal that opened it, where it is among these."""
    found: dict[UUID, Signal] = {}
    for read in reads:
        if read.signal.incident_id is not None and read.signal.reason_joined in OPENED:
            found.setdefault(read.signal.incident_id, read.signal)
    return found


def key_of_group(read: Read) -> str:
    """The key of the incident that a signal belongs to."""
    return group_key(read.system.pk if read.system else None, read.type, read.signal.integration.slug)


def as_known(incident: Incident, opener: Signal | None, onsets: Onsets) -> Known:
    """An incident; `opener` is the signal that opened it, where that is among those looked at."""
    began = incident.created_at
    if opener is not None and not has_waited(opener):
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


def has_waited(signal: Signal) -> bool:
    """Whether a rule kept it waiting, now or before."""
    return any(told["effect"] == Effect.HELD for told in signal.rules or ())


def as_heard(
    old: Read,
    new: Read,
    known: Mapping[UUID, Known],
    openers: Mapping[UUID, Signal],
    with_it: Book | None,
    onsets: Onsets,
) -> Heard:
    """A signal with what it counted as (`old`) and would have (`new`); `with_it` says what is a sign of life."""
    signal = new.signal
    home = known.get(signal.incident_id) if signal.incident_id is not None else None
    opened = home is not None and openers.get(signal.incident_id) == signal  # type: ignore[arg-type]
    regrouped = key_of_group(old) != key_of_group(new)
    as_it_was = home is not None and not home.stands and (opened or not regrouped)
    return Heard(
        signal.pk,
        max(signal.first_at, home.began) if home is not None and as_it_was else signal.first_at,
        key_of_group(new),
        new.severity,
        new.type,
        new.system.pk if new.system else None,
        home.until if home is not None else _own_end(signal),
        signal.incident_id,
        opened,
        changed=regrouped or old.severity != new.severity,
        regrouped=regrouped,
        waits=not opened and has_waited(signal),
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


class Told:
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
        return [each for each in (self._went(one, self.where.get(one.key)), *self.without(one)) if each]

    def leaves_open(self, one: Heard) -> bool:
        """Whether a signal found nothing open, and would have opened an incident but for other rules."""
        fate = self.where.get(one.key)
        stays = fate is not None and one.opened and fate.opens
        decision = route(one.severity, one.system is not None, None, resolved=one.over)
        return (fate is None or stays) and not one.apart and decision.action is RouteAction.OPEN

    def without(self, one: Heard) -> list[str]:
        """What would have become of the incident that a signal opened, if that would not have opened it as it did."""
        fate = self.where.get(one.key)
        opens = fate.course.known if fate is not None and fate.opens else None
        if not one.opened or (opens is not None and opens.key == one.home):
            return []
        return [self._without(one)]

    def _went(self, one: Heard, fate: _Fate | None) -> str:
        """Where a signal would have gone, if that is elsewhere."""
        if fate is None:
            return self._nowhere(one)
        course = fate.course
        if course.known is None:
            if fate.opens:
                return f"would have opened an incident{' of its own' if one.home is not None else ''}"
            return f"would have joined the incident that {self._titles[course.opener]} would have opened"
        ref = self._refs[course.known.key]
        if fate.opens:
            return "" if one.opened and course.known.key == one.home else f"would have opened {ref}{self._when(course)}"
        return "" if course.known.key == one.home else f"would have joined {ref}"

    def _nowhere(self, one: Heard) -> str:
        """What is said of a signal that would have been in no incident."""
        opens = route(one.severity, one.system is not None, None, resolved=one.over).action is RouteAction.OPEN
        if one.changed and opens and not one.apart and (one.waits or one.counted):
            return "would have been kept waiting" if one.waits else "would have waited for more of them"
        if one.home is None:
            return ""
        by_itself = "" if opens else " by itself"
        return f"would have opened no incident{by_itself}" if one.opened else "would have joined no incident"

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
