"""What the engine takes from the intake and gives back: what is due, in order, and news that is not overwritten."""

from datetime import timedelta

import pytest

from andon.intake import actions, queries
from andon.intake.events import event
from andon.intake.models import Delivery, Integration, Signal
from andon.intake.recording import Heard, record
from andon.kit import clock, ids
from andon.practice.grouping import SignalStatus

pytestmark = pytest.mark.django_db


@pytest.fixture
def sender(cast) -> Integration:
    return Integration.objects.create(slug="p", name="P", kind="generic", token_digest="x", system=cast.credit_scorer)


def hear(sender, key="a", status=SignalStatus.FIRING, error="", **facts):
    said = event(fingerprint=key, status=status, title=key, **facts)
    record([Heard(ids.new(), sender.pk, b"{}", "", [] if error else [said], error=error)])


def test_what_is_due_is_taken_oldest_first(sender, time):
    for key in "abc":
        hear(sender, key)
        time.forward(timedelta(seconds=1))
    assert [signal.fingerprint for signal in queries.take_due(clock.now(), 2)] == ["a", "b"]
    assert len(queries.take_due(clock.now(), 9)) == 3


def test_what_rests_is_left_alone_until_it_has_rested(sender, time):
    hear(sender, "a")
    hear(sender, "b")
    first, second = queries.take_due(clock.now(), 9)
    actions.rest([first], clock.now() + timedelta(seconds=30))
    assert queries.take_due(clock.now(), 9) == [second]
    assert queries.take([first.pk], clock.now()) == []
    time.forward(timedelta(seconds=30))
    assert queries.take([first.pk], clock.now()) == [first]


def test_what_was_routed_is_no_longer_due(sender, cast, time):
    hear(sender)
    (taken,) = queries.take_due(clock.now(), 9)
    assert actions.routed([actions.Routed(taken, None, cast.credit_scorer.pk, "hazard")]) == 1
    signal = Signal.objects.get()
    assert (signal.route_at, signal.leased_until, signal.reason_joined) == (None, None, "hazard")
    assert signal.system == cast.credit_scorer


@pytest.mark.parametrize("news", [{"status": SignalStatus.RESOLVED}, {"severity_hint": 1}])
def test_news_that_comes_after_it_was_read_keeps_it_due(sender, cast, time, news):
    hear(sender)
    (taken,) = queries.take_due(clock.now(), 9)
    time.forward(timedelta(milliseconds=5))
    hear(sender, **news)

    assert actions.routed([actions.Routed(taken, None, cast.credit_scorer.pk, "hazard")]) == 0
    assert Signal.objects.get().route_at is not None
    assert [signal.pk for signal in queries.take_due(clock.now(), 9)] == [taken.pk]


def test_behind_a_storm_each_sort_of_what_is_due_is_found(sender, cast, time):
    for key in range(8):
        hear(sender, f"storm-{key}")
    hear(sender, "other-a", system_hint="another")
    hear(sender, "other-b", type_hint="safety")
    found = queries.sorts_due(clock.now())
    assert [(one.system_hint, one.type_hint, one.fresh, one.count) for one in found] == [
        ("", "", True, 8),
        ("another", "", True, 1),
        ("", "safety", True, 1),
    ]
    assert [one.oldest for one in found] == [
        Signal.objects.get(fingerprint=key).pk for key in ("storm-0", "other-a", "other-b")
    ]


def test_each_severity_is_a_sort_of_its_own(sender, cast, time):
    for key, severity in (("a", None), ("b", 4), ("c", 2), ("d", 4)):
        hear(sender, key, severity_hint=severity)
    assert [(one.severity, one.count) for one in queries.sorts_due(clock.now())] == [(None, 1), (4, 2), (2, 1)]


def test_a_signal_is_about_the_system_it_names_else_its_senders(sender, cast):
    assert queries.find_system(sender, "") == cast.credit_scorer
    sender.system = None
    assert queries.find_system(sender, "credit-scorer") == cast.credit_scorer
    assert queries.find_system(sender, "Credit-Scorer") == cast.credit_scorer
    assert queries.find_system(sender, "") is None
    sender.system = cast.credit_scorer
    assert queries.find_system(sender, "not-in-the-register") is None


def test_raw_bodies_are_forgotten_in_time_but_the_newest_of_a_sender_and_the_newest_taken(sender, time):
    hear(sender)
    time.forward(timedelta(seconds=1))
    hear(sender, error="bad")
    time.forward(timedelta(days=8))
    assert actions.prune_deliveries(clock.now(), 100) == 0
    hear(sender)
    assert actions.prune_deliveries(clock.now(), 100) == 1
    time.forward(timedelta(days=40))
    assert actions.prune_deliveries(clock.now(), 100) == 1
    assert Delivery.objects.count() == 1
    assert Signal.objects.get().count == 2
