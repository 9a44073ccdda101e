"""Labels of a bad time that come once its alarm is over: they are no second alarm, and another change still is one."""

import random
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.detect import baseline, bets
from andon.practice.words import Direction, Measure
from andon.watch import actions, arriving, judging, wayback
from andon.watch.questions import Question, Window
from andon.watch.replaying import replay
from tests.watch.conftest import MONDAY

DAY = timedelta(days=1)
OLDEST, WAIT, A_DAY = 60, 45, 200
BAD = range(100, 120)


def asked(measure=Measure.RATE, **more):
    said = {"direction": Direction.UP, "budget": 1000, "tolerance": 0.0, "minimum": 10, "length": DAY}
    return Question(measure=measure, by_arrival=True, label_delay=WAIT * DAY, **said | more)


def story(wrong, days=230, *, gap=False):
    """Windows by arrival, as on average: a share `wrong(day)` of decisions is, half of it found out by an audit only.

    Of a gap group a is so, and b as it always was.
    """
    soon = np.diff(1 - np.exp(-np.arange(OLDEST + 1) / 3))
    audited = np.isin(np.arange(OLDEST), range(40, 45)) / 5
    chances = (soon + audited) / 2, soon

    def labels(day, age, share):
        events = A_DAY * share * chances[0][age]
        return [age, events + A_DAY * (1 - share) * chances[1][age], events, events, 0.0]

    windows = []
    for day in range(WAIT, days):
        old = range(min(day + 1, OLDEST))
        made = {'["a"]': [labels(day, age, wrong(day - age)) for age in old]}
        if gap:
            made['["b"]'] = [labels(day, age, 0.05) for age in old]
        sums = {key: [sum(row[at] for row in rows) for at in (1, 2)] for key, rows in made.items()}
        segments = {key: [[n], [events], [0.0]] for key, (n, events) in sums.items()}
        n, events = (sum(one[at] for one in sums.values()) for at in (0, 1))
        whole = {"": [row for rows in made.values() for row in rows]}
        windows.append(Window(MONDAY + day * DAY, n, events, events, segments=segments, made=made | whole))
    return windows


def days_of(question, windows, *, older=False):
    """Of each alarm, by days: when it was raised, and when it was over; with `older` as if nothing were left out."""
    detector, seen, found = {}, 0, []
    while seen < len(windows):
        if older:
            detector.pop("over", None)
        verdict = judging.judge(question, detector, windows[seen:])
        detector, seen = verdict.detector, seen + verdict.seen
        if verdict.raised is not None:
            since = [one for one in windows[:seen] if one.start >= datetime.fromisoformat(detector["since"])]
            tested = arriving.counted(question, detector, since)
            onset = judging.onset(question, detector, tested)
            detector |= wayback.begin(onset, judging.usual(detector).mean)
            found.append([(verdict.raised.window - MONDAY) // DAY])
        if verdict.recovered is not None:
            found[-1].append((verdict.recovered - MONDAY) // DAY)
    return found


def test_labels_of_a_bad_time_are_no_second_alarm():
    told = story(lambda day: 0.4 if day in BAD else 0.05)
    before = days_of(asked(), told, older=True)
    assert len(before) > 1  # what this is about: labels of decisions of the bad time, after its end was seen
    assert len(days_of(asked(), told)) == 1
    assert len(replay(asked(), told).alarms) == 1


def test_another_bad_time_is_a_second_alarm_as_soon_as_ever():
    told = story(lambda day: 0.4 if day in BAD or day >= 180 else 0.05)
    (first, over), second = days_of(asked(), told)
    assert BAD.start <= first < BAD.stop < over < 180
    assert 180 <= second[0] <= 180 + (first - BAD.start) + 2


def test_labels_of_a_bad_time_end_no_second_alarm_either():
    """A fall soon after it: late labels of decisions of the bad time look as if it were over."""
    told = story(lambda day: 0.5 if day in BAD else 0.02 if day >= 132 else 0.1, 200)
    first, second = days_of(asked(direction=Direction.BOTH), told)
    assert len(first) == 2
    assert len(second) == 1


@pytest.mark.parametrize("calibrates", [False, True])
def test_of_gaps_older_decisions_are_left_out(calibrates):
    question = asked(Measure.GAP, columns=("group",), minimum=100, calibrates=calibrates)
    over = MONDAY + 130 * DAY
    windows = story(lambda day: 0.4 if day in BAD else 0.05, 190, gap=True)
    for before, window in zip(windows, arriving.renewed(question, windows, None, over), strict=True):
        newer = [row for row in before.made['["a"]'] if before.start - row[0] * DAY >= over]
        if before.start < over or (calibrates and before.start >= over + WAIT * DAY):
            assert window == before
        elif calibrates:
            assert (window.n, window.segments) == (0, {})  # by age the strata are not known
        else:
            assert window.segments['["a"]'][0][0] == pytest.approx(sum(row[1] for row in newer))
            assert window.segments['["a"]'][1][0] == pytest.approx(sum(row[2] for row in newer))
            assert window.n == pytest.approx(2 * sum(row[1] for row in newer), rel=0.2)


def test_where_a_baseline_was_given_nothing_counts_until_most_labels_have_come():
    over = MONDAY + 130 * DAY
    for before, window in zip(
        told := story(lambda _day: 0.05, 190), arriving.renewed(asked(), told, None, over), strict=True
    ):
        assert window.n == (0 if over <= before.start < over + WAIT * DAY else before.n)


rows = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 40), st.floats(0, 1)),
    min_size=1, max_size=8, unique_by=lambda row: row[0],
)  # fmt: skip
REFERENCE = [[float(age), 1e9, 1e9 * (0.02 + age / 100)] for age in range(31)]
MEAN = 0.02 + 15 / 100
BOUNDS = {Measure.RATE: (0.0, 1.0), Measure.MEAN: (-1.0, 3.0)}


