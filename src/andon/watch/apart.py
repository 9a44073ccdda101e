"""What the picture of a watch shows of gaps and of distances, whose windows do not add up to one mean.

Of gaps: the gap of one group to all others together, of each stretch and of all that was tested since a moment, the
latter as a confidence sequence (`andon.detect.confidence`), so that it may be looked at as often as anybody likes. It
begins anew where an alarm is raised and where it is over: both are moments that do not know what comes after them. The
error is shared over all groups of all tests, since the one that is shown is chosen after looking.

Of distances: the distance of each stretch from the reference, beside what chance alone gives to as many rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import cache
from typing import TYPE_CHECKING, Final

from andon.kit import clock, spans
from andon.kit.charts.given import Level, Line, Small
from andon.kit.charts.scales import Unit, figure
from andon.practice.words import Measure
from andon.watch import arriving, gaps
from andon.watch.models import Alarm
from andon.watch.questions import Question, Window
from andon.watch.replaying import Replay

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from andon.detect.fairness import Counts

    Floats = NDArray[np.float64]

LEVEL: Final = 0.95
"""Probability with which the intervals of all groups hold."""


@dataclass(frozen=True, slots=True)
class _Beside:
    """A group beside all others of its test: their counts by window (see `gaps`), and what the reference held."""

    test: str
    group: str
    tolerance: float
    usual: float
    own: Floats
    rest: Floats


def lines(
    question: Question,
    replay: Replay,
    windows: Sequence[Window],
    groups: Sequence[range],
    alarms: Sequence[Alarm],
) -> list[Line]:
    """What is measured, with how sure it is; empty where the reference is not known yet.

    `groups` says which of the windows, by their places, are put together in each point that is drawn.
    """
    if not replay.detector.get("baseline"):
        return []
    if question.measure is Measure.DISTANCE:
        return [_distance_line(question, replay, [[windows[at] for at in group] for group in groups])]
    found = _all(question, replay, arriving.counted(question, replay.detector, windows))
    one, begins = _chosen(found, alarms), _begins(replay, windows, alarms)
    whole = _gap_lines(question, one, len(found), groups, begins)
    if not question.by_arrival:
        return whole
    decided = not question.calibrates  # calibration's intervals need its strata, kept as they came
    made = _all(question, replay, arriving.decided(question, windows) if decided else windows)
    (drawn,) = (other for other in made if (other.test, other.group) == (one.test, one.group))
    (first, *_) = _gap_lines(question, drawn, len(found), groups, ())
    by = ", by when decisions were made" if decided else ""
    return [replace(first, name=f"{first.name}{by}"), *whole[1:]]


def stand(
    question: Question, replay: Replay, windows: Sequence[Window], alarms: Sequence[Alarm], zone: tzinfo
) -> tuple[float | None, str]:
    """The newest figure, and in words how sure it is; None and why where there is not enough evidence yet."""
    if question.adds_up or not windows or not replay.detector.get("baseline"):
        return None, ""
    if question.measure is Measure.DISTANCE:
        return _distance_words(replay, windows)
    found = _all(question, replay, arriving.counted(question, replay.detector, windows))
    begins = _begins(replay, windows, alarms)
    if not begins:
        return None, "Not enough evidence yet: it has learnt what is normal, and tested no window since."
    return _gap_words(question, _chosen(found, alarms), len(found), windows, begins[-1], zone)


def smalls(
    question: Question, replay: Replay, windows: Sequence[Window], groups: Sequence[range], alarm: Alarm | None
) -> list[Small]:
    """Each group's own share with that of the reference: the one that moved, those of single columns, the others."""
    leads = _named(alarm)
    moved = any(one["moved"] for one in alarm.figures.get("sides", ())) if alarm is not None else False
    found = _all(question, replay, windows) if replay.detector.get("baseline") else []
    return [
        Small(
            name=one.group,
            values=[_share(one.own[group.start : group.stop].sum(axis=0)) for group in groups],
            expected=one.usual,
            note=f"n = {one.own[groups[0].start :, 0].sum():,.0f}",
            driver=moved and (one.test, one.group) == leads,
        )
        for one in sorted(found, key=lambda one: ((one.test, one.group) != leads, one.test == gaps.ALL))
    ]


# --- Gaps -----------------------------------------------------------------------------------------------------------


