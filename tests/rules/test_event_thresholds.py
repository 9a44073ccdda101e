"""Thresholds of how often one signal is heard: each counts within a window of its own, whatever keeps the signal."""

from datetime import timedelta

import pytest

from andon.engine.auditor import audit
from andon.incidents.models import Incident
from andon.practice.grouping import RouteReason
from tests.rules.test_routing_by_rules import MINUTE, hear, labelled, route, signal

pytestmark = pytest.mark.django_db


def test_a_threshold_of_events_is_looked_at_when_it_is_heard_that_often(monitor, rule, time):
    rule("threshold", count=3, minutes=10, counting="events")
    for _ in range(2):
        hear(monitor, labelled("a"))
        route(time)
        time.forward(MINUTE)
    assert not Incident.objects.exists()
    hear(monitor, labelled("a"))
    assert signal("a").route_at == time.now()
    route(time)
    assert Incident.objects.exists()


def test_events_are_counted_wherever_the_window_begins(monitor, rule, time):
    rule("threshold", count=3, minutes=1, counting="events")
    for seconds in (0, 45, 21):
        time.forward(timedelta(seconds=seconds))
        hear(monitor, labelled("a"))
        route(time)
    assert not Incident.objects.exists()
    time.forward(timedelta(seconds=14))
    hear(monitor, labelled("a"))
    route(time)
    assert Incident.objects.exists(), "three in 35 seconds, though they lie in two minutes of the clock"


def test_a_tally_of_an_older_version_goes_on_and_loses_nothing(monitor, rule, time):
    rule("threshold", count=3, minutes=10, counting="events")
    hear(monitor, labelled("a"))
    route(time)
    kept = signal("a")
    (told,) = kept.rules
    kept.rules = [{**told, "tally": {"since": time.now().isoformat(), "before": 0}}]
    kept.save(update_fields=["rules"])
    for _ in range(2):
        hear(monitor, labelled("a"))
        route(time)
    assert Incident.objects.exists()


def test_events_that_come_slowly_open_nothing(monitor, rule, time):
    rule("threshold", count=3, minutes=10, counting="events")
    for _ in range(8):
        hear(monitor, labelled("a"))
        route(time)
        time.forward(9 * MINUTE)
        route(time)
    assert not Incident.objects.exists()
    assert audit(time.now()).passed


def test_a_silence_in_between_makes_no_old_events_new(monitor, rule, time):
    rule("threshold", count=5, minutes=60, counting="events")
    for _ in range(8):
        hear(monitor, labelled("a"))
        route(time)
        time.forward(9 * 60 * MINUTE)
    rule("silence", ends_at=time.now() + 10 * MINUTE)
    hear(monitor, labelled("a"))
    route(time)
    time.forward(11 * MINUTE)
    route(time)
    assert [told["reason"] for told in signal("a").rules] == [RouteReason.TOO_FEW]
    hear(monitor, labelled("a"))
    route(time)
    assert not Incident.objects.exists(), "two within the hour"
    for _ in range(3):
        hear(monitor, labelled("a"))
        route(time)
    assert Incident.objects.exists(), "five, one of them under the silence"


def test_of_two_thresholds_of_events_each_counts_within_its_own_window(monitor, rule, time):
    rule("threshold", count=3, minutes=10, counting="events")
    rule("threshold", count=20, minutes=60, counting="events")
    for _ in range(30):
        hear(monitor, labelled("a"))
        route(time)
        time.forward(9 * MINUTE)
    for _ in range(13):
        hear(monitor, labelled("a"))
        route(time)
    assert not Incident.objects.exists(), "the first has its three; of the last hour are six and these thirteen"
    hear(monitor, labelled("a"))
    route(time)
    assert Incident.objects.exists()
