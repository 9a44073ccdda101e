"""The windows of a watch as they were written, for whoever judges them. The log is not asked again."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db.models import F, Sum

from andon.practice.words import Measure
from andon.watch.judging import Window
from andon.watch.models import EVERYTHING, Watch, WindowState
from andon.watch.oddities import Held


def load(
    watch: Watch, *, since: datetime | None, until: datetime | None, limit: int, newest: bool = False
) -> list[Window]:
    """Windows from `since` to `until`, oldest first; at most so many, from the end if `newest`."""
    rows = WindowState.objects.filter(watch=watch, segment=EVERYTHING)
    if since is not None:
        rows = rows.filter(window_start__gte=since)
    if until is not None:
        rows = rows.filter(window_start__lt=until)
    rows = rows.order_by("-window_start" if newest else "window_start")
    if watch.estimates:
        counted = list(rows.values_list("window_start", "n", "total", "squares", "counts")[:limit])
        return [
            Window(start, n, total, squares, labels=labels)
            for start, n, total, squares, labels in (reversed(counted) if newest else counted)
        ]
    found = list(rows.values_list("window_start", "n", "total", "squares", "histogram", "made")[:limit])
    if newest:
        found.reverse()
    made = {row[0]: {EVERYTHING: row[-1]} if row[-1] else {} for row in found}
    segments: dict[datetime, dict[str, list[list[float]]]] = defaultdict(dict)
    if watch.measure == Measure.GAP and found:
        _segments(watch, found[0][0], found[-1][0], segments, made)
    return [Window(*row[:-1], segments[row[0]], made=made[row[0]]) for row in found]


def _segments(
    watch: Watch,
    first: datetime,
    last: datetime,
    held: dict[datetime, dict[str, list[list[float]]]],
    made: dict[datetime, dict[str, list[list[float]]]],
) -> None:
    """Add what the segments of windows hold, and when their decisions were made."""
    rows = WindowState.objects.filter(watch=watch, window_start__gte=first, window_start__lte=last)
    for start, segment, n, total, counts, ages in rows.exclude(segment=EVERYTHING).values_list(
        "window_start", "segment", "n", "total", "counts", "made"
    ):
        held[start][segment] = counts or [[n], [total], [0.0]]
        if ages and start in made:
            made[start][segment] = ages


def segments_made(watch: Watch, since: datetime, until: datetime) -> list[Window]:
    """Of windows by the arrival of labels, when the decisions of each segment were made; oldest first."""
    rows = WindowState.objects.filter(watch=watch, window_start__gte=since, window_start__lt=until)
    held: dict[datetime, dict[str, list[list[float]]]] = defaultdict(dict)
    for start, segment, ages in rows.exclude(segment=EVERYTHING).values_list("window_start", "segment", "made"):
        held[start][segment] = ages or []
    return [Window(start, 0, 0.0, 0.0, made=made) for start, made in sorted(held.items())]


def held(watch: Watch, since: datetime, until: datetime) -> list[Held]:
    """What the windows from `since` to `until` hold and held, oldest first."""
    rows = WindowState.objects.filter(
        watch=watch, segment=EVERYTHING, window_start__gte=since, window_start__lt=until
    ).order_by("window_start")
    return [
        Held(start, n + invalid, invalid, doubled, max((one["n"] + one["invalid"] for one in was), default=0))
        for start, n, invalid, doubled, was in rows.values_list("window_start", "n", "invalid", "doubled", "was")
    ]


def rows_by_segment(watch: Watch, since: datetime, until: datetime) -> dict[str, int]:
    """Rows of each segment from `since` to `until`, those without a number included."""
    rows = WindowState.objects.filter(watch=watch, window_start__gte=since, window_start__lt=until)
    counted = rows.exclude(segment=EVERYTHING).order_by().values("segment").annotate(rows=Sum(F("n") + F("invalid")))
    return {segment: n for segment, n in counted.values_list("segment", "rows") if n}
