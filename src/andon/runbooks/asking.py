"""What a step of kind query asks of the decision log, and the picture of the answer.

Only aggregates leave the log: windows, of all rows or side by side for groups. A window of a group, or of
some rows only, is not kept with fewer than `LEAST`, for one row is somebody's decision.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from andon.handbook.queries import in_force
from andon.handbook.recipes import Recipe, RecipeBook, Way
from andon.incidents.models import Incident
from andon.kit import clock
from andon.kit.charts.curves import curves
from andon.kit.charts.given import Line, Moment, Small, Stretch
from andon.kit.charts.multiples import multiples
from andon.kit.charts.scales import Unit, figure
from andon.kit.charts.views import CurvesView, MultiplesView
from andon.kit.errors import Conflict, Invalid
from andon.practice.runbook import Ask, Step
from andon.practice.words import Measure, WatchKind
from andon.watch.actions.logs import place_of
from andon.watch.models import MONDAY, Log
from andon.watch.picture import step_of
from andon.watch.reading import Unreadable, Wanted, read
from andon.watch.suggesting import columns_of
from andon.watch.suggestions import said_of

SECONDS: Final = 15.0
"""What a reading may take: somebody waits for it."""
POINTS: Final = 84
LEAST: Final = 5
MOST_GROUPS: Final = 12
MOST_INPUTS: Final = 8
_ROLE = re.compile(r"\{(\w+)\}")
_INPUT: Final = "input"
_UNITS: Final = {Measure.RATE: Unit.SHARE, Measure.MEAN: Unit.NUMBER, Measure.COUNT: Unit.COUNT}
Points = list[tuple[int, float]]
"""Rows and their sum, window by window."""


@dataclass(frozen=True)
class Asked:
    """A query with the columns of a log in it: what is read, once for each name; by which column it is compared."""

    log: Log
    whats: Mapping[str, str]
    only: str
    by: str


def fitted(step: Step, logs: Sequence[Log], *, log: str = "", by: str = "") -> Asked:
    """The query of a step on the first of the logs that has the columns for it.

    Args:
        step: A step of kind query.
        logs: The decision logs of the incident's system.
        log: The id of the one that is wanted; empty = the first that fits.
        by: Another of the log's group columns to compare; empty = the first.

    Raises:
        Conflict: There is no log, or none has the columns; in words.
        Invalid: The log or the column that is wanted is not among those.
    """
    ask = step.ask
    if ask is None:
        raise Invalid(f"“{step.title}” asks nothing of the decision log.")
    if log:
        logs = [one for one in logs if str(one.pk) == log]
    if not logs:
        raise Conflict(
            "No decision log is connected to this system, so there is nothing to draw. Look at it where it lies, and "
            "write down what you see; connecting it afterwards takes some minutes."
        )
    lacking: list[str] = []
    for one in logs:
        played = _roles(one, ask)
        missing = [
            role for role in dict.fromkeys(_ROLE.findall(f"{ask.what} {ask.only} {ask.by}")) if not played.get(role)
        ]
        if not missing:
            return _asked(one, ask, played, by)
        lacking.append(f"“{one}” has no column that is known as {' or '.join(missing)}")
    raise Conflict(f"{'; '.join(lacking)}. Name it in the log's settings, or look at it where it lies.")


def _roles(log: Log, ask: Ask) -> Mapping[str, Sequence[str]]:
    """Which columns play the roles that a query speaks of."""
    needs = _ROLE.findall(f"{ask.what} {ask.only} {ask.by}")
    recipe = Recipe(key="query", kind=WatchKind.METRIC, name="", why="", ways=[Way(needs=needs)])
    return columns_of(log.columns, said_of(log), in_force().roles, RecipeBook("", [], [recipe])).roles


def _asked(log: Log, ask: Ask, played: Mapping[str, Sequence[str]], by: str) -> Asked:
    def filled(text: str, **chosen: str) -> str:
        names = {role: columns[0] for role, columns in played.items()} | chosen
        return _ROLE.sub(lambda match: '"' + names[match[1]].replace('"', '""') + '"', text)

    column = ""
    if ask.by:
        role = _ROLE.fullmatch(ask.by)
        offered = list(played[role[1]]) if role else [ask.by]
        if by and by not in offered:
            raise Invalid(f"“{by}” is not compared here. There is: {', '.join(offered)}.", field="by")
        column = by or offered[0]
    if f"{{{_INPUT}}}" in ask.what:
        inputs = list(played[_INPUT])[:MOST_INPUTS]
        return Asked(log, {name: filled(ask.what, input=name) for name in inputs}, filled(ask.only), "")
    return Asked(log, {"": filled(ask.what)}, filled(ask.only), column)


def choices(step: Step, logs: Sequence[Log]) -> list[tuple[str, str]]:
    """Group columns that a query could compare, in pairs of value and label; none where there is nothing to choose."""
    role = _ROLE.fullmatch(step.ask.by) if step.ask else None
    if step.ask is None or role is None or not logs:
        return []
    names = list(_roles(logs[0], step.ask).get(role[1], ()))
    return [(name, name) for name in names] if len(names) > 1 else []


def look(step: Step, asked: Asked, incident: Incident) -> dict[str, Any]:
    """Ask the log, and give what is kept of the answer.

    Raises `Conflict` in words where the log cannot be read now, `Invalid` where the expression is none for it.
    """
    ask = step.ask
    assert ask is not None  # noqa: S101  `fitted` has refused what asks nothing
    now = clock.now()
    began = incident.onset_low or incident.onset or incident.detected_at
    window = timedelta(minutes=ask.window_minutes)
    since = MONDAY + (began - timedelta(hours=ask.hours) - MONDAY) // window * window
    until = MONDAY + -((MONDAY - now) // window) * window
    windows = max(1, (until - since) // window)
    lines: dict[str, Points] = {}
    for name, what in asked.whats.items():
        wanted = Wanted(
            measure=ask.measure, what=what, only=asked.only, time=asked.log.time_column, window=window, since=since,
            until=until, segments=(asked.by,) if asked.by else (), key=asked.log.key_column,
            zone=asked.log.time_zone,
        )  # fmt: skip
        try:
            cells = read(place_of(asked.log), wanted, seconds=SECONDS / len(asked.whats))
        except Unreadable as error:
            raise Conflict(f"{error} Look at it where it lies, and write down what you see.") from error
        for (start, segment), tally in cells.tallies.items():
            value = segment[0] if segment else None
            line = name or ("(none)" if segment and value is None else value or "")
            held = lines.setdefault(line, [(0, 0.0)] * windows)
            place = (start - since) // window
            if 0 <= place < windows:
                held[place] = (held[place][0] + tally.n, held[place][1] + tally.total)
    return _kept(ask, asked, lines, since, window, now)


def _kept(
    ask: Ask, asked: Asked, lines: Mapping[str, Points], since: datetime, window: timedelta, now: datetime
) -> dict[str, Any]:
    """The answer as it is kept: windows put together into at most so many points, groups with most rows first."""
    windows = len(next(iter(lines.values()), []))
    step = step_of(windows, POINTS) if windows else 1
    together = {
        name: [(sum(n for n, _ in part), sum(total for _, total in part)) for part in _parts(points, step)]
        for name, points in lines.items()
    }
    ranked = sorted(together.items(), key=lambda line: (-sum(n for n, _ in line[1]), line[0]))
    narrow = bool(asked.by or asked.only)
    return {
        "log": asked.log.name,
        "measure": str(ask.measure),
        "by": asked.by,
        "narrow": narrow,
        "since": since.isoformat(),
        "minutes": step * window // timedelta(minutes=1),
        "read_at": now.isoformat(),
        "lines": [
            {"name": name, "n": [n if n >= LEAST or not narrow else 0 for n, _ in points],
             "total": [round(total, 9) if n >= LEAST or not narrow else 0.0 for n, total in points]}
            for name, points in ranked[:MOST_GROUPS]
        ],
        "left_out": max(0, len(ranked) - MOST_GROUPS),
    }  # fmt: skip


def _parts(points: Points, step: int) -> list[Points]:
    return [points[at : at + step] for at in range(0, len(points), step)]


@dataclass(frozen=True)
class Picture:
    """What a query saw, as a page shows it: curves of all rows, or small ones side by side; neither without rows."""

    title: str
    source: str
    curves: CurvesView | None = None
    multiples: MultiplesView | None = None
    note: str = ""


def picture(title: str, seen: Mapping[str, Any], incident: Incident, *, zone: tzinfo) -> Picture:
    """The picture of what a query saw, with the finding as its title."""
    measure, every = Measure(seen["measure"]), timedelta(minutes=seen["minutes"])
    since, unit = datetime.fromisoformat(seen["since"]), _UNITS[Measure(seen["measure"])]
    lines = [(line["name"], _values(measure, line), line) for line in seen["lines"]]
    rows = sum(sum(line["n"]) for line in seen["lines"])
    by = f", by {seen['by']}" if seen["by"] else ""
    source = f"{measure.words} in {_every(every)}{by} · {seen['log']} · n = {rows:,}"
    few = f"Windows of fewer than {LEAST} rows are not shown: they would tell of single people."
    note = few if seen.get("narrow", seen["by"]) else ""
    if not rows:
        lags = "Does the log lag behind, or has it stopped?"
        return Picture("No row to show was found in that time", source, note=f"{note} {lags}".strip())
    starts = [since + place * every for place in range(len(lines[0][1]))]
    began = incident.onset or incident.detected_at
    split = sum(1 for start in starts if start + every <= (incident.onset_low or began))
    if len(lines) == 1 and not seen["by"] and not lines[0][0]:
        _, values, line = lines[0]
        drawn = curves(
            starts, [Line(title, values, unit)], every=every, zone=zone,
            counts=() if measure is Measure.COUNT else line["n"],
            stretches=_onset(incident), moments=_moments(incident, starts[0], starts[-1] + every),
        )  # fmt: skip
        return Picture(_changed(measure, unit, line, split), source, curves=drawn, note=note)
    smalls = [
        Small(name or "(none)", values, expected=_of(measure, line, 0, split), note=f"n = {sum(line['n']):,}")
        for name, values, line in lines
    ]
    shown = multiples(starts, smalls, unit, every=every, stretches=_onset(incident))
    return Picture(_apart(measure, unit, lines, split), source, multiples=shown, note=note)


def _values(measure: Measure, line: Mapping[str, Any]) -> list[float | None]:
    return [_value(measure, n, total) for n, total in zip(line["n"], line["total"], strict=True)]


def _value(measure: Measure, n: int, total: float) -> float | None:
    if measure is Measure.COUNT:
        return total
    return total / n if n else None


def _of(measure: Measure, line: Mapping[str, Any], begin: int, end: int) -> float | None:
    """What some of a line's windows measure together; of counts the mean of a window."""
    n, total = sum(line["n"][begin:end]), sum(line["total"][begin:end])
    if measure is Measure.COUNT:
        return total / (end - begin) if end > begin else None
    return total / n if n else None


