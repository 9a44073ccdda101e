"""Numbers that others have counted: pushed window by window, added up, and each batch counted once.

A batch is known again by its sender's name for itself (`instance`), its first window and its `sequence`. What was taken
in is remembered with the sums, in one transaction, so that a batch that is sent again because its answer was lost
changes nothing. Everything else adds: many instances, several batches for a window, batches out of order.

A window is judged a few minutes after it is over. What comes later is still added, and what stood there before is kept;
the detector has seen what stood there then. While a watch learns what is normal, late numbers are learnt as well.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from andon.kit import clock, db, wake
from andon.kit.errors import Conflict, Invalid, Missing
from andon.people.policy import Actor
from andon.practice.words import Measure
from andon.registry.models import System
from andon.watch import judging
from andon.watch.models import EVERYTHING, Pushed, Watch, WindowState
from andon.watch.policy import must_run, must_view
from andon.watch.segments import segment_key

AT_ONCE: Final = 5_000
"""Points in one batch."""
MOST_SEGMENTS: Final = 1_000
"""Segments of a watch that are kept apart in one window; what is beyond counts as one other segment."""
OTHER: Final = "(other)"
REMEMBERED: Final = timedelta(days=30)
"""For how long a batch is known again."""
OLDEST: Final = 20_000
"""Windows before now that numbers may be of: as many as a watch reads of a log's history."""
MOST: Final = 10**12
"""Observations of one point, and their sum: what is beyond is no count."""
AHEAD: Final = timedelta(minutes=5)
"""By how much the clock of a sender may be fast."""
WAS_KEPT: Final = 20
NAME_LIMIT: Final = 100
ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Point:
    """Sums over some time of one segment.

    Attributes:
        at: When that time began; it belongs to the window that this lies in.
        n: How many observations.
        total: Their sum; of a rate, how many had the event; of a count, how many events.
        squares: The sum of their squares; only a mean needs it.
        segment: Values by name; names that the watch does not know are left out.
    """

    at: datetime
    n: int
    total: float
    squares: float | None = None
    segment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Points that are counted together or not at all, with the key by which they are known again."""

    instance: str
    sequence: int
    points: Sequence[Point]


@dataclass(frozen=True)
class Outcome:
    """What became of a batch: how many watches counted it, and for how many it was a repeat."""

    counted: int = 0
    repeated: int = 0


@transaction.atomic
def push(watch: Watch, batch: Batch, *, by: Actor) -> Outcome:
    """Add a batch to the windows of one watch.

    Raises:
        Conflict: The watch reads a decision log, or has ended.
        Invalid: A point is not possible; says which and why.
    """
    must_run(by, watch.system, "push numbers to this watch")
    if watch.log_id is not None:
        raise Conflict(f"{watch.ref} reads the decision log “{watch.log}”; numbers cannot be pushed to it.")
    return _pushed([watch.pk], batch)


@transaction.atomic
def push_metric(system: System, metric: str, batch: Batch, *, by: Actor) -> Outcome:
    """Add a batch to every watch of a system that goes by this pushed metric.

    Raises `Missing` if there is none, and names the metrics that there are.
    """
    must_view(by)
    must_run(by, system, "push numbers to watches of this system")
    pushed = Watch.objects.filter(system=system, log=None, ended_at=None)
    keys = [key for key, what, kind in pushed.values_list("pk", "what", "kind") if metric == (what or kind)]
    if not keys:
        known = sorted({what or kind for what, kind in pushed.values_list("what", "kind")})
        there = (
            f"There are: {', '.join(known)}." if known else "Make one without a decision log, that names the metric."
        )
        raise Missing(f"No watch of {system} goes by a pushed metric “{metric}”. {there}")
    return _pushed(keys, batch)


def _pushed(keys: Sequence[UUID], batch: Batch) -> Outcome:
    """Add to watches, held in one order so that nobody waits in a ring."""
    now = clock.now()
    _check(batch, now)
    counted = 0
    held = list(db.lock(Watch.objects.filter(pk__in=keys).select_related("system")).order_by("pk"))
    for watch in held:
        if watch.ended_at is not None:
            raise Conflict(f"{watch.ref} was ended. Make a new one.")
        _fits(watch, batch, now)
        window = watch.window_of(min(point.at for point in batch.points))
        _, new = Pushed.objects.get_or_create(
            watch=watch, instance=batch.instance, window_start=window, sequence=batch.sequence,
            defaults={"pushed_at": now},
        )  # fmt: skip
        if new:
            _add(watch, batch, now)
            counted += 1
    if counted:
        wake.after_commit()
    return Outcome(counted, len(held) - counted)


def _check(batch: Batch, now: datetime) -> None:
    """That the batch can be meant, whatever the watch."""
    if not batch.points or len(batch.points) > AT_ONCE:
        raise Invalid(f"Send between 1 and {AT_ONCE:,} points at once.", field="points")
    if not batch.instance.strip() or len(batch.instance) > NAME_LIMIT:
        raise Invalid(f"Name who counted, in at most {NAME_LIMIT} characters.", field="instance")
    for number, point in enumerate(batch.points):
        where = f"points[{number}]"
        if point.at.tzinfo is None:
            raise Invalid("A time needs its zone, as in 2026-03-02T03:00:00Z.", field=f"{where}.at")
        if point.at > now + AHEAD:
            raise Invalid(
                f"{point.at.isoformat()} lies in the future. Is the sender's clock right?", field=f"{where}.at"
            )
        if not 0 <= point.n <= MOST:
            raise Invalid(f"Observations are counted, from 0 to {MOST:,}.", field=f"{where}.n")
        if not math.isfinite(point.total) or not math.isfinite(point.squares or 0.0):
            raise Invalid("This is no number. Leave out what was not observed.", field=f"{where}.total")
        if abs(point.total) > MOST or abs(point.squares or 0.0) > MOST**2:
            raise Invalid(f"A sum of more than {MOST:,} cannot be meant.", field=f"{where}.total")


def _fits(watch: Watch, batch: Batch, now: datetime) -> None:
    """That each point's sums can be those of what the watch measures, and of a time that it knows.

    The windows between the first and now are held, empty ones too: a clock that was never set would make millions.
    """
    measure, oldest = Measure(watch.measure), now - OLDEST * watch.length
    for number, point in enumerate(batch.points):
        where = f"points[{number}]"
        if watch.began_at is not None and point.at < watch.began_at and not judging.learning(watch.detector):
            raise Invalid(
                f"{point.at.isoformat()} lies before {watch.began_at.isoformat()}, where {watch.ref} began.",
                field=f"{where}.at",
            )
        if point.at < oldest:
            raise Invalid(
                f"{point.at.isoformat()} lies more than {OLDEST:,} windows of {watch.ref} back. Is the sender's clock "
                "right?",
                field=f"{where}.at",
            )
        if measure is Measure.RATE and not 0 <= point.total <= point.n:
            raise Invalid(f"Of {point.n} observations {point.total:g} cannot have the event.", field=f"{where}.total")
        if measure is Measure.COUNT and point.total < 0:
            raise Invalid("It cannot be fewer than no events.", field=f"{where}.total")
        if measure is Measure.MEAN:
            _mean_fits(watch, point, where)


def _mean_fits(watch: Watch, point: Point, where: str) -> None:
    """That there are n numbers between the watch's bounds with this sum and this sum of squares."""
    if watch.low is None or watch.high is None:
        raise Conflict(f"{watch.ref} has no bounds for its mean. Change it, and give some.")
    if point.squares is None:
        raise Invalid("A mean needs the sum of the squares as well.", field=f"{where}.squares")
    width, n = watch.high - watch.low, point.n
    total = (point.total - n * watch.low) / width
    squares = (point.squares - 2 * watch.low * point.total + n * watch.low**2) / width**2
    slack = ROUNDING * max(1.0, n)
    if not -slack <= total <= n + slack or squares > total + slack or squares * n < total**2 - slack * max(1.0, n):
        raise Invalid(
            f"There are no {n} numbers between {watch.low:g} and {watch.high:g} with this sum and sum of squares.",
            field=f"{where}.total",
        )


