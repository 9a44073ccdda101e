"""The simulation in the suite: fixed seeds, fresh ones for as long as there is time, and the same trace twice.

Whatever is found here is replayed by the command that the failure prints.
"""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
MINUTES = {"sqlite": 2.0, "postgres": 0.7}
AT_LEAST = {"sqlite": 10, "postgres": 3}


def simulate(*arguments: str) -> list[dict[str, Any]]:
    """Play seeds in a process of their own; what became of each."""
    environment = os.environ | {
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def told(run: dict[str, Any], database: str) -> str:
    """A broken promise in words, with what led to it and how to see it again."""
    where = f"Seed {run['seed']} broke promise {run['promise']} at step {run['steps']}: {run['broken']}"
    return "\n".join([where, *run["events"], f"Replay: andon sim --seed {run['seed']} --database {database}"])


def say(runs: list[dict[str, Any]], database: str) -> None:
    """Print the figures: they say whether the simulation still does what it is there for."""
    total: Counter[str] = sum((Counter(run["figures"]) for run in runs), Counter())
    faults: Counter[str] = sum((Counter(run["faults"]) for run in runs), Counter())
    sys.stdout.write(f"\n{len(runs)} seeds on {database}: {dict(total)}\nfaults: {dict(faults)}\n")


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_the_promises_hold_whatever_strikes(database, capsys):
    fresh = random.SystemRandom().randrange(1_000_000, 100_000_000)
    fixed = simulate("--seed", "1", "--count", str(AT_LEAST[database]), "--database", database)
    runs = fixed + simulate(
        "--seed", str(fresh), "--count", "100000", "--minutes", str(MINUTES[database]), "--database", database
    )
    with capsys.disabled():
        say(runs, database)
    broken = [run for run in runs if "broken" in run]
    assert not broken, told(broken[0], database)
    assert len(runs) > AT_LEAST[database]


def test_a_seed_is_one_course_of_events():
    first, again = (simulate("--seed", "7", "--count", "2") for _ in range(2))
    assert [run["trace"] for run in first] == [run["trace"] for run in again]
    assert first[0]["trace"] != first[1]["trace"]
