"""What pages and the API say of a watch: what it tests, how it stands, what it promises and what it can detect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from andon.kit import clock, spans
from andon.kit.charts.scales import Unit, figure
from andon.practice.words import Direction, FairnessMetric, Measure, WatchKind, Word
from andon.watch.kinds import KINDS
from andon.watch.models import Alarm, Watch
from andon.watch.oddities import Late
from andon.watch.reach import Reach

_YEAR: Final = timedelta(days=365)
_MONTH: Final = timedelta(days=30)
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_LENGTHS: Final = {60: "hour", 24 * 60: "day", 7 * 24 * 60: "week", 1: "minute"}
_UNITS: Final = {
    Measure.RATE: Unit.SHARE,
    Measure.MEAN: Unit.NUMBER,
    Measure.COUNT: Unit.COUNT,
    Measure.DISTANCE: Unit.NUMBER,
    Measure.GAP: Unit.POINTS,
}


class Standing(Word):
    """How a watch stands, the most pressing first."""

    ENDED = "ended"
    ALARMED = "alarmed", "in alarm"
    STALE = "stale"
    PAUSED = "paused"
    LEARNING = "learning"
    REFUSED = "refused", "gives no verdict"
    WATCHING = "watching"


def standing(watch: Watch, alarm: Alarm | None = None) -> Standing:
    """How a watch stands; `alarm` is the one that goes on."""
    if watch.ended_at is not None:
        return Standing.ENDED
    if alarm is not None:
        return Standing.ALARMED
    if watch.stale_since is not None:
        return Standing.STALE
    if not watch.enabled:
        return Standing.PAUSED
    return _PHASES.get(watch.detector.get("phase", "learning"), Standing.WATCHING)


_PHASES: Final = {"learning": Standing.LEARNING, "refused": Standing.REFUSED}


def unit_of(watch: Watch) -> Unit:
    """How figures of what a watch measures are written."""
    return Unit.SHARE if watch.estimates else _UNITS[Measure(watch.measure)]


def direction_of(watch: Watch) -> Direction:
    """Which way is watched."""
    return Direction(watch.direction)


def said(watch: Watch, value: float | None) -> str:
    """A figure of what a watch measures; empty for none."""
    return "" if value is None else figure(value, unit_of(watch))


def measured(watch: Watch) -> str:
    """What a watch measures, as it stands in a sentence: "the share of decisions that failed"."""
    kind = KINDS[WatchKind(watch.kind)]
    counts = plain(watch.what or "rows") if watch.kind == WatchKind.METRIC else kind.counts
    match Measure(watch.measure):
        case Measure.RATE:
            return f"the share of rows with {counts}" if watch.kind == WatchKind.METRIC else f"the share of {counts}"
        case Measure.MEAN if watch.estimates:
            return f"the share of {kind.counts}"
        case Measure.MEAN:
            return f"the mean of {_column(watch.what) or counts}"
        case Measure.COUNT:
            return f"the number of {counts}"
        case Measure.DISTANCE:
            return f"the distance of {counts} ({plain(watch.what)}) from what it was"
        case Measure.GAP:
            what = FairnessMetric(watch.metric or FairnessMetric.SELECTION_RATE).words
            return f"the gap in {what} between groups by {', '.join(watch.segments)}"


def plain(what: str) -> str:
    """An expression as people read it: names that need no quotes have none."""
    return _QUOTED.sub(r"\1", what)


def _column(what: str) -> str:
    """The column that an expression is, where it is nothing else."""
    bare = plain(what).strip()
    return bare if _NAME.fullmatch(bare) else ""


_QUOTED: Final = re.compile(r'"([A-Za-z_]\w*)"')
_NAME: Final = re.compile(r"[A-Za-z_]\w*")


def tests(watch: Watch) -> str:
    """What it tests, in one sentence."""
    moves = {Direction.UP: "rises above", Direction.DOWN: "falls below", Direction.BOTH: "leaves"}
    normal = said(watch, watch.baseline) if watch.baseline is not None else "what is normal"
    normal += " for its time of the week" if watch.weekly else ""
    beyond = f" by more than {said(watch, watch.tolerance)}" if watch.tolerance else ""
    by = ", by when their labels come" if watch.by_arrival else ""
    where = f"in {watch.log}" if watch.log is not None else "in the numbers that are pushed"
    rows = f", of rows with {watch.only}" if watch.only else ""
    whose = f" of {watch.system}"
    moves_to = f"{moves[Direction(watch.direction)]} {normal}{beyond}{by}"
    return f"Tests every {every(watch)} whether {measured(watch)} {moves_to}, {where}{whose}{rows}."


def every(watch: Watch) -> str:
    """The length of its windows: "hour", "6 h"."""
    return _LENGTHS.get(watch.window_minutes) or spans.span(watch.length)


def promise(watch: Watch, budget: int) -> str:
    """The budget that it is held to, in words: how seldom it alarms for nothing."""
    return f"On average at least {budget:,} windows between false alarms: {long_span(budget * watch.length)}"


def budget_means(budget: int, minutes: int) -> str:
    """What a budget is in time: "10,000 windows of a day are a false alarm in 27 years, on average"."""
    length = timedelta(minutes=minutes)
    each = _LENGTHS.get(minutes)
    of = f"{'an' if each == 'hour' else 'a'} {each}" if each else spans.span(length)
    return f"A budget of {budget:,} windows of {of} is a false alarm in {long_span(budget * length)}, on average"


def long_span(length: timedelta) -> str:
    """A length of time that may be years: "26 hours", "2 days", "14 months", "27 years"."""
    if length >= 2 * _YEAR:
        return f"{length / _YEAR:,.0f} years"
    if length >= 2 * _MONTH:
        return f"{length / _MONTH:.0f} months"
    if length >= 2 * _DAY:
        return f"{length / _DAY:.0f} days"
    return f"{length / _HOUR:.0f} hours" if length >= 2 * _HOUR else spans.span(length)


def late_rows(late: Late | None, kept: timedelta, zone: tzinfo) -> str:
    """How many rows came after their window was judged; for how long (`kept`) they are looked for, zero = always."""
    until = f"Rows are looked for until {long_span(kept)} after their window was judged, and no longer." if kept else ""
    if late is None or not late.late:
        none = f"None since {spans.day(late.since, zone, beside=clock.now())}." if late is not None else ""
        return f"{none} {until}".strip()
    came = f"{late.late:,} of {late.rows:,} since {spans.day(late.since, zone, beside=clock.now())}"
    said = f"{came} came after their window was judged: figures and pictures count them, no verdict did."
    return f"{said} {until}".strip()


def detects(watch: Watch, found: Reach | None, rows: float) -> str:
    """What it can detect at its volume; empty where that cannot be said."""
    if found is None:
        return ""
    way = "rise" if found.after > found.before else "fall"
    after = found.windows * watch.length
    counted = "labels" if watch.by_arrival else "rows"
    each = "" if watch.measure == Measure.COUNT else f" at {rows:,.0f} {counted} {_a(every(watch))}"
    return f"a {way} from {said(watch, found.before)} to {said(watch, found.after)} in about {long_span(after)}{each}"


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiouh" else f"every {word}" if word[0].isdigit() else f"a {word}"


def finding(watch: Watch, alarm: Alarm | None, newest: float | None) -> str:
    """The title of its picture: what it shows. `alarm` is the one that goes on, if the viewer may know of it.

    Who may not know of it is given the figure and no verdict: neither the alarm, nor that all is as expected.
    """
    if alarm is not None:
        return f"{watch.name}: {went(watch, alarm)}"
    state = standing(watch)
    if state is Standing.LEARNING:
        return f"{watch.name}: learns what is normal"
    if watch.measure in {
        Measure.GAP,
        Measure.DISTANCE,
    }:  # what that means is said under the picture, with how sure it is
        return f"{watch.name}: {said(watch, newest) or 'not enough evidence yet'}"
    if newest is None:
        return f"{watch.name}: nothing read"
    expected = ", as expected" if watch.detector.get("phase") == "watching" else ""
    return f"{watch.name}: {said(watch, newest)}{expected}"


def went(watch: Watch, alarm: Alarm, *, begins: bool = False) -> str:
    """What an alarm is about: "rose from 5% to 8%", "sex = F fell against sex = M, to a gap of 15 points".

    Nobody is named for having moved unless that is sure: "sex = F lies 15 points below sex = M". With `begins` it
    begins a sentence; the name of a group stays as the log has it.
    """
    rose = "rose" if alarm.direction == Direction.UP else "fell"
    to = said(watch, alarm.observed)
    if watch.measure == Measure.GAP and (alarm.plan.get("about") or {}).get("group"):
        return _parted(watch, alarm, to)
    if watch.measure == Measure.DISTANCE:
        words = f"moved {to} away from its reference" if to else "moved away from its reference"
    else:
        words = f"{rose} from {said(watch, alarm.baseline)}" + (f" to {to}" if to else "")
    return capital(words) if begins else words


def _parted(watch: Watch, alarm: Alarm, to: str) -> str:
    accepted = f"{said(watch, alarm.baseline)} are accepted"
    if not (both := alarm.figures.get("sides")):
        above = "above" if alarm.direction == Direction.UP else "below"
        return f"{alarm.plan['about']['group']} lies {to} {above} all others; {accepted}"
    one, other = both
    if one["moved"]:
        rose = "rose" if one["since"] > one["before"] else "fell"
        return f"{one['group']} {rose} against {other['group']}, to a gap of {to}; {accepted}"
    above = "above" if one["since"] > other["since"] else "below"
    return f"{one['group']} lies {to} {above} {other['group']}; {accepted}"


def sides(watch: Watch, alarm: Alarm) -> str:
    """Both sides of a gap with their figures, and which of them moved, if that is sure; empty of anything else."""
    if not (both := alarm.figures.get("sides")):
        return ""
    one, other = (_side(watch, side) for side in both)
    first = (
        f"{both[0]['group']} moved: {one}"
        if both[0]["moved"]
        else (f"Which of the two moved is not sure yet. {both[0]['group']}: {one}")
    )
    came = "labels that came" if watch.by_arrival else "decisions"
    return f"{first}. {both[1]['group']}: {other}. (Of {came} since the onset; changes with 95%, at every look.)"


def _side(watch: Watch, one: Mapping[str, Any]) -> str:
    unit = Unit.POINTS if watch.metric == FairnessMetric.CALIBRATION else Unit.SHARE
    before, since = (figure(one[name], unit) for name in ("before", "since"))
    low, high, by = (figure(value, Unit.POINTS) for value in (one["low"], one["high"], one["since"] - one["before"]))
    return f"{before} before, {since} of {one['n']:,} since, {by} ({low} to {high})"


def capital(words: str) -> str:
    """Words as a sentence begins."""
    return words[:1].upper() + words[1:]


def began(watch: Watch, alarm: Alarm, zone: tzinfo) -> str:
    """The onset of an alarm as a band is called: "began 2-4 May"; empty where it is not known."""
    return _onset(watch, alarm.onset_low, alarm.onset_at, alarm.onset_high, zone)


def _onset(watch: Watch, low: datetime | None, at: datetime | None, high: datetime | None, zone: tzinfo) -> str:
    if at is None:
        return ""
    first, last = low or at, (high or at) + watch.length
    on = spans.day(first, zone, beside=clock.now())
    if last - first < _DAY:
        return f"began {on} {spans.interval(first, last, zone, beside=last)}"
    if last - first == _DAY:
        return f"began {on}"
    if watch.length >= _DAY:
        last -= _DAY  # days are named by what they are, not by where the next one begins
    return f"began {spans.interval(first, last, zone, beside=clock.now())}"


def drivers(watch: Watch, alarm: Alarm) -> list[str]:
    """What drives an alarm, in words: the segments that stand out most, or both sides of a gap."""
    if both := sides(watch, alarm):
        return [both]
    return [driver(watch, one) for one in alarm.drivers[:_NAMED]]


_NAMED: Final = 3


def driver(watch: Watch, one: Mapping[str, Any]) -> str:
    """A segment that drives an alarm: "region south: 12% of 1,204, 5% before"."""
    name = ", ".join(f"{column} {'(none)' if value is None else value}" for column, value in one["segment"].items())
    if watch.measure == Measure.COUNT or not one.get("n"):
        return f"{name}: {one.get('total', 0):,.0f} since it began"
    before = f", {said(watch, one['total_before'] / one['n_before'])} before" if one.get("n_before") else ""
    return f"{name}: {said(watch, one['total'] / one['n'])} of {one['n']:,}{before}"
