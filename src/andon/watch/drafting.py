"""A watch that is not kept yet, read over its log: what it would have done, before anybody relies on it.

The log is asked once for its windows and nothing is written, so a draft looks back over fewer windows than a watch that
has read its history. All else is the same: its reading, its detector, the incidents beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from andon.kit import clock
from andon.kit.errors import Conflict
from andon.practice.words import Measure
from andon.watch import arriving, wants
from andon.watch.actions.logs import place_of
from andon.watch.actions.running import at_once, earliest_of, over
from andon.watch.models import EVERYTHING, Watch
from andon.watch.questions import Window
from andon.watch.reading import Cells, Unreadable, Wanted, looking, read
from andon.watch.reading.cube import Tally
from andon.watch.segments import segment_key

MOST_WINDOWS: Final = 2_000
"""Windows that a draft is tried on, the newest ones: twelve weeks of hours."""
SECONDS: Final = 20.0
"""What each of its readings may take: somebody waits for it."""


def windows_of(draft: Watch) -> list[Window]:
    """What its windows hold, oldest first; what was learnt about the spread of its values is left in `draft.bins`.

    Raises:
        Conflict: Its numbers are pushed, or its reference lies further back than a draft looks.
        Unreadable: The log cannot be read now; in words.
        Invalid: The log cannot be read as the draft asks.
    """
    log = draft.log
    if log is None:
        raise Conflict("Its numbers are pushed, so there is no history to try it on. Keep it, and try it then.")
    place = place_of(log)
    end = over(draft, clock.now())
    first = looking.look(place, log.time_column, seconds=SECONDS).first
    if first is None:
        raise Unreadable(f"The log “{log.name}” holds no rows yet, so there is nothing to try it on.")
    begins = earliest_of(draft, first, end)
    most = min(MOST_WINDOWS, 2 * at_once(draft)) if draft.by_arrival else MOST_WINDOWS
    since = max(begins, end - most * draft.length)
    if since >= end:
        raise Unreadable(f"The log “{log.name}” holds no window that is over yet, so there is nothing to try it on.")
    if draft.reference_from is not None and draft.reference_from < since:
        raise Conflict(
            f"Its reference lies more than {most:,} windows back, which is further than a draft is tried on. "
            "Choose longer windows, or keep it and try it then."
        )
    draft.bins = wants.learn_bins(place, draft, since, end, seconds=SECONDS) or None
    cells = read(place, _alone(draft, since, end), seconds=SECONDS)
    if (labels := wants.labels(draft, since, end)) is not None:
        wants.with_labels(cells, read(place, labels, seconds=SECONDS), draft.labels_behind)
    return _windows(draft, since, end, cells)


def _alone(draft: Watch, since: datetime, until: datetime) -> Wanted:
    """Its reading; segments only where the verdict depends on them."""
    asked = wants.wanted(draft, since, until, draft.bins)
    return asked if draft.measure == Measure.GAP else replace(asked, segments=())


def _windows(draft: Watch, since: datetime, until: datetime, cells: Cells) -> list[Window]:
    whole, apart = cells.windows(), _segments(cells) if draft.measure == Measure.GAP else {}
    made = _made(cells) if draft.by_arrival else {}
    found: list[Window] = []
    start = since
    while start < until:
        one = whole.get(start, Tally())
        labels = one.scores if draft.estimates else None
        segments = apart.get(start, {})
        window = Window(start, one.n, one.total, one.squares, one.histogram, segments, labels, made.get(start, {}))
        found.append(window)
        start += draft.length
    return found


def _segments(cells: Cells) -> dict[datetime, dict[str, Sequence[Sequence[float]]]]:
    found: dict[datetime, dict[str, Sequence[Sequence[float]]]] = {}
    for (start, segment), one in cells.tallies.items():
        found.setdefault(start, {})[segment_key(segment)] = one.scores or [[one.n], [one.total], [0.0]]
    return found


def _made(cells: Cells) -> dict[datetime, dict[str, Sequence[Sequence[float]]]]:
    """When the decisions of each window were made, of all and of each segment."""
    found: dict[datetime, dict[str, Sequence[Sequence[float]]]] = {}
    for start, whole in cells.windows().items():
        found[start] = {EVERYTHING: arriving.kept(whole.made) or []}
    for (start, segment), one in cells.tallies.items():
        if segment:
            found[start][segment_key(segment)] = arriving.kept(one.made) or []
    return found
