"""A draft of an auto-close, tried: what would have counted as ended, and what that would have done to its incidents.

Between its first and its last time nobody knows when a signal was heard. What is said is what must have been
(`practice.quiet`); where it cannot be told, that is said.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Max, Q

from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.kit.spans import span
from andon.practice.grouping import DedupReason, RouteAction, route
from andon.practice.quiet import Between, Lived, Stretch, lived, pauses
from andon.rules.book import Book, Read, Standing
from andon.rules.trial import OPENED, Trial

_ENDED_BY: Final = {
    DedupReason.ENDED.value: "than its sender said",
    DedupReason.RESOLVED_HERE.value: "than it did with its incident",
}


@dataclass(frozen=True)
class _Asked:
    """A signal whose silence the draft decides on, and how it would have lived."""

    read: Read
    after: timedelta
    lived: Lived


@dataclass(frozen=True)
class _Older:
    """Signals of an incident that are older than those looked at: they are taken as they were."""

    ended_at: datetime | None
    by_rule: bool


def try_auto_close(
    trial: Trial, draft: Standing, reads: Sequence[Read], met: Sequence[Read], books: tuple[Book, Book], now: datetime
) -> None:
    """Say of each signal whether it would count as ended, or would have earlier or in between, and of its incident.

    Args:
        trial: What is said.
        draft: The draft.
        reads: All signals, oldest first.
        met: Those that the draft is about.
        books: The rules without the draft, and with it.
        now: The present instant.
    """
    before, with_it = books
    asked = [_ask(read, now, after) for read in met if (after := _decides(draft, read, before, with_it))]
    fates = _fates(trial, reads, {one.read.signal.pk: one.lived for one in asked}, with_it, now)
    for one in asked:
        if says := _says(one, now):
            fate = fates.get(one.read.signal.incident_id)
            trial.add(one.read.signal, "; ".join([*says, *([fate] if fate else [])]))
    if met and not asked:
        trial.notes.append("They count as ended after so long already, by their sender's kind or by an earlier rule.")
    if untold := sum(one.lived.between is Between.UNTOLD for one in asked):
        trial.notes.append(
            f"Of {untold} of them it cannot be told whether they were silent for so long in between, for only their "
            "first and last time are kept. Such a silence would have ended them, and their next time been a new signal."
        )


def _decides(draft: Standing, read: Read, before: Book, with_it: Book) -> timedelta | None:
    """After how long a signal counts as ended by the draft; None if another decides, or nothing would change."""
    first = next((one for one in with_it.of(draft.rule.what) if one.ask(read.seen).holds), None)
    if first is not draft or not read.signal.count:
        return None
    after: timedelta = draft.settings.after
    return after if before.closes_after(read) != after else None


def _ask(read: Read, now: datetime, after: timedelta) -> _Asked:
    signal = read.signal
    return _Asked(read, after, lived(signal.first_at, signal.last_at, signal.count, signal.resolved_at, after, now))


def _says(one: _Asked, now: datetime) -> list[str]:
    signal, found = one.read.signal, one.lived
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
    elif signal.resolved_at is not None and signal.dedup_reason == DedupReason.GONE_QUIET:
        later = signal.last_at + one.after - signal.resolved_at
        if later > timedelta(0):
            says.append(f"would have counted as ended {span(later)} later, unless it had been heard again")
    return says


def _fates(
    trial: Trial, reads: Sequence[Read], lives: dict[UUID, Lived], book: Book, now: datetime
) -> dict[UUID | None, str]:
    """By incident, what would have become of it, where that is certain; counts what would have opened after it."""
    groups: dict[UUID, list[Read]] = defaultdict(list)
    for read in reads:
        if read.signal.incident_id is not None and read.signal.count:
            groups[read.signal.incident_id].append(read)
    groups = {pk: group for pk, group in groups.items() if any(read.signal.pk in lives for read in group)}
    older = _older(groups)
    by_people: set[UUID] = set()
    found: dict[UUID | None, str] = {}
    for pk, group in groups.items():
        incident = group[0].signal.incident
        if incident is None:
            continue
        unseen = older.get(pk)
        if not _by_rule(incident, group) or (unseen is not None and not unseen.by_rule):
            by_people.add(pk)
            continue
        if says := _fate(trial, incident, group, lives, book, now, older=unseen):
            found[pk] = says
    if by_people:
        many = f"{len(by_people)} incidents" if len(by_people) > 1 else "one incident"
        trial.notes.append(f"Of these signals' incidents {many} would have been for people to resolve all the same.")
    return found


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


def _fate(
    trial: Trial,
    incident: Incident,
    group: Sequence[Read],
    lives: dict[UUID, Lived],
    book: Book,
    now: datetime,
    *,
    older: _Older | None,
) -> str:
    before = [Stretch(incident.created_at, older.ended_at)] if older is not None else []
    waits = book.hold_open(group) or timedelta(0)
    was = pauses([*before, *(one for read in group for one in _stretches(read, {}))], waits)
    told = [(read, one) for read in group for one in _stretches(read, lives)]
    would = pauses([*before, *(one for _, one in told)], waits)
    ends, resolved_at = would[0].ends, incident.resolved_at
    if would == was or ends is None or ends > (resolved_at or now):
        return ""
    known = {one.begins for one in was}
    begun = {one.begins for read, one in told if _opens(read)}
    limit = resolved_at or now
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
