"""Four weeks of a schedule as plain positions; the template draws them as SVG.

Weeks run from Monday to Monday on the viewer's wall clock, to scale in elapsed time: where clocks change, the day
is 23 or 25 parts of its week wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

from andon.kit import spans
from andon.oncall.rota import OnCall
from andon.people.models import Person
from andon.practice.rotation import Gap
from andon.practice.walltime import instant, wall, zone

WEEKS = 4
_TONES = 5
# Width in pixels that the picture has at least on a desk and on a phone, and that a letter takes at most.
_DESK, _PHONE = 640, 320
_LETTER, _PADDING = 7.0, 8
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A shift or gap within one week: percent of its width, and its whole story for the tooltip.

    `label` is what fits on a desk, `narrow` on a phone: a name, its initials, or nothing.
    """

    x: float
    width: float
    label: str
    narrow: str
    title: str
    look: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day within one week: percent of its width, its date, and the month where it says something new."""

    x: float
    width: float
    label: str
    month: str
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
    looks = _looks(shifts, viewer)
    pieces = [
        _Piece(
            s.starts,
            s.ends,
            str(s.person),
            f"{s.person}, {_when(s.starts, s.ends, zone_name)}, by {s.source}",
            looks[s.person.pk],
        )
        for s in shifts
    ]
    pieces += [_Piece(g.starts, g.ends, "nobody", f"Nobody, {_when(g.starts, g.ends, zone_name)}", "gap") for g in gaps]
    pieces.sort(key=lambda piece: piece.starts)
    first = wall(window(now, zone_name)[0], zone_name)
    return tuple(_week(first + 7 * week * _DAY, pieces, now, zone_name) for week in range(WEEKS))


def legend(shifts: Sequence[OnCall], viewer: Person | None) -> list[tuple[str, str]]:
    """How each person's bars look, in the order in which they come, with their name."""
    names = {s.person.pk: str(s.person) for s in shifts}
    return [(look, names[pk]) for pk, look in _looks(shifts, viewer).items()]


def _looks(shifts: Sequence[OnCall], viewer: Person | None) -> dict[UUID, str]:
    people = dict.fromkeys(s.person.pk for s in shifts)
    return {
        pk: "mine" if viewer is not None and pk == viewer.pk else f"tone-{index % _TONES}"
        for index, pk in enumerate(people)
    }


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
            f"{monday + day * _DAY:%a} {(monday + day * _DAY).day}",
            _month(monday + day * _DAY),
            (monday + day * _DAY).date() == today,
        )
        for day in range(7)
    )
    bars = tuple(
        _bar(piece, x(max(piece.starts, start)), x(min(piece.ends, end)))
        for piece in pieces
        if piece.starts < end and start < piece.ends
    )
    return Week(days, bars, x(now) if start <= now < end else None)


def _bar(piece: _Piece, x: float, end: float) -> Bar:
    width = round(end - x, 3)
    label, narrow = (_fitting(piece.label, width * pixels / 100) for pixels in (_DESK, _PHONE))
    return Bar(x, width, label, narrow, piece.title, piece.look)


def _fitting(label: str, pixels: float) -> str:
    """As much of a name as fits: all of it, the first name, initials, or nothing."""
    words = label.split()
    for shorter in (label, words[0] if words else "", "".join(word[0] for word in words[:2])):
        if len(shorter) * _LETTER + _PADDING <= pixels:
            return shorter
    return ""


def _month(day: datetime) -> str:
    return f"{day:%b}" if day.weekday() == 0 or day.day == 1 else ""


def _when(starts: datetime, ends: datetime, zone_name: str) -> str:
    place = zone(zone_name)
    return (
        f"{spans.clock_time(starts, place)} to {spans.clock_time(ends, place, beside=starts)} "
        f"({spans.span(ends - starts)})"
    )
