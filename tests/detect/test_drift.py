import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from andon.detect.distance import Distance, distance
from andon.detect.drift import DriftEvidence, DriftPlan, _table, advance, start

EDGES = stats.norm.ppf(np.arange(1, 20) / 20)
KINDS = pytest.mark.parametrize("kind", Distance)


def shares(mean=0.0, spread=1.0):
    """Of a normal value, in bins that held a twentieth each."""
    return np.diff(stats.norm.cdf((EDGES - mean) / spread), prepend=0, append=1)


def plan_of(rng, kind=Distance.JS, rows=10_000, **rest):
    return DriftPlan(tuple(map(float, rng.multinomial(rows, shares()))), kind, **rest)


def population_distance(reference, found, kind):
    if kind is Distance.PSI:
        return float(((reference - found) * np.log(reference / found)).sum())
    return float(distance(reference, found, kind))


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(Distance),
    st.integers(0, 2**32 - 1),
    st.just(0.0) | st.floats(0.01, 0.4),
    st.integers(2, 20),
    st.booleans(),
)
def test_no_bet_is_expected_to_win_within_the_tolerance(kind, seed, tolerance, bins, ordered):
    """For populations at the very edge of the tolerance, in a random direction."""
    rng = np.random.default_rng(seed)
    reference = rng.dirichlet(np.full(bins, rng.choice([0.5, 2.0, 20.0]))) + 1e-6
    reference /= reference.sum()
    ordered = ordered or kind in (Distance.KS, Distance.WASSERSTEIN)
    try:
        plan = DriftPlan(tuple(reference), kind, tolerance, ordered=ordered, known=True)
    except ValueError:
        return  # so wide that nothing is left to find
    towards = [rng.dirichlet(np.full(bins, 0.3)), *np.eye(bins)[[0, -1, bins // 2]]]
    for target in towards:
        low, high = 0.0, 1.0 if tolerance else 0.0
        for _ in range(40):
            middle = (low + high) / 2
            mixed = np.maximum((1 - middle) * reference + middle * target, 1e-12)
            near = population_distance(reference, mixed / mixed.sum(), kind) <= tolerance
            low, high = (middle, high) if near else (low, middle)
        population = (1 - low) * reference + low * target
        for rows in (10, 10_000_000):  # a window of the same rows: its factor is that of one, so many times
            one_by_one = np.array([_table(plan).factors(rows * one) / rows for one in np.eye(bins)])
            assert np.all(population @ np.exp(one_by_one) <= 1 + 1e-10)


@KINDS
def test_the_budget_holds_untuned(kind):
    rng = np.random.default_rng(2)
    lengths = []
    for rows in (200, 2_000) * 10:
        plan = plan_of(rng, kind, budget=30)
        lengths.append(len(advance(plan, start(plan), rng.multinomial(rows, shares(), 300)).statistics))
    assert np.mean(lengths) >= 30


@KINDS
def test_a_shift_is_found_in_days_and_said_where(kind):
    rng = np.random.default_rng(3)
    windows = np.concatenate([rng.multinomial(1_000, shares(), 30), rng.multinomial(1_000, shares(0.3), 30)])
    found = advance(plan := plan_of(rng, kind), start(plan), windows)
    assert 30 <= found.alarm_at <= 33
    upper = (found.witness.first, found.witness.direction)
    assert upper == (0, "down") or (upper[0] > 8 and upper[1] == "up")  # less below, or more above


@KINDS
def test_a_shift_within_the_tolerance_is_accepted_and_one_beyond_is_not(kind):
    rng = np.random.default_rng(4)
    near, far = shares(0.1), shares(0.4)
    tolerance = 1.2 * population_distance(shares(), near, kind)
    plan = plan_of(rng, kind, rows=100_000, tolerance=tolerance)
    assert advance(plan, start(plan), rng.multinomial(20_000, near, 100)).alarm_at is None
    assert advance(plan, start(plan), rng.multinomial(20_000, far, 100)).alarm_at < 3


def test_a_wider_spread_is_found_too():
    rng = np.random.default_rng(5)
    for kind in Distance:
        plan = plan_of(rng, kind)
        assert advance(plan, start(plan), rng.multinomial(2_000, shares(0, 1.3), 20)).alarm_at < 5


def test_categories_are_watched_one_by_one():
    rng = np.random.default_rng(6)
    before, after = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.48, 0.28, 0.14, 0.10])
    reference = tuple(map(float, rng.multinomial(20_000, before)))
    plan = DriftPlan(reference, Distance.PSI, ordered=False)
    windows = np.concatenate([rng.multinomial(500, before, 20), rng.multinomial(500, after, 20)])
    found = advance(plan, start(plan), windows)
    assert 20 <= found.alarm_at <= 26
    assert (found.witness.first, found.witness.last, found.witness.direction) == (3, 3, "up")
    with pytest.raises(ValueError, match="Categories have no order"):
        DriftPlan(reference, Distance.KS, ordered=False)


def test_twenty_clean_features_stay_silent_where_tests_at_five_percent_flag_most_reports():
    """A budget of 1,000 reports over 20 features, so 20,000 windows each; 200 clean reports of 500 rows."""
    rng = np.random.default_rng(7)
    flagged_by_test, flagged_by_watch = np.zeros(200, dtype=bool), np.zeros(200, dtype=bool)
    for _ in range(20):
        reference = rng.multinomial(10_000, shares())
        windows = rng.multinomial(500, shares(), 200)
        expected = (reference + windows) * (500 / 10_500)
        squares = ((windows - expected) ** 2 / expected).sum(axis=1) * (10_500 / 10_000)
        flagged_by_test |= stats.chi2.sf(squares, 19) < 0.05
        plan = DriftPlan(tuple(map(float, reference)), budget=20_000)
        alarm = advance(plan, start(plan), windows).alarm_at
        if alarm is not None:
            flagged_by_watch[alarm] = True
    assert 0.5 < flagged_by_test.mean() < 0.8
    assert flagged_by_watch.sum() == 0


def test_windows_without_rows_change_nothing():
    rng = np.random.default_rng(8)
    plan = plan_of(rng, budget=10)
    windows = rng.multinomial(100, shares(), 5)
    gaps = np.zeros((500, 20))
    with_gaps = advance(plan, start(plan), np.concatenate([windows, gaps]))
    assert with_gaps.alarm_at is None
    assert np.all(with_gaps.statistics[5:] == with_gaps.statistics[4])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 40), max_size=3))
