import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from andon.detect.onset import Unknown
from andon.detect.paired import GapEvidence, GapPlan, _log_factors, advance, began, start

TWO = ("men", "women")


def windows(rng, sizes, rates):
    """Counts of windows: (trials, events) by (window, group)."""
    n = rng.poisson(np.broadcast_to(sizes, np.shape(rates)))
    return n, rng.binomial(n, rates)


def steady(rng, length, sizes, rates):
    return windows(rng, sizes, np.tile(rates, (length, 1)))


def first_alarms(plan, draw, runs):
    found = [advance(plan, start(plan), *draw()) for _ in range(runs)]
    return np.array([len(one.statistics) for one in found]), [one.alarm_at for one in found]


@settings(deadline=None, max_examples=100)
@given(
    st.integers(1, 30), st.integers(1, 30), st.floats(0, 0.3), st.floats(0.02, 0.98), st.floats(-0.2, 0.2),
    st.floats(0, 1), st.floats(-1, 1),
)  # fmt: skip
def test_no_bet_is_expected_to_win_while_the_gap_is_tolerated(n_a, n_b, tolerance, centre, shift, at, across):
    """Exactly, over every possible window: rates anywhere within the tolerance, however wrong the remembered rate."""
    plan = GapPlan(TWO, tolerance=tolerance)
    low, high = max(-1, shift - tolerance), min(1, shift + tolerance)
    difference = (low + high) / 2 + across * (high - low) / 2
    p_b = round(max(0, -difference) + at * (1 - abs(difference)), 9)
    p_a = round(p_b + difference, 9)
    k_a, k_b = np.meshgrid(np.arange(n_a + 1), np.arange(n_b + 1), indexing="ij")
    shape = (k_a.size, 1, 1)
    told = _log_factors(
        plan,
        (np.full(shape, float(n_a)), np.full(shape, float(n_b))),
        (k_a.reshape(shape).astype(float), k_b.reshape(shape).astype(float)),
        np.full(shape, centre),
        np.full(shape, shift),
    )
    chance = stats.binom.pmf(k_a, n_a, np.clip(p_a, 0, 1)) * stats.binom.pmf(k_b, n_b, np.clip(p_b, 0, 1))
    assert np.all((chance.reshape(-1, 1, 1) * np.exp(told[:, 0, 0])).sum(axis=0) <= 1 + 1e-6)


@pytest.mark.parametrize(
    ("sizes", "rates", "tolerance"),
    [
        ((900, 100), (0.05, 0.05), 0.0),
        ((90, 10), (0.3, 0.3), 0.0),
        ((50, 1), (0.02, 0.02), 0.0),
        ((900, 100), (0.3, 0.25), 0.05),
    ],
)
def test_the_budget_holds_untuned_down_to_a_group_of_two_percent(sizes, rates, tolerance):
    rng = np.random.default_rng(1)
    plan = GapPlan(TWO, tolerance=tolerance, budget=30)
    lengths, _ = first_alarms(plan, lambda: steady(rng, 300, sizes, rates), 80)
    assert lengths.mean() >= 30  # cut off at 300, which only lowers it


def test_common_ups_and_downs_are_no_gap():
    rng = np.random.default_rng(2)
    season = 0.3 + 0.2 * np.sin(np.arange(365) / 58)
    plan = GapPlan(TWO, tolerance=0.01, budget=10_000)
    _, alarms = first_alarms(plan, lambda: windows(rng, (900, 100), np.stack([season, season], axis=1)), 10)
    assert alarms == [None] * 10


@pytest.mark.parametrize("share", [0.2, 0.05, 0.01])
def test_a_gap_is_found_however_small_the_group(share):
    rng = np.random.default_rng(3)
    plan = GapPlan(TWO, tolerance=0.02, budget=1_000, reference="men")
    rates = np.tile([0.3, 0.3], (400, 1))
    rates[20:, 1] = 0.15
    found = advance(plan, start(plan), *windows(rng, (10_000 * (1 - share), 10_000 * share), rates))
    assert 20 <= found.alarm_at <= 20 + 0.6 / share
    assert (found.group, found.direction) == ("women", "down")


