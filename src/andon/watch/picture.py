"""The pictures of a watch, from the windows that were kept: nothing is asked of the log."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

from andon.kit import spans
from andon.kit.charts.curves import curves
from andon.kit.charts.given import Level, Line, Moment, Small, Stretch
from andon.kit.charts.multiples import multiples
from andon.kit.charts.scales import Unit
from andon.kit.charts.views import CurvesView, MultiplesView
from andon.practice.words import Measure
from andon.watch import apart, arriving, judging, sentences, weekly
from andon.watch.judging import Question, Window
from andon.watch.models import Alarm, Watch
from andon.watch.replaying import Replay

if TYPE_CHECKING:
    from andon.detect.season import Season

SHOWN: Final = 240
"""Windows that a picture shows where nobody asks for more."""
POINTS: Final = 84
"""Points of the picture: windows are put together into so many at most, with a band from lowest to highest."""
SMALL_POINTS: Final = 24
_STEPS: Final = (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 168, 336)
_USUAL: Final = 2.0
"""Standard errors round what was expected that are shown as usual: about 95 of 100 windows lie there."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segment held, window by window; `key` as rows name it."""

    key: str
    windows: Mapping[datetime, Window]


def measure(question: Question, window: Window) -> float | None:
    """What a window measures, in the unit of the watch; None where it holds nothing, or no sums could say it."""
    if not question.adds_up:
        return None  # see `apart`
    if question.measure is Measure.COUNT:
        return window.total
    return window.total / window.n if window.n else None


def draw(
    watch: Watch,
    question: Question,
    windows: Sequence[Window],
    replay: Replay,
    alarms: Sequence[Alarm],
    *,
    shown: int,
    zone: tzinfo,
) -> CurvesView | None:
    """The measure with what was expected of it, over the evidence against its threshold; None without either."""
    if not windows:
        return None
    first = max(0, len(windows) - shown)
    cut, evidence = windows[first:], replay.evidence[first:]
    step = step_of(len(cut), POINTS)
    measured = arriving.decided(question, windows)[first:] if question.by_arrival else cut
    groups = [measured[at : at + step] for at in range(0, len(cut), step)]
    start, end = cut[0].start, cut[-1].start + watch.length
    merged = [merge(group) for group in groups]
    if question.adds_up:
        lines = [_line(watch, question, replay, groups)]
    else:
        lines = apart.lines(question, replay, windows, ranges(first, len(windows), step), alarms)
    if not lines:
        return None
    if replay.threshold is not None:
        lines.append(
            Line(
                "Evidence of a change" + (", as labels came" if question.by_arrival else ""),
                [
                    max((one for one in evidence[at : at + step] if one is not None), default=None)
                    for at in range(0, len(cut), step)
                ],
                Unit.EVIDENCE,
                levels=[Level(replay.threshold, "alarm at", alarming=True)],
                log=True,
                height=72.0,
            )
        )
    return curves(
        [group[0].start for group in groups],
        lines,
        every=step * watch.length,
        counts=() if question.measure is Measure.COUNT else [int(window.n) for window in merged],
        stretches=onsets(watch, alarms, start, end, zone),
        moments=[
            Moment(alarm.window_end, f"alarm {spans.day(alarm.window_end, zone, beside=end)}", alarming=True)
            for alarm in alarms
            if start <= alarm.window_end <= end
        ],
        zone=zone,
    )


def _line(watch: Watch, question: Question, replay: Replay, groups: Sequence[Sequence[Window]]) -> Line:
    """What adds up, with what was expected of it."""
    baseline = baseline_of(question, replay)
    week = judging.week_of(replay.detector)
    if week is not None:
        expected = [_expected(question, week, group) for group in groups]
    else:
        expected = [baseline] * len(groups) if baseline is not None else []
    return Line(
        sentences.capital(sentences.measured(watch)) + (", by when decisions were made" if question.by_arrival else ""),
        [_value(question, group) for group in groups],
        sentences.unit_of(watch),
        bounds=[_ends(question, group) for group in groups] if any(len(group) > 1 for group in groups) else (),
        expected=expected,
        usual=_usual(question, groups, baseline) if week is None else _usual_week(question, week, groups, expected),
    )


def ranges(first: int, last: int, step: int) -> list[range]:
    """The places of windows that are put together in each point."""
    return [range(at, min(at + step, last)) for at in range(first, last, step)]