def _all(question: Question, replay: Replay, windows: Sequence[Window]) -> list[_Beside]:
    """Every group of every test, beside all others."""
    import numpy as np

    found = []
    for test in replay.detector["baseline"].get("tests", ()):
        told = gaps.counted(question, test, windows)
        whole = told.sum(axis=1)
        for at, (group, counts) in enumerate(zip(test["groups"], test["tallies"], strict=True)):
            own, usual = told[:, at], gaps.share(np.array(counts))
            found.append(_Beside(test["name"], group, float(test["tolerance"]), usual, own, whole - own))
    return found


def _chosen(found: Sequence[_Beside], alarms: Sequence[Alarm]) -> _Beside:
    """The group that the newest alarm is about, or the one that differs most surely."""
    for alarm in alarms[:1]:
        for one in found:
            if (one.test, one.group) == _named(alarm):
                return one
    return max(found, key=lambda one: _surely(one.own.sum(axis=0), one.rest.sum(axis=0)))


def _named(alarm: Alarm | None) -> tuple[str, str] | None:
    """The test that alarmed and the group that it names: the one that moved, or the one whose bet led."""
    about = alarm.plan.get("about") if alarm is not None else None
    if alarm is None or not about or "group" not in about:
        return None
    sides = alarm.figures.get("sides")
    return about["test"], sides[0]["group"] if sides else about["group"]


def _surely(own: Floats, rest: Floats) -> float:
    """By how many standard errors two shares differ."""
    first, second = _share(own), _share(rest)
    if first is None or second is None:
        return 0.0
    n, n_rest = float(own[0].sum()), float(rest[0].sum())
    events = float((own[1] + rest[1]).sum()) / (n + n_rest)
    error = math.sqrt(events * (1 - events) * (n + n_rest) / (n * n_rest))
    return abs(first - second) / error if error else 0.0


def _begins(replay: Replay, windows: Sequence[Window], alarms: Sequence[Alarm]) -> list[int]:
    """The places of windows from which on counts are taken together, ascending."""
    turns = [at for alarm in alarms for at in (alarm.window_end, alarm.recovered_at) if at is not None]
    places = {sum(window.start < at for window in windows) for at in turns} | {replay.learnt}
    return sorted(at for at in places if replay.learnt <= at < len(windows))


def _gap_lines(
    question: Question, one: _Beside, groups_in_all: int, groups: Sequence[range], begins: Sequence[int]
) -> list[Line]:
    import numpy as np

    accepted = [Level(side * one.tolerance, "accepted") for side in (1, -1)]
    own, rest = (
        np.array([side[group.start : group.stop].sum(axis=0) for group in groups]) for side in (one.own, one.rest)
    )
    values, bounds = _intervals(question, own, rest, groups_in_all, least=1)
    found = [Line(f"Gap of {one.group} to all others", values, Unit.POINTS, bounds=bounds, levels=accepted)]
    ends = [(group.stop, max((at for at in begins if at < group.stop), default=None)) for group in groups]
    if any(since is not None for _, since in ends):
        own, rest = (
            np.array([side[stop if since is None else since : stop].sum(axis=0) for stop, since in ends])
            for side in (one.own, one.rest)
        )
        values, bounds = _intervals(question, own, rest, groups_in_all, least=question.minimum)
        name = "The same over all windows tested, with its confidence sequence"
        found.append(Line(name, values, Unit.POINTS, bounds=bounds, levels=accepted))
    return found


def _intervals(
    question: Question, own: Floats, rest: Floats, shared: int, *, least: int
) -> tuple[list[float | None], list[tuple[float, float] | None]]:
    """The gap of each point and its interval; None where either side has fewer rows than `least`."""
    level = 1 - (1 - LEVEL) / (2 * shared)
    (low, high), (rest_low, rest_high) = (gaps.limits(question, side, level=level) for side in (own, rest))
    values: list[float | None] = []
    bounds: list[tuple[float, float] | None] = []
    for at in range(len(own)):
        first, second = _share(own[at]), _share(rest[at])
        if first is None or second is None or min(own[at, 0].sum(), rest[at, 0].sum()) < least:
            values.append(None)
            bounds.append(None)
            continue
        values.append(first - second)
        bounds.append((float(low[at] - rest_high[at]), float(high[at] - rest_low[at])))
    return values, bounds