def test_it_finds_a_gap_no_later_than_bets_on_single_pairs():
    """Chugg's auditor needs decisions one by one, and in pairs; counts are told at the end of a window."""
    rng = np.random.default_rng(4)
    ours, theirs = [], []
    for _ in range(20):
        n, k = windows(rng, (500, 100), np.tile([0.4, 0.3], (80, 1)))
        plan = GapPlan(TWO, budget=100)
        ours.append(len(advance(plan, start(plan), n, k).statistics))
        theirs.append(paired_bets(rng, n, k, 100))
    assert np.median(ours) <= np.median(theirs)


def paired_bets(rng, n, k, threshold):
    """Windows until the wealth of online Newton steps on pairs passes the threshold (arXiv 2305.17570, algorithm 1)."""
    wealth, stake, curvature = 0.0, 0.0, 1.0
    for window, (sizes, events) in enumerate(zip(n, k, strict=True), 1):
        drawn = [rng.permutation(np.arange(size) < hits) for size, hits in zip(sizes, events, strict=True)]
        for a, b in zip(*drawn, strict=False):
            gain = float(a) - float(b)
            wealth += np.log1p(stake * gain)
            slope = gain / (1 + stake * gain)
            curvature += slope**2
            stake = np.clip(stake + 2 / (2 - np.log(3)) * slope / curvature, -0.5, 0.5)
        if wealth >= np.log(threshold):
            return window
    return len(n)


def test_the_group_with_the_gap_is_named_among_many():
    rng = np.random.default_rng(5)
    groups = tuple(f"group {at}" for at in range(30))
    rates = np.full((60, 30), 0.2)
    rates[10:, 17] = 0.35
    plan = GapPlan(groups, tolerance=0.02, budget=1_000)
    found = advance(plan, start(plan), *windows(rng, 200, rates))
    assert (found.group, found.direction) == ("group 17", "up")
    assert 10 <= found.alarm_at <= 18


def test_many_groups_share_one_budget():
    rng = np.random.default_rng(6)
    plan = GapPlan(tuple("abcdefghij"), budget=20)
    lengths, _ = first_alarms(plan, lambda: steady(rng, 200, 100, [0.2] * 10), 40)
    assert lengths.mean() >= 20


def test_a_group_that_disappears_is_no_evidence():
    rng = np.random.default_rng(7)
    n, k = steady(rng, 400, (500, 50), (0.3, 0.3))
    n[40:, 1] = k[40:, 1] = 0
    plan = GapPlan(TWO, budget=200)
    found = advance(plan, start(plan), n, k)
    assert found.alarm_at is None
    assert np.all(found.statistics[40:] == found.statistics[39])


def test_nothing_at_all_is_no_evidence():
    plan = GapPlan(TWO)
    found = advance(plan, start(plan), np.zeros((5_000, 2)), np.zeros((5_000, 2)))
    assert found.alarm_at is None
    assert found.statistics.max() == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 60), max_size=4))
def test_it_goes_on_from_where_it_was_kept(seed, cuts):
    rng = np.random.default_rng(seed)
    n, k = steady(rng, 60, (40, 8), (0.3, 0.25))
    plan = GapPlan(("men", "women", "not said"), budget=1e200)  # no alarm, so that all is read
    n, k = np.column_stack([n, n[:, 1]]), np.column_stack([k, k[:, 1]])
    whole = advance(plan, start(plan), n, k)
    evidence, told = start(plan), []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 60], strict=True):
        kept = GapEvidence.from_list(plan, json.loads(json.dumps(evidence.to_list())))
        found = advance(plan, kept, n[first:last], k[first:last])
        evidence, told = found.evidence, [*told, *found.statistics]
    assert told == pytest.approx(whole.statistics)
    assert evidence.trials == pytest.approx(whole.evidence.trials)


def test_calibration_is_asked_within_score_bins():
    rng = np.random.default_rng(9)
    centres = (np.arange(20) + 0.5) / 20
    plan = GapPlan(TWO, tolerance=0.03, budget=500, strata=20)

    def play(lift, own_shares):
        shares = np.stack([np.full(20, 0.05), own_shares])
        n = np.stack([rng.multinomial(size, share, 80) for size, share in zip((2_000, 400), shares, strict=True)], 1)
        rates = np.tile(np.stack([centres, np.clip(centres + lift, 0, 1)]), (80, 1, 1))
        rates[:10, 1] = centres
        return advance(plan, start(plan), n, rng.binomial(n, rates), n * centres)

    skewed = rng.dirichlet(np.linspace(1, 8, 20))
    fair, harsh = play(0.0, skewed), play(0.15, skewed)
    assert fair.alarm_at is None  # another mix of scores alone is no gap in calibration
    assert 10 <= harsh.alarm_at <= 20
    assert (harsh.group, harsh.direction) == ("women", "up")


