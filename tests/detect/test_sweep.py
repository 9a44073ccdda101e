"""Alarms over many observations at once are those of the slow way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.detect import sequential, sweep
from andon.detect.sequential import Baseline, Evidence, Plan, alarms, scan, start


def one_after_the_other(plan, values, evidence=None):
    """By `scan`, which has a slow reference of its own."""
    found, begin, evidence = [], 0, evidence or start(plan)
    while (one := scan(plan, values[begin:], evidence)).alarm_at is not None:
        found.append((begin + one.alarm_at, float(one.statistics[-1]), one.direction))
        begin, evidence = begin + one.alarm_at + 1, start(plan)
    return found, one.evidence


def agree(plan, values, evidence=None):
    expected, left = one_after_the_other(plan, values, evidence)
    found, rest = alarms(plan, values, evidence)
    assert [(one.index, one.direction) for one in found] == [(at, direction) for at, _, direction in expected]
    assert [one.statistic for one in found] == pytest.approx([statistic for _, statistic, _ in expected], rel=1e-6)
    table = sequential._table(plan)
    assert np.array(rest.to_list())[table.weights > 0] == pytest.approx(
        np.array(left.to_list())[table.weights > 0], rel=1e-6, abs=1e-9
    )
    return expected


@pytest.mark.parametrize("p0", [0.002, 0.05, 0.4, 0.9])
@pytest.mark.parametrize("direction", ["up", "down", "both"])
@pytest.mark.parametrize("measure", ["rate", "mean"])
def test_alarms_are_those_of_scanning_again_and_again(p0, direction, measure, monkeypatch):
    monkeypatch.setattr(sweep, "ROWS", 4)  # so that there are several blocks, and rows left over
    rng = np.random.default_rng(5)
    values = (rng.random(9000) < np.where(np.arange(9000) // 3000 == 1, min(2 * p0, 0.99), p0)).astype(float)
    if measure == "mean":
        values = np.where(values == 1, rng.random(9000) ** 0.2, values)
    found = agree(Plan(measure, Baseline(p0), 300, direction), values)
    assert found or p0 == 0.9 or direction == "down"


@given(st.floats(0.01, 0.99), st.integers(0, 1300), st.integers(0, 2**32), st.floats(3, 1e5))
def test_any_length_and_any_budget(p0, length, seed, budget):
    values = (np.random.default_rng(seed).random(length) < p0).astype(float)
    plan = Plan("rate", Baseline(p0), budget)
    half = length // 2
    agree(plan, values)
    agree(plan, values[half:], alarms(plan, values[:half])[1])


def test_rows_that_leave_floating_point_are_looked_at_closely():
    values = np.zeros(6000)
    values[3000:] = 1
    agree(Plan("mean", Baseline(1e-6), 1e4), values)
    agree(Plan("rate", Baseline(1e-6), 1e9), values)


def test_scores_have_alarms_too():
    scores = np.random.default_rng(2).normal(0, 1, 400)
    scores[200:] += 2
    assert agree(Plan("score", Baseline(0), 1e3), scores)


def test_no_observations_are_no_alarm():
    plan = Plan("rate", Baseline(0.1))
    assert alarms(plan, []) == ([], Evidence())
