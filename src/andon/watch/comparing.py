"""Judges what does not add up to one mean: how values are spread, and gaps between groups. Pure.

As `andon.watch.judging`, which calls this: learnt from the reference, tested window by window, then the way back. How
it is learnt and tested is in `methods` for spreads, in `gaps` for gaps. What alarmed, the bins or the group that led,
is a series of events among trials, which has an onset and a way back like any rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from andon.detect import sequential
from andon.detect.sequential import Baseline, Evidence, Plan
from andon.practice.words import Direction, Measure
from andon.watch import arriving, gaps, methods, wayback
from andon.watch.questions import Phase, Question, Raised, Verdict, Window


def judge(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Verdict:
    """As `judging.judge`, of windows as a test takes them."""
    match Phase(detector.get("phase", Phase.LEARNING)):
        case Phase.LEARNING:
            return _learn(question, detector, windows)
        case Phase.WATCHING:
            return _watch(question, detector, windows)
        case _:
            return _recover(question, detector, windows)


def _learn(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Verdict:
    """Take in the reference until it is whole; then the baseline stands for good."""
    method = methods.of(question)
    learnt = {key: value for key, value in detector.items() if key not in {"phase", "says"}}
    for seen, window in enumerate(windows):
        if _over(question, learnt, window):
            found = method.settle(question, learnt)
            if isinstance(found, dict):
                return Verdict(_afresh(found, window), seen)
            if question.reference is not None:
                return Verdict({"phase": Phase.LEARNING.value, **learnt}, len(windows), says=found)
        if question.reference is None or question.reference[0] <= window.start < question.reference[1]:
            learnt["n"] = learnt.get("n", 0) + window.n
            learnt["windows"] = learnt.get("windows", 0) + (window.n > 0)
            method.take(question, learnt, window)
    says = _still_learning(question, learnt)
    if _over(question, learnt, windows[-1]):
        found = method.settle(question, learnt)
        says = says if isinstance(found, dict) else found
    return Verdict({"phase": Phase.LEARNING.value, **learnt}, len(windows), says=says)


def _over(question: Question, learnt: dict[str, Any], window: Window) -> bool:
    """Whether the reference is whole before this window."""
    if question.reference is not None:
        return window.start >= question.reference[1]
    enough = learnt.get("n", 0) >= question.minimum
    return bool(enough and learnt.get("windows", 0) >= methods.REFERENCE_WINDOWS)


def _still_learning(question: Question, learnt: dict[str, Any]) -> str:
    if question.reference is not None:
        return f"It learns what is normal until {question.reference[1]:%Y-%m-%d %H:%M}."
    windows, n = learnt.get("windows", 0), learnt.get("n", 0)
    return f"It learns what is normal: {windows} of {methods.REFERENCE_WINDOWS} windows, {n:,} rows so far."


def _afresh(baseline: dict[str, Any], window: Window) -> dict[str, Any]:
    """A detector that knows what is normal and has seen nothing of what it tests; the first it sees is `window`."""
    return {"phase": Phase.WATCHING.value, "baseline": baseline, "since": window.start.isoformat()}


def _watch(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Verdict:
    step = methods.of(question).advance(question, detector, windows)
    kept = _kept(detector, step)
    if step.alarm_at is None:
        return Verdict(kept, len(windows), statistics=step.statistics)
    way = Direction(step.direction)
    raised = Raised(windows[step.alarm_at].start, way, step.statistics[-1], step.threshold, 0.0)
    kept |= {"phase": Phase.ALARMED.value, "direction": way.value, "about": step.about, "evidence": None}
    return Verdict(kept, step.alarm_at + 1, raised=raised, statistics=step.statistics)


def _kept(detector: dict[str, Any], step: methods.Step) -> dict[str, Any]:
    statistic = step.statistics[-1] if step.statistics else detector.get("statistic", 0.0)
    return detector | {"evidence": step.evidence, "statistic": statistic, "threshold": step.threshold} | step.more


def series(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> list[tuple[float, float, float]]:
    """What an alarm is about, by window: how many (trials, or units of exposure), their sum, the sum of squares."""
    return methods.of(question).series(question, detector, windows)


def normal(question: Question, detector: dict[str, Any]) -> float:
    """No distance at all, or the gap that is accepted."""
    about = detector.get("about") or {}
    return float(about.get("tolerance", detector["baseline"]["mean"])) if question.measure is Measure.GAP else 0.0


def observed(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> float | None:
    """What an alarm's measure came to over windows, in its unit; None where nothing counts."""
    if question.measure is Measure.GAP:
        return gaps.observed(question, detector, windows)
    return _distance(detector, windows) if sum(row[0] for row in series(question, detector, windows)) else None


def _distance(detector: dict[str, Any], windows: Sequence[Window]) -> float | None:
    """The Jensen-Shannon distance of all rows of these windows from the reference."""
    import numpy as np

    from andon.detect.distance import Distance, distance

    held = np.array([window.histogram for window in windows if window.histogram], dtype=float)
    reference = detector["baseline"]["histogram"]
    return float(distance(reference, held.sum(axis=0), Distance.JS)) if held.sum() else None


def _recover(question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Verdict:
    """The way back: evidence that the measure is nearer to what was normal than to what was seen."""
    import numpy as np

    level = detector.get("level")
    if level is None:
        return Verdict(detector, len(windows), says="It is not known yet what it came to since the onset.")
    up = detector["direction"] == Direction.UP
    normal = float(detector["usual"]["mean"])
    figures = series(question, detector, windows)
    windows = wayback.piece(detector, windows, figures)
    middle = (normal + level) / 2
    way = sequential.Direction.DOWN if up else sequential.Direction.UP
    back = Plan(sequential.Measure.RATE, Baseline(middle), wayback.budget(question), way)
    before = detector.get("evidence")
    told = np.array(figures[: len(windows)], dtype=float).T
    found = sequential.advance(
        back,
        sequential.start(back) if before is None else Evidence.from_list(before),
        told[0],
        told[1],
    )
    step = methods.Step.of(found)
    if step.alarm_at is None:
        still = Verdict(_kept(detector, step), len(windows), statistics=step.statistics)
        return wayback.take(still, figures, normal)
    at = windows[step.alarm_at]
    fresh = _afresh(detector["baseline"], at) | arriving.over(question, at)
    return Verdict(fresh, step.alarm_at + 1, recovered=at.start, statistics=step.statistics)
