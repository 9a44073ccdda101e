"""`andon sim`: replays a seed, and says what to do where there is no source checkout."""

import pytest

from andon.cli import simulating


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
