"""A watch runs: claimed under a lease, read outside of any transaction, settled by compare-and-set.

A window is read once, when it is over and its labels have had their time; the last few are read again with it, from
time to time many, and what came late is put right (`andon.watch.late`). What was read, how far that has come, what the
detector makes of it, and an alarm are one transaction: a process that dies before its commit has done nothing, and one
that was too slow writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Q

from andon.kit import clock, db, fence, ids, wake
from andon.kit.errors import Refused
from andon.practice.words import FairnessMetric, Measure
from andon.watch import late, wants
from andon.watch.actions import pushing, telling
from andon.watch.actions.logs import place_of
from andon.watch.actions.writing import judge_windows, note, question_of, write_windows
from andon.watch.looks import Looks
from andon.watch.models import Log, Watch
from andon.watch.reading import Cells, Outcome, Place, Unreadable, Wanted, read_together
from andon.watch.reading.cube import BINS, MOST_CELLS

WINDOWS_AT_ONCE: Final = 500
LEAST_AT_ONCE: Final = 20
_SEGMENTS: Final = 8
"""Segments that a window is taken to have, to say how many windows are read at once."""
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

    `bins` are what was learnt about the spread of its values, where it keeps histograms. `odd` is what was found odd
    about the rows of the log, None where nobody looked. With `waits` nothing is read yet, though there is something to
    read. With `left` its turn was over before it came to this one: it stays due.
    """

    claim: Claim
    since: datetime | None = None
    until: datetime | None = None
    cells: Cells = field(default_factory=Cells)
    bins: Mapping[str, object] | None = None
    odd: dict[str, Any] | None = None
    failure: str = ""
    says: str = ""
    waits: bool = False
    left: bool = False


@dataclass(frozen=True)
class _Ask:
    """What a claim reads of its log; `labels` are those that came for older decisions, of an estimate."""

    claim: Claim
    wanted: Wanted
    bins: Mapping[str, object] | None
    labels: Wanted | None = None
    odd: dict[str, Any] | None = None

    @property
    def all(self) -> list[Wanted]:
        """Everything that is read."""
        return [self.wanted] if self.labels is None else [self.wanted, self.labels]

    def answered(self, outcomes: Sequence[Outcome]) -> Reading:
        """What came of it, of all that was read."""
        cells = [one for one in outcomes if isinstance(one, Cells)]
        for one in outcomes:
            if not isinstance(one, Cells):
                return replace(_refused(self.claim, one), odd=self.odd)
        for more in cells[1:]:
            wants.with_labels(cells[0], more, self.claim.watch.labels_behind)
        return Reading(self.claim, self.wanted.since, self.wanted.until, cells[0], self.bins, self.odd)


def claim(now: datetime, limit: int) -> list[list[Claim]]:
    """Take on watches that are due, of at most so many logs, so that no other engine reads them meanwhile.

    Each list is of one log, and is read in one turn; a watch whose numbers are pushed is a list by itself.
    """
    with transaction.atomic():
        fence.hold()
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        due = (
            Watch.objects.filter(free, next_run_at__lte=now)
            .select_related("log", "system")
            .order_by("next_run_at", "number")
        )
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
    looks = _looks(turn)
    for one in turn:
        found = _prepared(one, looks, ends) if clock.monotonic() < ends else Reading(one, left=True)
        if isinstance(found, Reading):
            yield found
        else:
            asked.append(found)
    readings = [(ask, wanted) for ask in asked for wanted in ask.all]
    answers: dict[int, dict[int, Outcome]] = {}
    if asked and (log := asked[0].claim.place) is not None:
        with closing(read_together(log, [wanted for _, wanted in readings], seconds=LIMIT)) as statements:
            for outcomes in statements:
                for at, outcome in outcomes.items():
                    ask = readings[at][0]
                    heard = answers.setdefault(id(ask), {})
                    heard[at] = outcome
                    if len(heard) == len(ask.all):
                        yield ask.answered([heard[place] for place in sorted(heard)])
                    held += len(outcome.tallies) if isinstance(outcome, Cells) else 0
                if held > MOST_CELLS or clock.monotonic() > ends:
                    break
    yield from (Reading(ask.claim, left=True) for ask in asked if len(answers.get(id(ask), ())) < len(ask.all))


def _looks(turn: Sequence[Claim]) -> Looks | None:
    """What the watches of a turn look at all of their log with; None where numbers are pushed."""
    for one in turn:
        if one.watch.log is not None and one.place is not None:
            return Looks(one.watch.log, one.place, one.now, seconds=LIMIT)
    return None


