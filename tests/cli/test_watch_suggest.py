"""`andon watch suggest`, `list`, `show` and `run`: proposals with reasons, made on request; how watches stand."""

from datetime import timedelta

import pytest

from andon.watch import actions
from andon.watch.models import Watch
from tests.watch.conftest import MONDAY, connected, decisions, folder, watched, written  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db


def test_proposals_are_told_with_reasons_and_made_on_request(written, connected, time, andon):  # noqa: F811
    time.set(MONDAY + timedelta(days=12, minutes=10))
    written(decisions(12 * 24, 4, lambda hour: hour % 2))
    connected()
    said = andon("watch", "suggest", "credit-scorer")
    assert said.code == 0
    assert "Decisions that fail [failed]" in said.out
    assert "detects a rise from" in said.out
    assert "not possible: Decisions that turn out wrong. No column is label." in said.out
    assert not Watch.objects.exists()
    data = andon("watch", "suggest", "credit-scorer", "--create", "--json").data
    (found,) = data["suggestions"]
    assert len(data["made"]) == len(found["offers"]) == Watch.objects.count()
    watch = Watch.objects.get(kind="error_rate")
    assert watch.reference_to - watch.reference_from > timedelta(days=5)  # what is normal holds weekdays
    assert andon("watch", "suggest", "credit-scorer", "--create", "--json").data["made"] == []
    assert len(andon("watch", "list", "--system", "credit-scorer", "--json").data) == len(data["made"])


def test_what_a_watch_could_detect_goes_by_its_reference_and_not_by_what_is_wrong_just_now(
    written, connected, time, andon,  # noqa: F811
):  # fmt: skip
    """The newest day of the log is bad: a watch that is made now learns from what was before, and finds that day."""
    time.set(MONDAY + timedelta(days=12, minutes=10))
    written(decisions(12 * 24, 20, lambda hour: 8 if hour >= 11 * 24 else 1))
    connected()
    (found,) = andon("watch", "suggest", "credit-scorer", "--json").data["suggestions"]
    failed = next(offer for offer in found["offers"] if offer["key"] == "failed")
    assert failed["detects"].startswith("a rise from 5% ")


def test_what_cannot_be_proposed_is_said(cast, time, andon):
    bare = andon("watch", "suggest", "credit-scorer")
    assert (bare.code, "has no decision log" in bare.err) == (1, True)
    unknown = andon("watch", "suggest", "nosuch")
    assert unknown.code == 1
    assert "There is no system" in unknown.err


def test_a_watch_is_shown_with_its_alarms_and_its_trial_and_run_at_once(
    written, connected, watched, time, andon,  # noqa: F811
):  # fmt: skip
    time.set(MONDAY + timedelta(hours=200, minutes=10))
    written(decisions(200, 20, lambda hour: 6 if hour >= 150 else 1))
    watch = actions.run_watch(watched(connected(), what="failed", budget=1000))
    said = andon("watch", "show", str(watch.number))
    assert "WATCH-1 A watch of error_rate: alarmed" in said.out
    assert "ALARM-1" in said.out
    assert "Late rows: None since" in " ".join(said.out.split())
    assert "had it run all along: 1." in said.out
    data = andon("watch", "show", "1", "--json").data
    assert (data["late"]["rows"], data["late"]["of"]) == (0, 28 * 20)
    assert (data["watch"]["alarm"], len(data["alarms"]), len(data["trial"]["alarms"])) == ("ALARM-1", 1, 1)
    assert "WATCH-1 is due now" in andon("watch", "run", "1").out
    assert andon("watch", "show", "9").code == 1
