"""The simulation in the suite: fixed seeds, so that a change is judged by what it changed, and the same trace twice.

Whatever is found here is replayed by the command that the failure prints. Fresh seeds are played by `andon sim`, for as
long as one likes.
"""

import sys
from collections import Counter
from functools import cache
from typing import Any

import pytest

from tests.simulation.playing import HANGS_FROM, HOLD, LEVERS_FROM, WORDS_FROM, simulate, told
from tests.simulation.targets import ODDS

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

TWICE = ("sqlite", LEVERS_FROM - 2, 4)
"""Seeds from whose middle two are played a second time, each alone: one without people at levers, and one with."""
ONCE_PLAYED = pytest.mark.xdist_group("the seeds that are played twice")
"""Who asks for them is in one process, so that they are not played a third time."""
SEEDS = (
    ("sqlite", 1, 10), ("sqlite", 11, 8), pytest.param(*TWICE, marks=ONCE_PLAYED), ("sqlite", LEVERS_FROM + 2, 10),
    ("sqlite", WORDS_FROM, 3), ("sqlite", 43, 1), ("postgres", 3, 4), ("postgres", LEVERS_FROM, 2), ("postgres", WORDS_FROM, 1),
)  # fmt: skip
"""Which database, the first seed, how many: in parts that two cores play beside each other, some 2,500 incidents."""
FAULTS = {
    "crash_at_statement", "crash_before_commit", "crash_after_commit", "trouble_at_statement", "trouble_before_commit",
    "trouble_after_commit", "send_retry", "send_answer_lost", "send_broken", "send_fault", "send_slow",
    "crash_before_send", "crash_after_send", "crash_on_the_wire", "kill", "clock_jump", "duplicate",
    "reorder", "engines_race", "servers_race",
}  # fmt: skip
OF_DATABASES = {fault for fault in FAULTS if fault.startswith(("crash_", "trouble_"))} | {
    "kill",
    "engines_race",
    "servers_race",
}
"""What another database may answer otherwise: its few seeds must have had that."""


@cache
def played(database: str, first: int, count: int) -> list[dict[str, Any]]:
    """What became of these seeds, when they were first played."""
    return simulate("--seed", str(first), "--count", str(count), "--database", database)


def say(runs: list[dict[str, Any]], database: str) -> None:
    """Print the figures: they say whether the simulation still does what it is there for."""
    total: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for run in runs:
        total.update(run["figures"])
        faults.update(run["faults"])
    sys.stdout.write(f"\n{len(runs)} seeds on {database}: {dict(total)}\nfaults: {dict(faults)}\n")


@pytest.mark.parametrize(("database", "first", "count"), SEEDS)
def test_the_promises_hold_whatever_strikes(database, first, count, capsys):
    runs = played(database, first, count)
    with capsys.disabled():
        say(runs, database)
    broken = [run for run in runs if "broken" in run]
    assert not broken, told(broken[0], database)
    assert len(runs) == count
    struck = {fault for run in runs for fault in run["faults"]}
    if first >= LEVERS_FROM:
        assert sum(run["figures"].get("pulls verified", 0) for run in runs) > 0
        assert struck & ODDS.keys()  # it still strikes where it is to strike
    assert sum(run["figures"]["requests taken at once"] for run in runs) > 0
    if first >= WORDS_FROM:
        by_channel = ("acknowledged in PagerDuty", "acknowledged by link", "words doubled", "words late")
        assert all(sum(run["figures"].get(name, 0) for run in runs) > 0 for name in by_channel)
    if HANGS_FROM < first + count <= WORDS_FROM:
        assert "late_outcome" in struck
    enough = database == "sqlite" and (database, first, count) != TWICE and first < WORDS_FROM
    if enough:
        assert len(struck & ODDS.keys()) > len(ODDS) // 2 if first >= LEVERS_FROM else struck >= FAULTS
    if database == "postgres" and first < LEVERS_FROM:
        assert struck >= OF_DATABASES


def test_what_may_find_a_planted_bug_is_shown_to_hold_without_it():
    played = [getattr(part, "values", part) for part in SEEDS]
    held = [seed for database, first, count in played if database == "sqlite" for seed in range(first, first + count)]
    assert sorted(held) == sorted(HOLD)


@ONCE_PLAYED
@pytest.mark.parametrize("seed", [LEVERS_FROM - 1, LEVERS_FROM])
def test_a_seed_is_one_course_of_events_whatever_was_played_before(seed):
    """Alone, in a process that has played nothing before, it goes as it went behind others, to the last row."""
    batch = {run["seed"]: run for run in played(*TWICE)}
    (alone,) = simulate("--seed", str(seed), "--database", TWICE[0])
    assert _course(alone) == _course(batch[seed])
    assert len({run["trace"] for run in batch.values()}) == len(batch)
    assert (batch[seed]["figures"].get("pulls", 0) > 0) == (seed >= LEVERS_FROM)


def _course(run: dict[str, Any]) -> dict[str, Any]:
    """A run without how long it took."""
    return {name: value for name, value in run.items() if name != "seconds"}
