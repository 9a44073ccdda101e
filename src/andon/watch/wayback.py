"""What the way back of an alarm is tested against: a level that is known ever better while the alarm goes on. Pure.

An alarm comes when a measure stands out most, so what it came to until then is mostly more than what it stays at. Were
that kept, the middle between it and what was normal could lie beyond a change that lasts, which would then be said to
be over. So the level is estimated again each time as many rows have come as it was last estimated from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from andon.watch.questions import Onset, Question, Verdict, Window

LEAST, MOST, SPAN = 100, 1_000, timedelta(days=60)
"""How seldom it is said that something is over which is not: once in this time, as windows between these two counts.

More would hold up what is plain.
"""
_NEAREST: Final = 0.5
"""A level is taken to be at least so far from what was normal, in parts of the first: else a false alarm had no end."""


def budget(question: Question) -> int:
    """In windows, how seldom it is said on average that something is over which is not."""
    return min(MOST, max(LEAST, SPAN // question.length))


def begin(onset: Onset, normal: float) -> dict[str, Any]:
    """What a detector keeps of an alarm, beside what was normal."""
    nearest = normal + (onset.level - normal) * _NEAREST
    return {"level": onset.level, "since_onset": [onset.n, onset.n * onset.level, 2 * onset.n, nearest]}


def piece(detector: dict[str, Any], windows: Sequence[Window], figures: Sequence[Sequence[float]]) -> Sequence[Window]:
    """The windows up to the one with which the level is estimated again; an alarm of before that was done has all."""
    if "since_onset" not in detector:
        return windows
    rows, _, due, _ = detector["since_onset"]
    for seen, (n, *_) in enumerate(figures, start=1):
        rows += n
        if rows >= due:
            return windows[:seen]
    return windows


def take(verdict: Verdict, figures: Sequence[Sequence[float]], normal: float) -> Verdict:
    """The verdict on a piece that was judged, with the level by all rows since the onset where that is due."""
    kept = verdict.detector
    if verdict.recovered is not None or "since_onset" not in kept:
        return verdict
    rows, total, due, nearest = kept["since_onset"]
    rows += sum(n for n, *_ in figures[: verdict.seen])
    total += sum(one for _, one, *_ in figures[: verdict.seen])
    if not rows or rows < due:
        return replace(verdict, detector=kept | {"since_onset": [rows, total, due, nearest]})
    level = max(total / rows, nearest) if nearest > normal else min(total / rows, nearest)
    return replace(verdict, detector=kept | {"level": level, "since_onset": [rows, total, 2 * rows, nearest]})