def test_it_goes_on_from_where_it_was_kept(seed, cuts):
    rng = np.random.default_rng(seed)
    plan = plan_of(rng, rng.choice(list(Distance)), budget=1e200)
    windows = rng.multinomial(50, shares(0.2), 40)
    whole = advance(plan, start(plan), windows)
    evidence, told = start(plan), []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 40], strict=True):
        kept = DriftEvidence.from_list(plan, json.loads(json.dumps(evidence.to_list())))
        found = advance(plan, kept, windows[first:last])
        evidence, told = found.evidence, [*told, *found.statistics]
    assert told == pytest.approx(whole.statistics)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"reference": (1.0,)}, "two bins or more"),
        ({"reference": (0.0, 0.0)}, "one row at least"),
        ({"reference": (5.0, -1.0)}, "counts of 0 or more"),
        ({"reference": (5.0, 5.0), "tolerance": -1}, "A tolerance is a distance of 0 or more"),
        ({"reference": (5.0, 5.0), "tolerance": 1.0}, "leaves no room for a change in js"),
        ({"reference": (5.0, 5.0), "budget": 1}, "more than one window"),
    ],
)
def test_plans_that_cannot_be_are_refused(given, says):
    with pytest.raises(ValueError, match=says):
        DriftPlan(**given)


def test_windows_that_cannot_be_are_refused_by_number():
    plan = DriftPlan((50.0, 50.0))
    with pytest.raises(ValueError, match="Window 1: counts of bins are numbers of 0 or more"):
        advance(plan, start(plan), [[1, 2], [1, float("nan")]])
    with pytest.raises(ValueError, match="one of 2 bins"):
        advance(plan, start(plan), [[1, 2, 3]])
    with pytest.raises(ValueError, match="numbers, and there are 1"):
        DriftEvidence.from_list(plan, [0.0])
