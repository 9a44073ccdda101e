"""A watch over data that are already there: the same alarms as one observation after the other, in bounded memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.detect import onset, replay, sequential
from andon.detect.onset import Onset
from andon.detect.replay import Replay
from andon.detect.sequential import Baseline, Direction, Measure, Plan

PLAN = Plan(Measure.RATE, Baseline(0.1), budget=200)


def stream(seed: int, *parts: tuple[int, float]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([(rng.random(length) < rate).astype(float) for length, rate in parts])


def slow(plan: Plan, values: np.ndarray) -> list[tuple[int, float]]:
    """One observation after the other, starting again after each alarm."""
    found, evidence = [], sequential.start(plan)
    for index, value in enumerate(values):
        progress = sequential.scan(plan, [value], evidence)
        evidence = progress.evidence
        if progress.alarm_at is not None:
            found.append((index, float(progress.statistics[-1])))
            evidence = sequential.start(plan)
    return found


@given(seed=st.integers(0, 1_000), rate=st.floats(0.05, 0.6), cuts=st.lists(st.integers(1, 400), max_size=5))
@settings(max_examples=10, deadline=None)
def test_pieces_of_any_size_give_the_alarms_of_single_observations(seed, rate, cuts):
    values = stream(seed, (300, 0.1), (300, rate))
    run = Replay(PLAN)
    pieces = np.split(values, sorted(cuts))
    found = [alarm for piece in pieces for alarm in run.take(piece)]
    expected = slow(PLAN, values)
    assert [alarm.index for alarm in found] == [index for index, _ in expected]
    assert [alarm.statistic for alarm in found] == pytest.approx([statistic for _, statistic in expected], rel=1e-6)
    assert run.taken == 600


def test_the_onset_is_the_one_that_was_known_at_the_alarm():
    values = stream(6, (2_000, 0.1), (1_000, 0.3))
    first = next(iter(Replay(Plan(Measure.RATE, Baseline(0.1), 5_000)).take(values)))
    seen = values[: first.index + 1]
    assert first.onset == onset.estimate(np.ones(len(seen)), seen, Baseline(0.1), direction=first.direction)
    assert first.onset.low <= 2_000 <= first.onset.high
    assert first.direction is Direction.UP


def test_alarms_of_one_change_name_one_onset():
    values = stream(6, (2_000, 0.1), (1_000, 0.3))
    alarms = list(Replay(Plan(Measure.RATE, Baseline(0.1), 5_000)).take(values))
    assert len(alarms) > 3
    assert all(alarm.onset.low <= 2_000 <= alarm.onset.high for alarm in alarms)
    assert alarms[-1].onset.high - alarms[-1].onset.low < alarms[0].onset.high - alarms[0].onset.low


def test_reference_rows_are_not_tested_and_hold_no_onset():
    values = stream(5, (500, 0.5), (1_000, 0.1), (400, 0.4))
    alarms = list(Replay(Plan(Measure.RATE, Baseline(0.1, 500), 50_000), skip=500).take(values))
    assert alarms
    assert all(alarm.index >= 1_500 and alarm.onset.low >= 500 for alarm in alarms)


def test_groups_that_drive_it_are_named_by_number():
    rng = np.random.default_rng(2)
    groups = rng.integers(0, 4, 6_000)
    rates = np.where((np.arange(6_000) >= 4_000) & (groups == 2), 0.5, 0.1)
    values = (rng.random(6_000) < rates).astype(float)
    alarm = next(iter(Replay(Plan(Measure.RATE, Baseline(0.1), 10_000)).take(values, groups)))
    assert [driver.segment for driver in alarm.drivers] == [2]


def test_windows_count_their_units():
    counts = np.random.default_rng(1).binomial(50, np.r_[np.full(100, 0.1), np.full(30, 0.25)]).astype(float)
    groups = np.arange(130) % 2
    alarm = next(iter(Replay(Plan(Measure.RATE, Baseline(0.1), 1_000), units=50).take(counts, groups)))
    expected = sequential.advance(Plan(Measure.RATE, Baseline(0.1), 1_000), sequential.Evidence(), [50] * 130, counts)
    assert alarm.index == expected.alarm_at
    assert alarm.onset.low <= 100 <= alarm.onset.high


def test_memory_is_bounded_and_older_observations_stay_in_the_sums(monkeypatch):
    monkeypatch.setattr(replay, "RECENT", 1 << 11)
    monkeypatch.setattr(replay, "FINE", 1 << 9)
    monkeypatch.setattr(replay, "BLOCK", 1 << 5)
    rng = np.random.default_rng(7)
    values = stream(4, (9_000, 0.02), (400, 0.3))
    groups = (rng.random(len(values)) < 0.3).astype(np.int64)
    plan = Plan(Measure.RATE, Baseline(0.02), 10**6)
    bounded = Replay(plan, skip=100)
    cuts = [50, 3_000, 3_001, 9_100]
    pieces = zip(np.split(values, cuts), np.split(groups, cuts), strict=True)
    found = [alarm for piece, codes in pieces for alarm in bounded.take(piece, codes)]
    assert len(bounded._past.values) == (1 << 12) + (1 << 5)
    alarm = found[0]
    assert isinstance(alarm.onset, Onset)
    first, total = bounded._past.windows(100)
    n = np.diff(np.append(first, bounded.taken))
    assert n.sum() == len(values) - 128  # the first whole block after what is skipped
    assert total.sum() == values[128:].sum()
    assert (np.diff(first) > 0).all()
    before, since = bounded._past.tallies(9_000, 1)
    assert sum(tally[0] for tally in before.values()) == 9_000
    assert sum(tally[1] for tally in since.values()) == values[9_000:].sum()
    assert alarm.onset.low <= 9_000 <= alarm.onset.high


def test_a_value_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="0 or 1"):
        list(Replay(PLAN).take([0, 1, 0.5]))


def test_nothing_gives_nothing():
    assert list(Replay(PLAN).take([])) == []


def test_a_false_alarm_shortly_before_does_not_take_the_onset_of_the_next():
    plan = Plan(Measure.RATE, Baseline(0.05), 2_000, Direction.UP)
    cluster = np.tile([1.0, 0, 0, 0, 0], 20)  # a burst of 20%, then what is normal, then the change
    held = []
    for seed in range(12):
        values = np.r_[stream(seed, (1_500, 0.05)), cluster, stream(seed + 100, (500, 0.04), (400, 0.2))]
        alarms = list(Replay(plan).take(values))
        assert alarms[0].index < 2_100
        change = next(alarm for alarm in alarms if alarm.index >= 2_100)
        held.append(change.onset.low <= 2_100 <= change.onset.high)
    assert np.mean(held) >= 0.9


def binary(rng: np.random.Generator, rate: float, length: int) -> np.ndarray:
    return (rng.random(length) < rate).astype(float)


def bounded(rng: np.random.Generator, rate: float, length: int) -> np.ndarray:
    return rng.beta(8 * rate, 8 * (1 - rate), length)


def counted(rng: np.random.Generator, rate: float, length: int) -> np.ndarray:
    return rng.binomial(50, rate, length).astype(float)


@pytest.mark.parametrize(
    ("draw", "measure", "units", "levels", "lasts", "gone"),
    [
        (binary, Measure.RATE, 1, (0.05, 0.2), 500, 300),
        (binary, Measure.RATE, 1, (0.05, 0.2), 500, 3_000),
        (binary, Measure.RATE, 1, (0.3, 0.1), 500, 800),
        (bounded, Measure.MEAN, 1, (0.3, 0.5), 300, 400),
        (counted, Measure.RATE, 50, (0.05, 0.12), 40, 60),
    ],
)
def test_what_comes_again_began_again(draw, measure, units, levels, lasts, gone):
    normal, changed = levels
    began = 1_500 + lasts + gone
    held = []
    for seed in range(7):
        rng = np.random.default_rng(seed)
        parts = ((normal, 1_500), (changed, lasts), (normal, gone), (changed, lasts))
        values = np.concatenate([draw(rng, *part) for part in parts])
        alarms = list(Replay(Plan(measure, Baseline(normal), 10_000), units).take(values))
        first = next(alarm for alarm in alarms if alarm.index >= 1_500)
        held.append(first.onset.low <= 1_500 <= first.onset.high)
        again = [alarm for alarm in alarms if alarm.index >= began]
        held += [alarm.onset.low <= began <= alarm.onset.high for alarm in (again[0], again[-1])]
    assert np.mean(held) >= 0.9


@given(seed=st.integers(0, 10_000), rate=st.sampled_from([0.15, 0.3, 0.5]), lasts=st.integers(100, 1_500))
@settings(max_examples=6, deadline=None)
def test_a_change_that_lasts_is_one_and_an_onset_lies_before_its_alarm(seed, rate, lasts):
    """Whatever is cut off after an alarm, what was told at it stays the same: nothing that came later had a part in it."""
    values = np.r_[stream(seed, (800, 0.05)), stream(seed + 1, (lasts, rate))]
    plan = Plan(Measure.RATE, Baseline(0.05), 2_000)
    alarms = list(Replay(plan).take(values))
    for alarm in alarms:
        assert isinstance(alarm.onset, Onset)
        assert 0 <= alarm.onset.low <= alarm.onset.at <= alarm.onset.high <= alarm.index
    for alarm in alarms[:3]:
        assert list(Replay(plan).take(values[: alarm.index + 1]))[-1] == alarm


def test_groups_are_compared_with_what_came_since_the_change_before():
    """The first change is of one group and the second of another: neither is named for the other's."""
    rng = np.random.default_rng(4)
    groups = rng.integers(0, 4, 8_000)
    row = np.arange(8_000)
    first, second = (row >= 2_000) & (row < 3_500) & (groups == 1), (row >= 6_000) & (groups == 2)
    values = (rng.random(8_000) < np.where(first | second, 0.6, 0.05)).astype(float)
    alarms = list(Replay(Plan(Measure.RATE, Baseline(0.05), 10_000)).take(values, groups))
    assert [driver.segment for driver in next(one for one in alarms if one.index >= 2_000).drivers] == [1]
    later = next(one for one in alarms if one.index >= 6_000)
    assert later.onset.low > 3_000
    assert [driver.segment for driver in later.drivers] == [2]
