"""`ok`: what a check says with every run that finds nothing wrong."""

import pytest

from andon.intake.models import Signal
from tests.intake.test_asgi import ask, post, sender  # noqa: F401  a fixture

pytestmark = pytest.mark.django_db(transaction=True)


def say(sender, *bodies):  # noqa: F811  the fixture
    for body in bodies:
        (answer,) = ask(lambda app, body=body: post(app, sender, body))
        assert answer.status == 200


def test_it_leaves_no_trace_where_nothing_fires(sender):  # noqa: F811
    say(sender, *[b'{"id": "nulls", "status": "ok", "starts_at": "2026-03-0%dT02:00:00Z"}' % day for day in (1, 2, 3)])
    assert not Signal.objects.exists()


def test_it_ends_what_fires_and_a_late_double_of_that_opens_nothing(sender):  # noqa: F811
    fires = b'{"id": "nulls", "title": "42 nulls", "starts_at": "2026-03-01T02:00:00Z"}'
    say(sender, fires, b'{"id": "nulls", "status": "ok", "starts_at": "2026-03-02T02:00:00Z"}', fires)
    (signal,) = Signal.objects.all()
    assert (signal.status, signal.title, signal.dedup_reason) == ("resolved", "42 nulls", "ended")


def test_an_older_run_that_arrives_late_ends_nothing(sender):  # noqa: F811
    say(
        sender,
        b'{"id": "nulls", "title": "42 nulls", "starts_at": "2026-03-02T02:00:00Z"}',
        b'{"id": "nulls", "status": "ok", "starts_at": "2026-03-01T02:00:00Z"}',
    )
    assert Signal.objects.get().status == "firing"


def test_a_failing_run_after_it_is_a_new_signal(sender):  # noqa: F811
    say(
        sender,
        b'{"id": "nulls", "starts_at": "2026-03-01T02:00:00Z"}',
        b'{"id": "nulls", "status": "ok", "starts_at": "2026-03-02T02:00:00Z"}',
        b'{"id": "nulls", "status": "ok", "starts_at": "2026-03-03T02:00:00Z"}',
        b'{"id": "nulls", "starts_at": "2026-03-04T02:00:00Z"}',
    )
    assert [signal.status for signal in Signal.objects.order_by("pk")] == ["resolved", "firing"]