def _add(watch: Watch, batch: Batch, now: datetime) -> None:
    """Add the points to the windows; the caller holds the watch."""
    sums = _summed(watch, batch)
    starts = {start for start, _ in sums}
    states = {
        (state.window_start, state.segment): state
        for state in WindowState.objects.filter(watch=watch, window_start__in=starts)
    }
    fresh, changed = [], []
    for key, (n, total, squares) in sums.items():
        state = states.get(key)
        if state is None:
            fresh.append(
                WindowState(
                    watch=watch, window_start=key[0], segment=key[1], n=n, total=total, squares=squares, read_at=now
                )
            )
            continue
        if watch.judged_until is not None and key[0] < watch.judged_until:
            before = {"read_at": state.read_at.isoformat(), "n": state.n, "total": state.total}
            state.was = [*state.was, {**before, "squares": state.squares, "invalid": state.invalid}][-WAS_KEPT:]
        state.n, state.total, state.squares, state.read_at = (
            state.n + n,
            state.total + total,
            state.squares + squares,
            now,
        )
        changed.append(state)
    WindowState.objects.bulk_create(fresh, batch_size=1000)
    db.update_rows(changed, ["n", "total", "squares", "read_at", "was"])
    _take_note(watch, min(starts), now)


def _take_note(watch: Watch, earliest: datetime, now: datetime) -> None:
    """Begin where the numbers begin; and while it learns, learn what came late as well."""
    watch.began_at = min(watch.began_at or earliest, earliest)
    if watch.read_until is not None and earliest < watch.read_until and judging.learning(watch.detector):
        watch.judged_until, watch.detector = None, {}
        watch.next_run_at = now if watch.enabled else None
    watch.save(update_fields=["began_at", "judged_until", "detector", "next_run_at"])


