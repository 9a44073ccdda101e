"""One budget for many watches: what is shared out adds up, and what is raised together is what e-d-BH says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.detect.budget import AlarmBudget, together
from andon.detect.sequential import Baseline, Plan, scan

STEPS = st.lists(st.floats(1, 1e6), min_size=1, max_size=30)


@given(STEPS, st.floats(0.01, 10))
def test_expected_false_alarms_add_up_to_what_was_asked_for(steps, alarms):
    shares = AlarmBudget(alarms).shares(steps)
    expected = sum(count / share for count, share in zip(steps, shares, strict=True))
    assert expected <= alarms * (1 + 1e-9)
    if min(shares) > 1.001:
        assert expected == pytest.approx(alarms)
    assert all(share > 1 for share in shares)


@given(STEPS, st.floats(0.01, 0.9), st.randoms())
def test_a_watch_with_more_weight_gets_more_of_the_false_alarms(steps, alarms, random):
    weights = [random.uniform(0.1, 10) for _ in steps]
    shares = AlarmBudget(alarms).shares(steps, weights)
    parts = [count / share for count, share in zip(steps, shares, strict=True)]
    assert sum(parts) <= alarms * (1 + 1e-9)
    for part, weight in zip(parts, weights, strict=True):
        assert part == pytest.approx(alarms * weight / sum(weights), rel=1e-6)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=25), st.floats(1, 1e4))
def test_together_is_the_largest_number_of_watches_that_vouch_for_each_other(statistics, threshold):
    values = np.array(statistics)
    raised = together(values, np.full(len(values), threshold))
    ordered = sorted(statistics, reverse=True)
    most = max((k for k in range(1, len(ordered) + 1) if ordered[k - 1] / threshold * k >= 1), default=0)
    assert set(np.flatnonzero(raised)) >= set(np.flatnonzero(values >= threshold))
    assert raised.sum() >= most
    assert (not most and not raised.any()) or (values[raised] >= ordered[most - 1]).all()


def test_many_watches_keep_to_one_budget():
    # 200 watches, 300 steps each, two false alarms in all allowed: twenty times over, 40 are.
    (share, *_) = AlarmBudget(2).shares([300] * 200)
    rng, raised = np.random.default_rng(3), 0
    for _ in range(4):
        bits = (rng.random((200, 300)) < 0.1).astype(float)
        raised += sum(scan(Plan("rate", Baseline(0.1), share), row).alarm_at is not None for row in bits)
    assert raised <= 8 + 3 * 3


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: AlarmBudget(0), "above 0"),
        (lambda: AlarmBudget(float("nan")), "above 0"),
        (lambda: AlarmBudget(1).shares([1, 0]), "more than 0 steps"),
        (lambda: AlarmBudget(1).shares([1, 1], [1]), "weight"),
        (lambda: AlarmBudget(1).shares([1, 1], [1, -1]), "weight"),
        (lambda: together([1, float("nan")], [1, 1]), "both numbers"),
    ],
)
def test_what_cannot_be_is_refused_in_words(mistake, words):
    with pytest.raises(ValueError, match=words):
        mistake()
