"""When did it begin: the likelihood against a slow reference, the interval against streams whose onset is known."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from andon.detect import sequential
from andon.detect.onset import SHARES, Onset, Shape, Unknown, _Data, _Likelihood, estimate, normal_again
from andon.detect.sequential import Baseline, Direction, Measure, Plan


def stream(seed: int, *parts: tuple[int, float, float]) -> np.ndarray:
    """0s and 1s; each part has a length and the rates at its beginning and its end."""
    rates = np.concatenate([np.linspace(first, last, length) for length, first, last in parts])
    return (np.random.default_rng(seed).random(len(rates)) < rates).astype(float)


def of(values, baseline=0.05, **more) -> Onset | Unknown:
    return estimate(np.ones(len(values)), values, Baseline(baseline), **more)


def slow_likelihood(measure, n, total, mean, k, share, sign) -> float:
    """l(k) for one share of time under way, window by window and with scipy's search for the change."""
    since = len(n) - k
    middle = np.arange(len(n)) + 0.5 - k
    slope = share * since
    weights = (
        np.where(middle < 0, 0.0, 1.0 if slope == 0 else np.clip(middle / slope, 0, 1)) if slope else (middle > 0) * 1.0
    )

    def log(means):
        if measure is Measure.COUNT:
            return float((total * np.log(means) - n * means).sum())
        return float((total * np.log(means) + (n - total) * np.log1p(-means)).sum())

    base = log(np.full(len(n), mean))
    top = (50.0 if measure is Measure.COUNT else 1 - 1e-6 - mean) if sign > 0 else mean - 1e-9
    found = minimize_scalar(
        lambda size: -log(mean + sign * size * weights), bounds=(0, top), method="bounded", options={"xatol": 1e-10}
    )
    return max(0.0, -found.fun - base)


@pytest.mark.parametrize("measure", [Measure.RATE, Measure.COUNT])
@pytest.mark.parametrize("sign", [1, -1])
@given(seed=st.integers(0, 10_000), mean=st.floats(0.1, 0.6), where=st.floats(0, 0.9))
@example(seed=647, mean=0.5, where=0.125)
@settings(max_examples=8, deadline=None)
def test_the_likelihood_is_what_a_slow_search_finds(measure, sign, seed, mean, where):
    rng = np.random.default_rng(seed)
    n = rng.integers(20, 60, 50).astype(float)
    total = np.round(n * rng.beta(1, 2, 50))
    k = int(where * len(n))
    data = _Data.of(n, total, measure, None)
    fast = _Likelihood(data, Baseline(mean), sign).of(np.array([k]))
    slow = [slow_likelihood(measure, n, total, mean, k, share, sign) for share in SHARES]
    assert fast.as_step[0] * data.dispersion == pytest.approx(slow[0], rel=1e-3, abs=1e-3)
    # Stairs stand for a slope, and data within a window are taken to be spread evenly: near, not equal. Of 1,500 drawn
    # at random one in a hundred lay 3% apart, the worst 4%; seed 647 with a mean of a half, found later, 7.5%.
    assert fast.worth[0] * data.dispersion == pytest.approx(max(slow), rel=0.1, abs=1.5)