def left_of(held, measure, later):
    """What is left of labels (age, how many, their mean) of a window so many days after an alarm was over."""
    made = {"": [[float(age), float(n), n * share, n * share, 0.0] for age, n, share in held]}
    n, total = (sum(row[at] for row in made[""]) for at in (1, 2))
    low, high = BOUNDS[measure]
    window = Window(MONDAY + later * DAY, n, total, total, made=made)
    (found,) = arriving.renewed(asked(measure, low=low, high=high), [window], REFERENCE, MONDAY)
    return found


@given(rows, st.integers(0, 80), st.sampled_from([Measure.RATE, Measure.MEAN]))
def test_newer_decisions_count_and_what_is_added_lies_at_one_end(held, later, measure):
    found, newer = left_of(held, measure, later), [row for row in held if row[0] <= later]
    n, total = sum(row[1] for row in newer), sum(row[1] * row[2] for row in newer)
    more = found.n - n
    assert more >= -1e-9
    assert more == pytest.approx(0, abs=1e-9) or later < WAIT
    ends = [total + more * end for end in BOUNDS[measure]]
    assert min(abs(found.total - end) for end in ends) < 1e-6 * (1 + n)
    assert found.total**2 <= found.squares * found.n * (1 + 1e-9) + 1e-9


@given(rows, st.integers(0, WAIT - 1), st.sampled_from([Measure.RATE, Measure.MEAN]))
def test_where_newer_decisions_are_as_is_normal_at_their_ages_so_is_the_window(held, later, measure):
    found = left_of([(age, n, 0.02 + age / 100) for age, n, _ in held], measure, later)
    assert not found.n or found.total / found.n == pytest.approx(MEAN, rel=1e-5)


@given(rows, st.integers(0, WAIT - 1), st.sampled_from([1, -1]), st.sampled_from(["rate", "mean"]))
def test_no_bet_is_expected_to_win_where_nothing_has_changed(held, later, side, tested):
    """Why the promise stands: labels of ages at which events are rare or frequent win nothing with what is added."""
    bet = bets.Bets.against(baseline.Measure(tested), MEAN, side)
    at_zero, slope = bet.line()  # what a row is expected to win is a line over its mean
    newer = [(n, 0.02 + age / 100) for age, n, _ in held if age <= later]
    found = left_of([(age, n, 0.02 + age / 100) for age, n, _ in held], Measure.RATE, later)
    n, total = sum(one[0] for one in newer), sum(one[0] * one[1] for one in newer)
    more, events = max(0.0, found.n - n), found.total - total
    added = more * np.log(at_zero + slope * (1.0 if events > more / 2 else 0.0))
    assert np.all(sum((n * np.log(at_zero + slope * share) for n, share in newer), start=added) <= 1e-4)


def test_without_an_alarm_before_nothing_is_otherwise():
    told = story(lambda _day: 0.05, 80)
    assert arriving.counted(asked(), {"baseline": {"ages": [[0.0, 1.0, 0.0]]}}, told) is told
    assert arriving.over(replace(asked(), by_arrival=False), told[0]) == {}


@pytest.mark.django_db
def test_an_incident_that_is_over_gets_no_second_one_from_labels_of_its_time(connected, watched, written, time):
    """Half of what is wrong is found out a month later, by an audit: after the bad time was seen to be over."""
    random_ = random.Random(3)
    known = MONDAY + 135 * DAY
    told = []
    for day in range(135):
        for n in range(40):
            at = MONDAY + (day + n / 40) * DAY
            wrong = random_.random() < (0.5 if 70 <= day < 86 else 0.05)
            audit = wrong and random_.random() < 0.5
            came = at + (random_.uniform(28, 32) if audit else random_.uniform(0, 5)) * DAY
            label = {"repaid": int(not wrong), "known_at": came.isoformat()} if came < known else {}
            told.append({"at": at.isoformat(), "approved": 1, "repaid": None, "known_at": None} | label)
    written(told)
    time.set(known + timedelta(hours=3))
    log = connected(output_column="approved", label_column="repaid", label_time_column="known_at")
    watch = actions.run_watch(watched(log, "accuracy", label_delay_minutes=35 * 24 * 60, budget=1000))
    alarm = watch.alarms.get()
    assert MONDAY + 70 * DAY <= alarm.window_start < MONDAY + 86 * DAY
    assert MONDAY + 86 * DAY < alarm.recovered_at < MONDAY + 128 * DAY
