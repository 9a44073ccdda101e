"""The same measurement for every segment, side by side on one scale, drawn by `components/multiples.html`."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from andon.kit.charts import scales
from andon.kit.charts.curves import ACROSS, dots, path, window_words
from andon.kit.charts.given import Small, Stretch
from andon.kit.charts.scales import Scale, Unit
from andon.kit.charts.views import Band, MultiplesView, SmallView

MOST: Final = 24
"""Segments that are drawn; who has more looks at the worst."""
HEIGHT: Final = 44.0
_POINTS: Final = 48  # points a small plot: three pixels each


def multiples(
    starts: Sequence[datetime],
    smalls: Sequence[Small],
    unit: Unit,
    *,
    every: timedelta,
    stretches: Sequence[Stretch] = (),
    most: int = MOST,
    zone: tzinfo = UTC,
) -> MultiplesView:
    """Place segments' values on one scale, in the order given; those beyond `most` are counted, not drawn.

    Raises ValueError when there is no segment or no window.
    """
    if not starts or not smalls:
        raise ValueError("There is nothing to place.")
    drawn = smalls[:most]
    values = [value for one in drawn for value in (*one.values, one.expected) if value is not None]
    scale, grid = scales.linear(values, HEIGHT)
    length = starts[-1] + every - starts[0]

    def percent(at: datetime) -> float:
        return round(min(1.0, max(0.0, (at - starts[0]) / length)) * 100, 2)

    return MultiplesView(
        smalls=tuple(_small(one, scale, unit) for one in drawn),
        height=HEIGHT,
        low=scales.figure(grid[0], unit),
        high=scales.figure(grid[-1], unit),
        bands=tuple(
            Band(percent(one.low), max(0.5, round(percent(one.high) - percent(one.low), 2)), one.words)
            for one in stretches
        ),
        left_out=len(smalls) - len(drawn),
        columns=("Window", *(one.name for one in drawn)),
        rows=tuple(
            (
                window_words(at, every, zone, beside=starts[-1] + every),
                *(
                    "nothing read" if (value := one.values[place]) is None else scales.figure(value, unit)
                    for one in drawn
                ),
            )
            for place, at in enumerate(starts)
        ),
    )


def _small(one: Small, scale: Scale, unit: Unit) -> SmallView:
    kept = scales.thin([one.values], _POINTS)
    step = ACROSS / len(one.values)
    points = [(round((place + 0.5) * step, 1), one.values[place]) for place in kept]
    known = [value for value in one.values if value is not None]
    newest = scales.figure(known[-1], unit) if known else "nothing read"
    usual = f", expected {scales.figure(one.expected, unit)}" if one.expected is not None else ""
    ends = f", between {scales.figure(min(known), unit)} and {scales.figure(max(known), unit)}" if known else ""
    return SmallView(
        name=one.name,
        line=path(points, scale),
        dots=dots(points, scale),
        expected=path([(0.0, one.expected), (ACROSS, one.expected)], scale) if one.expected is not None else "",
        newest=newest,
        note=one.note,
        driver=one.driver,
        sentence=f"{one.name}: {newest} last{ends}{usual}{f'; {one.note}' if one.note else ''}",
    )
