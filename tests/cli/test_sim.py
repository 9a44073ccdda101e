"""`andon sim`: replays a seed, and says what to do where there is no source checkout."""

import re

import pytest

from andon.cli import simulating
from tests.simulation.playing import ROOT, plant

BUG = ROOT / "tests/simulation/bugs/02-acknowledging-leaves-the-next-page.patch"


def test_without_a_checkout_it_says_what_to_do(tmp_path, monkeypatch, andon):
    monkeypatch.setattr(simulating, "ROOT", tmp_path)
    said = andon("sim", "--seed", "1")
    assert said.code == 2
    assert "make install" in said.err


@pytest.mark.heavy
@pytest.mark.timeout(400)
def test_a_seed_is_replayed(andon):
    first, again = (andon("sim", "--seed", "7", "--steps", "40", "--json") for _ in range(2))
    assert first.code == 0, first.err
    assert first.data["runs"][0]["trace"] == again.data["runs"][0]["trace"]
    assert first.data["steps"] == 40
    assert first.data["figures"]["commits"] > 0


@pytest.mark.heavy
@pytest.mark.timeout(400)
def test_people_read_the_figures_and_how_it_went(andon):
    said = andon("sim", "--seed", "7", "--steps", "40")
    assert said.code == 0, said.err
    assert "Every promise held in 1 seed." in said.out
    assert "steps a second" in said.out


@pytest.mark.heavy
@pytest.mark.timeout(400)
def test_a_broken_promise_is_told_with_the_one_command_that_shows_it_again(tmp_path, monkeypatch, andon):
    plant(BUG, tmp_path)
    for name in ("tests", "requirements-dev.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setattr(simulating, "ROOT", tmp_path)
    said = andon("sim", "--seed", "1", "--count", "3", "--steps", "300")
    assert said.code == 1
    found = re.search(r"Seed (\d+), step (\d+): promise 3 is broken: (.+)", said.out)
    replay = re.search(r"Replay it: andon (sim .+)", said.out)
    assert found, said.out
    assert replay, said.out
    again = andon(*replay[1].split())
    assert again.code == 1
    assert found[0] in again.out
    assert "Every promise held" not in again.out
    events = again.out[: again.out.index(found[0])].splitlines()
    assert events[-1].split()[0] == found[2], "the events that led to it stand before it"
