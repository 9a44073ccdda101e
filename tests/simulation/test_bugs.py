"""Planted bugs: small, plausible mistakes, each of which the simulation must find by itself, and for the right reason.

A patch in `bugs/` is applied to a copy of the source, and seeds are played there until a promise breaks. That the same
seeds hold without it, `test_simulation` shows. Before its diff a patch says which promise it breaks and some of the words
in which the judge finds that: one line for each way in which it may be found, and nothing else counts. A patch that no
longer fits the source fails here: write it anew against the code as it is. Where many seeds pass before one finds it, the
patch may name that one, which is played first.
"""

import re
from pathlib import Path

import pytest

from tests.simulation.playing import HANGS_FROM, HOLD, LEVERS_FROM, ROOT, ROW, WORDS_FROM, plant, simulate

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

BUGS = sorted((Path(__file__).parent / "bugs").rglob("*.patch"))
SEEDS_OF = {
    "levers": (LEVERS_FROM, HANGS_FROM),
    "hangs": (HANGS_FROM, WORDS_FROM),
    "words": (WORDS_FROM, ROW.stop),
}
"""By the folder of a patch: the first seed that may find it, and the one after the last."""
BREAKS = re.compile(r"^Breaks promise (\d): (.+)\.$", re.MULTILINE)
FOUND_BY = re.compile(r"^Found by seed (\d+)\.$", re.MULTILINE)


def test_there_are_at_least_ten():
    assert len(BUGS) >= 10


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.stem)
def test_a_planted_bug_is_caught(bug, tmp_path):
    plant(bug, tmp_path)
    assert _changed(tmp_path), f"{bug.name} changed nothing"
    says = bug.read_text().partition("\n--- ")[0]
    ways, named = BREAKS.findall(says), FOUND_BY.search(says)
    assert ways, f"{bug.name} does not say which promise it breaks"
    seeds = range(*SEEDS_OF.get(bug.parent.name, (ROW.start, LEVERS_FROM)))
    runs = [{}]
    if named:
        assert int(named[1]) in HOLD, f"nobody has seen that seed {named[1]} holds without {bug.name}"
        runs = simulate("--seed", named[1], "--count", "1", source=tmp_path / "src")
    if "broken" not in runs[-1]:  # what the seeds play moves with the code
        runs = simulate("--seed", str(seeds.start), "--count", str(len(seeds)), source=tmp_path / "src")
    found = runs[-1]
    assert "broken" in found, f"{bug.name} went unnoticed in {len(runs)} seeds"
    assert any(int(promise) == found["promise"] and words in found["broken"] for promise, words in ways), (
        f"{bug.name} was found for another reason, by seed {found['seed']}: {found['promise']}: {found['broken']}"
    )


def _changed(copy: Path) -> bool:
    return any(
        file.read_bytes() != (ROOT / file.relative_to(copy)).read_bytes() for file in (copy / "src").rglob("*.py")
    )
