"""Windows by the arrival of labels, and the same rows by when their decisions were made. Pure.

What needs labels is tested by when these come: a window is over when it is over, nothing is waited for, and a label
that comes late or out of order is evidence in the window of its arrival. A change of the system shows there bit by
bit, as labels of newer decisions come in. So its onset is looked for among the same rows by when decisions were made,
as far as their labels have come. Each window keeps both: its rows, and by how many windows before them the decisions
were made. All of it adds up.

Where one outcome is known sooner than the other, the labels that have come of new decisions are no fair sample of them.
So the reference also says what is normal at each age, and onsets are looked for beside that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from andon.detect.fairness import BINS
from andon.practice.words import Measure
from andon.watch.questions import Question, Window

Made = list[list[float]]
"""By age in windows: that age, how many rows, their sum, the sum of squares, and of what was expected."""


def kept(made: dict[int, list[float]] | None) -> Made | None:
    """What a tally says of when decisions were made, as a row keeps it."""
    return None if made is None else [[age, *figures] for age, figures in sorted(made.items())]


def learn(ages: Made | None, window: Window) -> Made:
    """What is normal at each age, by windows of the reference: that age, how many rows, their sum."""
    known = {row[0]: row[1:] for row in ages or ()}
    for age, n, total, *_ in window.made.get("", ()):
        before = known.get(age, [0.0, 0.0])
        known[age] = [before[0] + n, before[1] + total]
    return [[age, *figures] for age, figures in sorted(known.items())]


def over(question: Question, at: Window) -> dict[str, Any]:
    """What a detector keeps of an alarm that was over with a window: labels of older decisions are still to come."""
    return {"over": at.start.isoformat()} if question.by_arrival else {}


def counted(question: Question, detector: Mapping[str, Any], windows: Sequence[Window]) -> Sequence[Window]:
    """Windows as a test takes them: one that begins once an alarm is over leaves older decisions alone."""
    if "over" not in detector:
        return windows
    return renewed(question, windows, detector["baseline"].get("ages"), datetime.fromisoformat(detector["over"]))


def renewed(question: Question, windows: Sequence[Window], ages: Made | None, over: datetime) -> list[Window]:
    """Windows of the test that begins once an alarm is over, without the labels of decisions made before that.

    Labels of the bad time go on coming for weeks: in the renewed test they would be a second alarm about the first
    change. What is left are at first the labels that come soonest, which may be mostly of one outcome. So until most
    labels of older decisions have had their time, rows are added, all of an event or all of none, so many that what is
    normal at the ages that are left is, with them, what is normal of all. The promise stands: what a bet is expected to
    win on a row is a line over its mean, at most 1 where that is normal, and the logarithm of a line is concave.

    Groups are compared with each other, all their labels being as soon: of a gap, nothing is added. Where what is
    normal at an age is not known (a baseline that was given), or not in the strata that are compared (calibration),
    nothing counts until most labels of older decisions have come, and then everything.
    """
    return [_renewed(question, one, ages, over) for one in windows]


def _renewed(question: Question, window: Window, ages: Made | None, over: datetime) -> Window:
    if not window.made or window.start < over:
        return window
    soon = window.start < over + question.label_delay
    if question.calibrates or (question.adds_up and not ages):
        return replace(window, n=0, total=0.0, squares=0.0, segments={}) if soon else window
    newer = {key: _newer(question, window, key, over) for key in window.made}
    left = _window(question, window.start, newer)
    return _balanced(question, left, window.made[""], ages, over) if soon and question.adds_up and ages else left


def _balanced(question: Question, left: Window, made: Sequence[Sequence[float]], ages: Made, over: datetime) -> Window:
    """What is left of a window, with rows added whose mean and that of what is normal at their ages is that of all."""
    whole, events = (sum(row[at] for row in ages) for at in (1, 2))
    mean, lowest, highest = events / whole, 0.0, 1.0
    if question.measure is Measure.MEAN and question.low is not None and question.high is not None:
        lowest, highest = question.low, question.high
    beyond = _apart(ages, mean)
    apart = sum(n * beyond.get(age, 0.0) for age, n, *_ in made if left.start - int(age) * question.length >= over)
    at = lowest if apart > 0 else highest
    more = apart / (mean - at) if mean != at else 0.0
    return replace(
        left, n=left.n + more, total=left.total + more * at, squares=left.squares + more * at * at, made={"": made}
    )


def _newer(question: Question, window: Window, key: str, over: datetime) -> list[float]:
    """Rows of a window, or of a segment of it, whose decisions were made from then on, added up."""
    held = [figures for age, *figures in window.made.get(key, ()) if window.start - int(age) * question.length >= over]
    return [sum(row[at] for row in held) for at in range(4)]


def beside(question: Question, windows: Sequence[Window], ages: Made | None) -> list[Window]:
    """Windows as if rows of every age were alike: what is normal at an age, beside the mean of all, is taken off.

    Of a rate, rows count by how many events are normal at their age, for what grows mostly grows in proportion. Of a
    mean the difference is subtracted. Ages of which the reference holds little are taken for normal by so much less.
    """
    whole, total = (sum(row[at] for row in ages or ()) for at in (1, 2))
    if not ages or not total:
        return list(windows)
    mean = total / whole
    apart = _apart(ages, mean)
    rate = question.measure is Measure.RATE
    found = []
    for window in windows:
        rows = []
        for age, n, events, *rest in window.made.get("", ()):
            beyond = apart.get(age, 0.0)
            rows.append([age, n * (1 + beyond / mean), events, *rest] if rate else [age, n, events - n * beyond, *rest])
        found.append(replace(window, made={**window.made, "": rows}))
    return found


def _apart(ages: Sequence[Sequence[float]], mean: float) -> dict[float, float]:
    """By how much what is normal at an age differs from the mean of all."""
    return {age: (events - n * mean) / (n + _LITTLE) for age, n, events in ages}


_LITTLE: Final = 50.0
"""Rows of the reference at an age that count for half of what they say."""


def decided(question: Question, windows: Sequence[Window], since: datetime | None = None) -> list[Window]:
    """The rows of windows by when their decisions were made: a window each, from `since` up to the last one.

    Without `since` from the first one that was given; of older decisions only some labels lie in these windows.
    """
    if not windows:
        return []
    first, last = since or windows[0].start, windows[-1].start
    held: dict[datetime, dict[str, list[float]]] = defaultdict(dict)
    for window in windows:
        for key, rows in window.made.items():
            for age, *figures in rows:
                at = window.start - int(age) * question.length
                before = held[at].get(key, [0.0] * 4) if first <= at else None
                if before is not None:
                    held[at][key] = [a + b for a, b in zip(before, figures, strict=True)]
    found: list[Window] = []
    start = first
    while start <= last:
        found.append(_window(question, start, held.get(start, {})))
        start += question.length
    return found


def _window(question: Question, start: datetime, held: dict[str, list[float]]) -> Window:
    n, total, squares, _ = held.get("", [0.0] * 4)
    segments = {
        key: [_strata(question, figure) for figure in (one[0], one[1], one[3])] for key, one in held.items() if key
    }
    return Window(start, int(n) if float(n).is_integer() else n, total, squares, segments=segments)


def _strata(question: Question, figure: float) -> list[float]:
    """A figure of all strata as one of the first: what a group's share is made of is their sum."""
    return [figure, *([0.0] * (BINS - 1))] if question.calibrates else [figure]


def begins(question: Question, detector_since: datetime, recovered: datetime | None) -> datetime:
    """From which decisions on an onset is looked for: those whose labels were to come since the detector began.

    Not before the last alarm was over, if there was one: decisions of that time were otherwise than normal for another
    reason, and their labels are still coming in.
    """
    behind = -(-question.label_delay // question.length) * question.length if question.length else timedelta()
    first = detector_since - behind
    return first if recovered is None else min(detector_since, max(first, recovered))
