"""A metric with a season: what is expected, scores without memory, and false alarms within what is promised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.detect import season
from andon.detect.season import NoSeason, Season
from andon.detect.sequential import Direction, advance, alarms, start

WEEK = np.array([1.0, 1.1, 1.05, 1.0, 0.9, 1.4, 1.5]) * 0.05


def daily(days, rng, carried=0.3, deviation=0.004):
    steps, apart, here = np.arange(days), np.empty(days), 0.0
    for day in steps:
        here = carried * here + rng.normal(0, deviation)
        apart[day] = here
    return steps, WEEK[steps % 7] + apart


def test_levels_and_memory_are_found_again():
    steps, values = daily(2000, np.random.default_rng(1))
    found = season.fit(steps, values, 7)
    assert found.levels == pytest.approx(WEEK, abs=0.001)
    assert found.carried == pytest.approx(0.3, abs=0.06)
    assert found.deviation == pytest.approx(0.004, rel=0.06)
    assert found.n == 2000
    scores = found.scores(steps, values)
    assert scores.mean() == pytest.approx(0, abs=0.05)
    assert scores.std() == pytest.approx(1, abs=0.05)
    assert abs(np.corrcoef(scores[1:], scores[:-1])[0, 1]) < 0.05


def test_a_season_that_chance_explains_is_drawn_towards_none():
    steps = np.arange(56)
    values = np.random.default_rng(2).normal(0.05, 0.01, 56)
    found = season.fit(steps, values, 7)
    plain = [values[steps % 7 == slot].mean() for slot in range(7)]
    assert np.ptp(found.levels) < np.ptp(plain)
    assert np.mean(found.levels) == pytest.approx(np.mean(plain))


@given(st.integers(1, 40), st.integers(0, 1000))
def test_scores_in_two_pieces_are_scores_at_once(cut, first):
    steps, values = daily(60, np.random.default_rng(3))
    steps = np.delete(steps + first, [20, 21, 33])
    values = np.delete(values, [20, 21, 33])
    found = Season(tuple(WEEK), 0.4, 0.004, 56)
    whole = found.scores(steps, values)
    begin = found.scores(steps[:cut], values[:cut])
    rest = found.scores(steps[cut:], values[cut:], (int(steps[cut - 1]), float(values[cut - 1])))
    assert [*begin, *rest] == pytest.approx(list(whole))


def test_after_a_gap_nothing_is_carried_over():
    found = Season((0.0,), 0.8, 0.6, 100)
    assert found.spread == pytest.approx(1.0)
    assert found.scores([0, 1, 5], [1.0, 1.0, 1.0]) == pytest.approx([1.0, 0.2 / 0.6, 1.0])


def test_a_slot_that_the_reference_does_not_show_has_no_level():
    steps, values = daily(80, np.random.default_rng(8))
    at_work = steps % 7 < 6
    found = season.fit(steps[at_work], values[at_work], 7)
    assert found.levels[6] is None
    assert found.levels[:6] == pytest.approx(WEEK[:6], abs=0.004)
    assert list(found.known([5, 6, 7])) == [True, False, True]
    with pytest.raises(ValueError, match="Window 1 lies in a slot that the reference did not show"):
        found.scores([5, 6], [0.05, 0.05])
    assert Season.from_dict(found.to_dict()) == found


def test_it_is_kept_as_json():
    found = season.fit(*daily(60, np.random.default_rng(4)), 7)
    assert Season.from_dict(found.to_dict()) == found


def test_false_alarms_are_few_and_a_rise_is_found_in_days():
    rng, false, delays = np.random.default_rng(5), 0, []
    plan = season.plan(1000)
    for _ in range(60):
        steps, values = daily(56 + 200, rng)
        values[56 + 170 :] += 0.0125  # three deviations
        found = season.fit(steps[:56], values[:56], 7)
        raised, _ = alarms(plan, found.scores(steps, values)[56:])
        false += sum(one.index < 170 for one in raised)
        late = [one for one in raised if one.index >= 170]
        assert all(one.direction is Direction.UP for one in late[:1])
        delays.append(late[0].index - 169 if late else 31)
    assert false <= 12  # 10,200 days: a budget of 1,000 allows ten, and the tolerance takes most of them away
    assert np.median(delays) <= 6
    assert sum(delay <= 30 for delay in delays) >= 57


def test_scores_go_window_by_window_as_well():
    rng = np.random.default_rng(6)
    scores = rng.normal(0, 1, 50)
    plan = season.plan(1000)
    at_once = advance(plan, start(plan), np.ones(50), scores)
    evidence, told = start(plan), []
    for score in scores:
        step = advance(plan, evidence, [1, 0], [score, 0])
        evidence = step.evidence
        told.append(step.statistics[0])
    assert told == pytest.approx(list(at_once.statistics))


@pytest.mark.parametrize(
    ("steps", "values", "slots", "why"),
    [
        (range(27), [0.1] * 27, 1, "27 of at least 28 windows"),
        (range(27), [0.1] * 27, 7, "27 of at least 28 windows"),
        (range(600), [0.1] * 600, 168, "600 of at least 672 windows"),
        ([*range(0, 189, 7), 190], [float(one % 3) for one in range(28)], 7, "27 windows of at least 28"),
        (range(56), [0.1] * 56, 7, "never differs"),
    ],
)
def test_a_reference_that_says_nothing_says_why(steps, values, slots, why):
    found = season.fit(list(steps), values, slots)
    assert isinstance(found, NoSeason)
    assert why in found.why


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: season.fit([0, 1], [1, float("nan")], 1), "Value 1 is no number"),
        (lambda: season.fit([0, 0], [1, 2], 1), "Window 1 has number 0, which is not after 0"),
        (lambda: season.fit([0, 1], [1], 1), "number and its value"),
        (lambda: season.fit([0, 1], [1, 2], 0), "at least one slot"),
    ],
)
def test_what_cannot_be_is_refused_in_words(mistake, words):
    with pytest.raises(ValueError, match=words):
        mistake()
