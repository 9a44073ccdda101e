"""Measurements over time: lines with what was expected of them, drawn by `components/curves.html`.

Lines are paths in a plot of its own that is stretched to the width of the page while they keep their weight: a
thousand units across, pixels down. Texts are not stretched: they stand at percentages of the whole width, the last
part of which is a margin for the newest figures.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from andon.kit import spans
from andon.kit.charts import scales
from andon.kit.charts.given import Line, Moment, Range, Stretch
from andon.kit.charts.scales import Scale, Unit
from andon.kit.charts.track import spread
from andon.kit.charts.views import Band, CurvesView, PanelView, Post, Spot, Text

MOST: Final = 120
"""Points that are drawn, about: three pixels each on a phone."""
PLOT: Final = 86.0
"""Percent of the width that the plot takes; beside it stand the newest figures."""
ACROSS: Final = 1000.0
"""Units of a path over the width of the plot."""

_NAME = 36  # letters of a panel's name that a phone has room for
_HEAD, _FOOT, _NOTES, _LINE = 22.0, 20.0, 16.0, 13.0  # pixels: name of a panel, times, a row of notes, a line of text
_CAPITALS = 9.0  # pixels: the height of figures
_NEAR = 13.0  # percent: half of what a note takes on a phone
_LETTER = 2.1  # percent: what a letter of a note takes there
_WHOLE = 100.0
_LARGEST = 1e15
_BEYOND = 100.0  # times its threshold: beyond that evidence says no more, and would squeeze what led to it


@dataclass(frozen=True)
class _Frame:
    """The time that is shown, across."""

    start: datetime
    end: datetime
    every: timedelta
    zone: tzinfo

    def percent(self, at: datetime) -> float:
        return round(min(1.0, max(0.0, (at - self.start) / (self.end - self.start))) * PLOT, 2)

    def middle(self, at: datetime) -> float:
        return (at + self.every / 2 - self.start) / (self.end - self.start) * ACROSS

    def words(self, at: datetime) -> str:
        return window_words(at, self.every, self.zone, beside=self.end)


def window_words(at: datetime, every: timedelta, zone: tzinfo, *, beside: datetime) -> str:
    """What a window that begins at `at` is called: "4 May", with the time of day where it is shorter than a day."""
    day = spans.day(at, zone, beside=beside)
    return day if every >= timedelta(days=1) else f"{day} {at.astimezone(zone):%H:%M}"


@dataclass(frozen=True)
class _Drawing:
    """A panel while it is drawn: its points that are kept, and its scale."""

    line: Line
    kept: Sequence[int]
    xs: Sequence[float]
    scale: Scale
    grid: Sequence[float]

    def y(self, value: float) -> float:
        return _y(value, self.scale)

    def points(self, values: Sequence[float | None]) -> list[tuple[float, float | None]]:
        return [(x, values[place]) for x, place in zip(self.xs, self.kept, strict=True)] if values else []


def curves(
    starts: Sequence[datetime],
    lines: Sequence[Line],
    *,
    every: timedelta,
    counts: Sequence[int | None] = (),
    stretches: Sequence[Stretch] = (),
    moments: Sequence[Moment] = (),
    zone: tzinfo = UTC,
    most: int = MOST,
) -> CurvesView:
    """Place measurements of windows of time under one another, on one scale of time.

    Args:
        starts: When each window began, ascending.
        lines: What was measured, a panel each, from the top.
        every: How long a window is.
        counts: How many observations each window has, for the table; empty if that says nothing.
        stretches: Onsets, shown as bands over all panels.
        moments: Alarms and the like, shown as lines over all panels.
        zone: Whose wall clock the words are on.
        most: About how many points are drawn; of more than that, extremes are kept.

    Raises:
        ValueError: There is no window, or a line is not as long as there are windows.
    """
    if not starts or not lines:
        raise ValueError("There is nothing to place.")
    if any(len(line.values) != len(starts) for line in lines):
        raise ValueError("Every line needs a value for each window, or None.")
    lines = [_finite(line) for line in lines]
    frame = _Frame(starts[0], starts[-1] + every, every, zone)
    kept = scales.thin([line.values for line in lines], most, _windows_of(starts, moments))
    xs = [round(frame.middle(starts[place]), 1) for place in kept]
    notes = _notes(frame, stretches, moments)
    top = _NOTES * len({note.y for note in notes})
    panels, y = [], top
    for line in lines:
        panels.append(_panel(line, kept, xs, y))
        y += _HEAD + line.height
    rows = [_row(frame, lines, starts, counts, place) for place in kept]
    columns = _columns(lines, with_counts=bool(counts))
    return CurvesView(
        panels=tuple(panels),
        top=top,
        bottom=y,
        height=y + _FOOT,
        plot=PLOT,
        ticks=_ticks(frame, y + 14),
        notes=notes,
        bands=tuple(
            Band(low := frame.percent(one.low), max(0.5, round(frame.percent(one.high) - low, 2)), one.words)
            for one in stretches
        ),
        posts=tuple(Post(frame.percent(one.at), one.words, one.alarming) for one in moments),
        spots=_spots(xs, rows, columns),
        columns=columns,
        rows=tuple(rows),
        thinned=len(starts) - len(kept),
        zone=frame.end.astimezone(zone).tzname() or "UTC",
        sentence=_sentence(frame, lines, starts, stretches, moments),
    )


def _finite(line: Line) -> Line:
    """The line without what is no number; what has no end stands at the end of its scale."""

    def clean(value: float | None) -> float | None:
        return None if value is None or math.isnan(value) else min(_LARGEST, max(-_LARGEST, value))

    def both(ends: Range | None) -> Range | None:
        low, high = (clean(ends[0]), clean(ends[1])) if ends is not None else (None, None)
        return (low, high) if low is not None and high is not None else None

    return replace(
        line,
        values=[clean(value) for value in line.values],
        expected=[clean(value) for value in line.expected],
        bounds=[both(ends) for ends in line.bounds],
        usual=[both(ends) for ends in line.usual],
    )


def _windows_of(starts: Sequence[datetime], moments: Sequence[Moment]) -> set[int]:
    """The windows in which something happened: they are drawn in any case."""
    return {place for one in moments if (place := sum(start <= one.at for start in starts) - 1) >= 0}


def _panel(line: Line, kept: Sequence[int], xs: Sequence[float], y: float) -> PanelView:
    scale, grid = _scale(line)
    drawing = _Drawing(line, kept, xs, scale, grid)
    plot_y = y + _HEAD
    name = _on_a_phone(line.name)
    return PanelView(
        name=name,
        name_more=line.name[len(name) :],
        scale_words="log scale" if line.log else "",
        name_y=y + 14,
        y=plot_y,
        height=line.height,
        line=path(points := drawing.points(line.values), scale),
        dots=dots(points, scale),
        bounds=_area(drawing, line.bounds),
        expected=path(drawing.points(line.expected), scale),
        usual=_area(drawing, line.usual),
        grid=tuple(round(plot_y + drawing.y(value), 1) for value in grid),
        levels=tuple((round(plot_y + drawing.y(level.value), 1), level.alarming) for level in line.levels),
        texts=(*_grid_words(drawing, plot_y), *_end_words(drawing, plot_y)),
    )


def _on_a_phone(name: str) -> str:
    """The words of a name that a phone has room for."""
    if len(name) <= _NAME:
        return name
    return name[:_NAME].rpartition(" ")[0] or name[:_NAME]


def _scale(line: Line) -> tuple[Scale, list[float]]:
    """A scale for all values and levels; of ranges the usual ones, so that one of three observations squeezes none."""
    points = [value for value in (*line.values, *line.expected) if value is not None]
    points += [level.value for level in line.levels]
    for ranges in (line.usual, line.bounds):
        for edge in (0, 1):
            known = sorted(one[edge] for one in ranges if one is not None)
            if known:
                points.append(known[len(known) // 2])
    if line.log:
        limit = max((level.value for level in line.levels), default=math.inf) * _BEYOND
        return scales.logarithmic(min(max(points, default=10.0) * 2, limit), line.height)
    return scales.linear(points, line.height)


def path(points: Sequence[tuple[float, float | None]], scale: Scale) -> str:
    """A line through the points that are there (units across, value); see `dots` for those that stand alone."""
    parts: list[str] = []
    for number, (x, value) in enumerate(points):
        if value is not None:
            begins = number == 0 or points[number - 1][1] is None
            parts.append(f"{'M' if begins else 'L'}{x:g} {_y(value, scale):g}")
    return "".join(parts)


def dots(points: Sequence[tuple[float, float | None]], scale: Scale) -> str:
    """The points between two breaks, which a line cannot show: each a stroke of no length with round ends."""
    around = [None, *(value for _, value in points), None]
    return "".join(
        f"M{x:g} {_y(value, scale):g}h0"
        for number, (x, value) in enumerate(points)
        if value is not None and around[number] is None and around[number + 2] is None
    )


def _y(value: float, scale: Scale) -> float:
    return round(scale.length - scale.place(value), 1)


def _area(drawing: _Drawing, ranges: Sequence[Range | None]) -> str:
    """The area between the ends of ranges, in as many pieces as there are breaks."""
    if not ranges:
        return ""
    pieces: list[list[tuple[float, Range]]] = [[]]
    for x, place in zip(drawing.xs, drawing.kept, strict=True):
        one = ranges[place]
        if one is None:
            pieces.append([])
        else:
            pieces[-1].append((x, one))
    parts = []
    for piece in (piece for piece in pieces if piece):
        over = [f"{x:g} {drawing.y(high):g}" for x, (_, high) in piece]
        under = [f"{x:g} {drawing.y(low):g}" for x, (low, _) in reversed(piece)]
        parts.append(f"M{'L'.join(over + under)}Z")
    return "".join(parts)


def _grid_words(drawing: _Drawing, top: float) -> list[Text]:
    """The values of the grid, inside at the left: above their line, the highest below it.

    None stands on another, and none where a level is drawn through it.
    """
    levels = [top + drawing.y(level.value) for level in drawing.line.levels]
    found: list[Text] = []
    for value in sorted(drawing.grid, reverse=True):
        y = round(top + drawing.y(value) + (11 if drawing.y(value) < _LINE else -3), 1)
        struck = any(y - _CAPITALS <= level <= y + 1 for level in levels)
        if not struck and (not found or y - found[-1].y >= _LINE - 3):
            found.append(Text(0.0, y, scales.short(value, drawing.line.unit), look="scale"))
    return found[::-1]


def _end_words(drawing: _Drawing, top: float) -> list[Text]:
    """The newest value, what was expected, and the levels, in the margin; none stands on another."""
    line = drawing.line
    wanted = [(level.value, level.words, "level alarming" if level.alarming else "level") for level in line.levels]
    for values, words, look in ((line.values, "", "newest"), (line.expected, "expected", "usual")):
        newest = next((value for value in reversed(values) if value is not None), None)
        if newest is not None:
            wanted.append((newest, words, look))
    wanted.sort(key=lambda one: drawing.y(one[0]))
    ys = spread([drawing.y(value) for value, _, _ in wanted], gap=_LINE, low=4.0, high=line.height)
    return [
        Text(100.0, round(top + y + 4, 1), scales.short(value, line.unit), "end", look, words)
        for y, (value, words, look) in zip(ys, wanted, strict=True)
    ]


def _ticks(frame: _Frame, y: float) -> tuple[Text, ...]:
    return tuple(
        Text(x := frame.percent(tick.at), y, tick.words, _anchor(x, PLOT)) for tick in scales.times(
            frame.start, frame.end, frame.zone)
    )  # fmt: skip


def _anchor(x: float, end: float) -> str:
    if x < _NEAR:
        return "start"
    return "end" if x > end - _NEAR / 2 else "middle"


def _notes(frame: _Frame, stretches: Sequence[Stretch], moments: Sequence[Moment]) -> tuple[Text, ...]:
    """Words over the picture: one row for stretches, one for moments; of those that collide the newest stand."""
    middles = [(frame.percent(one.low + (one.high - one.low) / 2), one.words) for one in stretches]
    posts = [(frame.percent(one.at), one.words) for one in moments]
    found: list[Text] = []
    y = 0.0
    for row, look in ((middles, "onset"), (posts, "alarm")):
        left = math.inf
        y += _NOTES if row else 0
        for x, words in sorted(row, reverse=True):
            anchor, begins, ends = _extent(x, words)
            if ends <= left:
                found.append(Text(x, y - 4, words, anchor, look))
                left = begins
    return tuple(found)


def _extent(x: float, words: str) -> tuple[str, float, float]:
    """How a note at a place is anchored so that it stays inside, and from where to where it reaches on a phone."""
    half = max(_NEAR, len(words) * _LETTER / 2)
    if x < half:
        return "start", x, x + 2 * half
    return ("end", x - 2 * half, x) if x > _WHOLE - half else ("middle", x - half, x + half)


def _columns(lines: Sequence[Line], *, with_counts: bool) -> tuple[str, ...]:
    found = ["Window", "Observations"] if with_counts else ["Window"]
    for line in lines:
        found.append(line.name)
        if line.expected:
            found.append("Expected")
    return tuple(found)


def _row(
    frame: _Frame, lines: Sequence[Line], starts: Sequence[datetime], counts: Sequence[int | None], place: int
) -> tuple[str, ...]:
    cells = [frame.words(starts[place])]
    if counts:
        count = counts[place]
        cells.append("none" if not count else f"{count:,}")
    for line in lines:
        value = line.values[place]
        bounds = line.bounds[place] if line.bounds else None
        said = "nothing read" if value is None else scales.figure(value, line.unit)
        cells.append(f"{said} ({_range(bounds, line.unit)})" if bounds and value is not None else said)
        if line.expected:
            expected = line.expected[place]
            cells.append("" if expected is None else scales.figure(expected, line.unit))
    return tuple(cells)


def _range(ends: Range, unit: Unit) -> str:
    return f"{scales.figure(ends[0], unit)} to {scales.figure(ends[1], unit)}"


def _spots(xs: Sequence[float], rows: Sequence[Sequence[str]], columns: Sequence[str]) -> tuple[Spot, ...]:
    """A column round each point, from half way to the one before to half way to the next."""
    edges = [0.0, *((a + b) / 2 for a, b in pairwise(xs)), ACROSS]
    percents = [edge / ACROSS * PLOT for edge in edges]
    return tuple(
        Spot(
            round(left, 2),
            round(right - left, 2),
            f"{row[0]}: " + ", ".join(_lower(name, cell) for name, cell in zip(columns[1:], row[1:], strict=True)),
        )
        for (left, right), row in zip(pairwise(percents), rows, strict=True)
    )


def _lower(name: str, cell: str) -> str:
    return f"{name[:1].lower()}{name[1:]} {cell or 'unknown'}"


def _sentence(
    frame: _Frame,
    lines: Sequence[Line],
    starts: Sequence[datetime],
    stretches: Sequence[Stretch],
    moments: Sequence[Moment],
) -> str:
    notes = [*(one.words for one in stretches), *(one.words for one in moments)]
    said = [_said(frame, line, starts) for line in lines]
    return " ".join([*said, *(f"{words[:1].upper()}{words[1:]}." for words in notes)])


def _said(frame: _Frame, line: Line, starts: Sequence[datetime]) -> str:
    known = [(value, start) for value, start in zip(line.values, starts, strict=True) if value is not None]
    if not known:
        return f"{line.name}: nothing was read."
    at: Callable[[tuple[float, datetime]], str] = lambda one: (  # noqa: E731  said three times in one sentence
        f"{scales.figure(one[0], line.unit)} ({frame.words(one[1])})"
    )
    return (
        f"{line.name}: {at(known[0])} first, {at(known[-1])} last; lowest {at(min(known))}, highest {at(max(known))}."
    )
