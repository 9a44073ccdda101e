"""What counted as ended and would not have, or later, had an auto-close said otherwise: what would have become of it.

A signal that fires on is the same signal when it is heard again, so the ones after it are taken into it as far as it
reaches. An incident that such an end has resolved stays open for longer; what came in that time joins it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

from andon.incidents.models import Incident, TimelineEntry
from andon.intake.models import Signal
from andon.kit.spans import span
from andon.practice.grouping import HELD, DedupReason
from andon.practice.quiet import Later, Lived, Next, Over, later
from andon.practice.regrouping import regroup
from andon.rules.book import Book, Read
from andon.rules.onsets import onsets_of
from andon.rules.trial import Trial
from andon.rules.trying_incidents import Told, as_heard, as_known, openers_of

_OVER: Final = {
    DedupReason.GONE_QUIET.value: Over.QUIET,
    DedupReason.RESOLVED_HERE.value: Over.PEOPLE,
}
_WAITED: Final = (
    "it counted as ended while a rule kept it waiting: whether it would have opened an incident after that is not said"
)


@dataclass(frozen=True)
class Longer:
    """The signals that would not have counted as ended when they did.

    Attributes:
        laters: By signal, what would have become of it.
        taken_in: By signal that would have been no new one, but one of these heard again: which.
        by_people: When people resolved incidents of these. The others with a time were resolved by a rule.
    """

    laters: Mapping[UUID, Later]
    taken_in: Mapping[UUID, Signal]
    by_people: Mapping[UUID, datetime]

    def keeps_open(self, incident: Incident, group: Sequence[Read]) -> bool:
        """Whether an incident of such signals was resolved because they counted as ended."""
        resolved = incident.resolved_at is not None and incident.pk not in self.by_people
        return resolved and any(read.signal.pk in self.laters for read in group)


def longer_of(
    reads: Sequence[Read], afters: Mapping[UUID, timedelta | None], lives: Mapping[UUID, Lived], now: datetime
) -> Longer:
    """What would have become of the signals that have gone quiet, and would not have, or later.

    Args:
        reads: All signals, oldest first.
        afters: By signal of which that would have changed, after how long it would have counted as ended; None = never.
        lives: How those signals would have lived, as far as they would have ended earlier.
        now: The present instant.
    """
    by_people = _resolved_by_people([read.signal for read in reads if _gone_on(read.signal, afters)])
    things: dict[tuple[UUID, str], list[Signal]] = defaultdict(list)
    for read in reads:
        things[read.signal.integration_id, read.signal.fingerprint].append(read.signal)
    laters: dict[UUID, Later] = {}
    taken_in: dict[UUID, Signal] = {}
    for signals in things.values():
        ordered = sorted(signals, key=lambda signal: signal.first_at)
        for signal, after in reversed(list(pairwise([*ordered, None]))):
            if signal is None or not _gone_on(signal, afters):
                continue
            found = later(
                _due(signal, afters),
                now,
                said_at=_said_over(signal),
                resolved_at=by_people.get(signal.incident_id) if signal.incident_id else None,
                next_=_next(after, laters, lives) if after is not None else None,
            )
            laters[signal.pk] = found
            if found.with_next and after is not None:
                taken_in[after.pk] = signal
    return Longer(laters, taken_in, by_people)


def _gone_on(signal: Signal, afters: Mapping[UUID, timedelta | None]) -> bool:
    """Whether a signal counted as ended for its silence, and would not have yet."""
    if signal.pk not in afters or signal.resolved_at is None or signal.dedup_reason != DedupReason.GONE_QUIET:
        return False
    due = _due(signal, afters)
    return due is None or due > signal.resolved_at


def _due(signal: Signal, afters: Mapping[UUID, timedelta | None]) -> datetime | None:
    after = afters[signal.pk]
    return signal.last_at + after if after is not None else None


def _said_over(signal: Signal) -> datetime | None:
    """When its sender said that it was over, after it had counted so; the last time, where it said so repeatedly."""
    return signal.echo_at if signal.echo_reason == DedupReason.ALREADY_ENDED else None


def _next(signal: Signal, laters: Mapping[UUID, Later], lives: Mapping[UUID, Lived]) -> Next:
    if found := laters.get(signal.pk):
        return Next(signal.first_at, found.ends, found.over)
    lived = lives.get(signal.pk)
    if lived is not None and lived.ends != signal.resolved_at:
        return Next(signal.first_at, lived.ends, Over.NOT if lived.ends is None else Over.QUIET)
    if signal.resolved_at is None:
        return Next(signal.first_at, None, Over.NOT)
    return Next(signal.first_at, signal.resolved_at, _OVER.get(signal.dedup_reason, Over.SAID))


def _resolved_by_people(signals: Sequence[Signal]) -> dict[UUID, datetime]:
    """When people resolved the incidents of these, which had counted as ended before; the others a rule resolved."""
    over = {s.incident.pk: s.incident for s in signals if s.incident is not None and s.incident.resolved_at is not None}
    entries = TimelineEntry.objects.filter(incident__in=list(over), kind="resolved").order_by("seq")
    last = {entry.incident_id: entry for entry in entries}
    return {
        pk: incident.resolved_at
        for pk, incident in over.items()
        if incident.resolved_at is not None and not (pk in last and "rule" in (last[pk].body or {}))
    }


def says_later(signal: Signal, found: Later) -> str:
    """What is said of a signal that would not have counted as ended when it did."""
    if signal.resolved_at is None or found.ends is None:
        return "would not have counted as ended, and would fire still"
    if found.over is Over.PEOPLE:
        return f"would have fired on for {span(found.ends - signal.resolved_at)}, until people resolved its incident"
    said = ", when its sender said so" if found.over is Over.SAID else ""
    return f"would have counted as ended {span(found.ends - signal.resolved_at)} later{said}"


def waited_when_ended(signal: Signal) -> bool:
    """Whether a rule kept a signal from opening an incident when it counted as ended."""
    return signal.incident_id is None and bool(signal.held_by) and signal.reason_joined in HELD


def tell_longer(
    trial: Trial, reads: Sequence[Read], longer: Longer, stays: Mapping[UUID, datetime | None], book: Book
) -> dict[UUID, list[str]]:
    """By signal, what is to be said of what would have stayed open; counts those incidents, and what did not open.

    Args:
        trial: What is said.
        reads: All signals, oldest first.
        longer: Those that would not have counted as ended.
        stays: By incident that would have stayed open for longer, until when by its own signals; None = still.
        book: The rules with the draft.
    """
    for read in reads:
        if read.signal.pk in longer.laters and waited_when_ended(read.signal):
            trial.cannot_say(read.signal, _WAITED)
    says: dict[UUID, list[str]] = defaultdict(list)
    for pk, before in longer.taken_in.items():
        says[pk].append(f"would have been no new signal, but “{before.title}” heard again")
    if not stays:
        return says
    incidents = {read.signal.incident.pk: read.signal.incident for read in reads if read.signal.incident is not None}
    openers = openers_of(reads)
    onsets = onsets_of([read.signal.pk for read in reads], list(incidents))
    known = {pk: as_known(one, openers.get(pk), onsets) for pk, one in incidents.items()}
    known |= {pk: replace(known[pk], longer=True, later=until) for pk, until in stays.items()}
    everything = {read.signal.pk: as_heard(read, read, known, openers, book, onsets) for read in reads}
    heard = [one for pk, one in everything.items() if pk not in longer.taken_in]
    told = Told(regroup(heard, known.values()), known, incidents, {read.signal.pk: read for read in reads})
    gone = [pk for pk, one in known.items() if not one.stands and pk not in told.begun]
    trial.not_opened += sorted((incidents[pk] for pk in gone), key=lambda incident: incident.number)
    left = {pk: told.begun[pk].until for pk in stays if pk in told.begun}
    trial.open_longer += sorted((incidents[pk] for pk in left), key=lambda incident: incident.number)
    for pk, one in everything.items():
        says[pk] += told.without(one) if pk in longer.taken_in else told.fate(one)
    for pk, signal in ((read.signal.pk, read.signal) for read in reads):
        if pk in longer.laters and signal.incident_id in left:
            says[pk].append(_stays(incidents[signal.incident_id], left[signal.incident_id]))
    return says


def _stays(incident: Incident, until: datetime | None) -> str:
    if until is None or incident.resolved_at is None:
        return f"{incident.ref} would be open still"
    return f"{incident.ref} would have been resolved {span(until - incident.resolved_at)} later"
