"""A draft of an auto-close, tried: what would have counted as ended, and what that would have done to its incidents.

Between its first and its last time nobody knows when a signal was heard. What is said is what must have been
(`practice.quiet`); where it cannot be told, that is said.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Max, Q

from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.kit.spans import span
from andon.practice.grouping import DedupReason, RouteAction, route
from andon.practice.quiet import Between, Later, Lived, Stretch, lived, pauses
from andon.rules.book import Book, Read, Standing
from andon.rules.queries import stand_since
from andon.rules.trial import OPENED, Trial
from andon.rules.trying_longer import Longer, longer_of, says_later, tell_longer

_ENDED_BY: Final = {
    DedupReason.ENDED.value: "than its sender said",
    DedupReason.RESOLVED_HERE.value: "than it did with its incident",
}


@dataclass(frozen=True)
class _Asked:
    """A signal of which the draft decides after how long it counts as ended (None = never), and its life until then."""

    read: Read
    after: timedelta | None
    lived: Lived
    by: Standing | None
    """The rule that decides as things stand."""


@dataclass(frozen=True)
class _Older:
    """Signals of an incident that are older than those looked at: they are taken as they were."""

    ended_at: datetime | None
    by_rule: bool


def try_auto_close(
    trial: Trial, draft: Standing, reads: Sequence[Read], books: tuple[Book, Book], now: datetime
) -> None:
    """Say of each signal whether it would have ended earlier, later, in between or not at all, and of its incident.

    Args:
        trial: What is said.
        draft: The draft.
        reads: All signals, oldest first.
        books: The rules as they stand, and with the draft, in place of the rule that it would change if there is one.
        now: The present instant.
    """
    asked = [one for read in reads if read.signal.count and (one := _ask(draft, read, books, now))]
    afters = {one.read.signal.pk: one.after for one in asked}
    lives = {one.read.signal.pk: one.lived for one in asked}
    longer = longer_of(reads, afters, lives, now)
    lives |= {pk: _lived_on(lives[pk], found) for pk, found in longer.laters.items()}
    fates, stays = _fates(trial, reads, lives, longer, books[1], now)
    told = tell_longer(trial, reads, longer, stays, books[1])
    for read in reads:
        pk, found = read.signal.pk, longer.laters.get(read.signal.pk)
        says = _says(read.signal, lives[pk], now) if pk in lives and found is None else []
        says += [says_later(read.signal, found)] if found else []
        fate = fates.get(read.signal.incident_id) if says else None
        if says := [*says, *([fate] if fate else []), *told.get(pk, ())]:
            trial.add(read.signal, "; ".join(says))
    _note(trial, asked, longer)


def _note(trial: Trial, asked: Sequence[_Asked], longer: Longer) -> None:
    if trial.about and not asked:
        trial.notes.append(
            "They count as ended after so long already, by their sender's kind or by a rule that stands."
        )
    since = stand_since([one.by.rule for one in asked if one.by is not None])
    untold = [one for one in asked if one.lived.between is not Between.NEVER and _untold(one, longer, since)]
    if untold:
        trial.notes.append(
            f"Of {len(untold)} of them it cannot be told whether they were silent for so long in between, for only "
            "their first and last time are kept. Such a silence would have ended them, and their next time been a new "
            "signal."
        )


def _untold(one: _Asked, longer: Longer, since: Mapping[int, datetime]) -> bool:
    """Whether it cannot be told if a signal was silent for long enough in between.

    What ended after a shorter silence had none as long before, if the rule that ended it stood all the time.
    """
    if one.read.signal.pk not in longer.laters:
        return one.lived.between is Between.UNTOLD
    return one.by is not None and since[one.by.rule.number] > one.read.signal.first_at


def _ask(draft: Standing, read: Read, books: tuple[Book, Book], now: datetime) -> _Asked | None:
    """How a signal would have lived by the draft, or without the rule that it would change; None = as it did."""
    stands, with_it = books
    by = stands.closer(read)
    mine = {one.rule.number for one in (by, with_it.closer(read)) if one is not None}
    if draft.rule.number not in mine:
        return None
    after, signal = with_it.closes_after(read), read.signal
    if stands.closes_after(read) == after:
        return None
    if after is None:
        return _Asked(read, None, Lived((Stretch(signal.first_at, signal.resolved_at),), Between.NEVER), by)
    life = lived(signal.first_at, signal.last_at, signal.count, signal.resolved_at, after, now)
    return _Asked(read, after, life, by)


def _lived_on(life: Lived, found: Later) -> Lived:
    """The life of a signal that would not have ended when it did."""
    return Lived((*life.stretches[:-1], Stretch(life.stretches[-1].begins, found.ends)), life.between)


def _says(signal: Signal, found: Lived, now: datetime) -> list[str]:
    says: list[str] = []
    match found.between:
        case Between.ONCE:
            again = span(signal.last_at - signal.first_at)
            says.append(f"would have counted as ended after its first time, and {again} later come as a new signal")
        case Between.SOME_TIME:
            says.append(
                "would have counted as ended at least once in between, and come again as a new signal; "
                "when cannot be told"
            )
        case Between.BEFORE_END:
            says.append(
                "would have counted as ended before its sender said so; "
                "when, and whether it would have come again, cannot be told"
            )
    if signal.resolved_at is None and found.ends is not None:
        says.append(f"would count as ended: nothing was heard for {span(now - signal.last_at)}")
    elif signal.resolved_at is not None and found.ends is not None and found.ends < signal.resolved_at:
        than = _ENDED_BY.get(signal.dedup_reason, "than it did")
        says.append(f"would have counted as ended {span(signal.resolved_at - found.ends)} earlier {than}")
    return says


def _fates(
    trial: Trial, reads: Sequence[Read], lives: dict[UUID, Lived], longer: Longer, book: Book, now: datetime
) -> tuple[dict[UUID | None, str], dict[UUID, datetime | None]]:
    """By incident, what would have become of it, where that is certain; counts what would have opened after it.

    Of those that would have stayed open for longer, until when their own signals would have kept them so.
    """
    groups: dict[UUID, list[Read]] = defaultdict(list)
    for read in reads:
        if read.signal.incident_id is not None and read.signal.count:
            groups[read.signal.incident_id].append(read)
    groups = {pk: group for pk, group in groups.items() if any(read.signal.pk in lives for read in group)}
    older = _older(groups)
    by_people: set[UUID] = set()
    found: dict[UUID | None, str] = {}
    stays: dict[UUID, datetime | None] = {}
    for pk, whole in groups.items():
        group = [read for read in whole if read.signal.pk not in longer.taken_in]
        incident = whole[0].signal.incident
        if incident is None or not group:
            continue
        unseen = older.get(pk)
        if not _by_rule(incident, group) or (unseen is not None and not unseen.by_rule):
            by_people.add(pk)
            continue
        was, would = _pauses(incident, group, lives, book, older=unseen)
        ends, over = would[0].ends, incident.resolved_at or now
        if ends is not None and ends <= over:
            if was != would and (says := _fate(trial, incident, group, lives, was, would, now)):
                found[pk] = says
        elif longer.keeps_open(incident, group):
            stays[pk] = ends
    if by_people:
        many = f"{len(by_people)} incidents" if len(by_people) > 1 else "one incident"
        trial.notes.append(f"Of these signals' incidents {many} would have been for people to resolve all the same.")
    return found, stays


def _by_rule(incident: Incident, group: Sequence[Read]) -> bool:
    """Whether an incident is resolved when all its signals have ended (as `response.resolving` has it)."""
    return incident.declared_by_id is None and all(read.signal.integration.resolves_incidents for read in group)


def _older(groups: dict[UUID, list[Read]]) -> dict[UUID, _Older]:
    """By incident, what is known of its signals that are older than those looked at."""
    seen = [read.signal.pk for group in groups.values() for read in group]
    rows = Signal.objects.filter(incident__in=list(groups), count__gt=0).exclude(pk__in=seen).order_by()
    told = rows.values("incident").annotate(
        last=Max("resolved_at"),
        firing=Count("pk", filter=Q(status=Signal.Status.FIRING)),
        by_people=Count("pk", filter=Q(integration__resolves_incidents=False)),
    )
    return {
        row["incident"]: _Older(None if row["firing"] else row["last"], by_rule=not row["by_people"]) for row in told
    }


def _pauses(
    incident: Incident, group: Sequence[Read], lives: dict[UUID, Lived], book: Book, *, older: _Older | None
) -> tuple[tuple[Stretch, ...], tuple[Stretch, ...]]:
    """For how long at a time an incident had signals that fired, as it was and as it would have been."""
    before = [Stretch(incident.created_at, older.ended_at)] if older is not None else []
    waits = book.hold_open(group) or timedelta(0)
    was = [*before, *(one for read in group for one in _stretches(read, {}))]
    return pauses(was, waits), pauses([*before, *(one for read in group for one in _stretches(read, lives))], waits)


def _fate(
    trial: Trial,
    incident: Incident,
    group: Sequence[Read],
    lives: dict[UUID, Lived],
    was: Sequence[Stretch],
    would: Sequence[Stretch],
    now: datetime,
) -> str:
    """What is said of an incident that would have been resolved earlier."""
    ends, resolved_at = would[0].ends, incident.resolved_at
    limit = resolved_at or now
    if ends is None:
        return ""
    known = {one.begins for one in was}
    begun = {one.begins for read in group for one in _stretches(read, lives) if _opens(read)}
    again = sum(
        one.begins not in known and any(one.begins <= at < min(one.ends or limit, limit) for at in begun)
        for one in would[1:]
    )
    trial.opened += again
    earlier = f"{span(resolved_at - ends)} earlier" if resolved_at is not None else f"{span(now - ends)} ago"
    after = {0: "", 1: ", and another opened after it"}.get(again, f", and {again} opened after it")
    return f"{incident.ref} would have been resolved {earlier}{after}"


def _stretches(read: Read, lives: dict[UUID, Lived]) -> tuple[Stretch, ...]:
    signal = read.signal
    found = lives.get(signal.pk)
    return found.stretches if found else (Stretch(signal.first_at, signal.resolved_at),)


def _opens(read: Read) -> bool:
    """Whether a signal that came anew would have opened an incident by itself."""
    if read.signal.reason_joined in OPENED:
        return True
    return route(read.severity, read.system is not None, None).action is RouteAction.OPEN
