"""What is no longer kept goes by itself, a little at a time, and what must stay stays."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session

from andon.engine.loop import build
from andon.engine.modules import FORGET_EVERY, Retention
from andon.intake import queries
from andon.intake.models import Delivery, Integration
from andon.kit.clock import FixedClock
from andon.paging.recording import RecordingChannel

pytestmark = pytest.mark.django_db


def deliver(integration: Integration, time: FixedClock, *, times: int = 1, outcome: str = "accepted") -> None:
    for _ in range(times):
        Delivery.objects.create(integration=integration, body=b"{}", outcome=outcome)
        time.forward(timedelta(seconds=1))


@pytest.fixture
def sender() -> Integration:
    return Integration.objects.create(slug="prom", name="Prometheus", kind="generic", token_digest="x")


def test_the_engine_forgets_old_bodies_and_sessions(sender: Integration, time: FixedClock):
    deliver(sender, time, times=5)
    deliver(sender, time, outcome="rejected")
    Session.objects.create(session_key="old", session_data="", expire_date=time.now() + timedelta(days=1))
    time.forward(timedelta(days=8))
    Session.objects.create(session_key="new", session_data="", expire_date=time.now() + timedelta(days=1))
    build(find=RecordingChannel(), senders=0).run_until_idle(time.now())
    kept = list(Delivery.objects.order_by("created_at").values_list("pk", "outcome"))
    assert [outcome for _, outcome in kept] == ["accepted", "rejected"]
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    time.forward(timedelta(days=30))
    build(find=RecordingChannel(), senders=0).run_until_idle(time.now())
    assert list(Delivery.objects.order_by("created_at").values_list("pk", "outcome")) == kept, (
        "these say how it is heard"
    )


@pytest.mark.parametrize("taken", ["accepted", "partly"])
def test_what_is_refused_later_takes_nobody_the_time_at_which_a_sender_was_heard(
    sender: Integration, time: FixedClock, taken
):
    deliver(sender, time, times=2, outcome=taken)
    last = Delivery.objects.order_by("-created_at").values_list("created_at", flat=True)[0]
    for _ in range(3):
        time.forward(timedelta(days=20))
        deliver(sender, time, times=2, outcome="rejected")
        build(find=RecordingChannel(), senders=0).run_until_idle(time.now())
    assert queries.integrations().get().heard_at == last
    assert Delivery.objects.filter(outcome=taken).count() == 1
    assert Delivery.objects.filter(outcome="rejected").count() == 4, "of 30 days"


def test_a_request_taken_in_part_is_kept_as_long_as_one_that_is_refused(sender: Integration, time: FixedClock):
    deliver(sender, time, times=2, outcome="partly")
    deliver(sender, time, times=2)
    time.forward(timedelta(days=29))
    build(find=RecordingChannel(), senders=0).run_until_idle(time.now())
    assert list(Delivery.objects.order_by("created_at").values_list("outcome", flat=True)) == ["partly"] * 2 + [
        "accepted"
    ]
    time.forward(timedelta(days=2))
    build(find=RecordingChannel(), senders=0).run_until_idle(time.now())
    assert list(Delivery.objects.values_list("outcome", flat=True)) == ["accepted"]


def test_it_goes_on_until_nothing_is_left_and_then_rests_an_hour(sender: Integration, time: FixedClock):
    deliver(sender, time, times=6)
    time.forward(timedelta(days=8))
    retention = Retention()
    assert [retention.run_once(time.now(), 2) for _ in range(4)] == [2, 2, 1, 0]
    deliver(sender, time)
    assert retention.run_once(time.now(), 2) == 0
    assert retention.run_once(time.forward(FORGET_EVERY), 2) == 1
