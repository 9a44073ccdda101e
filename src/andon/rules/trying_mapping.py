"""A draft of a mapping, tried: what signals would have counted as, and which incidents there would have been.

The signals go through `practice.regrouping` once more: those that would have counted as something else find another
incident, or open one, and what they opened may open by another signal or not at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q

from andon.incidents.models import Incident
from andon.incidents.policy import visible
from andon.people.policy import Actor
from andon.practice.regrouping import regroup
from andon.practice.severity import Severity
from andon.practice.words import IncidentKind, IncidentType
from andon.rules.book import Book, Read, Standing
from andon.rules.onsets import onsets_of
from andon.rules.trial import Trial
from andon.rules.trying_holds import Holds
from andon.rules.trying_incidents import Told, as_heard, as_known, key_of_group, openers_of

_HOW_LONG: Final = (
    "How long an incident would have been open that there never was, nobody knows: it is taken to be over with "
    "the incidents that its signals are in, or with the signals themselves where their end resolves incidents."
)
_UNANSWERED: Final = (
    "Whether the signals that it does not answer for would have opened an incident is not said, and they are taken not "
    "to: what other rules would have said of them cannot be told afterwards."
)


def try_mapping(
    trial: Trial,
    before: Sequence[Read],
    after: Sequence[Read],
    draft: Standing,
    with_it: Book,
    now: datetime,
    *,
    by: Actor,
) -> None:
    """Say of each signal what it would have counted as, and what would have become of incidents.

    Args:
        trial: What is said.
        before: The signals without the draft, oldest first.
        after: The same with it.
        draft: The draft.
        with_it: The rules with it.
        now: The present instant.
        by: Who tries it.
    """
    changes: dict[UUID, list[str]] = {}
    wrong: dict[UUID, str] = {}
    for old, new in zip(before, after, strict=True):
        problems = [each["error"] for each in new.told if each["rule"] == draft.rule.number and "error" in each]
        if problems:
            wrong[new.signal.pk] = problems[0]
        changes[new.signal.pk] = list(_changes(old, new))
    fates = _fates(trial, before, after, with_it, now, by) if any(changes.values()) else {}
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
    trial: Trial, before: Sequence[Read], after: Sequence[Read], with_it: Book, now: datetime, by: Actor
) -> Mapping[UUID, list[str]]:
    """By signal, what is to be said of incidents; counts those that would have opened, and those that would not."""
    openers = openers_of(after)
    moved = {
        key_of_group(new) for old, new in zip(before, after, strict=True) if key_of_group(old) != key_of_group(new)
    }
    incidents = _incidents(after, moved, by)
    onsets = onsets_of([read.signal.pk for read in after], list(incidents))
    known = {pk: as_known(one, openers.get(pk), onsets) for pk, one in incidents.items()}
    holds = Holds(with_it, before, after, now)
    asked = [
        holds.asked(as_heard(old, new, known, openers, with_it, onsets)) for old, new in zip(before, after, strict=True)
    ]
    heard = [one for one, _ in asked]
    told = Told(
        regroup(heard, known.values(), holds.tallies, now), known, incidents, {read.signal.pk: read for read in after}
    )
    trial.opened += sum(course.known is None for course in told.courses)
    gone = [pk for pk, one in known.items() if not one.stands and pk not in told.begun]
    trial.not_opened += sorted((incidents[pk] for pk in gone), key=lambda incident: incident.number)
    if any(course.known is None for course in told.courses):
        trial.notes.append(_HOW_LONG)
    found = {one.key: told.fate(one) for one in heard if isinstance(one.key, UUID)}
    for read, (one, unsure) in zip(after, asked, strict=True):
        if unsure and told.leaves_open(one):
            found[read.signal.pk] = told.without(one) if one.regrouped else []
            trial.cannot_say(read.signal, unsure)
    if trial.unanswered:
        trial.notes.append(_UNANSWERED)
    return found


def let_through(
    trial: Trial, reads: Sequence[Read], released: Mapping[UUID, datetime], by: Actor
) -> Mapping[UUID, list[str]]:
    """What would have become of signals without an incident that had waited only until then; counts what they open."""
    moved = {key_of_group(read) for read in reads if read.signal.pk in released}
    incidents = _incidents(reads, moved, by)
    onsets = onsets_of([read.signal.pk for read in reads], list(incidents))
    known = {pk: as_known(one, None, onsets) for pk, one in incidents.items()}
    heard = [
        replace(as_heard(read, read, {}, {}, None, onsets), at=at, changed=True, regrouped=True, waits=False)
        for read in reads
        if (at := released.get(read.signal.pk)) is not None
    ]
    told = Told(regroup(heard, known.values()), known, incidents, {read.signal.pk: read for read in reads})
    trial.opened += sum(course.known is None for course in told.courses)
    return {one.key: told.fate(one) for one in heard if isinstance(one.key, UUID)}


def _incidents(reads: Sequence[Read], moved: set[str], by: Actor) -> dict[UUID, Incident]:
    """The incidents of these signals, and those that some of them would have joined, as far as the actor sees them."""
    own = {read.signal.incident.pk: read.signal.incident for read in reads if read.signal.incident is not None}
    systems = {read.system.pk for read in reads if read.system is not None and key_of_group(read) in moved}
    there = Q(resolved_at=None) | Q(resolved_at__gt=reads[0].signal.first_at)
    near = Q(group_key__in=moved) | Q(system__in=systems)
    rows = visible(by).filter(near, there, kind=IncidentKind.REAL).defer(*Incident.LONG)
    return {**{incident.pk: incident for incident in rows}, **own}
