"""CUSUM and FOCuS against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.detect.cusum import cusum, focus
from andon.detect.sequential import Baseline, Plan, scan

BITS = st.lists(st.integers(0, 1), min_size=1, max_size=60)
RATES = st.floats(0.01, 0.9)


@given(BITS, RATES, RATES, st.floats(0, 5))
def test_cusum_is_the_walk_that_never_goes_below_zero(bits, baseline, changed, before):
    expected, here = [], before
    for bit in bits:
        step = math.log(changed / baseline) if bit else math.log((1 - changed) / (1 - baseline))
        here = max(0.0, here + step)
        expected.append(here)
    assert cusum(bits, baseline, changed, before) == pytest.approx(expected, abs=1e-9)


@given(BITS, st.integers(0, 60))
def test_cusum_goes_on_where_it_was(bits, cut):
    whole = cusum(bits, 0.1, 0.3)
    first = cusum(bits[:cut], 0.1, 0.3)
    rest = cusum(bits[cut:], 0.1, 0.3, float(first[-1]) if len(first) else 0.0)
    assert [*first, *rest] == pytest.approx(list(whole), abs=1e-9)


@given(BITS, st.floats(0.02, 0.7), st.floats(1.1, 5))
def test_focus_is_the_largest_likelihood_ratio_over_begin_and_rate(bits, baseline, cap):
    told, since = focus(bits, baseline, cap)
    highest = min(cap * baseline, (1 + baseline) / 2)
    for end in range(1, len(bits) + 1):
        gains = []
        for begin in range(end):
            n, total = end - begin, sum(bits[begin:end])
            new = min(max(total / n, baseline), highest)
            gains.append(total * math.log(new / baseline) + (n - total) * math.log((1 - new) / (1 - baseline)))
        assert told[end - 1] == pytest.approx(max(0.0, *gains), abs=1e-9)
        if told[end - 1] > 1e-9:
            assert gains[since[end - 1]] == pytest.approx(told[end - 1], abs=1e-9)


def test_the_hull_stays_small_on_a_long_stream():
    bits = (np.random.default_rng(1).random(20_000) < 0.05).astype(float)
    told, since = focus(bits, 0.05)
    assert told.shape == since.shape == (20_000,)


def test_what_they_find_is_what_the_default_detector_finds():
    apart = []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        bits = np.concatenate([rng.random(1000) < 0.05, rng.random(2500) < 0.15]).astype(float)
        by_default = scan(Plan("rate", Baseline(0.05), 1e6), bits).alarm_at
        by_cusum = int(np.argmax(cusum(bits, 0.05, 0.15) >= math.log(1e6)))
        told, since = focus(bits[: by_default + 1], 0.05, 4)
        assert told[-1] > 8
        apart.append((by_default - by_cusum, abs(int(since[-1]) - 1000)))
    later, off = np.median(apart, axis=0)
    assert abs(later) < 50
    assert off < 50


def test_cusum_at_the_logarithm_of_the_budget_keeps_to_it():
    bits, alarms, begin = (np.random.default_rng(8).random(100_000) < 0.05).astype(float), 0, 0
    while (over := cusum(bits[begin:], 0.05, 0.1) >= math.log(500)).any():
        alarms, begin = alarms + 1, begin + int(np.argmax(over)) + 1
    assert 0 < alarms < 200


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: cusum([1], 0, 0.5), "baseline lies between 0 and 1"),
        (lambda: cusum([1], 0.5, 1), "changed rate lies between 0 and 1"),
        (lambda: focus([1], 1.5), "between 0 and 1"),
        (lambda: focus([1], 0.5, 1), "cap is more than 1"),
    ],
)
def test_what_cannot_be_is_refused_in_words(mistake, words):
    with pytest.raises(ValueError, match=words):
        mistake()
