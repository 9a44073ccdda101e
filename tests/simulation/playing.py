"""Plays seeds in a process of their own, for tests: on this source tree, or on a changed copy of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ROW = range(1, 36)
HOLD = (*ROW, 43)
"""Seeds that hold here, on SQLite, as `test_simulation` shows: what breaks in one of them is a planted bug's doing.

The one that stands alone finds a bug that none of the row does.
"""
LEVERS_FROM = 21
"""Seeds from here on have people at levers; those before have not, so that there is time for everything else."""

HANGS_FROM = 27
"""In seeds from here on providers may also hang for longer than a lease, and answer when the page is sent again."""
WORDS_FROM = 33
"""In seeds from here on some are paged in PagerDuty, and what people say there, or by a link, comes late and doubled."""


def simulate(*arguments: str, source: Path = ROOT / "src") -> list[dict[str, Any]]:
    """Play seeds against a source tree; what became of each."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANDON_")} | {
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join([str(source), str(ROOT)]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=840, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def plant(bug: Path, folder: Path) -> None:
    """Copy the source into a folder, and apply a patch there."""
    # What is compiled already comes along, for what the patch leaves alone; not what somebody just compiles.
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.pyc.*"))
    applied = subprocess.run(
        ["git", "apply", "-p1", str(bug)], cwd=folder, capture_output=True, text=True, check=False,
        env={"GIT_CEILING_DIRECTORIES": str(folder.parent), "PATH": "/usr/bin:/bin:/usr/local/bin"},
    )  # fmt: skip
    assert applied.returncode == 0, f"{bug.name} no longer fits the source: {applied.stderr}"


def told(run: dict[str, Any], database: str) -> str:
    """A broken promise in words, with what led to it and how to see it again."""
    where = f"Seed {run['seed']} broke promise {run['promise']} at step {run['steps']}: {run['broken']}"
    return "\n".join([where, *run["events"], f"Replay: andon sim --seed {run['seed']} --database {database}"])
