"""Gaps between groups: learnt from the reference, tested by paired bets, of every column and of all together. Pure.

The groups of each column are compared with all others together (`andon.detect.paired`), and so are those of all columns
at once. The tests share one budget: with k of them each has k times as many windows to itself, so that their false
alarms add up to what was asked for.

What is normal is the widest gap that the reference leaves open, or the tolerance if one is given: everyday gaps that
were always there, and that somebody decided to live with, do not alarm again and again.

Counts of a group are three rows by stratum: how many decisions count, how many of them have the event, how many were
expected to. A share expects nothing and has one stratum. Calibration has a stratum for each bin of scores and expects
their sum, so that events less what was expected, by decision, is the mean of label less score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from andon.detect import fairness, paired
from andon.detect.sequential import DOUBT
from andon.watch.methods import Step, group_names
from andon.watch.questions import Question, Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_GROUPS: Final = 60
"""Groups that one test compares; the largest."""
ALL: Final = "all columns"
MOST_KEPT: Final = 5_000
"""Combinations of groups that are kept while a watch learns; a column with more of them holds no groups of people."""
NAMED: Final = 5
"""Groups that are named where they are too small; the largest."""


class Gaps:
    """A test for each column, and one for all columns together."""

    def take(self, question: Question, learnt: dict[str, Any], window: Window) -> None:
        """Add up every segment, as long as they are groups and not rows: a watch's memory has a bound."""
        import numpy as np

        if "too_many" in learnt:
            return
        cells = dict(learnt.get("cells", {}))
        for key, counts in window.segments.items():
            before = cells.get(key) or np.zeros((3, strata(question)))
            cells[key] = (np.asarray(before) + np.asarray(counts)).tolist()
        if len(cells) > MOST_KEPT:
            learnt["too_many"], cells = len(cells), {}
        learnt["cells"] = cells

    def settle(self, question: Question, learnt: dict[str, Any]) -> dict[str, Any] | str:
        """Which groups are compared, and which gap between them is normal."""
        if "too_many" in learnt:
            return (
                f"{' and '.join(question.columns)} had {learnt['too_many']:,} different values in part of the "
                f"reference: more than the {MOST_KEPT:,} that can be groups. Choose columns with fewer values."
            )
        tests: list[dict[str, Any]] = []
        small = ""
        for name in _tests(question):
            tallies = _grouped(question, name, learnt.get("cells", {}))
            known = sorted(
                (group for group, counts in tallies.items() if counts[0].sum() >= question.minimum),
                key=lambda group: -tallies[group][0].sum(),
            )[:MOST_GROUPS]
            if len(known) < 2:  # noqa: PLR2004  a gap has two sides
                small = small or _too_few(name, tallies, question.minimum)
                continue
            kept = {group: tallies[group] for group in known}
            tests.append(
                {
                    "name": name,
                    "groups": sorted(known),
                    "tallies": [kept[group].tolist() for group in sorted(known)],
                    "tolerance": question.tolerance or _widest(question, kept),
                }
            )
        return {"mean": max(float(test["tolerance"]) for test in tests), "n": None, "tests": tests} if tests else small

    def advance(self, question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Step:
        """Bet within every test; the first alarm is the watch's."""
        import numpy as np

        tests = detector["baseline"]["tests"]
        before = detector.get("evidence") or [None] * len(tests)
        plans = [_plan(question, test, len(tests)) for test in tests]
        told = [counted(question, test, windows) for test in tests]
        found = [_played(plan, kept, counts) for plan, kept, counts in zip(plans, before, told, strict=True)]
        alarms = [one.alarm_at for one in found if one.alarm_at is not None]
        first = min(alarms, default=None)
        if first is not None and first + 1 < len(windows):
            found = [
                _played(plan, kept, counts[: first + 1]) for plan, kept, counts in zip(plans, before, told, strict=True)
            ]
        seen = len(windows) if first is None else first + 1
        statistics = [max(_at(one, at) / len(tests) for one in found) for at in range(seen)]
        evidence = [one.evidence.to_list() for one in found]
        if first is None:
            return Step(evidence, statistics, float(question.budget))
        which = next(n for n, one in enumerate(found) if one.alarm_at == first)
        group, way = found[which].group or "", found[which].direction or "up"
        test = tests[which]
        held = np.array(test["tallies"], dtype=float)
        own = held[test["groups"].index(group)]
        rest = held.sum(axis=0) - own
        usual = {"mean": _as_share(question, share(own)), "n": int(own[0].sum())}
        about = {"test": test["name"], "group": group, "tolerance": test["tolerance"], "rest": share(rest)}
        return Step(evidence, statistics, float(question.budget), first, way, about, {"usual": usual})

    def series(
        self, question: Question, detector: dict[str, Any], windows: Sequence[Window]
    ) -> list[tuple[float, float, float]]:
        """The group that alarmed, by window: how many count, and how many with the event if the rest were as before.

        What all others gained or lost is taken off, so that a season that all share is no onset; where they are few, it
        brings their scatter with it. The mean of label less score, from -1 to 1, is told as a share from 0 to 1.
        """
        about = detector["about"]
        found = []
        for own, rest in _beside(question, detector, windows):
            n = float(own[0].sum())
            moved = share(rest) - about["rest"] if rest[0].sum() else 0.0
            level = _as_share(question, share(own) - moved) if n else 0.0
            total = n * min(1.0, max(0.0, level))
            found.append((n, total, total))
        return found


def observed(question: Question, detector: Mapping[str, Any], windows: Sequence[Window]) -> float | None:
    """The gap of the group that alarmed over windows, whichever side moved; None where a side has no decisions.

    Not from its `series`: a share that is moved by what all others lost or gained is cut off at 0 and 1.
    """
    if not windows:
        return None
    own, rest = (sum(one) for one in zip(*_beside(question, detector, windows), strict=True))
    return abs(share(own) - share(rest)) if own[0].sum() and rest[0].sum() else None


def test_of(detector: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A test by its name: which groups it compares, and what they held in the reference."""
    found: dict[str, Any] = next(test for test in detector["baseline"]["tests"] if test["name"] == name)
    return found


def _beside(question: Question, detector: Mapping[str, Any], windows: Sequence[Window]) -> list[tuple[Floats, Floats]]:
    """By window the counts of the group that alarmed, and of all others that the reference knows."""
    test = test_of(detector, detector["about"]["test"])
    at = test["groups"].index(detector["about"]["group"])
    return [(one[at], one.sum(axis=0) - one[at]) for one in counted(question, test, windows)]


def strata(question: Question) -> int:
    """How many there are: bins of scores for calibration."""
    return fairness.BINS if question.calibrates else 1


def share(counts: Floats) -> float:
    """Of the decisions of a group, those with the event less those that were expected to have it, by decision."""
    return float((counts[1] - counts[2]).sum() / counts[0].sum())


def _as_share(question: Question, level: float) -> float:
    """A mean of label less score as a share, so that it has an onset and a way back like any rate."""
    return (1 + level) / 2 if question.calibrates else level


def _tests(question: Question) -> list[str]:
    return [*question.columns, ALL] if len(question.columns) > 1 else list(question.columns)


def _grouped(question: Question, test: str, cells: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Floats]:
    """The counts of a test's groups: segments added up over the columns that it leaves out."""
    import numpy as np

    found: dict[str, Floats] = {}
    for key, counts in cells.items():
        group = group_of(question, test, key)
        found[group] = found.get(group, np.zeros((3, strata(question)))) + np.asarray(counts, dtype=float)
    return found


def group_of(question: Question, test: str, key: str) -> str:
    """The group of a test that a segment belongs to."""
    names = group_names(question.columns, key)
    return ", ".join(names) if test == ALL else names[question.columns.index(test)]


def _too_few(test: str, tallies: Mapping[str, Floats], minimum: int) -> str:
    largest = sorted(tallies.items(), key=lambda one: (-one[1][0].sum(), one[0]))
    known = ", ".join(f"{group} ({counts[0].sum():,.0f})" for group, counts in largest[:NAMED])
    if len(largest) > NAMED:
        known += f" and {len(largest) - NAMED:,} smaller ones"
    return (
        f"Not enough evidence yet to compare groups by {test}: two of them need at least {minimum:,} decisions that "
        f"count in the reference, and it has {known or 'no group at all'}."
    )


def _widest(question: Question, tallies: Mapping[str, Floats]) -> float:
    """The widest gap between a group and the rest that the reference leaves open."""
    import numpy as np

    own = np.array(list(tallies.values()))
    level = 1 - DOUBT / len(tallies)
    (low, high), (rest_low, rest_high) = (limits(question, one, level=level) for one in (own, own.sum(axis=0) - own))
    return float(min(np.max([high - rest_low, rest_high - low]), 0.99))


def limits(question: Question, counts: Floats, *, level: float) -> tuple[Floats, Floats]:
    """Between what the shares of groups lie, at every look; the last two axes of the counts are rows and strata."""
    from andon.detect import confidence

    n, events, expected = (counts[..., row, :] for row in range(3))
    if not question.calibrates:
        return confidence.proportion(n.sum(axis=-1), events.sum(axis=-1), level=level)
    total, squares = (events - expected).sum(axis=-1), fairness.most_squares(n, events).sum(axis=-1)
    return confidence.mean(n.sum(axis=-1), total, squares, level=level, span=(-1.0, 1.0))


def _plan(question: Question, test: Mapping[str, Any], tests: int) -> paired.GapPlan:
    return paired.GapPlan(
        tuple(test["groups"]),
        tolerance=test["tolerance"],
        budget=float(question.budget * tests),
        strata=strata(question),
    )


def counted(question: Question, test: Mapping[str, Any], windows: Sequence[Window]) -> Floats:
    """Counts of a test by (window, group, 3, stratum). Groups that were not in the reference are in no test."""
    import numpy as np

    nothing = np.zeros((3, strata(question)))
    rows = [_grouped(question, test["name"], window.segments) for window in windows]
    return np.array([[row.get(group, nothing) for group in test["groups"]] for row in rows])


def _played(plan: paired.GapPlan, kept: Sequence[float | None] | None, counts: Floats) -> paired.GapProgress:
    evidence = paired.start(plan) if kept is None else paired.GapEvidence.from_list(plan, kept)
    trials, events, expected = (counts[:, :, row] for row in range(3))
    return paired.advance(plan, evidence, trials, events, expected if plan.strata > 1 else None)


def _at(found: paired.GapProgress, window: int) -> float:
    return float(found.statistics[window]) if window < len(found.statistics) else 0.0
