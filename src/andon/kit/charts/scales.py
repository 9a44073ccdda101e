"""Scales of pictures: what figures look like, where lines of a grid stand, and which of many points are drawn."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise
from typing import Final

from andon.kit.spans import day

_MINUS: Final = "\N{MINUS SIGN}"
_PERCENT: Final = 100.0
_SMALLEST: Final = 0.0001
_LARGE: Final = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
_SHORT: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_STEPS: Final = (
    *(timedelta(minutes=n) for n in (1, 5, 15, 30)),
    *(timedelta(hours=n) for n in (1, 3, 6, 12)),
    *(timedelta(days=n) for n in (1, 2, 7, 14)),
)
_DAY: Final = timedelta(days=1)
_MONTHS: Final = (1, 2, 3, 6, 12, 24, 60, 120)


class Unit(StrEnum):
    """What a figure counts, and so how it is written."""

    SHARE = "share"  # 0.083 is 8.3%
    POINTS = "points"  # a difference of shares: 0.021 is 2.1 points
    NUMBER = "number"
    COUNT = "count"
    EVIDENCE = "evidence"


def figure(value: float, unit: Unit) -> str:
    """`value` as people read it: "8.3%", "\N{MINUS SIGN}2.1 points", "0.42", "1,204", "3.4 million"."""
    sign = _MINUS if value < 0 else ""
    size = abs(value)
    if math.isinf(size):
        return f"{sign}\N{INFINITY}"
    match unit:
        case Unit.SHARE:
            return f"{sign}{_digits(size * _PERCENT)}%"
        case Unit.POINTS:
            return f"{sign}{_digits(size * _PERCENT)} points"
        case Unit.COUNT:
            return f"{sign}{size:,.0f}"
        case Unit.EVIDENCE:
            return sign + _in_words(size)
        case Unit.NUMBER:
            return sign + _digits(size)


def short(value: float, unit: Unit) -> str:
    """`value` for the margin of a picture, where a few letters fit: "8.3%", "10k", "1M"."""
    if unit is Unit.POINTS:
        return figure(value, unit).removesuffix(" points")
    if unit is Unit.SHARE or abs(value) < _SHORT[-1][0] or math.isinf(value):
        return figure(value, unit)
    sign = _MINUS if value < 0 else ""
    for size, letter in _SHORT:
        if abs(value) >= size:
            return f"{sign}{abs(value) / size:.3g}{letter}" if abs(value) < size * 1000 else f"{sign}>999{letter}"
    return figure(value, unit)


def _digits(size: float) -> str:
    """Three digits that say something, and never an exponent."""
    if 0 < size < _SMALLEST:
        return f"<{_SMALLEST:f}".rstrip("0")
    places = min(6, max(0, 2 - math.floor(math.log10(size)))) if size else 0
    written = f"{size:,.{places}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def _in_words(size: float) -> str:
    for limit, word in _LARGE:
        if size >= limit:
            return f"over 1,000 {word}" if size >= limit * 1000 else f"{size / limit:.3g} {word}"
    return f"{size:,.0f}" if size >= 10 else f"{size:.1f}"  # noqa: PLR2004  below ten a digit more says something


@dataclass(frozen=True, slots=True)
class Scale:
    """One direction of a plot: values from `low` to `high` lie between 0 and `length`; `log` by their logarithm."""

    low: float
    high: float
    length: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value stands; outside of the scale it stands at the nearest end."""
        low, high, at = (
            (math.log10(self.low), math.log10(self.high), math.log10(max(value, self.low)))
            if self.log
            else (self.low, self.high, value)
        )
        return min(1.0, max(0.0, (at - low) / (high - low))) * self.length


def linear(values: Collection[float], length: float) -> tuple[Scale, list[float]]:
    """A scale on which all values lie, with round ends, and the round values where lines of the grid stand.

    It begins at zero where that leaves the values more than half of the height.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if 0 <= low <= high / 2:
        low = 0.0
    if high <= low:  # one value only: it stands in the middle
        room = abs(high) / 2 or 1.0
        low, high = low - room if low else 0.0, high + room
    step = _round_step((high - low) / 3)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(first * step, last * step, length), [round(n * step, 12) for n in range(first, last + 1)]


def _round_step(rough: float) -> float:
    power = float(10.0 ** math.floor(math.log10(rough)))
    return next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= rough * (1 - 1e-9))


def logarithmic(high: float, length: float) -> tuple[Scale, list[float]]:
    """A scale from 1 to `high`, with lines at no more than four powers of ten."""
    end = max(10.0, high)
    powers = range(math.floor(math.log10(end) + 1e-9) + 1)
    every = math.ceil(len(powers) / 4)
    return Scale(1.0, end, length, log=True), [10.0**n for n in powers[::every]]


def thin(series: Sequence[Sequence[float | None]], most: int, keep: Collection[int] = ()) -> list[int]:
    """Which points of series of one length are drawn, in order, when there is room for about `most`.

    The first and the last stay, those in `keep`, and of each stretch the highest and the lowest of every series, so
    that no peak is lost; a stretch in which nothing was read keeps one point, so that the line still breaks there.
    """
    length = len(series[0])
    if length <= most:
        return list(range(length))
    chosen = {0, length - 1, *keep}
    stretches = max(1, most // (2 * len(series)))
    edges = [round(n * length / stretches) for n in range(stretches + 1)]
    for start, end in pairwise(edges):
        for values in series:
            known = [place for place in range(start, end) if values[place] is not None]
            if known:
                chosen.add(min(known, key=lambda place: values[place] or 0.0))
                chosen.add(max(known, key=lambda place: values[place] or 0.0))
            elif start < end:
                chosen.add(start)
    return sorted(chosen)


@dataclass(frozen=True, slots=True)
class Tick:
    """A time at the foot of a plot, and its words."""

    at: datetime
    words: str


def times(start: datetime, end: datetime, zone: tzinfo, most: int = 5) -> list[Tick]:
    """Round times on the wall clock of `zone` between `start` and `end`, no more than `most`."""
    length = end - start
    step = next((step for step in _STEPS if length / step <= most), None)
    if step is None:
        return _months(start, end, zone, most)
    first = start.astimezone(zone)
    midnight = datetime.combine(first.date(), time.min)
    if step >= 7 * _DAY:
        midnight -= timedelta(days=midnight.weekday())
    found = []
    for number in range(math.ceil((length + 7 * _DAY * 2) / step) + 2):
        at = (midnight + number * step).replace(tzinfo=zone)
        if start <= at <= end:
            date = step >= _DAY or at.time() == time.min
            found.append(Tick(at, day(at, zone, beside=end) if date else f"{at:%H:%M}"))
    return found[:most]


def _months(start: datetime, end: datetime, zone: tzinfo, most: int) -> list[Tick]:
    first = start.astimezone(zone)
    months = (end - start).days / 30.4
    every = next((n for n in _MONTHS if months / n <= most), _MONTHS[-1])
    base = first.year * 12 + (first.month - 1) // min(every, 12) * min(every, 12)
    found: list[Tick] = []
    for number in range(most + 2):
        year, month = divmod(base + number * every, 12)
        at = datetime(year, month + 1, 1, tzinfo=zone)
        if start <= at <= end:
            found.append(Tick(at, f"{at:%b %Y}" if month == 0 or not found else f"{at:%b}"))
    return found[:most]
