"""Four weeks of a schedule as plain positions; the template draws them as SVG.

Weeks run from Monday to Monday on the viewer's wall clock, to scale in elapsed time: where clocks change, the day
is 23 or 25 parts of its week wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from andon.kit import spans
from andon.oncall.rota import OnCall
from andon.people.models import Person
from andon.practice.rotation import Gap
from andon.practice.walltime import instant, wall, zone

WEEKS = 4
_TONES = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A shift or gap within one week: percent of its width, the label, and its whole story for the tooltip."""

    x: float
    width: float
    label: str
    title: str
    look: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day within one week: percent of its width, and its date."""

    x: float
    width: float
    label: str
    today: bool


@dataclass(frozen=True, slots=True)
class Week:
    """One row of the picture."""

    days: tuple[Day, ...]
    bars: tuple[Bar, ...]
    now_x: float | None


@dataclass(frozen=True, slots=True)
class _Piece:
    starts: datetime
    ends: datetime
    label: str
    title: str
    look: str


def window(now: datetime, zone_name: str) -> tuple[datetime, datetime]:
    """From when until when the picture goes: from Monday of this week on the wall clock of the zone."""
    today = wall(now, zone_name).date()
    monday = datetime.combine(today - timedelta(days=today.weekday()), time.min)
    return instant(monday, zone_name), instant(monday + WEEKS * 7 * _DAY, zone_name)


def weeks(
    shifts: Sequence[OnCall], gaps: Sequence[Gap], now: datetime, zone_name: str, viewer: Person | None
) -> tuple[Week, ...]:
    """The rows of the picture, for shifts and gaps of the `window` around now."""
    tones = {pk: index % _TONES for index, pk in enumerate(dict.fromkeys(s.person.pk for s in shifts))}
    pieces = [
        _Piece(
            s.starts,
            s.ends,
            str(s.person),
            f"{s.person}, {_when(s.starts, s.ends, zone_name)}, by {s.source}",
            "mine" if viewer is not None and s.person.pk == viewer.pk else f"tone-{tones[s.person.pk]}",
        )
        for s in shifts
    ]
    pieces += [_Piece(g.starts, g.ends, "nobody", f"Nobody, {_when(g.starts, g.ends, zone_name)}", "gap") for g in gaps]
    pieces.sort(key=lambda piece: piece.starts)
    first = wall(window(now, zone_name)[0], zone_name)
    return tuple(_week(first + 7 * week * _DAY, pieces, now, zone_name) for week in range(WEEKS))


def _week(monday: datetime, pieces: Sequence[_Piece], now: datetime, zone_name: str) -> Week:
    edges = [instant(monday + day * _DAY, zone_name) for day in range(8)]
    start, end = edges[0], edges[-1]

    def x(at: datetime) -> float:
        return round(100 * ((at - start) / (end - start)), 3)

    today = wall(now, zone_name).date()
    days = tuple(
        Day(
            x(edges[day]),
            round(x(edges[day + 1]) - x(edges[day]), 3),
            _day(monday + day * _DAY),
            (monday + day * _DAY).date() == today,
        )
        for day in range(7)
    )
    bars = tuple(
        Bar(
            x(max(piece.starts, start)),
            round(x(min(piece.ends, end)) - x(max(piece.starts, start)), 3),
            piece.label,
            piece.title,
            piece.look,
        )
        for piece in pieces
        if piece.starts < end and start < piece.ends
    )
    return Week(days, bars, x(now) if start <= now < end else None)


def _day(day: datetime) -> str:
    return f"{day:%a} {day.day}" + (f" {day:%b}" if day.weekday() == 0 or day.day == 1 else "")


def _when(starts: datetime, ends: datetime, zone_name: str) -> str:
    place = zone(zone_name)
    return (
        f"{spans.clock_time(starts, place)} to {spans.clock_time(ends, place, beside=starts)} "
        f"({spans.span(ends - starts)})"
    )
