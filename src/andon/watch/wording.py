"""What an alarm says, in words for a person: figures with what they are compared with, and never more than is known."""

from datetime import datetime
from typing import Any, Final

from andon.practice.words import Direction, Measure, WatchKind
from andon.watch import sentences
from andon.watch.kinds import KINDS
from andon.watch.models import Alarm, Watch

_NAMED: Final = 3
_TIME: Final = "%Y-%m-%d %H:%M"


def title(watch: Watch, alarm: Alarm) -> str:
    """One line: what went which way, from what to what; of a spread or a gap, what is otherwise than it was."""
    group = (alarm.plan.get("about") or {}).get("group")
    if watch.measure == Measure.DISTANCE or (watch.measure == Measure.GAP and group):
        return f"{watch.name}: {sentences.went(watch, alarm)}"
    went = "rose" if alarm.direction == Direction.UP else "fell"
    to = f" to {figure(watch, alarm.observed)}" if alarm.observed is not None else ""
    return f"{watch.name} {went}{to}, from {figure(watch, alarm.baseline)}"


def figure(watch: Watch, value: float) -> str:
    """A figure of what a watch measures: shares as per cent."""
    if watch.measure in {Measure.RATE, Measure.GAP} or watch.estimates:
        return f"{value:.1%}" if value >= 0.0095 or value == 0 else f"{value:.2%}"  # noqa: PLR2004  two digits at least
    return f"{value:,.4g}"


def evidence(alarm: Alarm) -> str:
    """What it rests on, with the denominators."""
    watch, figures = alarm.watch, alarm.figures
    if not figures:
        return f"{title(watch, alarm)}."
    made = "made " if watch.by_arrival else ""
    since = f"{made}since {_at(alarm.onset_at)}" if alarm.onset_at else "since the alarm"
    counts = KINDS[WatchKind(watch.kind)].counts
    match Measure(watch.measure):
        case Measure.RATE:
            said = (
                f"{figures['total']:,.0f} of {figures['n']:,} {since} "
                f"({figure(watch, alarm.observed or 0.0)}, {counts}); "
                f"at {figure(watch, alarm.baseline)} as before, about {alarm.baseline * figures['n']:,.0f} "
                "were to be expected"
            )
        case Measure.COUNT:
            said = (
                f"{figures['total']:,.0f} {counts} in {figures['windows']:,} windows {since}; "
                f"at {figure(watch, alarm.baseline)} a window as before, about "
                f"{alarm.baseline * figures['windows']:,.0f} were to be expected"
            )
        case Measure.GAP:
            said = (
                f"A gap of {sentences.said(watch, alarm.observed or 0.0)} over {figures['n']:,} decisions {since}, "
                f"where {sentences.said(watch, alarm.baseline)} are accepted"
            )
            return " ".join(filter(None, [f"{said}.", sentences.sides(watch, alarm)]))
        case _:
            said = (
                f"{figure(watch, alarm.observed or 0.0)} over {figures['n']:,} decisions {since}, "
                f"{figure(watch, alarm.baseline)} before"
            )
            said += f" ({counts}; their labels have yet to come)" if watch.estimates else ""
    return f"{said}{_beyond(alarm)}."


def _beyond(alarm: Alarm) -> str:
    if alarm.affected is None:
        return ""
    what = "more" if alarm.direction == Direction.UP else "fewer"
    return f": {alarm.affected:,} {what} so far"


def onset(alarm: Alarm) -> str:
    """When it began, as far as is known."""
    if alarm.onset_at is None:
        return "It is not known when it began."
    how = f", {Alarm.Shape(alarm.onset_shape).label}" if alarm.onset_shape else ""
    by = "by when decisions were made, " if alarm.watch.by_arrival else ""
    if alarm.onset_low is None or (until := alarm.onset_until) is None:
        return f"It began about {_at(alarm.onset_at)}{how} ({by}{alarm.watch.ref})."
    return (
        f"It began between {_at(alarm.onset_low)} and {_at(until)}, "
        f"most likely at {_at(alarm.onset_at)}{how} (90% interval, {by}{alarm.watch.ref})."
    )


def drivers(alarm: Alarm) -> str:
    """The segments that stand out, as Markdown; empty where none does. Of a gap both sides are evidence already."""
    if alarm.watch.measure == Measure.GAP:
        return ""
    rows = [f"- {segment_name(one['segment'])}: {_driver(alarm, one)}" for one in alarm.drivers[:_NAMED]]
    return "\n".join(["Segments that stand out:", "", *rows]) if rows else ""


def segment_name(segment: dict[str, Any]) -> str:
    """A segment as people say it: `region = south, channel = web`."""
    return ", ".join(f"{name} = {'(none)' if value is None else value}" for name, value in segment.items())


def _driver(alarm: Alarm, one: dict[str, Any]) -> str:
    watch = alarm.watch
    if watch.measure == Measure.COUNT or not one["n"]:
        return f"{one['total']:,.0f} since the onset"
    before = f", {figure(watch, one['total_before'] / one['n_before'])} before" if one["n_before"] else ""
    return f"{figure(watch, one['total'] / one['n'])} of {one['n']:,}{before}"


def scale(alarm: Alarm) -> str:
    """The evidence of a score of scale."""
    return f"{alarm.ref}: {evidence(alarm)} Counted by machine, and still growing."


def recovery(alarm: Alarm) -> str:
    """What shows that it is over."""
    at = f" by {_at(alarm.recovered_at)}" if alarm.recovered_at else ""
    return (
        f"windows since then are nearer to {figure(alarm.watch, alarm.baseline)} as before the onset than to "
        f"{figure(alarm.watch, alarm.observed or 0.0)}; decided{at}."
    )


def given_up(alarm: Alarm) -> str:
    """Why nobody looks any more whether it goes on, and what follows."""
    why = Alarm.GivenUp(alarm.given_up).label
    return f"{why} while it went on. Whether the measure is back is not known: see for yourselves before you resolve."


def _at(at: datetime) -> str:
    return f"{at:{_TIME}} UTC"