def test_calibration_allows_for_scores_that_differ_within_a_bin():
    rng = np.random.default_rng(10)
    plan = GapPlan(TWO, budget=500)
    n = np.tile([2_000, 2_000], (100, 1))
    scores = np.array([0.31, 0.34])
    k = rng.binomial(n, scores)
    assert advance(plan, start(plan), n, k).alarm_at is not None  # as plain rates they differ
    assert advance(plan, start(plan), n, k, n * scores).alarm_at is None


@pytest.mark.parametrize("more", [0, 20])
def test_the_onset_of_a_gap_is_in_its_interval(more):
    rng = np.random.default_rng(11)
    plan = GapPlan(TWO, tolerance=0.02, budget=1_000)
    inside, near = 0, 0
    for _ in range(30):
        onset = int(rng.integers(20, 40))
        rates = np.tile([0.3, 0.3], (120, 1))
        rates[onset:, 1] = 0.2
        n, k = windows(rng, (900, 100), rates)
        alarm = advance(plan, start(plan), n, k).alarm_at
        end = alarm + 1 + more
        found = began(plan, "women", n[:end], k[:end], direction="down", alarm=alarm)
        inside += found.low <= onset <= found.high
        near += abs(found.at - onset) <= 3
    assert inside >= 27
    assert near >= 20


def test_the_onset_is_in_decision_time_though_labels_arrive_late():
    rng = np.random.default_rng(12)
    decided = np.tile([0.7, 0.7], (100, 1))  # TPR by day of decision
    decided[40:, 1] = 0.5
    n, k = windows(rng, (300, 150), decided)
    known = np.zeros((2, 100, 160, 2))  # trials or events, by day of decision and of arrival, 1 to 50 days later
    for day, group in np.ndindex(100, 2):
        days = day + rng.integers(1, 51, n[day, group])
        np.add.at(known[0, day, :, group], days, 1)
        np.add.at(known[1, day, :, group], days[: k[day, group]], 1)
    plan = GapPlan(TWO, tolerance=0.05, budget=1_000)
    arrived = known.sum(axis=1)
    alarm = advance(plan, start(plan), *arrived).alarm_at
    assert 41 < alarm < 100
    by_arrival = began(plan, "women", *arrived[:, : alarm + 1], direction="down")
    by_decision = began(plan, "women", *known[:, :alarm, : alarm + 1].sum(axis=2), direction="down")
    assert by_decision.low <= 40 <= by_decision.high
    assert abs(by_decision.at - 40) < abs(by_arrival.at - 40)


def test_no_gap_has_no_onset():
    plan = GapPlan(TWO)
    assert isinstance(began(plan, "women", [[100, 100]] * 20, [[30, 30]] * 20), Unknown)
    assert isinstance(began(plan, "women", np.zeros((5, 2)), np.zeros((5, 2))), Unknown)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"groups": ("a",)}, "two groups or more"),
        ({"groups": ("a", "a")}, "named once"),
        ({"groups": TWO, "reference": "x"}, "The reference group x is not among men, women"),
        ({"groups": TWO, "tolerance": 1.0}, "from 0 to 1"),
        ({"groups": TWO, "budget": 1}, "more than one window"),
        ({"groups": TWO, "budget": float("nan")}, "more than one window"),
        ({"groups": TWO, "strata": 0}, "at least one stratum"),
    ],
)
def test_plans_that_cannot_be_are_refused(given, says):
    with pytest.raises(ValueError, match=says):
        GapPlan(**given)


def test_counts_that_cannot_be_are_refused_by_window_and_group():
    plan = GapPlan(TWO)
    with pytest.raises(ValueError, match="Window 1, group women: 9 events in 8 decisions cannot be"):
        advance(plan, start(plan), [[5, 5], [8, 8]], [[1, 1], [2, 9]])
    with pytest.raises(ValueError, match="need axes of windows, 2 groups and 1 strata"):
        advance(plan, start(plan), [[5, 5, 5]], [[1, 1, 1]])
    with pytest.raises(ValueError, match="Evidence of this plan is 16 numbers, and there are 3"):
        GapEvidence.from_list(plan, [0.0, 1.0, 2.0])
