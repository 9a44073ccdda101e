"""Rows that come after their window was judged: for how long they are looked for, and how many did come.

A window is judged once, when it is over and its labels have had their time. What comes later changes no verdict; it
puts right the figures that pictures, onsets and counts of affected decisions are made of. So the last windows are read
again with each new one, and every few windows all those of a longer while. Later still nothing is looked for: whoever
reads a watch is told that bound, and how many rows came late within it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from andon.watch.models import EVERYTHING, MONDAY, Watch, WindowState
from andon.watch.oddities import Late

LAST: Final = 3
"""Windows that are read again with each new one."""
STEP: Final = 7
"""Windows from one long look back to the next, at least; where labels are waited for, a third of that time."""
LONGEST: Final = 120
"""The same, at most: what bounds a reading."""
LOOKS: Final = 4
"""How many steps a long look goes back. What comes within one fewer is certainly found."""


def again(watch: Watch, begins: datetime, until: datetime) -> int:
    """How many windows before `begins` are read again by a reading from there to `until`."""
    first, last = ((at - MONDAY) // watch.length // _step(watch) for at in (begins, until))
    return LAST if first == last else LOOKS * _step(watch)


def looked_for(watch: Watch) -> timedelta:
    """For how long after its window was judged a row is certainly found; zero where numbers are pushed: always."""
    return timedelta() if watch.log_id is None else (LOOKS - 1) * _step(watch) * watch.length


def _step(watch: Watch) -> int:
    waited = (
        timedelta() if watch.by_arrival else watch.label_delay
    )  # by arrival, a label is in its window when it comes
    return min(LONGEST, max(STEP, -(-waited // ((LOOKS - 1) * watch.length))))


def came_late(watch: Watch) -> Late | None:
    """How many rows of the windows that are looked back at came late; None before anything was judged."""
    if watch.judged_until is None:
        return None
    since = watch.judged_until - LOOKS * _step(watch) * watch.length
    states = WindowState.objects.filter(
        watch=watch, segment=EVERYTHING, window_start__gte=since, window_start__lt=watch.judged_until
    ).order_by("window_start")
    held = list(states.values_list("window_start", "n", "was"))
    if not held:
        return None
    late = sum(max(0, n - was[0]["n"]) for _, n, was in held if was)
    return Late(late, sum(n for _, n, _ in held), held[0][0])
