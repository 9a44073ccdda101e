"""Which side of a gap moved: how often the group that an alarm names is the one that did.

Two or three groups decide alike for 58 days; then the share of one of them changes, or those of both. A watch of the
gap goes by days, with a budget of 1,000 days. Beside it the group whose bet led, which is all that the alarm itself
knows. `by labels` is a gap of decisions whose labels take a week on average, tested as they come. Everything is judged
by what a watch runs on (`andon.watch.judging`, `andon.watch.sides`).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from andon.detect.onset import Onset
from andon.practice.words import Direction, Measure
from andon.watch import judging, sides
from andon.watch.questions import Question, Window
from bench import labels
from bench.measuring import table

LEARNS, BEFORE, AFTER = 28, 30, 150
LATER = (0, 7, 14)
"""Days after the alarm on which it is looked at."""


@dataclass(frozen=True)
class Case:
    """Groups by their decisions a day, and to what share each goes from the common one."""

    name: str
    sizes: dict[str, int]
    to: dict[str, float]
    share: float = 0.3
    moved: str = ""
    question: dict[str, Any] = field(default_factory=dict)


HALVES = {"a": 200, "b": 200}
CASES = [
    Case("two of a size, the first moves", HALVES, {"a": 0.4}, moved="a"),
    Case("two of a size, the second moves", HALVES, {"b": 0.4}, moved="b"),
    Case("two, a tenth moves", {"a": 40, "b": 360}, {"a": 0.45}, moved="a"),
    Case("two, nine tenths move", {"a": 40, "b": 360}, {"b": 0.45}, moved="b"),
    Case("two, 5% to 10% in a fifth", {"a": 100, "b": 400}, {"a": 0.1}, share=0.05, moved="a"),
    Case("three, a fifth moves", {"a": 240, "b": 80, "c": 80}, {"b": 0.45}, moved="b"),
    Case("three, the largest moves", {"a": 240, "b": 80, "c": 80}, {"a": 0.4}, moved="a"),
    Case("two of a size, both move apart", HALVES, {"a": 0.35, "b": 0.25}),
    Case("two, by labels: 5% to 20% of a fifth", {}, {}, moved="a"),
]


def windows_of(case: Case, rng: np.random.Generator) -> tuple[Question, list[Window], int]:
    """What is asked, the windows, and the first one of which something is otherwise."""
    if not case.sizes:
        change = labels.WAIT + LEARNS + BEFORE
        late = labels.Case(case.name, p1=0.20, small=0.2)
        windows = labels.as_they_came(labels.drawn(late, rng, change + AFTER, change), change + AFTER)
        return labels.question_of(late, 1000, by_arrival=True), windows, change - labels.WAIT
    change = LEARNS + BEFORE
    asked = Question(
        measure=Measure.GAP, direction=Direction.BOTH, budget=1000, tolerance=0.0, minimum=100, length=labels.DAY,
        columns=("group",),
    )  # fmt: skip
    windows = []
    for day in range(change + AFTER):
        now = {name: case.to.get(name, case.share) if day >= change else case.share for name in case.sizes}
        held = {json.dumps([name]): [[float(n)], [float(rng.binomial(n, now[name]))], [0.0]]
                for name, n in case.sizes.items()}  # fmt: skip
        n, total = (sum(int(one[at][0]) for one in held.values()) for at in (0, 1))
        windows.append(Window(labels.MONDAY + day * labels.DAY, n, total, total, segments=held))
    return asked, windows, change


def named(question: Question, windows: list[Window], change: int) -> tuple[str, list[str]] | None:
    """The group that led, and the one that is named on each of the days; empty where none is. None without an alarm."""
    detector, alarm, _ = labels.first_alarm(question, windows)
    if alarm is None or alarm.start < windows[change].start:
        return None
    since = datetime.fromisoformat(detector["since"])
    found = []
    for later in LATER:
        seen = [one for one in windows if one.start <= alarm.start + later * labels.DAY]
        came = judging.made(question, detector, seen, None) if question.by_arrival else seen
        tested = came if question.by_arrival else [one for one in seen if one.start >= since]
        onset = judging.interval(question, detector, tested, alarm.start)
        if not isinstance(onset, Onset):
            return None
        both = sides.told(question, detector, [one for one in seen if one.start >= tested[onset.at].start])
        found.append(next((one.group for one in both if one.moved), ""))
    return detector["about"]["group"], found


def measured(case: Case, runs: int) -> list[Any]:
    """How often the group that led, and the one that is named, is the one that moved."""
    rng = np.random.default_rng(5)
    told = [one for _ in range(runs) if (one := named(*windows_of(case, rng))) is not None]
    right = f"group = {case.moved}"
    cells = [f"{np.mean([led == right for led, _ in told]):.2f}" if case.moved else "-"]
    for at in range(len(LATER)):
        by = [one[at] for _, one in told]
        wrong = np.mean([name not in {right, ""} for name in by])
        cells.append(
            f"{np.mean([name == right for name in by]):.2f} / {wrong:.2f}" if case.moved else f"- / {wrong:.2f}"
        )
    return [case.name, len(told), *cells]


def main() -> int:
    """Simulate and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=100)
    given = asked.parse_args()
    print("How often the right group is named / a wrong one; else both are told with their figures\n")
    head = [
        "what moves",
        "alarms",
        "the bet that led is right",
        "at the alarm",
        *(f"{day} days on" for day in LATER[1:]),
    ]
    print(table([dict(zip(head, measured(case, given.runs), strict=True)) for case in CASES]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
