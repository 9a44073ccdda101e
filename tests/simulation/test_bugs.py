"""Planted bugs: small, plausible mistakes, each of which the simulation must find by itself.

A patch in `bugs/` is applied to a copy of the source, and the fixed seeds are played there until a promise breaks. That
the same seeds hold without it, `test_simulation` shows. A patch that no longer fits the source fails here: write it anew
against the code as it is. Where many seeds pass before one finds it, the patch may name that one, which is played first.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.simulation.playing import FIXED, LEVERS_FROM, ROOT, simulate

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

BUGS = sorted((Path(__file__).parent / "bugs").rglob("*.patch"))


def test_there_are_at_least_ten():
    assert len(BUGS) >= 10


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.stem)
def test_a_planted_bug_is_caught(bug, tmp_path):
    # What is compiled already comes along, for what the patch leaves alone; not what somebody just compiles.
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.pyc.*"))
    applied = subprocess.run(
        ["git", "apply", "-p1", str(bug)], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent), "PATH": "/usr/bin:/bin:/usr/local/bin"},
    )  # fmt: skip
    assert applied.returncode == 0, f"{bug.name} no longer fits the source: {applied.stderr}"
    assert _changed(tmp_path), f"{bug.name} changed nothing"
    named = re.search(r"^Found by seed (\d+)\.$", bug.read_text(), re.MULTILINE)
    runs = simulate("--seed", named[1], "--count", "1", source=tmp_path / "src") if named else [{}]
    if "broken" not in runs[-1]:  # what the seeds play moves with the code
        first = LEVERS_FROM if bug.parent.name == "levers" else 1
        runs = simulate("--seed", str(first), "--count", str(FIXED), source=tmp_path / "src")
    assert "broken" in runs[-1], f"{bug.name} went unnoticed in {len(runs)} seeds"
    assert runs[-1]["promise"] in {1, 2, 3, 4, 5, 6, 7}
    assert runs[-1]["broken"]


def _changed(copy: Path) -> bool:
    return any(
        file.read_bytes() != (ROOT / file.relative_to(copy)).read_bytes() for file in (copy / "src").rglob("*.py")
    )
