"""Each kind of watch finds what it is for, in a log that somebody might have."""

import math
from datetime import timedelta

import numpy as np
import pytest
from django.urls import reverse

from andon.kit.errors import Invalid
from andon.practice.words import Direction, FairnessMetric, IncidentType, WatchKind
from andon.watch import actions
from andon.watch.kinds import KINDS, measures
from tests.watch.conftest import MONDAY

pytestmark = pytest.mark.django_db
DAYS, A_DAY, TURN = 70, 300, 45
"""A log of ten weeks; what changes in it changes on day 45."""


@pytest.fixture(scope="module")
def log_rows():
    """Decisions on loans: from day 45 on, women are approved less, incomes lie lower, and labels are no surprise."""
    rng = np.random.default_rng(7)
    rows = []
    for day in range(DAYS):
        turned = day >= TURN
        for n in range(A_DAY):
            sex, income = "FM"[n % 2], float(rng.normal(3.0 - 0.8 * turned, 1.0))
            approved = rng.random() < (0.45 if sex == "F" and turned else 0.6)
            repaid = rng.random() < 0.8
            rows.append(
                {
                    "at": (MONDAY + timedelta(days=day, minutes=n)).isoformat(),
                    "sex": sex,
                    "age": ("young", "old")[n % 3 == 0],
                    "income": round(income, 4),
                    "approved": str(approved).lower(),
                    "repaid": "" if day >= DAYS - 3 else int(repaid),
                    "score": round(0.8 - 0.15 * turned, 3),
                    "latency_ms": round(200 * (1.5 if turned else 1.0) * rng.lognormal(0, 0.5), 1),
                    "channel": rng.choice(["web", "branch"], p=[0.5, 0.5] if turned else [0.8, 0.2]),
                }
            )
    return rows


@pytest.fixture
def loans(log_rows, written, connected, time):
    time.set(MONDAY + timedelta(days=DAYS, hours=2))
    written(log_rows)
    return connected(output_column="approved", label_column="repaid", score_column="score")


def found(watch, within):
    """The one alarm of a watch, raised soon after the turn, with an onset about then."""
    (alarm,) = actions.run_watch(watch).alarms.all()
    turn = MONDAY + timedelta(days=TURN)
    assert turn <= alarm.window_start <= turn + timedelta(days=within)
    assert abs(alarm.onset_at - turn) <= timedelta(days=4)
    assert alarm.recovered_at is None
    return alarm


def test_a_gap_between_groups(loans, watched):
    alarm = found(watched(loans, "fairness_gap", segments=["sex", "age"], budget=500), within=14)
    assert alarm.plan["about"]["group"] in {"sex = F", "sex = M"}
    assert [one["segment"] for one in alarm.drivers] == [{"sex": "F"}]
    assert alarm.observed > alarm.baseline  # the gap since the onset is wider than the one that was normal
    assert alarm.observed == pytest.approx(0.15, abs=0.05)


def test_no_gap_where_groups_turn_together(loans, watched):
    watch = actions.run_watch(watched(loans, "fairness_gap", segments=["age"], budget=500))
    assert not watch.alarms.exists()
    assert watch.detector["phase"] == "watching"


def test_a_gap_of_precision_goes_by_labels(loans, watched):
    watch = watched(loans, "fairness_gap", segments=["sex"], metric=FairnessMetric.PPV, tolerance=0.05, budget=500)
    watch = actions.run_watch(watch)
    assert not watch.alarms.exists()  # those who were approved repay as before
    state = watch.states.get(window_start=MONDAY, segment='["F"]')
    assert 0 < state.n < A_DAY / 2  # approved and labelled
    assert 0 < state.total < state.n


def scored(lower, otherwise):
    """Ten weeks of scores that say how often labels are positive, of which something changes for women on day 45.

    From then on their labels come true more seldom by `lower`, and their scores are drawn `otherwise`.
    """
    rng = np.random.default_rng(11)
    for day in range(DAYS):
        for n in range(A_DAY):
            turned = day >= TURN and n % 2 == 0
            score = round(float(rng.beta(5, 1) if turned and otherwise else rng.random()), 3)
            repaid = rng.random() < score - (lower if turned else 0.0)
            yield {
                "at": (MONDAY + timedelta(days=day, minutes=n)).isoformat(),
                "sex": "FM"[n % 2],
                "age": ("young", "old")[n % 3 == 0],
                "score": "" if n % 50 == 0 else score,
                "repaid": "" if n % 40 == 0 else int(repaid),
            }


@pytest.fixture
def calibrated(written, connected, watched, time):
    """Makes a watch of a gap in calibration on such decisions."""

    def make(segments, **turn):
        time.set(MONDAY + timedelta(days=DAYS, hours=2))
        written(list(scored(**turn)))
        log = connected(label_column="repaid", score_column="score")
        return watched(log, "fairness_gap", segments=segments, metric=FairnessMetric.CALIBRATION, budget=500)

    return make


