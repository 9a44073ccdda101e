"""A watch reads its windows once, judges them, and alarms."""

from datetime import timedelta

import pytest

from andon.watch import actions
from andon.watch.models import WindowState
from tests.watch.conftest import MONDAY, decisions

pytestmark = pytest.mark.django_db


def test_a_rise_of_errors_is_found_with_its_onset_and_its_end(written, connected, watched, time):
    time.set(MONDAY + timedelta(hours=400))
    written(decisions(400, 40, lambda hour: 6 if 200 <= hour < 260 else 2))
    watch = actions.run_watch(watched(connected(), what="failed", segments=["region"], budget=1000))
    (alarm,) = watch.alarms.all()
    assert alarm.direction == "up"
    assert MONDAY + timedelta(hours=200) <= alarm.window_start <= MONDAY + timedelta(hours=215)
    assert abs(alarm.onset_at - (MONDAY + timedelta(hours=200))) <= timedelta(hours=3)
    assert alarm.observed == pytest.approx(0.15, abs=0.02)
    assert alarm.recovered_at is not None
    assert MONDAY + timedelta(hours=260) <= alarm.recovered_at <= MONDAY + timedelta(hours=290)
    everything = WindowState.objects.filter(watch=watch, segment="")
    assert everything.count() == 399  # the last one is not over yet: two minutes are left for stragglers
    assert {(state.n, state.invalid) for state in everything} == {(40, 0)}
    segments = WindowState.objects.filter(watch=watch, window_start=MONDAY).exclude(segment="")
    assert {state.segment: (state.n, state.total) for state in segments} == {'["north"]': (20, 1), '["south"]': (20, 1)}


def test_nothing_is_said_of_a_steady_rate(written, connected, watched, time):
    time.set(MONDAY + timedelta(hours=300, minutes=5))
    written(decisions(300, 40, lambda hour: 2 + hour % 2))
    watch = actions.run_watch(watched(connected(), what="failed = 1"))
    assert not watch.alarms.exists()
    assert watch.detector["phase"] == "watching"
    assert watch.read_until == watch.judged_until == MONDAY + timedelta(hours=300)
    assert watch.next_run_at > time.now()