def _summed(watch: Watch, batch: Batch) -> dict[tuple[datetime, str], tuple[int, float, float]]:
    """The points by window and segment, and over all segments."""
    sums: dict[tuple[datetime, str], tuple[int, float, float]] = {}
    segments: dict[datetime, set[str]] = {}
    for point in batch.points:
        start = watch.window_of(point.at)
        keys = [(start, EVERYTHING)]
        named = segments.setdefault(start, _segments(watch, start) if watch.segments else set())
        if any(name in point.segment for name in watch.segments):
            key = segment_key(tuple(point.segment.get(name) for name in watch.segments))
            if key not in named and len(named) >= MOST_SEGMENTS:
                key = segment_key(tuple(OTHER for _ in watch.segments))
            named.add(key)
            keys.append((start, key))
        squares = point.total if point.squares is None else point.squares
        for where in keys:
            n, total, square = sums.get(where, (0, 0.0, 0.0))
            sums[where] = (n + point.n, total + point.total, square + squares)
    return sums


def _segments(watch: Watch, start: datetime) -> set[str]:
    rows = WindowState.objects.filter(watch=watch, window_start=start).exclude(segment=EVERYTHING)
    return set(rows.values_list("segment", flat=True))


def fill(watch: Watch, since: datetime, until: datetime, now: datetime) -> None:
    """Windows of which nobody pushed anything hold nothing: that too is a number. The caller holds the watch."""
    have = set(
        WindowState.objects.filter(
            watch=watch, segment=EVERYTHING, window_start__gte=since, window_start__lt=until
        ).values_list("window_start", flat=True)
    )
    empty, start = [], since
    while start < until:
        if start not in have:
            empty.append(
                WindowState(watch=watch, window_start=start, segment=EVERYTHING, n=0, total=0, squares=0, read_at=now)
            )
        start += watch.length
    WindowState.objects.bulk_create(empty, batch_size=1000)


def forget(now: datetime, limit: int) -> int:
    """Forget batches that nobody sends again any more; how many."""
    old = list(Pushed.objects.filter(pushed_at__lt=now - REMEMBERED).values_list("pk", flat=True)[:limit])
    return Pushed.objects.filter(pk__in=old).delete()[0] if old else 0
