"""Whether it is over: a change that lasts is not said to be over, one that is over is, in whatever pieces it is read."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.words import Direction, Measure
from andon.watch.questions import Onset, Question, Verdict, Window
from andon.watch.replaying import replay
from andon.watch.wayback import begin, budget, piece, take

MONDAY, HOUR, WEEKS = datetime(2026, 3, 2, tzinfo=UTC), timedelta(hours=1), 28 * 24


def asked(**other):
    given = {
        "measure": Measure.RATE, "direction": Direction.UP, "budget": 10_000, "tolerance": 0.0, "minimum": 100,
        "reference": (MONDAY, MONDAY + WEEKS * HOUR),
    }  # fmt: skip
    return Question(**given | other)


def hours(*stretches, seed, rows=50):
    """Hours of so many rows: each stretch is a rate and for how many hours it holds."""
    rates = np.concatenate([np.full(number, rate) for rate, number in stretches])
    events = np.random.default_rng(seed).binomial(rows, rates)
    return [Window(MONDAY + at * HOUR, rows, float(one), float(one)) for at, one in enumerate(events)]


@pytest.mark.parametrize("after", [0.0725, 0.1])
def test_a_change_that_lasts_is_not_said_to_be_over(after):
    """It was in more than half of such logs within four weeks: the level at an alarm is higher than what it stays at."""
    for seed in range(12):
        found = replay(asked(), hours((0.05, WEEKS + 50), (after, WEEKS), seed=seed))
        assert [alarm.recovered for alarm in found.alarms] == [None], seed


def test_what_is_back_is_said_to_be_over_within_days_and_so_is_what_never_was():
    over = []
    for seed in range(12):
        found = replay(asked(), hours((0.05, WEEKS + 50), (0.1, 72), (0.05, 200), seed=seed))
        over.append((found.alarms[0].recovered - MONDAY) / HOUR - (WEEKS + 50 + 72))
    assert np.median(over) < 30
    assert max(over) < 100
    false = replay(asked(), hours((0.05, WEEKS), (0.3, 3), (0.05, 600), seed=1))
    assert false.alarms[0].recovered is not None


@pytest.mark.parametrize(("minutes", "windows"), [(5, 1_000), (60, 1_000), (360, 240), (1_440, 100), (10_080, 100)])
def test_it_is_said_wrongly_once_in_sixty_days_of_a_hundred_to_a_thousand_windows(minutes, windows):
    assert budget(asked(length=timedelta(minutes=minutes))) == windows


@given(
    st.lists(st.tuples(st.integers(0, 80), st.floats(0, 1)), max_size=60),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 60),
)
def test_the_level_is_that_of_all_rows_whenever_as_many_have_come_again(counts, first, normal, size):
    """However windows come, the level is the same; and it is never nearer to normal than half of what it was first."""
    windows = [Window(MONDAY + at * HOUR, n, n * rate, n * rate) for at, (n, rate) in enumerate(counts)]
    began = begin(Onset(MONDAY, first, 40.0), normal)
    at_once = went(began, windows, 60, normal)
    assert at_once == pytest.approx(went(began, windows, size, normal))
    assert abs(at_once[0] - normal) >= abs(first - normal) / 2 - 1e-12


def went(detector, windows, size, normal):
    for start in range(0, len(windows), size):
        left = windows[start : start + size]
        while left:
            figures = [(one.n, one.total, 0.0) for one in left]
            now = piece(detector, left, figures)
            detector = take(Verdict(detector, len(now)), figures, normal).detector
            left = left[len(now) :]
    return [detector["level"], *detector["since_onset"]]


def test_an_alarm_of_before_levels_were_estimated_again_goes_on_as_it_was():
    windows = hours((0.05, 4), seed=1)
    kept = {"level": 0.2}
    assert piece(kept, windows, [(50, 1, 1)] * 4) == windows
    assert take(Verdict(kept, 4), [(50, 1, 1)] * 4, 0.05).detector == kept
