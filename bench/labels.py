"""Labels tested as they come, beside waiting for them: false alarms, delay, and whether the interval holds the onset.

Decisions of which 5% are wrong, 200 a day; a label takes a week on average and has come after 21 days in 95 of 100
cases. A watch of accuracy goes by days, with a budget of days between false alarms; a change begins on a day, by when
decisions are made. `known sooner` has wrong decisions found out in 3 days and right ones in 10, on average. Gaps are
of two groups, the smaller one a fifth. Everything is judged by what a watch runs on (`andon.watch.judging`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from andon.detect.onset import Onset
from andon.practice.words import Direction, Measure
from andon.watch import arriving, judging, wayback
from andon.watch.questions import Question, Window
from bench.measuring import table

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
AGES = 60
A_DAY = 200
WAIT = 21
LEARNS = 28
BEFORE = 60
"""Days of watching before a change."""


@dataclass(frozen=True)
class Case:
    """What happens: wrong decisions go from p0 to p1 within `ramp` days."""

    name: str
    p0: float = 0.05
    p1: float = 0.10
    ramp: int = 0
    right_after: float = 7.0
    wrong_after: float = 7.0
    small: float = 0.0
    """The share of the group that alone gets worse; 0 = no groups."""
    wait: int = WAIT
    audited: bool = False
    """Whether half of what is wrong is found out only by an audit, 40 to 44 days later."""


CASES = [
    Case("jump 5->10%"),
    Case("jump 5->20%", p1=0.20),
    Case("ramp 5->10% over 30 days", ramp=30),
    Case("jump 5->10%, wrong known sooner", wrong_after=3.0, right_after=10.0),
    Case("gap: 5->20% of a fifth", p1=0.20, small=0.2),
]


def ages(mean: float) -> Any:
    """With which chance a label comes after so many days; the last stands for never."""
    chances = np.diff(1 - np.exp(-np.arange(AGES + 1) / mean))
    return np.append(chances, 1 - chances.sum())


def audited(mean: float) -> Any:
    """The same where half of the labels come 40 to 44 days later."""
    late = np.where(np.isin(np.arange(AGES + 1), range(40, 45)), 1 / 5, 0.0)
    return (ages(mean) + late) / 2


def drawn(
    case: Case, rng: np.random.Generator, days: int, change: int | None, bad: Sequence[tuple[int, int]] = ()
) -> dict[str, Any]:
    """By group, by day of the decision and age of its label: how many, and how many of them wrong.

    They change for good on a day, or for as long as each of the bad times lasts.
    """
    at = np.arange(days)
    moved = 0.0 if change is None else np.clip((at - change + 1) / max(case.ramp, 1), 0, 1)
    for first, last in bad:
        moved = np.where((at >= first) & (at < last), 1.0, moved)
    worse = case.p0 + (case.p1 - case.p0) * np.broadcast_to(moved, days)
    groups = {"": (A_DAY, worse)}
    if case.small:
        own = round(A_DAY * case.small)
        groups = {'["a"]': (own, worse), '["b"]': (A_DAY - own, np.full(days, case.p0))}
    found = {}
    for key, (n, rate) in groups.items():
        wrong = rng.binomial(n, rate)
        late = rng.multinomial(wrong, audited(case.wrong_after) if case.audited else ages(case.wrong_after))
        found[key] = (late + rng.multinomial(n - wrong, ages(case.right_after)))[:, :AGES], late[:, :AGES]
    return found


def as_they_came(story: dict[str, Any], days: int, wait: int = WAIT) -> list[Window]:
    """Windows by the arrival of labels, from the day on which those of the first decisions have had their time."""
    windows = []
    for day in range(wait, days):
        old = np.arange(min(day + 1, AGES))
        made, held = {}, {}
        for key, (n, wrong) in story.items():
            counts, events = n[day - old, old], wrong[day - old, old]
            made[key] = [
                [int(a), float(c), float(e), float(e), 0.0] for a, c, e in zip(old, counts, events, strict=True) if c
            ]
            held[key] = (int(counts.sum()), float(events.sum()))
        windows.append(_window(day, held, made))
    return windows


def after_a_wait(story: dict[str, Any], days: int) -> list[Window]:
    """Windows by when decisions were made, each with the labels that came within the wait."""
    return [
        _window(
            day,
            {key: (int(n[day, :WAIT].sum()), float(wrong[day, :WAIT].sum())) for key, (n, wrong) in story.items()},
            {},
        )
        for day in range(days - WAIT)
    ]


def _window(day: int, held: dict[str, tuple[int, float]], made: dict[str, Any]) -> Window:
    n, total = (sum(one[at] for one in held.values()) for at in (0, 1))
    segments = {key: [[one[0]], [one[1]], [0.0]] for key, one in held.items() if key}
    if made and segments:
        made = made | {"": [[*one] for key in segments for one in made[key]]}
    return Window(MONDAY + day * DAY, n, total, total, segments=segments, made=made)


def question_of(case: Case, budget: int, *, by_arrival: bool) -> Question:
    """What a watch of this asks."""
    return Question(
        measure=Measure.GAP if case.small else Measure.RATE, direction=Direction.UP, budget=budget, tolerance=0.0,
        minimum=100, length=DAY, columns=("group",) if case.small else (), by_arrival=by_arrival,
        label_delay=case.wait * DAY,
    )  # fmt: skip


def first_alarm(question: Question, windows: list[Window]) -> tuple[dict[str, Any], Window | None, int]:
    """The detector at its first alarm, the window that raised it, and how many were tested until then."""
    detector: dict[str, Any] = {}
    seen = learnt = 0
    while seen < len(windows):
        learning = judging.learning(detector)
        verdict = judging.judge(question, detector, windows[seen:])
        detector, seen = verdict.detector, seen + verdict.seen
        learnt = seen if learning else learnt
        if verdict.raised is not None:
            return detector, windows[seen - 1], seen - learnt
        if not verdict.seen and learning == judging.learning(detector):
            break
    return detector, None, seen - learnt


def onset_of(question: Question, detector: dict[str, Any], windows: list[Window], alarm: Window, later: int) -> Any:
    """The onset as it is told so many days after the alarm."""
    until = alarm.start + later * DAY
    told = judging.made(question, detector, [one for one in windows if one.start <= until], None)
    found = judging.interval(question, detector, told, alarm.start)
    if not isinstance(found, Onset):
        return None
    return [(told[at].start - MONDAY) // DAY for at in (found.low, found.at, found.high)]


def changes(case: Case, budget: int, runs: int) -> list[Any]:
    """Delays by both ways, and coverage by decision time, at the alarm and later."""
    change = WAIT + LEARNS + BEFORE
    days = change + 150
    rng = np.random.default_rng(7)
    delays: dict[bool, list[int]] = {True: [], False: []}
    inside: dict[int, list[bool]] = {0: [], 14: [], 28: []}
    widths, errors = [], []
    for _ in range(runs):
        story = drawn(case, rng, days, change)
        for by_arrival, windows in ((True, as_they_came(story, days)), (False, after_a_wait(story, days))):
            question = question_of(case, budget, by_arrival=by_arrival)
            detector, alarm, _ = first_alarm(question, windows)
            heard = (0 if by_arrival else WAIT) + 1
            known = days if alarm is None else (alarm.start - MONDAY) // DAY + heard
            if known <= change:
                continue  # a false alarm has no onset
            delays[by_arrival].append(known - change)
            for later, held in inside.items() if by_arrival and alarm is not None else ():
                found = onset_of(question, detector, windows, alarm, later)
                held.append(found is not None and found[0] <= change <= found[2])
                if later == 14 and found is not None:  # noqa: PLR2004  two weeks
                    widths.append(found[2] - found[0])
                    errors.append(abs(found[1] - change))
    return [
        case.name, *(f"{np.median(delays[way]):.0f}" for way in (True, False)),
        *(f"{np.mean(held):.2f}" for held in inside.values()), f"{np.median(errors):.0f}", f"{np.median(widths):.0f}",
    ]  # fmt: skip


def false_alarms(case: Case, budget: int, runs: int) -> list[Any]:
    """Days until a false alarm by budget: total time at risk by alarms."""
    rng = np.random.default_rng(11)
    days = WAIT + LEARNS + 6 * budget
    told = []
    for by_arrival in (True, False):
        tested = alarms = 0
        for _ in range(runs):
            story = drawn(case, rng, days, None)
            windows = as_they_came(story, days) if by_arrival else after_a_wait(story, days)
            _, alarm, seen = first_alarm(question_of(case, budget, by_arrival=by_arrival), windows)
            tested, alarms = tested + seen, alarms + (alarm is not None)
        told.append(f"{tested / alarms / budget:.1f}" if alarms else f"> {tested / budget:.0f}")
    return [case.name.split(" ")[0] + (", wrong known sooner" if case.wrong_after != case.right_after else ""), *told]


ENDED = [
    Case("5->10%"),
    Case("5->20%", p1=0.20),
    Case("5->20%, wrong known sooner", p1=0.20, wrong_after=3.0, right_after=10.0),
    Case("5->40%, wrong known later", p1=0.40, wrong_after=10.0, right_after=3.0),
    Case("5->20%, half of it by an audit", p1=0.20, wrong_after=3.0, right_after=3.0, wait=45, audited=True),
    Case("gap: 5->20% of a fifth", p1=0.20, small=0.2),
    Case(
        "the same, half of it by an audit", p1=0.20, wrong_after=3.0, right_after=3.0, small=0.2, wait=45, audited=True
    ),
]
LASTS, AGAIN, LOOKED = 20, 60, 60
"""Days of a bad time, from its end to the next, and after a recovery in which a second alarm is looked for."""


def all_alarms(question: Question, windows: list[Window], *, older: bool) -> list[tuple[int, int | None]]:
    """Days of every alarm and of when it was over. With `older` labels of decisions before that stay evidence."""
    detector: dict[str, Any] = {}
    seen, found = 0, []
    while seen < len(windows):
        if older:
            detector.pop("over", None)
        learning = judging.learning(detector)
        verdict = judging.judge(question, detector, windows[seen:])
        detector, seen = verdict.detector, seen + verdict.seen
        if verdict.raised is not None:
            since = datetime.fromisoformat(detector["since"])
            tested = [one for one in windows[:seen] if one.start >= since]
            onset = judging.onset(question, detector, arriving.counted(question, detector, tested))
            detector |= wayback.begin(onset, judging.usual(detector).mean)
            found.append(((verdict.raised.window - MONDAY) // DAY, None))
        if verdict.recovered is not None:
            found[-1] = found[-1][0], (verdict.recovered - MONDAY) // DAY
        if not verdict.seen and learning == judging.learning(detector):
            break
    return found


def after_an_end(case: Case, budget: int, runs: int) -> list[Any]:
    """How often a second alarm comes once a bad time is over and nothing else happens; how soon another is found."""
    change = case.wait + LEARNS + BEFORE
    end = change + LASTS
    rng = np.random.default_rng(13)
    question = question_of(case, budget, by_arrival=True)
    days = end + 120
    again: dict[bool, list[bool]] = {True: [], False: []}
    delays: dict[bool, list[int]] = {True: [], False: []}
    still = []
    for _ in range(runs):
        once, twice, never = (
            as_they_came(drawn(case, rng, days, None, bad), days, case.wait)
            for bad in ([(change, end)], [(change, end), (end + AGAIN, days)], [])
        )
        for older in (True, False):
            first, *more = [one for one in all_alarms(question, once, older=older) if one[0] >= change] or [(0, None)]
            if first[1] is not None and first[1] >= end:
                again[older].append(any(at <= first[1] + LOOKED for at, _ in more))
            found = all_alarms(question, twice, older=older)
            new = [at for at, _ in found if at >= end + AGAIN]
            open_still = [at for at, over in found if at < end + AGAIN and (over is None or over >= end + AGAIN)]
            if new and not open_still:
                delays[older].append(new[0] - end - AGAIN + 1)
        quiet = [at for at, _ in all_alarms(question, never, older=False)]
        still.append(any(end + 20 <= at <= end + 20 + LOOKED for at in quiet))
    return [
        case.name, *(f"{np.mean(again[older]):.3f}" for older in (True, False)), f"{np.mean(still):.3f}",
        *(f"{np.median(delays[older]):.0f}" for older in (True, False)), len(again[False]),
    ]  # fmt: skip


def after_recovery(case: Case, budget: int, runs: int) -> list[Any]:
    """Days until a false alarm by budget once a bad time was over: total time at risk by alarms."""
    rng = np.random.default_rng(17)
    change = case.wait + LEARNS + 10
    end = change + LASTS
    days = end + 6 * budget
    question = question_of(case, budget, by_arrival=True)
    tested = alarms = 0
    for _ in range(runs):
        windows = as_they_came(drawn(case, rng, days, None, [(change, end)]), days, case.wait)
        first, *more = [one for one in all_alarms(question, windows, older=False) if one[0] >= change] or [(0, None)]
        if first[1] is not None and first[1] >= end:
            tested += (more[0][0] if more else days) - first[1]
            alarms += bool(more)
    return [case.name, f"{tested / alarms / budget:.1f}" if alarms else f"> {tested / budget:.0f}"]


def main() -> int:
    """Simulate and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=200)
    asked.add_argument("--budget", type=int, default=1000, help="days between false alarms")
    asked.add_argument("--risk", type=int, default=60, help="runs without a change")
    asked.add_argument("--only", choices=["ends"], help="bad times that end")
    given = asked.parse_args()
    if given.only != "ends":
        settled(given)
    return ended(given)


