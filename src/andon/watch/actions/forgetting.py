"""Windows that nobody looks at any more are forgotten, so that what a watch keeps does not grow for ever.

Kept are the newest windows, as many as pages and trials go through, and those of the reference that notes compare
with. What a detector has learnt and gathered is its own and needs none of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from andon.watch.actions.writing import noted_reference
from andon.watch.models import Watch, WindowState

KEPT: Final = 20_000
"""Windows of a watch, the newest that were judged: two years of hours."""


def forget(limit: int) -> int:
    """Forget old windows, at most so many lines; how many."""
    forgotten = 0
    for watch in Watch.objects.exclude(judged_until=None).exclude(began_at=None).iterator(chunk_size=500):
        cut = _older(watch)
        if cut is None:
            continue
        old = WindowState.objects.filter(watch=watch, window_start__gte=cut[0], window_start__lt=cut[1])
        lines = list(old.order_by("window_start").values_list("pk", flat=True)[: limit - forgotten])
        forgotten += WindowState.objects.filter(pk__in=lines).delete()[0] if lines else 0
        if forgotten >= limit:
            break
    return forgotten


def _older(watch: Watch) -> tuple[datetime, datetime] | None:
    """Between the reference and the newest windows of a watch; None where nothing lies there."""
    if watch.judged_until is None:
        return None
    begins, ends = noted_reference(watch, watch.judged_until)[1], watch.judged_until - KEPT * watch.length
    return (begins, ends) if begins < ends else None
