"""A metric with a week: weekends are no alarm, a rise is, and it ends; the same in pieces as at once."""

import json
from datetime import timedelta

import numpy as np
import pytest
from django.urls import reverse

from andon.kit.errors import Invalid
from andon.practice.words import Direction, Measure
from andon.watch import actions, judging, weekly
from andon.watch.judging import Question, Window
from andon.watch.models import Watch
from tests.watch.conftest import MONDAY

DAY = timedelta(days=1)
WEEK = np.array([1.0, 1.0, 1.05, 1.0, 0.95, 1.5, 1.6]) * 0.05


def days(count, rng, *, risen=(), rests=(), a_day=4000):
    windows = []
    for day in range(count):
        n = 0 if day % 7 in rests else a_day
        rate = WEEK[day % 7] * np.exp(rng.normal(0, 0.05)) + (0.02 if day in risen else 0)
        total = float(rng.binomial(n, rate))
        windows.append(Window(MONDAY + day * DAY, n, total, total))
    return windows


def asked(slots=7, **other):
    given = {
        "measure": Measure.RATE, "direction": Direction.UP, "budget": 1000, "tolerance": 0.0, "minimum": 100,
        "length": DAY, "slots": slots,
    }  # fmt: skip
    return Question(**given | other)


def judged(question, windows, pieces=1):
    """What is raised and recovered, as indexes of days, and the detector at the end, kept as JSON between pieces."""
    detector, raised, recovered, statistics = {}, [], [], []
    for piece in np.array_split(np.array(windows, dtype=object), pieces):
        left = [Window(*one) if not isinstance(one, Window) else one for one in piece]
        while left:
            verdict = judging.judge(question, json.loads(json.dumps(detector)), left)
            detector = verdict.detector
            statistics.extend(verdict.statistics)
            if verdict.raised is not None:
                raised.append((verdict.raised.window - MONDAY).days)
                since = [one for one in windows if one.start <= verdict.raised.window]
                detector["level"] = judging.onset(question, detector, since[-30:]).level
            if verdict.recovered is not None:
                recovered.append((verdict.recovered - MONDAY).days)
            left = left[verdict.seen :]
    return raised, recovered, detector, statistics


def test_weekends_are_no_alarm_where_it_is_known_that_there_are_weekends():
    windows = days(300, np.random.default_rng(1))
    assert len(judged(asked(slots=0), windows)[0]) > 5
    raised, _, detector, _ = judged(asked(), windows)
    assert raised == []
    assert detector["phase"] == "watching"
    assert len(detector["week"]["levels"]) == 7


def test_a_rise_is_found_within_days_and_so_is_its_end():
    windows = days(200, np.random.default_rng(2), risen=range(100, 140))
    raised, recovered, _, _ = judged(asked(), windows)
    assert len(raised) == len(recovered) == 1
    assert 100 <= raised[0] <= 105
    assert 140 <= recovered[0] <= 146


def test_a_fall_is_found_and_its_end_as_well():
    windows = days(200, np.random.default_rng(3), risen=[*range(100), *range(140, 200)])
    raised, recovered, detector, _ = judged(asked(direction=Direction.DOWN), windows)
    assert 100 <= raised[0] <= 106
    assert 140 <= recovered[0] <= 147
    assert detector["phase"] == "watching"


def test_pieces_say_what_all_at_once_says():
    windows = days(160, np.random.default_rng(4), risen=range(100, 120), rests=(6,))
    at_once, in_pieces = judged(asked(), windows), judged(asked(), windows, pieces=41)
    assert in_pieces[:2] == at_once[:2]
    assert in_pieces[3] == pytest.approx(at_once[3])


def test_a_day_that_the_reference_does_not_show_is_not_judged():
    rng = np.random.default_rng(5)
    windows = days(60, rng, rests=(6,))
    windows[55] = Window(windows[55].start, 4000, 3900.0, 3900.0)  # a Sunday at work, and all of it wrong
    raised, _, detector, _ = judged(asked(), windows)
    assert raised == []
    assert detector["week"]["levels"][6] is None


def test_what_is_missing_is_said():
    windows = days(20, np.random.default_rng(6))
    detector = judged(asked(), windows)[2]
    assert detector["phase"] == "learning"
    assert "20 of 28 windows" in judging.judge(asked(), {}, windows).says


def test_sums_without_the_week_are_level():
    windows = days(100, np.random.default_rng(7))
    detector = judged(asked(), windows)[2]
    plain = [total / n for n, total, _ in judging.figures(asked(), windows)]
    level = [total / n for n, total, _ in judging.figures(asked(), windows, detector)]
    assert np.std(level) < np.std(plain) / 2
    assert np.mean(level) == pytest.approx(np.mean(plain), abs=0.002)


@pytest.mark.parametrize(
    ("length", "expected"),
    [(DAY, 7), (timedelta(hours=1), 168), (timedelta(hours=5), None), (timedelta(minutes=30), None), (7 * DAY, 1)],
)
def test_how_many_windows_make_a_week(length, expected):
    assert weekly.slots(length) == expected


@pytest.mark.django_db
def test_a_watch_says_that_its_metric_has_a_week(connected, watched, written, time):
    time.set(MONDAY + 64 * DAY + timedelta(hours=1))
    rows = [
        {"at": (MONDAY + day * DAY + n * timedelta(minutes=18)).isoformat(), "failed": int(n < wrong)}
        for day in range(64)
        for wrong in [(7 if day % 7 < 5 else 11) + day % 3 + (10 if day >= 60 else 0)]
        for n in range(80)
    ]
    written(rows)
    watch = actions.run_watch(watched(connected(), what="failed", window_minutes=1440, weekly=True, budget=1000))
    (alarm,) = watch.alarms.all()
    assert alarm.direction == "up"
    assert MONDAY + 60 * DAY <= alarm.window_start <= MONDAY + 63 * DAY
    assert watch.detector["week"]["n"] == 28


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"baseline": 0.1}, "baseline"),
        ({"window_minutes": 7}, "window_minutes"),
        ({"window_minutes": 30}, "window_minutes"),
    ],
)
def test_what_cannot_have_a_week_is_refused(connected, watched, written, facts, field):
    written([{"at": MONDAY.isoformat(), "failed": 0}])
    with pytest.raises(Invalid) as refused:
        watched(connected(), what="failed", weekly=True, **facts)
    assert refused.value.field == field


@pytest.mark.django_db
def test_a_week_is_said_on_the_page_and_over_the_api(cast, connected, written, signed_in):
    written([{"at": MONDAY.isoformat(), "failed": 0}])
    log, browser = connected(), signed_in(cast.omar)
    form = {"name": "Failures", "log": log.pk, "window_minutes": "1440", "direction": "up", "budget": "1000"}
    url = reverse("watch_create", args=["credit-scorer", "error_rate"])
    wrong = browser.post(url, form | {"what": "failed", "weekly": "on", "baseline": "0.1"})
    assert "leave the baseline out" in wrong.content.decode()
    assert browser.post(url, form | {"what": "failed", "weekly": "on"}).status_code == 302
    watch = Watch.objects.get()
    assert watch.weekly
    said = browser.get(f"/api/v1/watches/{watch.number}").json()
    assert said["weekly"] is True
    assert "what is normal for its time of the week" in said["tests"]
    changed = browser.patch(
        f"/api/v1/watches/{watch.number}", json.dumps({"weekly": False}), content_type="application/json"
    )
    assert changed.json()["weekly"] is False