def ended(given: argparse.Namespace) -> int:
    """Of bad times that end."""
    print(
        f"\nA bad time of {LASTS} days that ends: how often a second alarm comes within {LOOKED} days of recovery, if"
    )
    print(f"labels of older decisions count, and as it is; days until a second one, {AGAIN} days later, is found\n")
    head = ["bad time", "second, older count", "second", "no bad time", "again, older count", "again", "runs"]
    print(table([dict(zip(head, after_an_end(case, given.budget, given.runs), strict=True)) for case in ENDED]))
    print("\nDays from such a recovery to a false alarm, in budgets of 100 days (1 or more is kept)\n")
    head = ["bad time", "as they come"]
    print(table([dict(zip(head, after_recovery(case, 100, given.risk), strict=True)) for case in ENDED]))
    return 0


def settled(given: argparse.Namespace) -> None:
    """Of changes that stay."""
    print(
        f"Days from the change to the alarm (median), and how often the interval holds the onset; {given.runs} runs\n"
    )
    head = ["change", "as they come", "after a wait", "at the alarm", "14 days on", "28 days on", "error", "width"]
    print(table([dict(zip(head, changes(case, given.budget, given.runs), strict=True)) for case in CASES]))
    print("\nDays before a false alarm, in budgets of 100 days (1 or more is kept)\n")
    still = [CASES[0], CASES[3], CASES[4]]
    head = ["no change", "as they come", "after a wait"]
    print(table([dict(zip(head, false_alarms(case, 100, given.risk), strict=True)) for case in still]))


if __name__ == "__main__":
    sys.exit(main())