def step_of(windows: int, points: int) -> int:
    """How many windows are put together, so that there are no more points than that."""
    return next((step for step in _STEPS if windows <= step * points), -(-windows // points))


def merge(group: Sequence[Window]) -> Window:
    """Windows as one: their sums are additive."""
    return Window(
        group[0].start,
        sum(window.n for window in group),
        sum(window.total for window in group),
        sum(window.squares for window in group),
    )


def _value(question: Question, group: Sequence[Window]) -> float | None:
    """What windows measure together; of counts the mean of a window."""
    if question.measure is Measure.COUNT:
        return sum(window.total for window in group) / len(group)
    return measure(question, merge(group))


def _ends(question: Question, group: Sequence[Window]) -> tuple[float, float] | None:
    """The lowest and the highest of single windows."""
    known = [value for window in group if (value := measure(question, window)) is not None]
    return (min(known), max(known)) if known else None


def onsets(watch: Watch, alarms: Sequence[Alarm], start: datetime, end: datetime, zone: tzinfo) -> list[Stretch]:
    """The onsets of alarms that lie in a picture, as bands."""
    found = []
    for alarm in alarms:
        if alarm.onset_at is None:
            continue
        low, high = alarm.onset_low or alarm.onset_at, (alarm.onset_high or alarm.onset_at) + watch.length
        if low < end and start < high:
            found.append(Stretch(low, high, sentences.began(watch, alarm, zone)))
    return found


def baseline_of(question: Question, replay: Replay) -> float | None:
    """What is normal, in the unit of the watch; None while it learns."""
    known = replay.detector.get("baseline")
    return None if known is None else judging.unscaled(question, known["mean"])


def _usual(
    question: Question, groups: Sequence[Sequence[Window]], baseline: float | None
) -> list[tuple[float, float] | None]:
    """Where most windows of that size lie while nothing has changed."""
    if baseline is None:
        return []
    spread = _spread(question, [window for group in groups for window in group], baseline)
    found: list[tuple[float, float] | None] = []
    for group in groups:
        rows = len(group) if question.measure is Measure.COUNT else sum(window.n for window in group)
        room = _USUAL * spread / math.sqrt(rows) if rows else 0.0
        low, high = baseline - room, baseline + room
        if question.measure in {Measure.RATE, Measure.COUNT}:
            low = max(0.0, low)
        found.append((low, min(1.0, high) if question.measure is Measure.RATE else high) if rows else None)
    return found


def _expected(question: Question, week: Season, group: Sequence[Window]) -> float | None:
    """What is normal for the hours or days of these windows together, by their rows; None where that is not known."""
    levels = weekly.expected(week, [window.start for window in group], question.length)
    known = [
        (level, 1 if question.measure is Measure.COUNT else window.n)
        for level, window in zip(levels, group, strict=True)
        if level is not None
    ]
    rows = sum(n for _, n in known)
    return judging.unscaled(question, sum(level * n for level, n in known) / rows) if rows else None


def _usual_week(
    question: Question, week: Season, groups: Sequence[Sequence[Window]], expected: Sequence[float | None]
) -> list[tuple[float, float] | None]:
    """Where windows lie that differ from what is normal for their hour or day as those of the reference do."""
    unit = judging.unscaled(question, 1.0) - judging.unscaled(question, 0.0)
    found: list[tuple[float, float] | None] = []
    for group, level in zip(groups, expected, strict=True):
        room = _USUAL * unit * weekly.scatter(week, len(group))
        least = -math.inf if question.measure is Measure.MEAN else 0.0
        most = 1.0 if question.measure is Measure.RATE else math.inf
        found.append(None if level is None else (max(least, level - room), min(most, level + room)))
    return found


def _spread(question: Question, windows: Sequence[Window], baseline: float) -> float:
    """The standard deviation of one row, or of one window's count."""
    if question.measure is Measure.RATE:
        return math.sqrt(baseline * (1 - baseline))
    if question.measure is Measure.COUNT:
        return math.sqrt(baseline)
    return math.sqrt(variance(windows))


def variance(windows: Sequence[Window]) -> float:
    """The variance of one row over windows, from their sums."""
    rows = sum(window.n for window in windows)
    if not rows:
        return 0.0
    mean = sum(window.total for window in windows) / rows
    return max(0.0, sum(window.squares for window in windows) / rows - mean * mean)


def compare(
    watch: Watch,
    question: Question,
    starts: Sequence[datetime],
    segments: Sequence[Segment],
    alarm: Alarm | None,
    *,
    zone: tzinfo,
) -> MultiplesView | None:
    """The segments side by side, those that drive an alarm first; None without any."""
    if not starts or not segments:
        return None
    driving = [_values(one["segment"], watch.segments) for one in alarm.drivers] if alarm is not None else []
    step = step_of(len(starts), SMALL_POINTS)
    groups = [starts[at : at + step] for at in range(0, len(starts), step)]
    smalls = [_small(question, groups, one, driving) for one in segments]
    smalls.sort(key=lambda one: not one.driver)  # stable: the others stay by their number of rows
    end = starts[-1] + watch.length
    return multiples(
        [group[0] for group in groups],
        smalls,
        sentences.unit_of(watch),
        every=step * watch.length,
        stretches=onsets(watch, [alarm] if alarm is not None else [], starts[0], end, zone),
        zone=zone,
    )


def compare_groups(
    watch: Watch,
    question: Question,
    windows: Sequence[Window],
    replay: Replay,
    alarm: Alarm | None,
    *,
    shown: int,
    zone: tzinfo,
) -> MultiplesView | None:
    """The groups of a gap side by side, each with its share and that of the reference; None where none is known."""
    first = max(0, len(windows) - shown)
    step = step_of(len(windows) - first, SMALL_POINTS)
    groups = ranges(first, len(windows), step)
    drawn = arriving.decided(question, windows) if question.by_arrival else windows
    smalls = apart.smalls(question, replay, drawn, groups, alarm)
    if not smalls:
        return None
    starts = [windows[group.start].start for group in groups]
    bands = onsets(watch, [alarm] if alarm is not None else [], starts[0], windows[-1].start + watch.length, zone)
    unit = Unit.POINTS if question.calibrates else Unit.SHARE
    return multiples(starts, smalls, unit, every=step * watch.length, stretches=bands, zone=zone)


def _small(
    question: Question, groups: Sequence[Sequence[datetime]], segment: Segment, driving: Sequence[Mapping[int, Any]]
) -> Small:
    held = segment.windows
    rows = sum(window.n for window in held.values())
    named = tuple(json.loads(segment.key))
    return Small(
        name=", ".join("(none)" if value is None else str(value) for value in named),
        values=[_value(question, [held.get(start, Window(start, 0, 0.0, 0.0)) for start in group]) for group in groups],
        note="" if question.measure is Measure.COUNT else f"n = {rows:,}",
        driver=any(all(named[at] == value for at, value in group.items()) for group in driving),
    )


def _values(group: Mapping[str, Any], columns: Sequence[str]) -> dict[int, Any]:
    """A group by the places of its columns: it may be of some of them only."""
    return {columns.index(column): value for column, value in group.items() if column in columns}
