"""What an open alarm rests on, estimated again whenever more was read: onset, decisions since then, drivers.

Everything comes from the windows that were kept; the log is not asked again.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from django.db.models import Count, Sum

from andon.practice.words import Direction, Measure
from andon.watch import arriving, comparing, judging, loading, sides
from andon.watch.judging import Question, Window
from andon.watch.models import EVERYTHING, Alarm, Watch, WindowState

if TYPE_CHECKING:
    from andon.detect.drivers import Driver

MOST_WINDOWS: Final = 2_000
"""Windows that an onset is looked for in, the newest ones."""
MOST_DRIVERS: Final = 10
Tallies = dict[Hashable, tuple[float, ...]]
_ESTIMATED: Final = frozenset({Measure.RATE, Measure.MEAN, Measure.COUNT})
"""Measures whose windows add up, so that an onset can be estimated from their sums."""


def refresh(alarm: Alarm, watch: Watch, question: Question) -> bool:
    """Estimate anew what an open alarm rests on, in its fields; whether anything is other than it was."""
    before = _state(alarm)
    until = watch.judged_until or datetime.fromisoformat(watch.detector["since"])
    if question.by_arrival:
        came, levelled = made(watch, question, until)
        windows = arriving.decided(question, came)
    else:
        came = windows = levelled = _windows(watch)
    if windows and watch.detector.get("direction"):
        _estimate_onset(alarm, watch, question, levelled)
    if alarm.onset_at is not None:
        _count(alarm, watch, question, [window for window in windows if window.start >= alarm.onset_at])
        alarm.drivers = _drivers(watch, question, alarm.direction, alarm.onset_at)
        if question.measure is Measure.GAP and watch.detector.get("about"):
            own = arriving.counted(question, watch.detector, came)  # without what is left of a bad time before
            own, windows = ([one for one in held if one.start >= alarm.onset_at] for held in (own, windows))
            _name(alarm, watch, question, own, windows)
    return _state(alarm) != before


def _state(alarm: Alarm) -> tuple[object, ...]:
    onset = (alarm.onset_low, alarm.onset_at, alarm.onset_high, alarm.onset_shape)
    return (*onset, alarm.observed, alarm.affected, alarm.drivers, alarm.figures)


def _windows(watch: Watch) -> list[Window]:
    """All rows by window, from where the watch last was normal; the newest of them, oldest first."""
    since = datetime.fromisoformat(watch.detector["since"])
    return loading.load(watch, since=since, until=watch.judged_until or since, limit=MOST_WINDOWS, newest=True)


def made(watch: Watch, question: Question, until: datetime) -> tuple[list[Window], list[Window]]:
    """Windows by the arrival of labels, up to then; and by when decisions were made, as an onset is looked for in."""
    over = Alarm.objects.filter(watch=watch, recovered_at__lt=until, given_up="")
    recovered = over.order_by("-recovered_at").values_list("recovered_at", flat=True).first()
    first = arriving.begins(question, datetime.fromisoformat(watch.detector["since"]), recovered)
    windows = loading.load(watch, since=first, until=until, limit=MOST_WINDOWS, newest=True)
    return windows, judging.made(question, watch.detector, windows, recovered)


def _estimate_onset(alarm: Alarm, watch: Watch, question: Question, windows: Sequence[Window]) -> None:
    from andon.detect.onset import Onset

    found = judging.interval(question, watch.detector, windows, alarm.window_start)
    if isinstance(found, Onset):
        alarm.onset_low, alarm.onset_at, alarm.onset_high = (
            windows[index].start for index in (found.low, found.at, found.high)
        )
        alarm.onset_shape = found.shape.value


def _count(alarm: Alarm, watch: Watch, question: Question, since: Sequence[Window]) -> None:
    """What came since the onset, and how much of it is beyond what was to be expected."""
    n, total = sum(window.n for window in since), sum(window.total for window in since)
    alarm.figures = {
        "windows": len(since),
        "n": n,
        "total": total,
        "until": (watch.judged_until or alarm.window_end).isoformat(),
    }
    if question.measure in {Measure.RATE, Measure.MEAN} and n:
        alarm.observed = total / n
    elif question.measure is Measure.COUNT and since:
        alarm.observed = total / len(since)
    elif not question.adds_up and watch.detector.get("about"):
        alarm.observed = comparing.observed(question, watch.detector, since)
    alarm.affected = _beyond(alarm, question.measure, n, total, len(since))


def _beyond(alarm: Alarm, measure: Measure, n: float, total: float, windows: int) -> int | None:
    """Decisions beyond what was to be expected, or missing from it; None for what has no such count."""
    if measure not in {Measure.RATE, Measure.COUNT}:
        return None
    expected = alarm.baseline * (windows if measure is Measure.COUNT else n)
    return max(0, round(total - expected if alarm.direction == Direction.UP else expected - total))


def _name(alarm: Alarm, watch: Watch, question: Question, came: Sequence[Window], since: Sequence[Window]) -> None:
    """Both sides of a gap; the one that surely moved is what drives it, and the gap that is told is its own."""
    found = sides.told(question, watch.detector, came)
    for one in found[:1]:
        about = watch.detector["about"] | {"group": one.group}
        alarm.observed = comparing.observed(question, watch.detector | {"about": about}, since)
    alarm.figures["sides"] = [side.to_dict() for side in found]
    alarm.drivers = [
        {
            "segment": sides.segment_of(question, watch.detector, side.group, came),
            "excess": side.n * abs(side.since - side.before),
            "lower": side.n * min(abs(side.low), abs(side.high)),
            "n": side.n,
            "total": side.n * side.since,
            "n_before": side.n_before,
            "total_before": side.n_before * side.before,
        }
        for side in found
        if side.moved
    ]


def _drivers(watch: Watch, question: Question, direction: str, onset: datetime) -> list[dict[str, Any]]:
    """The groups that stand out since the onset, the surest first, with what they are compared with."""
    from andon.detect.drivers import rank_across

    if not watch.segments or question.measure not in _ESTIMATED:
        return []
    begins = datetime.fromisoformat(watch.detector["since"])
    if question.by_arrival:
        before, since = _tallies_made(watch, question, begins, onset)
    else:
        before = _tallies(watch, question, begins, onset)
        since = _tallies(watch, question, onset, watch.judged_until or onset)
    if not before or not since:
        return []
    ranked = rank_across(before, since, watch.segments, measure=question.measure.value, direction=direction)  # type: ignore[arg-type]
    return [_driver(watch, question, one, before, since) for one in ranked[:MOST_DRIVERS]]


def _driver(watch: Watch, question: Question, one: Driver, before: Tallies, since: Tallies) -> dict[str, Any]:
    group: dict[str, Any] = dict(cast("tuple[tuple[str, Any], ...]", one.segment))
    n, total = _held(watch, question, group, since)
    n_before, total_before = _held(watch, question, group, before)
    return {
        "segment": group,
        "excess": one.excess,
        "lower": one.lower,
        "rate_part": one.rate_part,
        "mix_part": one.mix_part,
        "n": n,
        "total": total,
        "n_before": n_before,
        "total_before": total_before,
    }


def _held(watch: Watch, question: Question, group: dict[str, Any], tallies: Tallies) -> tuple[float, float]:
    """What a group held: its segments together. Where n is the number of windows, it is that of all of them."""
    inside = [
        tally
        for key, tally in tallies.items()
        if group.items() <= dict(zip(watch.segments, cast("tuple[Any, ...]", key), strict=True)).items()
    ]
    sizes = [tally[0] for tally in inside] or [0]
    return max(sizes) if question.measure is Measure.COUNT else sum(sizes), sum(tally[1] for tally in inside)


def _tallies(watch: Watch, question: Question, since: datetime, until: datetime) -> Tallies:
    """By segment (its value in each column) what a stretch held; for counts `n` is the number of windows."""
    rows = WindowState.objects.filter(watch=watch, window_start__gte=since, window_start__lt=until)
    sums = (
        rows.exclude(segment=EVERYTHING)
        .values_list("segment")
        .annotate(rows=Sum("n"), sum=Sum("total"), power=Sum("squares"), windows=Count("pk"))
    )
    if question.measure is Measure.COUNT:
        windows = rows.filter(segment=EVERYTHING).count()
        return {_key(segment): (windows, total) for segment, _, total, _, _ in sums} if windows else {}
    if question.measure is Measure.MEAN:
        return {_key(segment): (n, total, power) for segment, n, total, power, _ in sums}
    return {_key(segment): (n, total) for segment, n, total, _, _ in sums}


def _tallies_made(watch: Watch, question: Question, begins: datetime, onset: datetime) -> tuple[Tallies, Tallies]:
    """The same by when decisions were made, before the onset and since: of those whose labels have come."""
    first = min(begins, onset)
    found: tuple[dict[str, list[float]], dict[str, list[float]]] = {}, {}
    for window in loading.segments_made(watch, first, watch.judged_until or onset):
        for segment, rows in window.made.items():
            for age, *figures in rows:
                part = found[window.start - int(age) * question.length >= onset]
                known = part.get(segment, [0.0] * 4)
                part[segment] = [a + b for a, b in zip(known, figures, strict=True)]
    width = 3 if question.measure is Measure.MEAN else 2
    before: Tallies = {_key(name): (int(sums[0]), *sums[1:width]) for name, sums in found[False].items()}
    since: Tallies = {_key(name): (int(sums[0]), *sums[1:width]) for name, sums in found[True].items()}
    return before, since


def _key(segment: str) -> tuple[Any, ...]:
    return tuple(json.loads(segment))
