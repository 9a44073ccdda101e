"""What a watch keeps does not grow for ever, and what is looked at stays."""

from datetime import timedelta

import pytest

from andon.watch import actions
from andon.watch.actions import forgetting
from andon.watch.models import WindowState
from tests.watch.conftest import MONDAY, decisions

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_old_windows_go_a_few_at_a_time_and_the_reference_and_the_newest_stay(
    written, connected, watched, time, monkeypatch
):
    monkeypatch.setattr(forgetting, "KEPT", 20)
    time.set(MONDAY + 100 * HOUR + timedelta(minutes=5))
    written(decisions(100, 10, lambda _hour: 1))
    watch = actions.run_watch(watched(connected(), what="failed", segments=["region"]))
    other = actions.run_watch(watched(watch.log, "latency", what="latency_ms"))
    before = (watch.detector, watch.judged_until)
    taken = []
    while more := forgetting.forget(50):
        taken.append(more)
    assert all(one <= 50 for one in taken)
    stay = [MONDAY + hour * HOUR for hour in (*range(28), *range(80, 100))]
    for one in (watch, other):
        kept = WindowState.objects.filter(watch=one, segment="").order_by("window_start")
        assert list(kept.values_list("window_start", flat=True)) == stay
    assert WindowState.objects.filter(watch=watch).count() == 3 * len(stay)
    watch.refresh_from_db()
    assert (watch.detector, watch.judged_until) == before
