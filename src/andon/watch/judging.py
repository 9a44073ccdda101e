"""What windows mean: whether something has changed, since when, whether it is over. Pure: figures in, verdict out.

A watch first learns what is normal from its reference, then tests every window against that (`andon.detect`). Once it
has alarmed it tests for the way back, with the same promise: that the measure is no longer beyond the middle between
what was normal and what was seen since the onset. Then it watches again, from nothing.

What it remembers between two runs is a small JSON object: `phase`, `baseline`, `evidence`, `statistic`, and of an alarm
what the way back is tested against; of a metric with a week also `week`, what is normal for each of its hours or days,
and `last`, the window before. It is written with the cursor of the windows it has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from andon.detect import sequential
from andon.detect.season import NoSeason, Season
from andon.detect.sequential import Baseline, Evidence, Plan
from andon.practice.words import Direction, Measure
from andon.watch import arriving, comparing, estimating, wayback, weekly
from andon.watch.questions import Onset, Phase, Question, Raised, Verdict, Window

if TYPE_CHECKING:
    from andon.detect import onset as onsets

REFERENCE_WINDOWS: Final = 28
"""Windows with rows from which is learnt what is normal, where no period is named."""

__all__ = [
    "Onset", "Phase", "Question", "Raised", "Verdict", "Window", "figures", "judge", "learning", "normal_of", "onset",
    "plan", "scaled", "unscaled", "usual", "week_of",
]  # fmt: skip


@dataclass(slots=True)
class _Tally:
    n: float = 0
    total: float = 0.0
    windows: int = 0
    points: list[list[float]] = field(default_factory=list)
    labels: list[list[float]] | None = None
    ages: list[list[float]] | None = None
    ready: bool = field(default=False)


def judge(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Verdict:
    """Judge windows, oldest first, up to the first alarm or recovery.

    Call again with the rest and the detector that came back until `seen` is all of them.
    """
    phase = Phase(detector.get("phase", Phase.LEARNING))
    if not windows:
        return Verdict(detector, 0)
    windows = arriving.counted(question, detector, windows)
    if not question.adds_up:
        return comparing.judge(question, detector, windows)
    match phase:
        case Phase.LEARNING:
            return _learn(question, detector, windows)
        case Phase.REFUSED:
            return Verdict(detector, len(windows), says=detector["refused"])
        case _:
            return _test(question, detector, windows)


def _test(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Verdict:
    """For a change, or for the way back; an estimate up to where labels contradict its scores, and no further."""
    step = _watch if detector["phase"] == Phase.WATCHING else _recover
    if not question.estimates:
        return step(question, detector, windows)
    passed, why = estimating.contradicted(detector, windows)
    if not passed:
        refused = {"phase": Phase.REFUSED.value, "refused": why, "refused_at": windows[0].start.isoformat()}
        return Verdict(detector | refused, 0, says=why)
    found = step(question, detector, windows[:passed])
    late = detector.get("late")
    for window in windows[: found.seen]:
        late = estimating.add(late, window)
    return replace(found, detector=found.detector | {"labels": detector["labels"], "late": late})


def plan(question: Question, detector: dict[str, Any]) -> Plan | None:
    """What is tested now, None while it learns."""
    known = detector.get("baseline")
    if known is None:
        return None
    tolerance = scaled(question, question.tolerance, width=True)
    if (week := week_of(detector)) is not None:
        return weekly.plan(week, question.budget, sequential.Direction(question.direction), tolerance)
    return Plan(
        measure=sequential.Measure(question.measure),
        baseline=Baseline(known["mean"], known["n"]),
        budget=question.budget,
        direction=sequential.Direction(question.direction),
        tolerance=tolerance,
    )


def _learn(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Verdict:
    """Take in the reference until it is whole; then the baseline stands for good."""
    if question.baseline is not None:
        return _told(question, question.baseline, detector, windows)
    learnt = _Tally(**{key: detector.get(key, 0) for key in ("n", "total", "windows")})
    learnt.points = [*detector.get("points", [])]
    learnt.labels, learnt.ages = detector.get("labels"), detector.get("ages")
    seen = 0
    for window in windows:
        if _reference_over(question, learnt, window):
            learnt.ready = True
            break
        seen += 1
        if _in_reference(question, window):
            n, total, _ = _figures(question, window)
            learnt.n, learnt.total, learnt.windows = learnt.n + n, learnt.total + total, learnt.windows + (n > 0)
            learnt.labels = estimating.add(learnt.labels, window) if question.estimates else None
            learnt.ages = arriving.learn(learnt.ages, window) if question.by_arrival else None
            if question.slots:
                learnt.points += [[at, value] for at, value in _points(question, [window]) if value is not None]
    kept = {"phase": Phase.LEARNING.value, "n": learnt.n, "total": learnt.total, "windows": learnt.windows}
    kept |= {"points": learnt.points} if question.slots else {}
    kept |= {"labels": learnt.labels} if question.estimates else {}
    kept |= {"ages": learnt.ages} if question.by_arrival else {}
    if not learnt.ready:
        return Verdict(kept, seen, says=_still_learning(question, learnt))
    if why := _unfounded(question, learnt):
        return Verdict(kept, len(windows), says=why)
    baseline: dict[str, Any] = {"mean": learnt.total / learnt.n, "n": learnt.n}
    baseline |= {"ages": learnt.ages} if question.by_arrival else {}
    scores = {"labels": learnt.labels} if question.estimates else {}
    if not question.slots:
        return Verdict(_afresh(baseline, windows[seen]) | scores, seen)
    week = weekly.learn(learnt.points, question.slots)
    if isinstance(week, NoSeason):
        return Verdict(kept, len(windows), says=week.why)
    return Verdict(_afresh(baseline, windows[seen], week.to_dict()) | scores, seen)


def _told(question: Question, normal: float, detector: dict[str, Any], windows: Sequence[Window]) -> Verdict:
    """Begin with what somebody said is normal."""
    baseline = {"mean": scaled(question, normal), "n": None}
    if why := _untestable(question, baseline):
        return Verdict(detector, len(windows), says=why)
    return Verdict(_afresh(baseline, windows[0]), 0)


def _unfounded(question: Question, learnt: _Tally) -> str:
    """Why a reference says nothing of what is normal; empty if it does."""
    if learnt.n < (1 if question.measure is Measure.COUNT else question.minimum):
        return _too_little(question, learnt)
    if why := _untestable(question, {"mean": learnt.total / learnt.n, "n": learnt.n}):
        return why
    if not question.estimates:
        return ""
    return estimating.lacks(learnt.labels) or estimating.uncalibrated(learnt.labels or [])


def _untestable(question: Question, baseline: dict[str, Any]) -> str:
    """Why no change could be found from such a baseline, as a share of 1 that is to rise; empty if one could."""
    try:
        plan(question, {"baseline": baseline})
    except ValueError:
        normal = unscaled(question, float(baseline["mean"]))
        return (
            f"No verdict: normal is {normal:g}, and no change {_WAYS[question.direction]} lies beyond that. Test the "
            "other direction, count the opposite, or give another reference or a smaller tolerance."
        )
    return ""


_WAYS: Final = {Direction.UP: "up", Direction.DOWN: "down", Direction.BOTH: "up or down"}


def _afresh(baseline: dict[str, Any], window: Window, week: dict[str, Any] | None = None) -> dict[str, Any]:
    """A detector that knows what is normal and has seen nothing of what it tests; the first it sees is `window`."""
    known = {"phase": Phase.WATCHING.value, "baseline": baseline, "since": window.start.isoformat()}
    return known if week is None else known | {"week": week}


def week_of(detector: dict[str, Any]) -> Season | None:
    """The week that a detector has learnt; None where its metric has none, or while it learns."""
    kept = detector.get("week")
    return None if kept is None else Season.from_dict(kept)


def _points(question: Question, windows: Sequence[Window]) -> list[weekly.Point]:
    figures = [_figures(question, window) for window in windows]
    return [
        (weekly.number(window.start, question.length), total / n if n else None)
        for window, (n, total, _) in zip(windows, figures, strict=True)
    ]


def _watch(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Verdict:
    now = plan(question, detector)
    if now is None:
        raise ValueError("A detector that watches has a baseline.")
    found = _advance(question, now, detector, windows)
    kept, told = _kept(question, detector, found, windows), [float(one) for one in found.statistics]
    if found.alarm_at is None:
        return Verdict(kept, len(windows), statistics=told)
    at = windows[found.alarm_at]
    way = Direction(str(found.direction))
    normal = float(detector["baseline"]["mean"])
    raised = Raised(at.start, way, float(found.statistics[-1]), found.threshold, normal)
    kept |= {"phase": Phase.ALARMED.value, "direction": way.value, "evidence": None}
    return Verdict(kept, found.alarm_at + 1, raised=raised, statistics=told)


def _recover(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Verdict:
    """The way back: evidence that the measure is nearer to what was normal than to what was seen."""
    now = plan(question, detector)
    level = detector.get("level")
    if now is None or level is None:
        return Verdict(detector, len(windows), says="It is not known yet what it came to since the onset.")
    levelled = figures(question, windows, detector)
    windows = wayback.piece(detector, windows, levelled)
    found = _advance(question, _way_back(question, now, detector, level), detector, windows)
    kept, told = _kept(question, detector, found, windows), [float(one) for one in found.statistics]
    if found.alarm_at is None:
        return wayback.take(Verdict(kept, len(windows), statistics=told), levelled, usual(detector).mean)
    at = windows[found.alarm_at]
    again = _afresh(detector["baseline"], at, detector.get("week")) | arriving.over(question, at)
    return Verdict(again, found.alarm_at + 1, recovered=at.start, statistics=told)


def _way_back(question: Question, now: Plan, detector: dict[str, Any], level: float) -> Plan:
    normal = float(detector["baseline"]["mean"])
    if (week := week_of(detector)) is not None:
        return weekly.way_back(week, level - normal, wayback.budget(question))
    way = sequential.Direction.DOWN if detector["direction"] == Direction.UP else sequential.Direction.UP
    middle = Baseline((normal + level) / 2)
    return replace(now, baseline=middle, budget=wayback.budget(question), direction=way, tolerance=0.0)


def onset(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Onset:
    """When a change began that an alarm was raised for, by the windows since the detector began, that one included.

    The most likely step: the start of the windows whose mean is the surest to differ from the baseline.
    """
    import numpy as np

    levelled = np.array(figures(question, windows, detector), dtype=float)
    n, total = np.cumsum(levelled[::-1, 0])[::-1], np.cumsum(levelled[::-1, 1])[::-1]
    away = (total - n * usual(detector).mean) / np.sqrt(np.maximum(n, 1))
    sign = 1 if detector["direction"] == Direction.UP else -1
    at = int(np.argmax(sign * away))
    return Onset(windows[at].start, float(total[at] / max(n[at], 1)), float(n[at]))


def interval(
    question: Question, detector: dict[str, Any], windows: Sequence[Window], alarm: datetime
) -> onsets.Onset | onsets.Unknown:
    """The onset of an alarm that was raised on a window (`alarm`), with its interval: indexes of these windows."""
    from andon.detect import onset as onsets

    at_alarm = [number for number, window in enumerate(windows) if window.start <= alarm]
    told = figures(question, windows, detector)
    return onsets.estimate(
        [n for n, _, _ in told],
        [total for _, total, _ in told],
        usual(detector),
        measure=sequential.Measure(question.measure.value) if question.adds_up else sequential.Measure.RATE,
        direction=sequential.Direction(detector["direction"]),
        alarm=at_alarm[-1] if at_alarm else None,
    )


def made(
    question: Question, detector: dict[str, Any], windows: Sequence[Window], recovered: datetime | None
) -> list[Window]:
    """By when decisions were made, the rows of windows by the arrival of labels that an onset is looked for in.

    What is normal at an age of labels is taken off where the measure adds up; a gap is one beside others of that age.
    """
    first = arriving.begins(question, datetime.fromisoformat(detector["since"]), recovered)
    seen = [window for window in windows if window.start >= first]
    ages = detector["baseline"].get("ages") if question.adds_up else None
    return [_possible(question, one) for one in arriving.decided(question, arriving.beside(question, seen, ages))]


def _possible(question: Question, window: Window) -> Window:
    """A window with no more events than rows."""
    if question.measure is not Measure.RATE:
        return window
    return replace(window, n=max(window.n, window.total))


def learning(detector: dict[str, Any]) -> bool:
    """Whether it still learns what is normal."""
    return bool(detector.get("phase", Phase.LEARNING) == Phase.LEARNING)


def usual(detector: dict[str, Any]) -> Baseline:
    """What was normal of what an alarm is about."""
    known = detector.get("usual") or detector["baseline"]
    return Baseline(known["mean"], known["n"])


def normal_of(question: Question, detector: dict[str, Any]) -> float:
    """What was normal, in the unit of the measure: no distance at all, the gap that is accepted, else the mean."""
    if not question.adds_up:
        return comparing.normal(question, detector)
    return unscaled(question, float(detector["baseline"]["mean"]))


def _advance(question: Question, now: Plan, detector: dict[str, Any], windows: Sequence[Window]) -> sequential.Progress:
    import numpy as np

    before = detector.get("evidence")
    evidence = sequential.start(now) if before is None else Evidence.from_list(before)
    if (week := week_of(detector)) is not None:
        return sequential.advance(now, evidence, *weekly.scored(week, detector.get("last"), _points(question, windows)))
    figures = np.array([_figures(question, window) for window in windows], dtype=float).T
    squares = figures[2] if question.measure is Measure.MEAN else None
    return sequential.advance(now, evidence, figures[0], figures[1], squares)


def _kept(
    question: Question, detector: dict[str, Any], found: sequential.Progress, windows: Sequence[Window]
) -> dict[str, Any]:
    if (week := week_of(detector)) is not None:
        read = _points(question, windows[: len(found.statistics)])
        detector = detector | {"last": weekly.last(week, read) or detector.get("last")}
    statistic = float(found.statistics[-1]) if len(found.statistics) else detector.get("statistic", 0.0)
    return detector | {
        "evidence": found.evidence.to_list(),
        "statistic": statistic,
        "threshold": found.threshold,
    }


def figures(
    question: Question, windows: Sequence[Window], detector: dict[str, Any] | None = None
) -> list[tuple[float, float, float]]:
    """Windows as the detector takes them: how many, their sum, and the sum of their squares.

    With the detector of a metric that has a week, sums are without it: what is normal for an hour or day counts as the
    mean of all.
    """
    if not question.adds_up:
        return comparing.series(question, detector or {}, windows)
    found = [_figures(question, window) for window in windows]
    week = None if detector is None else week_of(detector)
    if week is None or detector is None:
        return found
    normal = float(detector["baseline"]["mean"])
    apart = [weekly.beside(week, normal, one) for one in _points(question, windows)]
    return [(n, max(0.0, total - n * one), squares) for (n, total, squares), one in zip(found, apart, strict=True)]


def _figures(question: Question, window: Window) -> tuple[float, float, float]:
    """A window as the detector takes it: a count is events in one unit of time, a mean lies between 0 and 1."""
    if question.measure is Measure.COUNT:
        return 1, window.total, 0.0
    if question.measure is not Measure.MEAN:
        return window.n, window.total, window.squares
    low, width = _bounds(question)
    n, total = window.n, (window.total - window.n * low) / width
    return n, total, (window.squares - 2 * low * window.total + n * low * low) / (width * width)


def _bounds(question: Question) -> tuple[float, float]:
    if question.low is None or question.high is None:
        raise ValueError("A mean is tested between bounds.")
    return question.low, question.high - question.low


def scaled(question: Question, value: float, *, width: bool = False) -> float:
    """A figure in the unit that the detector works in; with `width` a difference."""
    if question.measure is not Measure.MEAN:
        return value
    low, span = _bounds(question)
    return value / span if width else (value - low) / span


def unscaled(question: Question, value: float) -> float:
    """A figure of the detector in the unit of what is measured."""
    if question.measure is not Measure.MEAN:
        return value
    low, span = _bounds(question)
    return low + value * span


def _in_reference(question: Question, window: Window) -> bool:
    return question.reference is None or question.reference[0] <= window.start < question.reference[1]


def _reference_over(question: Question, learnt: _Tally, window: Window) -> bool:
    if question.reference is not None:
        return window.start >= question.reference[1]
    least = weekly.least(question.slots) if question.slots else REFERENCE_WINDOWS
    if question.estimates and estimating.lacks(learnt.labels):
        return False
    return learnt.windows >= least and (learnt.n >= question.minimum or question.measure is Measure.COUNT)


def _still_learning(question: Question, learnt: _Tally) -> str:
    if question.reference is not None:
        return f"It learns what is normal until {question.reference[1]:%Y-%m-%d %H:%M}."
    least = weekly.least(question.slots) if question.slots else REFERENCE_WINDOWS
    if question.estimates and learnt.windows >= least and (why := estimating.lacks(learnt.labels)):
        return why
    return f"It learns what is normal: {learnt.windows} of {least} windows, {learnt.n:,} rows so far."


def _too_little(question: Question, learnt: _Tally) -> str:
    return (
        f"Not enough evidence yet: the reference has {learnt.n:,} of at least {question.minimum:,} rows. "
        "Choose another reference period, or give a baseline."
    )
