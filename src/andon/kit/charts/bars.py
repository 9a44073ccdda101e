"""Counts over time as bars, drawn by `components/bars.html`; heights are pixels of the drawing's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from andon.kit.spans import clock_time

HEIGHT = 64.0
_SMALLEST = 2.0  # pixels: one is seen beside ten thousand
_GAP = 0.2  # of a bar's place is left free


@dataclass(frozen=True, slots=True)
class Count:
    """How many in the stretch of time that begins at `at`; `bad` of them are marked. `capped` = at least so many."""

    at: datetime
    all: int
    bad: int = 0
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: percent across, pixels down; `bad` is the height of the part that is marked, at its foot."""

    x: float
    width: float
    y: float
    height: float
    bad_y: float
    bad_height: float
    when: str
    words: str


@dataclass(frozen=True, slots=True)
class BarsView:
    """Everything a template needs to draw the bars, and the sentence that says it to who cannot see them."""

    bars: tuple[Bar, ...]
    begins: str
    ends: str
    most: str
    sentence: str


def bars(counts: Sequence[Count], *, every: timedelta, noun: str, zone: tzinfo = UTC) -> BarsView:
    """Place counts side by side, the tallest as high as the drawing; `noun` is the plural of what is counted.

    Raises ValueError when there is none.
    """
    if not counts:
        raise ValueError("There is nothing to place.")
    most = max(counts, key=lambda count: count.all)
    place = 100 / len(counts)
    last = counts[-1].at + every
    return BarsView(
        bars=tuple(_bar(number * place, place, count, most.all, noun, zone) for number, count in enumerate(counts)),
        begins=clock_time(counts[0].at, zone, beside=last),
        ends=clock_time(last, zone, beside=last),
        most=_figure(most),
        sentence=_sentence(counts, most, noun, zone),
    )


def _bar(x: float, place: float, count: Count, most: int, noun: str, zone: tzinfo) -> Bar:
    height = max(_SMALLEST, count.all / most * HEIGHT) if count.all else 0.0
    bad = max(_SMALLEST, count.bad / count.all * height) if count.bad and count.all else 0.0
    when = clock_time(count.at, zone, beside=count.at)
    refused = f", {count.bad} of them not understood, or only in part" if count.bad else ""
    return Bar(
        x=round(x + place * _GAP / 2, 3),
        width=round(place * (1 - _GAP), 3),
        y=round(HEIGHT - height, 2),
        height=round(height, 2),
        bad_y=round(HEIGHT - bad, 2),
        bad_height=round(bad, 2),
        when=when,
        words=f"{when}: {_figure(count)} {noun}{refused}",
    )


def _figure(count: Count) -> str:
    return f"{count.all:,}{'+' if count.capped else ''}"


def _sentence(counts: Sequence[Count], most: Count, noun: str, zone: tzinfo) -> str:
    total = sum(count.all for count in counts)
    if not total:
        return f"No {noun}."
    more = "at least " if any(count.capped for count in counts) else ""
    busiest = clock_time(most.at, zone, beside=most.at)
    bad = sum(count.bad for count in counts)
    refused = f" {bad:,} were not understood, or only in part." if bad else ""
    return f"{more.capitalize()}{total:,} {noun}, most of them ({_figure(most)}) from {busiest}.{refused}"