def _changed(measure: Measure, unit: Unit, line: Mapping[str, Any], split: int) -> str:
    """What a line did at the onset, as a finding."""
    before, after = _of(measure, line, 0, split), _of(measure, line, split, len(line["n"]))
    if before is None or after is None:
        known = before if before is not None else after
        return f"{figure(known, unit)} over the time shown" if known is not None else "Nothing was counted in that time"
    said = f"{figure(after, unit)} since the onset, {figure(before, unit)} before"
    return said if figure(after, unit) != figure(before, unit) else f"{figure(after, unit)}, before and since the onset"


def _apart(
    measure: Measure, unit: Unit, lines: Sequence[tuple[str, Sequence[float | None], Mapping[str, Any]]], split: int
) -> str:
    """Which line is lowest and which highest since the onset, as a finding."""
    since = [
        (value, name or "(none)")
        for name, _, line in lines
        if (value := _of(measure, line, split, len(line["n"]))) is not None
    ]
    if not since:
        return "Nothing was counted since the onset"
    (low, lowest), (high, highest) = min(since), max(since)
    if lowest == highest or figure(low, unit) == figure(high, unit):
        return f"{figure(low, unit)} since the onset, {'alike for all' if len(since) > 1 else lowest}"
    return f"Since the onset: {lowest} {figure(low, unit)}, {highest} {figure(high, unit)}"


def _every(every: timedelta) -> str:
    hours = every / timedelta(hours=1)
    if hours < 1:
        return f"{every // timedelta(minutes=1)} minutes"
    if hours % 24 == 0:
        return "a day" if hours == 24 else f"{int(hours // 24)} days"  # noqa: PLR2004  hours of a day
    return "an hour" if hours == 1 else f"{hours:g} hours"


def _onset(incident: Incident) -> list[Stretch]:
    if incident.onset is None:
        return []
    low, high = incident.onset_low or incident.onset, incident.onset_high or incident.onset
    return [Stretch(low, max(high, low + timedelta(minutes=1)), "onset")]


def _moments(incident: Incident, begin: datetime, end: datetime) -> list[Moment]:
    known = ((incident.detected_at, "detected"), (incident.contained_at, "contained"))
    return [Moment(at, words) for at, words in known if at is not None and begin <= at <= end]