# The rate is one that thirty observations cannot hide: with few events there may be no rise to be seen.
@given(
    seed=st.integers(0, 10_000), quiet=st.integers(0, 400), length=st.integers(30, 200), rate=st.floats(0.4, 0.9),
    more=st.integers(0, 50), level=st.sampled_from([0.8, 0.9, 0.99]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_the_interval_is_in_order_and_grows_with_the_level(seed, quiet, length, rate, more, level):
    values = stream(seed, (quiet, 0.05, 0.05), (length + more, rate, rate))
    alarm = quiet + length - 1
    found = of(values, level=level, alarm=alarm)
    assert isinstance(found, Onset)
    assert 0 <= found.low <= found.at <= found.high <= alarm
    assert found.after > found.before == 0.05
    narrow, wide = (of(values, level=each, alarm=alarm) for each in (0.5, 0.995))
    assert wide.low <= found.low
    assert found.high <= wide.high
    assert narrow.low >= found.low
    assert narrow.high <= found.high


@given(seed=st.integers(0, 10_000), quiet=st.integers(50, 300), rate=st.floats(0.5, 0.9))
@settings(max_examples=25, deadline=None)
def test_a_fall_of_successes_is_a_rise_of_failures(seed, quiet, rate):
    values = stream(seed, (quiet, 0.2, 0.2), (80, rate, rate))
    rise = of(values, 0.2)
    fall = of(1 - values, 0.8, direction=Direction.DOWN)
    assert (rise.low, rise.at, rise.high, rise.shape) == (fall.low, fall.at, fall.high, fall.shape)
    assert fall.after == pytest.approx(1 - rise.after)
    either = of(1 - values, 0.8, direction=Direction.BOTH)
    assert either == fall


def test_windows_of_one_onset_agree_with_their_observations():
    values = stream(4, (4_000, 0.05, 0.05), (1_000, 0.15, 0.15))
    single = of(values)
    windows = values.reshape(-1, 50).sum(axis=1)
    grouped = estimate(np.full(100, 50), windows, Baseline(0.05))
    assert abs(grouped.at * 50 - single.at) <= 100
    assert grouped.low * 50 <= 4_000 <= grouped.high * 50 + 49


def test_empty_windows_change_nothing_but_the_indexes():
    counts, totals = np.full(60, 40.0), np.r_[np.full(40, 2.0), np.full(20, 9.0)]
    found = estimate(counts, totals, Baseline(0.05))
    gaps = estimate(np.insert(counts, 40, [0, 0, 0]), np.insert(totals, 40, [0, 0, 0]), Baseline(0.05))
    assert found.low <= 40 <= found.high
    assert gaps.low <= 43 <= gaps.high
    assert gaps.after == pytest.approx(found.after, rel=0.05)


def test_a_jump_is_called_a_step_and_a_long_slope_a_ramp():
    assert of(stream(1, (2_000, 0.05, 0.05), (1_000, 0.3, 0.3))).shape is Shape.STEP
    slope = of(stream(1, (2_000, 0.05, 0.05), (3_000, 0.05, 0.4)))
    assert slope.shape is Shape.RAMP
    assert slope.low <= 2_000 <= slope.high
    assert slope.after == pytest.approx(0.4, abs=0.06)


def test_a_change_that_was_there_from_the_start_has_no_earlier_bound():
    found = of(stream(2, (300, 0.3, 0.3)))
    assert found.low == 0


def test_an_estimated_baseline_is_improved_by_what_came_before_the_onset():
    values = stream(3, (5_000, 0.05, 0.05), (600, 0.12, 0.12))
    found = estimate(np.ones(5_600), values, Baseline(0.06, 200))
    assert found.low <= 5_000 <= found.high
    assert found.before == pytest.approx((values[: found.at].sum() + 12) / (found.at + 200))


def test_bounded_scores_of_little_spread_are_told_more_exactly_than_votes():
    rng = np.random.default_rng(8)
    level = np.r_[np.full(1_000, 0.4), np.full(300, 0.5)]
    scores = np.clip(level + rng.normal(0, 0.1, 1_300), 0, 1)
    votes = (rng.random(1_300) < level).astype(float)
    calm = of(scores, 0.4, measure=Measure.MEAN)
    rough = of(votes, 0.4, measure=Measure.MEAN)
    assert calm.low <= 1_000 <= calm.high
    assert calm.high - calm.low < (rough.high - rough.low) / 5


def test_counts_that_vary_more_than_chance_get_a_wider_interval():
    rng = np.random.default_rng(5)
    rates = np.r_[np.full(200, 20.0), np.full(20, 30.0)]
    plain = rng.poisson(rates)
    wild = rng.poisson(rates * rng.gamma(4, 1 / 4, 220))
    intervals = [
        estimate(np.ones(220), each, Baseline(20), measure=Measure.COUNT) for each in (plain.astype(float), wild)
    ]
    assert all(one.low <= 200 <= one.high for one in intervals)
    widths = [one.high - one.low for one in intervals]
    assert widths[1] > widths[0]


def test_windows_of_unequal_length_tell_what_equal_ones_do():
    values = stream(9, (30_000, 0.05, 0.05), (3_000, 0.05, 0.12), (2_000, 0.12, 0.12))
    edges = np.r_[np.arange(0, 25_000, 250), np.arange(25_000, 35_001)]
    n, total = np.diff(edges), np.add.reduceat(values, edges[:-1])
    found = estimate(n, total, Baseline(0.05), edges=edges)
    whole = of(values)
    assert abs(edges[found.low] - whole.low) <= 250
    assert abs(edges[found.at] - whole.at) <= 250
    assert abs(edges[found.high] - whole.high) <= 250
    assert found.after == pytest.approx(whole.after, rel=0.02)


def test_standardised_scores_may_be_negative():
    rng = np.random.default_rng(6)
    scores = np.r_[rng.normal(0, 1, 300), rng.normal(-1.5, 1, 40)]
    found = of(scores, 0, measure=Measure.SCORE, direction=Direction.DOWN)
    assert found.low <= 300 <= found.high
    assert found.high - found.low < 80
    assert found.after == pytest.approx(-1.5, abs=0.5)


@pytest.mark.parametrize(
    ("what", "parts", "later", "least_width"),
    [
        ("a jump, at the alarm", [(6_000, 0.1, 0.1)], 0, 1),
        ("a jump, 1,000 later", [(6_000, 0.1, 0.1)], 1_000, 1),
        ("a ramp, at the alarm", [(2_000, 0.05, 0.08), (4_000, 0.08, 0.08)], 0, 500),
        ("a ramp, 2,000 later", [(2_000, 0.05, 0.08), (4_000, 0.08, 0.08)], 2_000, 500),
    ],
)
def test_the_interval_holds_the_onset_after_stopping(what, parts, later, least_width):
    plan = Plan(Measure.RATE, Baseline(0.05), budget=10_000, direction=Direction.UP)
    held, widths = [], []
    for seed in range(60):
        values = stream(seed, (2_000, 0.05, 0.05), *parts)
        alarm = sequential.scan(plan, values).alarm_at
        if alarm is None or alarm < 2_000 or alarm + later >= len(values):
            continue
        found = of(values[: alarm + 1 + later], alarm=alarm)
        held.append(found.low <= 2_000 <= found.high)
        widths.append(found.high - found.low)
    assert len(held) > 40
    # The seeds are fixed: bench/onset.py measures with many more.
    assert np.mean(held) >= 0.9, what
    assert np.median(widths) > least_width


@pytest.mark.parametrize(
    ("n", "total", "more", "said"),
    [
        ([1, 1], [0], {}, "two lists of one length"),
        ([1, 1], [0, 2], {}, "Window 1"),
        ([1, float("nan")], [0, 0], {}, "Window 1"),
        ([0, 1], [1, 1], {}, "Window 0"),
        ([1, 1], [0, 1], {"level": 1.0}, "level"),
        ([1, 1], [0, 1], {"alarm": 2}, "alarm is at window 2"),
        ([1, 1], [0, 1], {"edges": [0, 1]}, "one more than there are windows"),
        ([1, 1], [0, 1], {"edges": [0, 2, 2]}, "growing times"),
    ],
)
def test_figures_that_cannot_be_are_refused(n, total, more, said):
    with pytest.raises(ValueError, match=said):
        estimate(n, total, Baseline(0.1), **more)


def test_where_nothing_can_be_told_it_says_why():
    assert of([]) == Unknown("Nothing has been observed yet.")
    assert estimate([0, 0], [0, 0], Baseline(0.1)) == Unknown("Nothing has been observed yet.")
    calm = of(np.zeros(100))
    assert isinstance(calm, Unknown)
    assert "no different from the baseline" in calm.why


@given(seed=st.integers(0, 1_000), gone=st.integers(0, 60), rate=st.sampled_from([0.4, 0.6, 0.9]))
@settings(max_examples=25, deadline=None)
def test_a_normal_time_in_between_is_one_that_every_stretch_was_tried_for(seed, gone, rate):
    """Found only where some stretch gains enough, by trying all; and then its beginning is of such a stretch."""
    values = stream(seed, (40, 0.1, 0.1), (40, rate, rate), (gone, 0.1, 0.1), (30, rate, rate)) if gone else stream(
        seed, (40, 0.1, 0.1), (70, rate, rate)
    )  # fmt: skip
    found = normal_again(np.ones(len(values)), values, Baseline(0.1), began=40, after=60, level=rate)

    def log(part, mean):
        mean = np.clip(mean, 1e-6, 1 - 1e-6)
        return float(part.sum() * np.log(mean) + (len(part) - part.sum()) * np.log1p(-mean))

    since = values[40:]
    alone, gains = log(since, since.mean()), {}
    for first in range(61, len(values)):
        for last in range(first + 1, len(values) + 1):
            rest = np.r_[values[40:first], values[last:]]
            if rest.mean() > 0.1:
                gains[first, last] = log(values[first:last], 0.1) + log(rest, rest.mean()) - alone
    enough = 6.0 + np.log1p(len(since) * 0.09)
    if found is None:
        assert max(gains.values()) < enough + 1.5  # searched from one level to the next, it may miss by little
    else:
        assert max(gain for (first, _), gain in gains.items() if first == found) >= enough - 1e-9


def test_nothing_after_a_change_is_no_normal_time():
    assert normal_again([], [], Baseline(0.1), began=0, after=0, level=0.5) is None
    assert normal_again([1, 1], [0, 1], Baseline(0.1), began=0, after=1, level=0.5) is None
    assert normal_again([9] * 5, [9, 0, 0, 0, 0], Baseline(0.9), began=0, after=1, level=0.99) is None