def _gap_words(
    question: Question, one: _Beside, shared: int, windows: Sequence[Window], since: int, zone: tzinfo
) -> tuple[float | None, str]:
    from andon.detect.fairness import Metric, Verdict, read

    own, rest = (_counts(question, side[since:].sum(axis=0)) for side in (one.own, one.rest))
    (gap,) = read(
        {one.group: own, "all others": rest},
        # Whatever is counted, a share of trials is read as a selection rate is.
        Metric.CALIBRATION if question.calibrates else Metric.SELECTION_RATE,
        reference="all others",
        tolerance=one.tolerance,
        level=LEVEL,
        least=question.minimum,
        shared=shared,
    ).gaps
    if gap.value is None or gap.low is None or gap.high is None:
        return None, gap.why
    when = spans.day(windows[since].start, zone, beside=clock.now())
    accepted = f"the {figure(one.tolerance, Unit.POINTS)} that are accepted"
    ends = {
        Verdict.BEYOND: f"beyond {accepted}",
        Verdict.WITHIN: f"within {accepted}",
    }.get(gap.verdict, f"not enough evidence yet that it is within {accepted} or beyond")
    low, high = (figure(end, Unit.POINTS) for end in (gap.low, gap.high))
    return gap.value, (
        f"Over all windows since {when} {one.group} differs from all others by {figure(gap.value, Unit.POINTS)} "
        f"(95%, at every look: {low} to {high}): {ends}."
    )


def _counts(question: Question, counts: Floats) -> Counts:
    """The counts of a group as `fairness.read` takes them."""
    from andon.detect.fairness import Counts, Scores

    if not question.calibrates:
        return Counts(round(float(counts[0].sum())), round(float(counts[1].sum())))
    n, positives, total = (tuple(row) for row in counts.tolist())
    return Counts(scores=Scores(n, total, positives))


def _share(counts: Floats) -> float | None:
    return gaps.share(counts) if counts[0].sum() else None


# --- Distances ------------------------------------------------------------------------------------------------------


def _distance_line(question: Question, replay: Replay, groups: Sequence[Sequence[Window]]) -> Line:
    reference = replay.detector["baseline"]["histogram"]
    values = [_distance(reference, group) for group in groups]
    chances = _chances(reference, [sum(sum(window.histogram or ()) for window in group) for group in groups])
    return Line(
        "Distance from the reference",
        values,
        Unit.NUMBER,
        expected=[None if one is None else one[0] for one in chances],
        usual=[None if one is None else (0.0, one[1]) for one in chances],
        levels=[Level(question.tolerance, "accepted")] if question.tolerance else [],
    )


def _distance(reference: Sequence[int], windows: Sequence[Window]) -> float | None:
    """The Jensen-Shannon distance of all rows of these windows together; None without rows."""
    from andon.detect.distance import Distance, distance

    held = [window.histogram for window in windows if window.histogram and sum(window.histogram)]
    if not held:
        return None
    return float(distance(reference, [sum(bins) for bins in zip(*held, strict=True)], Distance.JS))


def _chances(reference: Sequence[int], sizes: Sequence[int]) -> list[tuple[float, float] | None]:
    """What chance alone gives windows of such sizes: the middle distance, and the one passed once in a hundred.

    Simulated at powers of two, between which a distance by chance falls as a power of the size.
    """
    from andon.detect.distance import Distance, chance

    @cache
    def at(power: int) -> tuple[float, float]:
        found = chance(reference, 2**power, Distance.JS)
        return max(found.typical, _NOTHING), max(found.high, _NOTHING)

    found: list[tuple[float, float] | None] = []
    for size in sizes:
        if not size:
            found.append(None)
            continue
        power = int(math.log2(size))
        way = math.log2(size) - power
        (typical, high), (next_typical, next_high) = at(power), at(power + 1)
        found.append((typical ** (1 - way) * next_typical**way, high ** (1 - way) * next_high**way))
    return found


_NOTHING: Final = 1e-9


def _distance_words(replay: Replay, windows: Sequence[Window]) -> tuple[float | None, str]:
    reference = replay.detector["baseline"]["histogram"]
    newest = next((window for window in reversed(windows) if window.n and window.histogram), None)
    if newest is None:
        return None, ""
    value = _distance(reference, [newest])
    (by_chance,) = _chances(reference, [sum(newest.histogram or ())])
    if value is None or by_chance is None:
        return None, ""
    typical, high = (figure(one, Unit.NUMBER) for one in by_chance)
    return value, (
        f"The newest window lies {figure(value, Unit.NUMBER)} from the reference. Chance alone takes a window of "
        f"{newest.n:,} rows {typical} away, and farther than {high} once in a hundred."
    )
