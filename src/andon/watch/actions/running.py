"""A watch runs: claimed under a lease, read outside of any transaction, settled by compare-and-set.

A window is read once, when it is over and its labels have had their time; the last few are read again with it, and what
came late is put right. What was read, how far that has come, what the detector makes of it, and an alarm are one
transaction: a process that dies before its commit has done nothing, and one that was too slow writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from django.db import transaction
from django.db.models import Q

from andon.kit import clock, db, fence, ids, wake
from andon.kit.errors import Refused
from andon.practice.words import FairnessMetric, Measure
from andon.watch.actions import pushing, telling
from andon.watch.actions.logs import place_of
from andon.watch.actions.writing import judge_windows, note, question_of, write_windows
from andon.watch.kinds import KINDS
from andon.watch.models import Watch
from andon.watch.reading import Cells, Outcome, Place, Unreadable, Wanted, looking, read_together
from andon.watch.reading.cube import MOST_CELLS

WINDOWS_AT_ONCE: Final = 500
LATE_WINDOWS: Final = 3
"""Windows that are read again, for rows that came late."""
MOST_HISTORY: Final = 20_000
"""Windows that a new watch reads of what lies before it."""
LIMIT: Final = 60.0
"""Seconds that one reading may take."""
PATIENCE: Final = 90.0
"""Seconds after which no more is begun of what a turn at one log reads, so that the last ends within its lease."""
LEASE: Final = timedelta(seconds=180)
TOGETHER: Final = 32
"""Watches of one log that are read in one turn."""
_RESTS: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30))
_GRACE: Final = timedelta(minutes=2)
PUSHED_GRACE: Final = timedelta(minutes=3)
AWAY: Final = timedelta(minutes=10)
"""Not run for so long beyond its window, a watch of pushed numbers waits for what its senders kept meanwhile."""
WAITS: Final = timedelta(minutes=5)
"""So long."""


@dataclass(frozen=True)
class Claim:
    """A watch that is about to be read by whoever holds this."""

    watch: Watch
    token: str
    place: Place | None
    now: datetime


@dataclass(frozen=True)
class Reading:
    """What came of a claim: the windows from `since` to `until`, or in words why they could not be read.

    `bins` are what was learnt about the spread of its values, where it keeps histograms. With `waits` nothing is read
    yet, though there is something to read. With `left` its turn was over before it came to this one: it stays due.
    """

    claim: Claim
    since: datetime | None = None
    until: datetime | None = None
    cells: Cells = field(default_factory=Cells)
    bins: Mapping[str, object] | None = None
    failure: str = ""
    says: str = ""
    waits: bool = False
    left: bool = False


@dataclass(frozen=True)
class _Ask:
    """What a claim reads of its log."""

    claim: Claim
    wanted: Wanted
    bins: Mapping[str, object] | None

    def answered(self, outcome: Outcome) -> Reading:
        """What came of it."""
        if isinstance(outcome, Cells):
            return Reading(self.claim, self.wanted.since, self.wanted.until, outcome, self.bins)
        return _refused(self.claim, outcome)


def claim(now: datetime, limit: int) -> list[list[Claim]]:
    """Take on watches that are due, of at most so many logs, so that no other engine reads them meanwhile.

    Each list is of one log, and is read in one turn; a watch whose numbers are pushed is a list by itself.
    """
    with transaction.atomic():
        fence.hold()
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        due = Watch.objects.filter(free, next_run_at__lte=now).select_related("log", "system").order_by("next_run_at")
        first = list(db.lock_free(due)[:limit])
        turns: dict[object, list[Watch]] = {}
        for watch in first:
            turns.setdefault(watch.log_id or watch.pk, []).append(watch)
        logs = {watch.log_id for watch in first} - {None}
        more = due.filter(log__in=logs).exclude(pk__in=[watch.pk for watch in first])
        for watch in db.lock_free(more)[: TOGETHER * len(logs)] if logs else []:
            turns[watch.log_id].append(watch)
        return [[_claimed(watch, now) for watch in watches[:TOGETHER]] for watches in turns.values()]


def _claimed(watch: Watch, now: datetime) -> Claim:
    watch.lease_by, watch.lease_until = str(ids.new()), now + LEASE
    watch.save(update_fields=["lease_by", "lease_until"])
    return Claim(watch, watch.lease_by, place_of(watch.log) if watch.log else None, now)


def read(turn: Sequence[Claim]) -> Iterator[Reading]:
    """Read what is new for claims on one log, as one comes after the other. Touches no table of Andon.

    It may run in any thread. What goes together is read by one statement; what there is no time or room for is left.
    """
    ends, held = clock.monotonic() + PATIENCE, 0
    asked: list[_Ask] = []
    first = cache(_earliest)
    for one in turn:
        found = _prepared(one, first) if clock.monotonic() < ends else Reading(one, left=True)
        if isinstance(found, Reading):
            yield found
        else:
            asked.append(found)
    left = dict(enumerate(asked))
    if asked and (place := asked[0].claim.place) is not None:
        with closing(read_together(place, [ask.wanted for ask in asked], seconds=LIMIT)) as statements:
            for outcomes in statements:
                for at, outcome in outcomes.items():
                    yield left.pop(at).answered(outcome)
                    held += len(outcome.tallies) if isinstance(outcome, Cells) else 0
                if held > MOST_CELLS or clock.monotonic() > ends:
                    break
    yield from (Reading(ask.claim, left=True) for ask in left.values())


def _prepared(one: Claim, first: Callable[[Place, str], datetime | None]) -> Reading | _Ask:
    """What is to be read for a claim; or what came of it, if that is known before anything of it is read."""
    watch, end = one.watch, _over(one.watch, one.now)
    try:
        if one.place is None:
            return _waited_for(one, end)
        begins = watch.read_until or _first(one, end, first)
        if begins is None:
            return Reading(one, says=f"The log “{one.place.name}” holds no rows yet.")
        if begins >= end:
            return Reading(one)
        until = min(end, begins + WINDOWS_AT_ONCE * watch.length)
        since = max(watch.began_at or begins, begins - LATE_WINDOWS * watch.length)
        bins = watch.bins or _bins(one, begins, until)
        return _Ask(one, _wanted(watch, since, until, bins), bins)
    except (Unreadable, Refused) as error:
        return _refused(one, error)


def _refused(one: Claim, error: Unreadable | Refused) -> Reading:
    """In words why a claim could not be read."""
    if isinstance(error, Unreadable) or one.place is None:
        return Reading(one, failure=str(error))
    where = f"The log “{one.place.name}” ({one.place.where}) cannot be read as the watch asks."
    return Reading(one, failure=f"{where} {error}")


def _waited_for(one: Claim, end: datetime) -> Reading:
    """The windows of pushed numbers that are over. After a while in which nobody ran it, it waits for what comes late.

    Senders keep what they could not tell while Andon was away; windows that only look empty are not silence.
    """
    watch = one.watch
    begins = watch.read_until or watch.began_at
    if begins is None:
        return Reading(one, says="Nothing has been pushed yet.")
    if watch.ran_at is not None and one.now - watch.ran_at > watch.length + watch.label_delay + AWAY:
        return Reading(one, waits=True, says="It was not run for a while, and waits for numbers that come late.")
    return Reading(one, begins, max(begins, end))


def _over(watch: Watch, now: datetime) -> datetime:
    """The end of the last window that is over, and whose labels have had their time."""
    return watch.window_of(now - watch.label_delay - _grace(watch))


def _grace(watch: Watch) -> timedelta:
    """How long after its end a window is left alone: rows are written late, and pushed numbers come a minute later."""
    return PUSHED_GRACE if watch.log_id is None else min(_GRACE, watch.length / 10)


def _earliest(place: Place, time_column: str) -> datetime | None:
    return looking.look(place, time_column, seconds=LIMIT).first


def _first(one: Claim, end: datetime, first_of: Callable[[Place, str], datetime | None]) -> datetime | None:
    """Start of the first window that a watch reads: of its reference, else of the log, within reason."""
    watch = one.watch
    if watch.log is None or one.place is None:
        return None
    earliest = end - MOST_HISTORY * watch.length
    if watch.reference_from is not None:
        return max(earliest, watch.window_of(watch.reference_from))
    first = first_of(one.place, watch.log.time_column)
    return None if first is None else min(end, max(earliest, watch.window_of(first)))


def _bins(one: Claim, begins: datetime, until: datetime) -> Mapping[str, object] | None:
    """The spread of its values in its reference, else in the first windows that are read."""
    watch = one.watch
    if one.place is None or not (KINDS[watch.what_kind].histogram or watch.measure == Measure.MEAN):
        return None
    since, to = watch.reference_from or begins, watch.reference_to or until
    found = looking.bins(one.place, _wanted(watch, since, to, None), seconds=LIMIT)
    if watch.measure != Measure.MEAN or isinstance(found[0], str):
        return {"at": list(found)}
    low, high = float(found[0]), float(found[-1])
    room = (high - low) or abs(high) or 1.0
    return {
        "at": list(found),
        "low": low - room if watch.low is None else watch.low,
        "high": high + room if watch.high is None else watch.high,
    }


def _wanted(watch: Watch, since: datetime, until: datetime, bins: Mapping[str, object] | None) -> Wanted:
    log = watch.log
    if log is None:
        raise ValueError("A watch without a log reads nothing.")
    held = bins or {}
    return Wanted(
        measure=Measure(watch.measure),
        what=watch.what,
        only=watch.only,
        truth=watch.truth,
        metric=FairnessMetric(watch.metric) if watch.metric else None,
        time=log.time_column,
        key=log.key_column,
        window=watch.length,
        since=since,
        until=until,
        segments=tuple(watch.segments),
        bins=tuple(held["at"]) if bins else None,  # type: ignore[arg-type]
        low=held.get("low", watch.low),  # type: ignore[arg-type]
        high=held.get("high", watch.high),  # type: ignore[arg-type]
    )


@transaction.atomic
def settle(reading: Reading, now: datetime) -> bool:
    """Write what came of a claim; whether it was still the claimant's to write."""
    fence.hold()
    watch = db.lock(Watch.objects.filter(pk=reading.claim.watch.pk).select_related("system", "log")).first()
    if watch is None or watch.lease_by != reading.claim.token:
        return False
    watch.lease_by, watch.lease_until = "", None
    if reading.left:
        watch.save(update_fields=["lease_by", "lease_until"])
        wake.after_commit()
        return True
    watch.ran_at = now
    if reading.failure:
        _failed(watch, reading.failure, now)
    else:
        if watch.stale_since is not None:
            telling.readable(watch)
        watch.failures, watch.error, watch.stale_since = 0, reading.says, None
        if reading.since is not None and reading.until is not None:
            watch.bins = watch.bins or reading.bins
            watch.began_at = watch.began_at or reading.since
            if watch.log is not None:
                write_windows(watch, reading.since, reading.until, reading.cells, now)
                note(watch, reading.until)
            else:
                pushing.fill(watch, reading.since, reading.until, now)
            watch.read_until = reading.until
        more = judge_windows(watch, now) or _over(watch, now) > (watch.read_until or now)
        watch.next_run_at = now + WAITS if reading.waits else now if more else _next(watch, now)
        if not more:
            telling.tell(watch, question_of(watch), now)
    watch.save()
    wake.after_commit()
    return True


def _failed(watch: Watch, why: str, now: datetime) -> None:
    """It could not be read: it is stale from now on, and is tried again after a growing while."""
    watch.failures += 1
    watch.error = why
    watch.stale_since = watch.stale_since or now
    watch.next_run_at = now + _RESTS[min(watch.failures, len(_RESTS)) - 1]
    telling.stale(watch, why)


def _next(watch: Watch, now: datetime) -> datetime:
    """When the next window will be over, with its labels."""
    return _over(watch, now) + watch.length + watch.label_delay + _grace(watch)


def run_watch(watch: Watch, *, now: datetime | None = None) -> Watch:
    """Run one watch until it has caught up: claim, read, settle. For tests, commands and the demo."""
    for _ in range(MOST_HISTORY):
        at = now or clock.now()
        with transaction.atomic():
            held = db.lock(Watch.objects.filter(pk=watch.pk).select_related("log", "system")).get()
            if held.next_run_at is None or held.next_run_at > at:
                break
            one = _claimed(held, at)
        for reading in read([one]):
            settle(reading, at)
    watch.refresh_from_db()
    return watch