def _prepared(one: Claim, looks: Looks | None, ends: float) -> Reading | _Ask:
    """What is to be read for a claim; or what came of it, if that is known before anything of it is read."""
    watch, end = one.watch, over(one.watch, one.now)
    try:
        if one.place is None or looks is None:
            return _waited_for(one, end)
        begins = watch.read_until or _first(watch, end, looks)
        if begins is None:
            return Reading(one, says=f"The log “{one.place.name}” holds no rows yet.")
        if begins >= end:
            return Reading(one, says=_nothing(one))
        most = at_once(watch)
        until = min(end, begins + most * watch.length)
        again = min(late.again(watch, begins, until), late.LAST + most - (until - begins) // watch.length)
        since = max(watch.began_at or begins, begins - again * watch.length)
        bins = watch.bins or wants.learn_bins(one.place, watch, begins, until, seconds=LIMIT) or None
        asked = wants.wanted(watch, since, until, bins)
        odd = looks.odd if looks.due and clock.monotonic() < ends - LIMIT else None
        return _Ask(one, asked, bins, wants.labels(watch, since, until), odd)
    except (Unreadable, Refused) as error:
        return _refused(one, error)


def at_once(watch: Watch) -> int:
    """How many windows one reading may bring: fewer where each comes in parts, by when its decisions were made."""
    if not watch.by_arrival:
        return WINDOWS_AT_ONCE
    parts = max(8, 2 * -(-watch.label_delay // watch.length))
    parts *= BINS if watch.metric == FairnessMetric.CALIBRATION or watch.measure == Measure.MEAN else 1
    parts *= _SEGMENTS if watch.segments else 1
    return max(LEAST_AT_ONCE, min(WINDOWS_AT_ONCE, MOST_CELLS // 3 // parts))


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
    if watch.ran_at is not None and one.now - watch.ran_at > watch.length + watch.waits + AWAY:
        return Reading(one, waits=True, says="It was not run for a while, and waits for numbers that come late.")
    return Reading(one, begins, max(begins, end))


def over(watch: Watch, now: datetime) -> datetime:
    """The end of the last window that may be read: it is over, and the labels that it waits for have had their time."""
    return watch.window_of(now - watch.waits - _grace(watch))


def _grace(watch: Watch) -> timedelta:
    """How long after its end a window is left alone: rows are written late, and pushed numbers come a minute later."""
    return PUSHED_GRACE if watch.log_id is None else min(_GRACE, watch.length / 10)


def _first(watch: Watch, end: datetime, looks: Looks) -> datetime | None:
    """Start of the first window that a watch reads: of its reference, else of the log, within reason."""
    first = watch.reference_from or looks.first()
    return None if first is None else earliest_of(watch, first, end)


def earliest_of(watch: Watch, first: datetime, end: datetime) -> datetime:
    """Start of the first window of a history that begins with a log's first row, or with the reference, if named."""
    earliest = end - MOST_HISTORY * watch.length
    if watch.reference_from is not None:
        return max(earliest, watch.window_of(watch.reference_from))
    # By arrival, the first windows hold only what was labelled quickly, which is seldom a fair sample.
    whole = first + watch.label_delay if watch.by_arrival else first
    return min(end, max(earliest, watch.window_of(whole)))


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
    _keep_odd(watch.log, reading, now)
    if reading.failure:
        _failed(watch, reading.failure, now)
    else:
        was_stale = watch.stale_since is not None
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
        more = judge_windows(watch, now) or over(watch, now) > (watch.read_until or now)
        watch.next_run_at = now + WAITS if reading.waits else now if more else _next(watch, now)
        if not more:
            telling.tell(watch, question_of(watch), now)
        telling.sight(watch, was_stale=was_stale, caught_up=not more)
    watch.save()
    wake.after_commit()
    return True


def _keep_odd(log: Log | None, reading: Reading, now: datetime) -> None:
    """Keep what a look found odd about the rows of a log, unless it names others by now."""
    asked = reading.claim.watch.log
    if log is None or asked is None or reading.odd is None or log.rows != asked.rows:
        return
    log.odd, log.looked_at = reading.odd, now
    names = {"table": log.table, "time_column": log.time_column, "time_zone": log.time_zone}
    Log.objects.filter(pk=log.pk, key_column=log.key_column, **names).update(odd=reading.odd, looked_at=now)


def _failed(watch: Watch, why: str, now: datetime) -> None:
    """It could not be read: it is stale from now on, and is tried again after a growing while."""
    watch.failures += 1
    if watch.read_until is not None:
        why = f"{why} No window from {watch.read_until:%Y-%m-%d %H:%M} UTC on is read."
    watch.error = why
    watch.stale_since = watch.stale_since or now
    watch.next_run_at = now + _RESTS[min(watch.failures, len(_RESTS)) - 1]
    telling.stale(watch, why)


def _next(watch: Watch, now: datetime) -> datetime:
    """When the next window will be over, with its labels."""
    return over(watch, now) + watch.length + watch.waits + _grace(watch)


def next_over(watch: Watch, now: datetime) -> datetime | None:
    """When its next window is over and read, if there is nothing to read before that; None if there is."""
    return _next(watch, now) if watch.read_until is not None and over(watch, now) <= watch.read_until else None


def _nothing(one: Claim) -> str:
    """Why nothing is read, though it is run."""
    if one.watch.judged_until != one.watch.read_until:
        return ""  # there is still something to judge
    at = next_over(one.watch, one.now)
    if at is None:
        return "Its first window is not over yet" + (", with the labels that it waits for." if one.watch.waits else ".")
    return f"Nothing is new: its next window is over, and read, at {at:%Y-%m-%d %H:%M} UTC."


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
