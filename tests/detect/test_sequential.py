"""The default detector against a slow reference, its laws, and its promise about false alarms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.detect import sequential
from andon.detect.bets import ODDS, Bets
from andon.detect.sequential import Baseline, Direction, Evidence, Measure, Plan, advance, scan, start

SOME_RATES = st.floats(0.001, 0.999)
BITS = st.lists(st.integers(0, 1), min_size=1, max_size=120)
DIRECTIONS = st.sampled_from(list(Direction))


def rate(p0, budget=1e4, direction="both", n=None, tolerance=0.0):
    return Plan(Measure.RATE, Baseline(p0, n), budget, Direction(direction), tolerance)


def slow(plan, n, total):
    """Statistics by the definition: one bet and one window after the other, in plain numbers."""
    table = sequential._table(plan)
    stakes, told = np.zeros(2 * sequential.SIDE), []
    for size, events in zip(n, total, strict=True):
        if size:
            factors = np.exp(table.on_windows(np.array([float(size)]), np.array([float(events)]), None)[0])
            stakes = (stakes + 1) * factors
        told.append(float(table.weights @ stakes))
        if told[-1] >= plan.threshold:
            break
    return told


@given(SOME_RATES, BITS, DIRECTIONS)
def test_what_is_scanned_is_what_the_definition_says(p0, bits, direction):
    plan = rate(p0, budget=50, direction=direction)
    expected = slow(plan, [1] * len(bits), bits)
    found = scan(plan, bits)
    assert found.statistics == pytest.approx(expected, rel=1e-9)
    assert (found.alarm_at is not None) == (expected[-1] >= 50)
    assert found.alarm_at in {None, len(expected) - 1}


@given(SOME_RATES, st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1)), min_size=1, max_size=40), DIRECTIONS)
def test_windows_are_taken_as_the_definition_says(p0, windows, direction):
    n = [size for size, _ in windows]
    total = [round(size * share) for size, share in windows]
    plan = rate(p0, budget=200, direction=direction)
    found = advance(plan, start(plan), n, total)
    assert found.statistics == pytest.approx(slow(plan, n, total), rel=1e-9)


@given(SOME_RATES, BITS, st.sampled_from([1, -1]))
def test_a_bet_on_a_window_is_the_product_of_likelihood_ratios_of_its_observations(p0, bits, sign):
    bets = Bets.against(Measure.RATE, p0, sign)
    whole = bets.on_windows(np.array([float(len(bits))]), np.array([float(sum(bits))]))[0]
    odds = p0 / (1 - p0) * np.exp(sign * bets._on_size(np.array([float(len(bits))]))[0])
    p1 = odds / (1 + odds)
    each = [np.log(p1 / p0) if bit else np.log((1 - p1) / (1 - p0)) for bit in bits]
    assert whole == pytest.approx(np.sum(each, axis=0), abs=1e-6)
    # Where a window is small, the bets are those on single observations.
    if len(bits) * p0 * (1 - p0) <= 1 / math.log(ODDS[1]) ** 2:
        assert whole == pytest.approx(bets.on_values(np.array(bits, float)).sum(axis=0), abs=1e-6)


@given(SOME_RATES, st.integers(1, 10_000_000), st.sampled_from([1, -1]))
def test_on_large_windows_no_bet_risks_more_than_a_standard_deviation_unless_it_is_the_mildest(p0, n, sign):
    tilts = Bets.against(Measure.RATE, p0, sign)._on_size(np.array([float(n)]))[0]
    assert (np.diff(tilts) >= 0).all()
    assert tilts[0] == pytest.approx(math.log(ODDS[0]))
    assert tilts[-1] <= max(1 / math.sqrt(n * p0 * (1 - p0)), tilts[0]) * (1 + 1e-9)


@given(SOME_RATES, BITS, st.integers(0, 120))
def test_data_in_two_pieces_end_where_they_end_at_once(p0, bits, cut):
    plan = rate(p0, budget=1e12)
    once = scan(plan, bits)
    first = scan(plan, bits[:cut])
    kept = Evidence.from_list(first.evidence.to_list())
    second = scan(plan, bits[cut:], kept)
    assert [*first.statistics, *second.statistics] == pytest.approx(list(once.statistics), rel=1e-9)
    assert second.evidence.to_list() == pytest.approx(once.evidence.to_list(), rel=1e-9, abs=1e-12)


def test_pieces_longer_than_a_chunk_end_where_they_end_at_once():
    bits = (np.random.default_rng(1).random(3 * sequential.CHUNKS[1] + 5) < 0.05).astype(float)
    plan = rate(0.05, budget=1e9)
    once, state, told = scan(plan, bits), start(plan), []
    for part in np.array_split(bits, 7):
        found = scan(plan, part, state)
        state = found.evidence
        told.extend(found.statistics)
    assert told == pytest.approx(list(once.statistics), rel=1e-8)


@given(SOME_RATES, DIRECTIONS)
def test_no_bet_gains_on_average_while_nothing_has_changed(p0, direction):
    table = sequential._table(rate(p0, direction=direction))
    on_none, on_one = np.exp(table.on_values(np.array([0.0, 1.0])))
    assert ((1 - p0) * on_none + p0 * on_one <= 1 + 1e-9).all()


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda values: 0.02 < np.mean(values) < 0.98),
)
def test_no_bet_on_a_mean_gains_whatever_the_shape(values):
    values = np.array(values)
    plan = Plan(Measure.MEAN, Baseline(float(values.mean())))
    table = sequential._table(plan)
    each = np.exp(table.on_values(values))
    assert each.mean(axis=0) == pytest.approx(1, abs=1e-6)
    # A window's bet is never more than the product of its observations' bets, whatever is left out of it.
    ones = np.ones_like(values)
    with_squares = table.on_windows(ones, values, values**2)
    assert (with_squares <= table.on_values(values) + 1e-9).all()
    assert (table.on_windows(ones, values, None) <= with_squares + 1e-9).all()


@given(st.floats(0.05, 50), st.floats(0.1, 20))
def test_no_bet_on_a_count_gains_on_average(mean, exposure):
    plan = Plan(Measure.COUNT, Baseline(mean))
    expected = mean * exposure
    counts = np.arange(int(expected * 6 + 60), dtype=float)
    chances = counts * math.log(expected) - expected - np.array([math.lgamma(c + 1) for c in counts])
    factors = sequential._table(plan).on_windows(np.full_like(counts, exposure), counts, None)
    assert (np.exp(chances[:, None] + factors).sum(axis=0) <= 1 + 1e-6).all()


@given(SOME_RATES, BITS)
def test_more_events_are_never_less_evidence_of_a_rise(p0, bits):
    plan = rate(p0, budget=1e12, direction="up")
    more = [*bits[:-1], 1]
    assert scan(plan, more).statistics[-1] >= scan(plan, bits).statistics[-1] * (1 - 1e-9)


@given(SOME_RATES, BITS)
def test_a_fall_is_the_mirror_image_of_a_rise(p0, bits):
    rising = scan(rate(p0, direction="up"), bits)
    falling = scan(rate(1 - p0, direction="down"), [1 - bit for bit in bits])
    assert falling.statistics == pytest.approx(rising.statistics, rel=1e-6)


@pytest.mark.parametrize("direction", ["up", "both"])
def test_an_estimated_baseline_keeps_to_the_budget_over_many_references(direction):
    rng, budget, n, rate_now = np.random.default_rng(11), 300, 200, 0.1
    spans = []
    for _ in range(200):
        estimate = Plan(Measure.RATE, Baseline(rng.binomial(n, rate_now) / n, n), budget, direction)
        at = scan(estimate, (rng.random(3000) < rate_now).astype(float)).alarm_at
        spans.append(3000 if at is None else at + 1)  # cut short, which only makes the mean smaller
    assert np.mean(spans) > budget
    assert np.mean(np.array(spans) < budget / 10) < 0.15


def test_empty_windows_are_no_steps():
    plan = rate(0.05)
    with_gaps = advance(plan, start(plan), [0, 100, 0, 0, 100, 0], [0, 9, 0, 0, 12, 0])
    without = advance(plan, start(plan), [100, 100], [9, 12])
    a, b = without.statistics
    assert list(with_gaps.statistics) == pytest.approx([0, a, a, a, b, b])
    assert with_gaps.evidence == without.evidence


def test_the_alarm_is_at_the_window_that_was_given_and_the_rest_is_not_read():
    plan = rate(0.05, budget=100)
    found = advance(plan, start(plan), [0, 100, 0, 100, 100], [0, 5, 0, 40, 0])
    assert (found.alarm_at, found.direction, len(found.statistics)) == (3, Direction.UP, 4)
    assert found.statistics[-1] >= found.threshold == 100


def test_a_fall_is_told_as_a_fall():
    assert scan(rate(0.5), [0] * 200).direction is Direction.DOWN


@pytest.mark.parametrize("p0", [0.01, 0.2, 0.97])
@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_false_alarms_keep_to_the_budget(p0, direction):
    budget, bits = 500, (np.random.default_rng(7).random(60_000) < p0).astype(float)
    plan, alarms, begin = rate(p0, budget, direction), 0, 0
    while (found := scan(plan, bits[begin:])).alarm_at is not None:
        alarms += 1
        begin += found.alarm_at + 1
    # 120 would be allowed on average, give or take 11.
    assert alarms < 120 + 3 * 11


def test_the_rise_that_the_reference_names_is_found_in_time():
    rng, delays = np.random.default_rng(3), []
    for _ in range(60):
        bits = np.concatenate([rng.random(500) < 0.05, rng.random(3000) < 0.10]).astype(float)
        if (at := scan(rate(0.05), bits).alarm_at) >= 500:
            delays.append(at - 499)
    assert 100 < np.median(delays) < 230


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: scan(rate(0.05), [0, 1, math.nan]), "Value 2 is no number"),
        (lambda: scan(rate(0.05), [0, "yes"]), "something in it is none: could not convert string to float: 'yes'"),
        (lambda: scan(rate(0.05), [0, [1]]), "something in it is none"),
        (lambda: scan(rate(0.05), [0, None]), "Value 1 is no number"),
        (lambda: scan(rate(0.05), [0, 0.5]), "Value 1 is 0.5, and should be 0 or 1"),
        (lambda: scan(Plan("mean", Baseline(0.5)), [0.2, 1.5]), "Value 1 is 1.5, and should be between 0 and 1"),
        (lambda: scan(Plan("count", Baseline(0.5)), [1]), "Counts come in windows"),
        (lambda: advance(rate(0.1), start(rate(0.1)), [10, 10], [1, 11]), "Window 1 has n 10, a total of 11"),
        (lambda: advance(rate(0.1), start(rate(0.1)), [10, -1], [1, 0]), "Window 1"),
        (lambda: advance(rate(0.1), start(rate(0.1)), [10], [1, 0]), "Every window needs"),
        (lambda: advance(Plan("mean", Baseline(0.5)), Evidence(), [2], [1], [0.1]), "sum of squares of 0.1"),
        (lambda: advance(rate(0.1), start(rate(0.1)), [[1]], [[1]]), "2 dimensions"),
        (lambda: rate(0), "exactly 0 leaves nothing to chance"),
        (lambda: rate(1), "exactly 1 leaves nothing to chance"),
        (lambda: rate(1, direction="up"), "leaves no room for a change up"),
        (lambda: rate(0.5, tolerance=0.6), "in either direction"),
        (lambda: rate(1.5), "lies between 0 and 1"),
        (lambda: rate(-0.5), "0 or more"),
        (lambda: rate(math.nan), "a number, and this is nan"),
        (lambda: rate(0.5, n=0), "at least one observation"),
        (lambda: rate(0.5, budget=1), "more than one step"),
        (lambda: rate(0.5, tolerance=-1), "tolerance"),
        (lambda: Evidence.from_list([0.0, 1.0]), "start anew"),
        (lambda: Evidence.from_list([math.nan] * 16), "start anew"),
    ],
)
def test_what_cannot_be_is_refused_in_words(mistake, words):
    with pytest.raises(ValueError, match=words):
        mistake()


def test_extreme_data_give_a_verdict_and_no_warning():
    plan = rate(0.05)
    huge = advance(plan, start(plan), [1e12, 1e12], [5e10, 9e11])
    assert huge.alarm_at == 1
    assert np.isfinite(huge.statistics).all()
    assert np.isfinite(huge.evidence.to_list()).all()
    none_seen = rate(0.0, n=300)
    assert scan(none_seen, [1] * 30).direction is Direction.UP
    assert scan(none_seen, []).statistics.size == 0
