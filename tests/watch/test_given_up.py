"""What becomes of a watch that is ended, changed, run too soon, or gives no verdict: each is said, and nothing else."""

from datetime import timedelta

import pytest
from django.urls import reverse

from andon.incidents.describe import describe
from andon.people.policy import Actor
from andon.response.alarms import alarms_due
from andon.response.routing import route_due
from andon.watch import actions
from andon.watch.facts import WatchFacts
from andon.watch.models import Watch
from andon.watch.queries import unwatched
from tests.watch.conftest import MONDAY, decisions

pytestmark = pytest.mark.django_db


@pytest.fixture
def alarmed(written, connected, watched, time, cast):
    """A watch whose alarm goes on, on an incident."""
    written(decisions(60, 60, lambda hour: 3 if hour < 40 else 15))
    time.set(MONDAY + timedelta(hours=60, minutes=10))
    watch = actions.run_watch(watched(connected(), "error_rate", what="failed"))
    route_due(time.now(), 10)
    alarms_due(time.now(), 10)
    return watch


def test_an_alarm_is_closed_with_its_watch_and_nobody_says_that_it_is_over(alarmed, cast, time, signed_in):
    actions.end_watch(alarmed, by=Actor.of(cast.omar))
    alarm = alarmed.alarms.get()
    assert (alarm.recovered_at, alarm.given_up) == (time.now(), "ended")
    assert alarm.signal.status == "resolved"
    incident = alarm.signal.incident
    assert incident.state != "resolved"
    alarms_due(time.now(), 10)
    (told,) = describe(incident.timeline.filter(kind="alarm_given_up"))
    assert "its watch was ended while it went on. Whether the measure is back is not known" in told.text
    assert not incident.timeline.filter(kind="alarm_recovered").exists()
    alarms_due(time.now(), 10)
    assert incident.timeline.filter(kind="alarm_given_up").count() == 1
    page = signed_in(cast.vera).get(reverse("watch", args=[alarmed.number])).content.decode()
    assert "given up: its watch was ended" in page
    assert "goes on" not in page


def test_a_watch_that_is_changed_while_it_alarms_judges_anew_and_alarms_again(alarmed, cast, time):
    """Two alarms of a watch cannot go on at once: the first is given up, and the trouble that goes on raises another."""
    facts = WatchFacts(
        system=cast.credit_scorer,
        name=alarmed.name,
        kind=alarmed.what_kind,
        log=alarmed.log,
        what="failed",
        budget=5000,
    )
    actions.change_watch(alarmed, facts, by=Actor.of(cast.omar))
    watch = actions.run_watch(alarmed)
    new, old = watch.alarms.all()
    assert (old.given_up, new.given_up, new.recovered_at) == ("changed", "", None)
    assert new.onset_at == old.onset_at
    route_due(time.now(), 10)
    new.refresh_from_db()
    assert new.signal.incident == old.signal.incident


def test_run_it_now_says_when_there_is_something_to_read(alarmed, cast, signed_in, time):
    page = signed_in(cast.omar)
    said = page.post(reverse("watch_run", args=[alarmed.number]), follow=True).content.decode()
    assert "has nothing new to read: its next window is over, and read, on 4 Feb at" in said
    watch = actions.run_watch(alarmed)
    assert watch.error == "Nothing is new: its next window is over, and read, at 2026-02-04 13:02 UTC."
    assert watch.stale_since is None
    time.set(MONDAY + timedelta(hours=61, minutes=10))
    said = page.post(reverse("watch_run", args=[alarmed.number]), follow=True).content.decode()
    assert "is run within seconds" in said
    assert not actions.run_watch(watch).error


def test_a_system_whose_watches_give_no_verdict_is_not_taken_for_watched(alarmed, cast, signed_in, time):
    by = Actor.of(cast.vera)
    assert not unwatched(by).exists()
    for changes in ({"stale_since": time.now()}, {"detector": {"phase": "refused", "refused": "Scores do not hold."}}):
        Watch.objects.filter(pk=alarmed.pk).update(**changes)
        (system,) = unwatched(by)
        assert system.blind
        assert not Watch.objects.get(pk=alarmed.pk).sees
        page = signed_in(cast.vera).get(reverse("watches")).content.decode()
        assert "It has watches, and none gives a verdict now" in page
        page = signed_in(cast.vera).get(reverse("system", args=[system.slug])).content.decode()
        assert "None of them gives a verdict now" in page
        Watch.objects.filter(pk=alarmed.pk).update(stale_since=None, detector={})
    Watch.objects.filter(pk=alarmed.pk).update(enabled=False)
    assert [one.blind for one in unwatched(by)] == [False]
