"""What the engine takes from the intake and gives back: claims under a lease, and news that is not overwritten."""

from datetime import timedelta

import pytest

from andon.intake import actions, queries
from andon.intake.events import event
from andon.intake.models import Delivery, Integration, Signal
from andon.intake.recording import Heard, record
from andon.kit import clock, ids
from andon.practice.grouping import SignalStatus

pytestmark = pytest.mark.django_db

LEASE = timedelta(seconds=30)


@pytest.fixture
def sender(cast) -> Integration:
    return Integration.objects.create(slug="p", name="P", kind="generic", token_digest="x", system=cast.credit_scorer)


def hear(sender, key="a", status=SignalStatus.FIRING, error="", **facts):
    said = event(fingerprint=key, status=status, title=key, **facts)
    record([Heard(ids.new(), sender.pk, b"{}", "", [] if error else [said], error=error)])


def test_what_is_due_is_claimed_once_until_its_lease_runs_out(sender, time):
    for key in "abc":
        hear(sender, key)
        time.forward(timedelta(seconds=1))

    first = queries.claim_for_routing(clock.now(), 2, LEASE)
    assert [signal.fingerprint for signal in first] == ["a", "b"]
    assert [signal.fingerprint for signal in queries.claim_for_routing(clock.now(), 9, LEASE)] == ["c"]
    assert queries.claim_for_routing(clock.now(), 9, LEASE) == []
    time.forward(LEASE)
    assert len(queries.claim_for_routing(clock.now(), 9, LEASE)) == 3


def test_what_was_routed_is_no_longer_due(sender, cast, time):
    hear(sender)
    claimed = queries.claim_for_routing(clock.now(), 9, LEASE)
    assert actions.routed(claimed, incident=None, system=cast.credit_scorer, reason="hazard") == 1
    signal = Signal.objects.get()
    assert (signal.route_at, signal.leased_until, signal.reason_joined) == (None, None, "hazard")
    assert signal.system == cast.credit_scorer


@pytest.mark.parametrize("news", [{"status": SignalStatus.RESOLVED}, {"severity_hint": 1}])
def test_news_that_comes_while_it_is_routed_keeps_it_due(sender, cast, time, news):
    hear(sender)
    claimed = queries.claim_for_routing(clock.now(), 9, LEASE)
    time.forward(timedelta(milliseconds=5))
    hear(sender, **news)

    assert actions.routed(claimed, incident=None, system=cast.credit_scorer, reason="hazard") == 0
    signal = Signal.objects.get()
    assert signal.route_at is not None
    assert signal.leased_until is None
    assert signal.system == cast.credit_scorer


def test_a_signal_is_about_the_system_it_names_else_its_senders(sender, cast):
    assert queries.find_system(sender, "") == cast.credit_scorer
    sender.system = None
    assert queries.find_system(sender, "credit-scorer") == cast.credit_scorer
    assert queries.find_system(sender, "Credit-Scorer") == cast.credit_scorer
    assert queries.find_system(sender, "") is None
    sender.system = cast.credit_scorer
    assert queries.find_system(sender, "not-in-the-register") is None


def test_raw_bodies_are_forgotten_in_time_but_the_newest_of_a_sender(sender, time):
    hear(sender)
    time.forward(timedelta(seconds=1))
    hear(sender, error="bad")
    time.forward(timedelta(days=8))
    assert actions.prune_deliveries(clock.now(), 100) == 1
    hear(sender)
    time.forward(timedelta(days=40))
    assert actions.prune_deliveries(clock.now(), 100) == 1
    assert Delivery.objects.count() == 1
    assert Signal.objects.get().count == 2
