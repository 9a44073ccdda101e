"""Limits of an estimated baseline: against scipy's, and held as often as they promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from andon.detect.baseline import Baseline, Measure

TAILS = st.floats(0.001, 0.4)


@given(st.integers(1, 5000), st.floats(0, 1), TAILS, TAILS)
def test_limits_of_a_rate_are_those_of_clopper_and_pearson(n, share, below, above):
    events = round(n * share)
    low, high = Baseline(events / n, n).limits(Measure.RATE, below, above)
    by_scipy = stats.binomtest(events, n).proportion_ci
    assert low == pytest.approx(by_scipy(1 - 2 * below).low, abs=1e-7)
    assert high == pytest.approx(by_scipy(1 - 2 * above).high, abs=1e-7)


@given(st.integers(0, 3000), st.integers(1, 500), TAILS, TAILS)
def test_limits_of_a_count_are_those_of_garwood(events, units, below, above):
    low, high = Baseline(events / units, units).limits(Measure.COUNT, below, above)
    assert low == pytest.approx(stats.chi2.ppf(below, 2 * events) / 2 / units if events else 0, rel=1e-6)
    assert high == pytest.approx(stats.chi2.isf(above, 2 * events + 2) / 2 / units, rel=1e-6)


@given(st.floats(0, 1), st.integers(1, 10**6), st.floats(1e-6, 0.49))
def test_limits_of_a_mean_solve_the_bound_of_chernoff(mean, n, tail):
    low, high = Baseline(mean, n).limits(Measure.MEAN, tail, tail)
    assert 0 <= low <= mean <= high <= 1
    for limit in (low, high):
        if 1e-6 < limit < 1 - 1e-6 and 0 < mean < 1:  # nearer to the ends, limits are rounded too much
            divergence = mean * math.log(mean / limit) + (1 - mean) * math.log((1 - mean) / (1 - limit))
            assert n * divergence == pytest.approx(-math.log(tail), rel=1e-3)


@given(st.sampled_from(Measure), st.floats(0, 1), st.integers(1, 10_000), TAILS)
def test_more_observations_leave_less_open(measure, mean, n, tail):
    low, high = Baseline(mean, n).limits(measure, tail, tail)
    nearer, lower = Baseline(mean, 4 * n).limits(measure, tail, tail)
    assert low <= nearer + 1e-6
    assert lower <= high + 1e-9


@pytest.mark.parametrize("measure", ["rate", "mean", "count", "score"])
def test_the_truth_lies_beyond_a_limit_as_seldom_as_is_promised(measure):
    rng, n, tail = np.random.default_rng(1), 150, 0.1
    draw = {
        "rate": lambda: rng.random(n) < 0.1,
        "mean": lambda: rng.beta(2, 6, n),
        "count": lambda: rng.poisson(0.4, n),
        "score": lambda: rng.normal(1, 1, n),
    }[measure]
    truth = {"rate": 0.1, "mean": 0.25, "count": 0.4, "score": 1.0}[measure]
    beyond = np.zeros(2)
    for _ in range(1000):
        low, high = Baseline(max(float(np.mean(draw())), 0), n).limits(Measure(measure), tail, tail)
        beyond += [truth < low, truth > high]
    assert (beyond <= 1000 * tail + 3 * math.sqrt(1000 * tail)).all()


def test_a_known_baseline_is_both_limits_and_a_limit_that_may_not_be_passed_is_the_end():
    assert Baseline(0.3).limits(Measure.RATE, 0.1, 0.1) == (0.3, 0.3)
    assert Baseline(0.3, 50).limits(Measure.RATE, 0, 0) == (0, 1)
    assert Baseline(0.3, 50).limits(Measure.MEAN, 0, 0) == pytest.approx((0, 1))
    assert Baseline(0.3, 50).limits(Measure.COUNT, 0, 0) == (0, math.inf)
