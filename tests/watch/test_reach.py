"""What a watch says that it detects is what its detector does with data: about half of the delays are shorter."""

from datetime import timedelta

import numpy as np
import pytest

from andon.detect import sequential
from andon.practice.words import Direction, Measure
from andon.watch import judging
from andon.watch.judging import Question
from andon.watch.reach import Usual, reach

HOUR = timedelta(hours=1)


def asked(measure=Measure.RATE, direction=Direction.UP, **more):
    given = {"budget": 10_000, "tolerance": 0.0, "minimum": 100, "low": 0.0, "high": 1.0}
    return Question(measure=measure, direction=direction, **given | more)


def median_delay(question, found, known_from, draw, runs=300):
    """The median number of windows until the alarm in simulated runs; `draw(generator, mean, windows)`."""
    generator = np.random.default_rng(4)
    plan = judging.plan(question, {"baseline": {"mean": found.before, "n": known_from}})
    delays = []
    for _ in range(runs):
        before = sequential.advance(plan, sequential.start(plan), *draw(generator, found.before, 100))
        if before.alarm_at is None:
            after = sequential.advance(plan, before.evidence, *draw(generator, found.after, 20 * found.windows))
            delays.append(np.inf if after.alarm_at is None else after.alarm_at + 1)
    return np.median(delays)


@pytest.mark.parametrize(
    ("mean", "n", "known_from", "direction"),
    [
        (0.05, 500, None, Direction.UP),
        (0.05, 40, 20_000, Direction.UP),
        (0.002, 2_000, None, Direction.BOTH),
        (0.6, 100, None, Direction.DOWN),
    ],
)
def test_a_rate_s_reach_is_the_median_delay_in_simulation(mean, n, known_from, direction):
    question = asked(direction=direction)
    found = reach(question, Usual(n, mean), HOUR, known_from=known_from)
    assert found is not None
    assert found.windows <= 48  # two days of hours

    def draw(generator, rate, windows):
        return np.full(windows, float(n)), generator.binomial(n, rate, windows).astype(float)

    assert 0.6 <= median_delay(question, found, known_from, draw) / found.windows <= 1.5


def test_a_count_s_reach_is_the_median_delay_in_simulation():
    question = asked(Measure.COUNT, Direction.DOWN)
    found = reach(question, Usual(500, 500.0), HOUR, known_from=None)
    assert found is not None

    def draw(generator, mean, windows):
        return np.ones(windows), generator.poisson(mean, windows).astype(float)

    assert 0.6 <= median_delay(question, found, None, draw) / found.windows <= 1.5


def test_a_mean_s_reach_is_said_in_its_own_unit():
    question = asked(Measure.MEAN, low=0.0, high=2_000.0)
    found = reach(question, Usual(400, 300.0, variance=150.0**2), HOUR, known_from=None)
    assert found is not None
    assert 300 < found.after <= 400


def test_more_rows_reach_further_and_a_longer_budget_less_far():
    question = asked()
    few, many = (reach(question, Usual(n, 0.05), HOUR, known_from=None) for n in (30, 3_000))
    assert many.after < few.after
    patient = reach(asked(budget=10_000_000), Usual(3_000, 0.05), HOUR, known_from=None)
    assert (patient.after, patient.windows) >= (many.after, many.windows)


def test_where_nothing_is_detected_soon_the_quickest_is_said():
    found = reach(asked(), Usual(2, 0.01), timedelta(days=1), known_from=None)
    assert found is not None
    assert found.windows > 4


def test_what_no_window_answers_has_no_reach():
    assert reach(asked(Measure.GAP), Usual(500, 0.05), HOUR, known_from=None) is None
    assert reach(asked(), Usual(0, 0.05), HOUR, known_from=None) is None
    assert reach(asked(), Usual(500, 1.0), HOUR, known_from=None) is None  # nothing lies beyond