def test_a_gap_of_calibration(calibrated, signed_in, cast):
    watch = calibrated(["sex", "age"], lower=0.2, otherwise=False)
    assert (watch.what, watch.truth) == ('"score"', '"repaid"')
    alarm = found(watch, within=14)
    assert alarm.plan["about"]["group"] in {"sex = F", "sex = M"}
    assert alarm.observed == pytest.approx(0.2, abs=0.06)
    state = watch.states.get(window_start=MONDAY, segment='["F","old"]')
    assert state.n == sum(state.counts[0])  # labelled, with a score
    assert state.total == sum(state.counts[1])
    shown = signed_in(cast.vera).get(reverse("watch", args=[watch.number])).text
    assert "sex = F fell against sex = M, to a gap of " in shown
    assert [(one["group"], one["moved"]) for one in alarm.figures["sides"]] == [("sex = F", True), ("sex = M", False)]
    assert "The same over all windows tested, with its confidence sequence" in shown


def test_inputs_that_move_and_do_not_hurt_alarm_the_watch_on_drift_and_no_other(calibrated, watched):
    gap = actions.run_watch(calibrated(["sex"], lower=0.0, otherwise=True))
    found(watched(gap.log, "input_drift", what="score", budget=500), within=6)
    wrong = "repaid <> (CASE WHEN score >= 0.5 THEN 1 ELSE 0 END)"
    silent = [
        gap,  # another mix of scores is no gap
        watched(gap.log, "calibration", label_delay_minutes=0, low=-1.0, high=1.0, budget=500),
        watched(gap.log, "accuracy", what=wrong, direction=Direction.UP, label_delay_minutes=0, budget=500),
    ]
    for watch in silent:
        actions.run_watch(watch)
        watch.refresh_from_db()
        assert (watch.detector["phase"], watch.alarms.count()) == ("watching", 0), watch.name


def test_a_gap_of_calibration_needs_a_score_and_a_label(written, connected, watched, time):
    written([{"at": MONDAY.isoformat(), "sex": "F", "score": 0.5, "repaid": 1}])
    for columns, field in (({"label_column": "repaid"}, "what"), ({"score_column": "score"}, "truth")):
        with pytest.raises(Invalid) as refused:
            watched(
                connected(name=field, **columns), "fairness_gap", segments=["sex"], metric=FairnessMetric.CALIBRATION
            )
        assert refused.value.field == field


def test_drift_of_a_number(loans, watched):
    alarm = found(watched(loans, "input_drift", what="income", budget=500), within=6)
    assert alarm.plan["about"]["bins"]
    assert alarm.observed > 0.1  # the Jensen-Shannon distance since the onset


def test_drift_of_categories(loans, watched):
    alarm = found(watched(loans, "input_drift", what="channel", budget=500), within=6)
    assert alarm.watch.bins["at"] == ["web", "branch"]


def test_a_mean_that_rises_without_bounds_being_given(loans, watched):
    alarm = found(watched(loans, "latency", what="latency_ms", window_minutes=24 * 60, budget=500), within=10)
    assert alarm.direction == "up"
    assert alarm.baseline == pytest.approx(225, rel=0.1)
    assert alarm.observed == pytest.approx(335, rel=0.1)


def test_scores_that_promise_less_than_comes_true(loans, watched):
    watch = watched(loans, "calibration", label_delay_minutes=0, low=-1.0, high=1.0, budget=500)
    alarm = found(watch, within=10)
    assert alarm.direction == "up"  # labels minus scores


def season(hour):
    """Decisions in an hour: many by day, few at night, half at the weekend."""
    at = MONDAY + timedelta(hours=hour)
    return round((12 + 8 * math.sin((at.hour - 9) / 24 * 2 * math.pi)) * (0.5 if at.weekday() > 4 else 1))


def test_the_volume_of_a_log_with_a_season_and_its_silence(written, connected, watched, time):
    """Nights and weekends raise nothing; a log that stops does."""
    weeks, silent = 6, 6 * 168 + 30
    time.set(MONDAY + timedelta(hours=silent + 48, minutes=5))
    rng = np.random.default_rng(3)
    written(
        [
            {"at": (MONDAY + timedelta(hours=hour, seconds=n)).isoformat(), "id": n}
            for hour in range(silent)
            for n in range(rng.poisson(season(hour)))
        ]
    )
    watch = actions.run_watch(watched(connected(), "volume", budget=2000, weekly=True))
    (alarm,) = watch.alarms.all()
    assert watch.detector["week"]
    assert alarm.direction == "down"
    assert timedelta(0) <= alarm.window_start - (MONDAY + timedelta(hours=silent)) <= timedelta(hours=24)
    assert abs(alarm.onset_at - (MONDAY + timedelta(hours=silent))) <= timedelta(hours=6)
    assert weeks * 168 < silent


@pytest.mark.parametrize("kind", list(WatchKind))
def test_every_kind_is_complete(kind):
    one = KINDS[kind]
    assert one.line.endswith(".")
    assert one.measure in measures(kind)
    assert isinstance(one.type, IncidentType)
    assert 1 <= one.severity <= 5
    late = {WatchKind.ACCURACY, WatchKind.CALIBRATION, WatchKind.ESTIMATED_ACCURACY, WatchKind.COMPLAINTS}
    assert (one.label_delay > 0) == (kind in late)


def test_fairness_makes_a_fairness_violation_and_harm_a_safety_incident():
    assert KINDS[WatchKind.FAIRNESS_GAP].type is IncidentType.FAIRNESS_VIOLATION
    assert KINDS[WatchKind.HARMFUL_OUTPUT].type is IncidentType.SAFETY
