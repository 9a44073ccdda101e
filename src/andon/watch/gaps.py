"""Gaps between groups: learnt from the reference, tested by paired bets, of every column and of all together. Pure.

The groups of each column are compared with all others together (`andon.detect.paired`), and so are those of all columns
at once. The tests share one budget: with k of them each has k times as many windows to itself, so that their false
alarms add up to what was asked for.

What is normal is the widest gap that the reference leaves open, or the tolerance if one is given: everyday gaps that
were always there, and that somebody decided to live with, do not alarm again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from andon.detect import paired
from andon.detect.sequential import DOUBT
from andon.watch.methods import Step, group_names
from andon.watch.questions import Question, Window

MOST_GROUPS: Final = 60
"""Groups that one test compares; the largest."""
ALL: Final = "all columns"
Tally = tuple[float, float]


class Gaps:
    """A test for each column, and one for all columns together."""

    def take(self, _question: Question, learnt: dict[str, Any], window: Window) -> None:
        """Add up every segment."""
        cells = dict(learnt.get("cells", {}))
        for key, (n, total) in window.segments.items():
            before = cells.get(key, [0.0, 0.0])
            cells[key] = [before[0] + n, before[1] + total]
        learnt["cells"] = cells

    def settle(self, question: Question, learnt: dict[str, Any]) -> dict[str, Any] | str:
        """Which groups are compared, and which gap between them is normal."""
        tests: list[dict[str, Any]] = []
        small = ""
        for name in _tests(question):
            tallies = _grouped(question, name, learnt.get("cells", {}))
            known = sorted(
                (group for group, (n, _) in tallies.items() if n >= question.minimum), key=lambda g: -tallies[g][0]
            )[:MOST_GROUPS]
            if len(known) < 2:  # noqa: PLR2004  a gap has two sides
                small = small or _too_few(name, tallies, question.minimum)
                continue
            kept = {group: tallies[group] for group in known}
            tests.append(
                {
                    "name": name,
                    "groups": sorted(known),
                    "tallies": [list(kept[group]) for group in sorted(known)],
                    "tolerance": question.tolerance or _widest(kept),
                }
            )
        return {"mean": max(float(test["tolerance"]) for test in tests), "n": None, "tests": tests} if tests else small

    def advance(self, question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Step:
        """Bet within every test; the first alarm is the watch's."""
        tests = detector["baseline"]["tests"]
        before = detector.get("evidence") or [None] * len(tests)
        plans = [_plan(question, test, len(tests)) for test in tests]
        told = [counted(question, test, windows) for test in tests]
        found = [_played(plan, kept, *counts) for plan, kept, counts in zip(plans, before, told, strict=True)]
        alarms = [one.alarm_at for one in found if one.alarm_at is not None]
        first = min(alarms, default=None)
        if first is not None and first + 1 < len(windows):
            found = [
                _played(plan, kept, trials[: first + 1], events[: first + 1])
                for plan, kept, (trials, events) in zip(plans, before, told, strict=True)
            ]
        seen = len(windows) if first is None else first + 1
        statistics = [max(_at(one, at) / len(tests) for one in found) for at in range(seen)]
        evidence = [one.evidence.to_list() for one in found]
        if first is None:
            return Step(evidence, statistics, float(question.budget))
        which = next(n for n, one in enumerate(found) if one.alarm_at == first)
        group, way = found[which].group or "", found[which].direction or "up"
        test = tests[which]
        (n, total), (n_rest, total_rest) = _sides(dict(zip(test["groups"], test["tallies"], strict=True)), group)
        usual = {"mean": total / n, "n": int(n)}
        about = {"test": test["name"], "group": group, "tolerance": test["tolerance"], "rest": total_rest / n_rest}
        return Step(evidence, statistics, float(question.budget), first, way, about, {"usual": usual})

    def series(
        self, question: Question, detector: dict[str, Any], windows: Sequence[Window]
    ) -> list[tuple[float, float, float]]:
        """The group that alarmed, by window: how many count, and how many with the event if the rest were as before.

        What all others gained or lost is taken off, so that a season that all share is no onset; where they are few, it
        brings their scatter with it.
        """
        about = detector["about"]
        found = []
        for window in windows:
            (n, total), (n_rest, total_rest) = _sides(
                _grouped(question, about["test"], window.segments), about["group"]
            )
            moved = total_rest / n_rest - about["rest"] if n_rest else 0.0
            adjusted = min(n, max(0.0, total - n * moved)) if n_rest else total
            found.append((n, adjusted, adjusted))
        return found


