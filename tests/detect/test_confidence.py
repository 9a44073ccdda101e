import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from andon.detect import confidence


@st.composite
def tallies(draw):
    n = draw(st.integers(0, 100_000))
    return n, draw(st.integers(0, n))


@settings(deadline=None)
@given(tallies(), st.floats(0.5, 0.999))
def test_a_proportion_lies_inside_and_the_ends_are_where_the_mixture_says(tally, level):
    n, events = tally
    low, high = confidence.proportion(n, events, level=level)
    assert 0 <= low <= (events / n if n else 0.5) <= high <= 1

    def evidence(p):  # the same ratio, through scipy's distribution in place of the formula
        return stats.betabinom.pmf(events, n, 0.5, 0.5) / stats.binom.pmf(events, n, p)

    for end in (low, high):
        if 1e-6 < end < 1 - 1e-6:
            assert evidence(end) == pytest.approx(1 / (1 - level), rel=1e-3)


@settings(deadline=None)
@given(tallies(), st.floats(0.5, 0.99))
def test_it_is_wider_than_the_interval_for_one_look(tally, level):
    n, events = tally
    low, high = confidence.proportion(n, events, level=level)
    one_look = stats.binomtest(events, max(n, 1)).proportion_ci(level, "wilson")
    assert n == 0 or high - low >= (one_look.high - one_look.low) * 0.999


@pytest.mark.parametrize("p", [0.02, 0.3])
def test_a_proportion_holds_at_all_looks_together(p):
    draws = np.random.default_rng(4).binomial(50, p, size=(1_000, 60)).cumsum(axis=1)
    low, high = confidence.proportion(np.arange(1, 61) * 50, draws, level=0.9)
    missed = ((low > p) | (high < p)).any(axis=1).mean()
    fixed = stats.norm.isf(0.05) * np.sqrt(p * (1 - p) / (np.arange(1, 61) * 50))
    naive = (abs(draws / (np.arange(1, 61) * 50) - p) > fixed).any(axis=1).mean()
    assert missed <= 0.1 < naive  # which is why an ordinary interval is not enough


def test_a_mean_holds_at_all_looks_and_narrows_with_the_variance():
    rng = np.random.default_rng(5)
    values = rng.beta(2, 6, size=(400, 2_000))
    at = np.arange(99, 2_000, 100)
    sums, squares = values.cumsum(axis=1)[:, at], (values**2).cumsum(axis=1)[:, at]
    low, high = confidence.mean(at + 1, sums, squares, level=0.9)
    assert ((low > 0.25) | (high < 0.25)).any(axis=1).mean() <= 0.1
    loose = confidence.proportion(at + 1, sums, level=0.9)
    assert np.all((high - low)[:, -1] < 0.6 * (loose[1] - loose[0])[:, -1])


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), max_size=60))
def test_a_mean_is_the_same_on_every_scale(values):
    x = np.array(values)
    low, high = confidence.mean(len(x), x.sum(), (x**2).sum(), span=(-1, 1))
    y = (x + 1) / 2
    unit = confidence.mean(len(y), y.sum(), (y**2).sum())
    assert low == pytest.approx(2 * unit[0] - 1, abs=1e-6)
    assert high == pytest.approx(2 * unit[1] - 1, abs=1e-6)
    assert -1 <= low <= high <= 1


def test_nothing_seen_says_nothing():
    assert confidence.proportion(0, 0) == (0, 1)
    assert confidence.mean(0, 0, 0, span=(-2, 3)) == (-2, 3)


@pytest.mark.parametrize(("n", "events"), [(10, 11), (10, -1), (0, 1), (float("nan"), 0)])
def test_counts_that_cannot_be_are_refused(n, events):
    with pytest.raises(ValueError, match="between 0 and the number"):
        confidence.proportion(n, events)


@pytest.mark.parametrize(("total", "squares", "says"), [(11, 11, "between 0 and 1"), (5, 1, "too small for their sum")])
def test_sums_that_cannot_be_are_refused(total, squares, says):
    with pytest.raises(ValueError, match=says):
        confidence.mean(10, total, squares)