def _tests(question: Question) -> list[str]:
    return [*question.columns, ALL] if len(question.columns) > 1 else list(question.columns)


def _grouped(question: Question, test: str, cells: Mapping[str, Sequence[float]]) -> dict[str, Tally]:
    """The tallies of a test's groups: segments added up over the columns that it leaves out."""
    found: dict[str, Tally] = {}
    for key, (n, total) in cells.items():
        names = group_names(question.columns, key)
        group = ", ".join(names) if test == ALL else names[question.columns.index(test)]
        before = found.get(group, (0.0, 0.0))
        found[group] = (before[0] + n, before[1] + total)
    return found


def _too_few(test: str, tallies: Mapping[str, Tally], minimum: int) -> str:
    known = ", ".join(f"{group} ({n:,.0f})" for group, (n, _) in sorted(tallies.items())) or "no group at all"
    return (
        f"Not enough evidence yet to compare groups by {test}: two of them need at least {minimum:,} decisions that "
        f"count in the reference, and it has {known}."
    )


def _widest(tallies: Mapping[str, Tally]) -> float:
    """The widest gap between a group and the rest that the reference leaves open."""
    n_all, total_all = (sum(tally[side] for tally in tallies.values()) for side in (0, 1))
    doubt, widest = DOUBT / len(tallies), 0.0
    for n, total in tallies.values():
        own = _limits(n, total, doubt)
        rest = _limits(n_all - n, total_all - total, doubt)
        widest = max(widest, own[1] - rest[0], rest[1] - own[0])
    return min(widest, 0.99)


def _limits(n: float, total: float, doubt: float) -> tuple[float, float]:
    from andon.detect import confidence

    if n < 1:
        return 0.0, 1.0
    low, high = confidence.proportion(n, total, level=1 - doubt)
    return float(low), float(high)


def _plan(question: Question, test: Mapping[str, Any], tests: int) -> paired.GapPlan:
    return paired.GapPlan(tuple(test["groups"]), tolerance=test["tolerance"], budget=float(question.budget * tests))


def counted(
    question: Question, test: Mapping[str, Any], windows: Sequence[Window]
) -> tuple[list[list[float]], list[list[float]]]:
    """Trials and events by (window, group) of a test. Groups that were not in the reference are in no test."""
    rows = [_grouped(question, test["name"], window.segments) for window in windows]
    told = [[row.get(group, (0.0, 0.0)) for group in test["groups"]] for row in rows]
    return [[n for n, _ in row] for row in told], [[total for _, total in row] for row in told]


def _played(
    plan: paired.GapPlan, kept: Sequence[float | None] | None, trials: list[list[float]], events: list[list[float]]
) -> paired.GapProgress:
    evidence = paired.start(plan) if kept is None else paired.GapEvidence.from_list(plan, kept)
    return paired.advance(plan, evidence, trials, events)


def _at(found: paired.GapProgress, window: int) -> float:
    return float(found.statistics[window]) if window < len(found.statistics) else 0.0


def _sides(tallies: Mapping[str, Sequence[float]], group: str) -> tuple[Tally, Tally]:
    """The tally of a group, and that of all others together."""
    n, total = tallies.get(group, (0.0, 0.0))
    n_all, total_all = (sum(tally[side] for tally in tallies.values()) for side in (0, 1))
    return (n, total), (n_all - n, total_all - total)
