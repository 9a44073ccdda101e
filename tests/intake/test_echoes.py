"""What is heard and changes nothing stands at the signal that it was judged by, with its reason: nothing is dropped in silence."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse

from andon.intake.actions import create_integration
from andon.intake.models import Delivery, Signal
from andon.intake.own import end_quiet
from andon.kit import clock
from andon.people.policy import Actor
from tests.intake.test_asgi import ask, post
from tests.intake.test_asgi import sender as curl  # noqa: F401  a fixture
from tests.intake.test_faces import api  # noqa: F401  as above
from tests.intake.test_races import ends, fires, overtaken, say
from tests.intake.test_races import sender as plain  # noqa: F401  as above

pytestmark = pytest.mark.django_db(transaction=True)

THREE, FIVE, SIX = (f"2026-03-02T0{hour}:00:00Z" for hour in (3, 5, 6))
ECHO = ("echo_at", "echo_reason", "echo_count", "echo_delivery")


@pytest.fixture
def prometheus(cast):
    made, token = create_integration(slug="prometheus", name="Prometheus", kind="alertmanager", by=Actor.operator())
    made.token = token
    return made


def tell(sender, status, starts_at, *, times=1):
    """As Alertmanager says it; each time is a request of its own."""
    alert = {"status": status, "labels": {"alertname": "Errors"}, "startsAt": starts_at, "fingerprint": "a1"}
    body = json.dumps({"version": "4", "status": status, "alerts": [alert]}).encode()
    path = "/intake/alertmanager/prometheus"
    for answer in ask(*[lambda app: post(app, sender, body, path=path)] * times):
        assert answer.status == 200


def echoes():
    rows = Signal.objects.order_by("first_at", "pk")
    return [(row.status, row.count, row.echo_reason, row.echo_count) for row in rows]


def rest_of(signal):
    """All of its row but what says that something changed nothing."""
    return {
        name: value for name, value in Signal.objects.filter(pk=signal.pk).values().get().items() if name not in ECHO
    }


def newest():
    return Delivery.objects.order_by("-pk").first().pk


def test_what_is_heard_as_usual_leaves_none(prometheus):
    tell(prometheus, "firing", THREE, times=2)
    tell(prometheus, "resolved", THREE)
    assert echoes() == [("resolved", 2, None, None)]


def test_a_second_end_and_a_late_firing_are_noted_with_their_reason_and_change_nothing_else(prometheus, time):
    tell(prometheus, "firing", THREE)
    tell(prometheus, "resolved", THREE)
    Signal.objects.update(route_at=None)
    signal = Signal.objects.get()
    before = rest_of(signal)

    time.forward(timedelta(minutes=1))
    tell(prometheus, "resolved", THREE)
    signal.refresh_from_db()
    assert (signal.echo_at, signal.echo_reason, signal.echo_count) == (time.now(), "already_ended", 1)
    assert signal.echo_delivery == newest()

    time.forward(timedelta(minutes=1))
    tell(prometheus, "firing", THREE)
    signal.refresh_from_db()
    assert (signal.echo_at, signal.echo_reason, signal.echo_count) == (time.now(), "episode_over", 2)
    assert signal.echo_delivery == newest()
    assert rest_of(signal) == before


def test_the_end_of_an_older_firing_is_noted_on_what_fires_on(prometheus):
    tell(prometheus, "firing", FIVE)
    before = rest_of(Signal.objects.get())
    tell(prometheus, "resolved", THREE)
    assert echoes() == [("firing", 1, "older_episode", 1)]
    assert rest_of(Signal.objects.get()) == before


def test_a_late_double_is_noted_on_the_firing_that_it_names_and_not_on_what_fires_now(prometheus):
    for episode in (THREE, FIVE):
        tell(prometheus, "firing", episode)
        tell(prometheus, "resolved", episode)
    tell(prometheus, "firing", SIX)
    tell(prometheus, "firing", THREE)
    tell(prometheus, "resolved", FIVE)
    assert echoes() == [
        ("resolved", 1, "episode_over", 1),
        ("resolved", 1, "already_ended", 1),
        ("firing", 1, None, None),
    ]


def test_of_two_alertmanagers_that_say_all_twice_each_second_end_is_noted(prometheus):
    tell(prometheus, "firing", THREE, times=2)
    tell(prometheus, "resolved", THREE, times=2)
    assert echoes() == [("resolved", 2, "already_ended", 1)]


def test_what_begins_ends_and_is_said_again_in_one_request_is_noted_on_the_new_signal(plain):  # noqa: F811
    say(plain, fires(), ends(), ends(), fires())
    assert echoes() == [("resolved", 1, "episode_over", 2)]


def test_nobody_is_woken_by_it(plain):  # noqa: F811
    assert say(plain, fires(), ends()) is True
    assert say(plain, ends(), fires()) is False


def test_a_check_that_finds_nothing_wrong_again_and_again_is_noted_only_while_something_fires_on(curl):  # noqa: F811
    for body in (
        b'{"id": "nulls", "starts_at": "2026-03-02T02:00:00Z"}',
        b'{"id": "nulls", "status": "ok", "starts_at": "2026-03-01T02:00:00Z"}',
    ):
        ask(lambda app, body=body: post(app, curl, body))
    assert echoes() == [("firing", 1, "older_episode", 1)]

    for _ in range(3):
        ask(lambda app: post(app, curl, b'{"id": "nulls", "status": "ok"}'))
    assert echoes() == [("resolved", 1, "older_episode", 1)]


def test_what_counted_as_quiet_keeps_what_it_heard(plain):  # noqa: F811
    say(plain, fires("2026-03-02T05:00:00+00:00"), ends())
    assert end_quiet(Signal.objects.get(), clock.now())
    assert echoes() == [("resolved", 1, "older_episode", 1)]


def test_of_two_who_hear_some_at_once_none_is_lost(plain):  # noqa: F811
    say(plain, fires(), ends())
    overtaken(plain, ends(), ends(), by=lambda: say(plain, fires()))
    assert echoes() == [("resolved", 1, "already_ended", 3)]


def test_an_end_that_is_overtaken_by_the_same_end_is_noted(plain):  # noqa: F811
    say(plain, fires())
    overtaken(plain, ends(), by=lambda: say(plain, ends()))
    assert echoes() == [("resolved", 1, "already_ended", 1)]


def test_its_page_says_when_why_and_what_came(prometheus, cast, signed_in, time):
    tell(prometheus, "firing", THREE)
    tell(prometheus, "resolved", THREE)
    address = reverse("signal", args=[Signal.objects.get().pk])
    assert "counted nowhere" not in signed_in(cast.omar).get(address).content.decode().lower()

    time.forward(timedelta(minutes=1))
    tell(prometheus, "resolved", THREE)
    page = signed_in(cast.omar).get(address).content.decode()
    assert "Heard once more, and counted nowhere" in page
    assert "It has already ended." in page
    for which in ("First: ", "Newest: ", "Counted nowhere: "):
        assert which in page

    tell(prometheus, "firing", THREE)
    page = signed_in(cast.vera).get(address).content.decode()
    assert "Heard 2 times more, and counted nowhere" in page
    assert "The newest: this episode has already ended; the event is a late double." in page
    assert "Counted nowhere: " not in page, "what came is not for everybody to see"


def test_the_only_request_that_is_kept_is_said_to_be_the_one_that_counted_nowhere(prometheus, cast, signed_in):
    tell(prometheus, "firing", THREE)
    tell(prometheus, "resolved", THREE)
    tell(prometheus, "resolved", THREE)
    Delivery.objects.exclude(pk=newest()).delete()
    page = signed_in(cast.omar).get(reverse("signal", args=[Signal.objects.get().pk])).content.decode()
    assert "Counted nowhere: " in page


def test_the_api_says_it(prometheus, cast, api, time):  # noqa: F811
    tell(prometheus, "firing", THREE)
    path = f"/signals/{Signal.objects.get().pk}"
    assert api(cast.lena, "get", path, scopes=["signals:read"]).json()["echo"] is None
    tell(prometheus, "resolved", THREE, times=3)
    (listed,) = api(cast.lena, "get", "/signals", scopes=["signals:read"]).json()["items"]
    assert listed["echo"] == api(cast.lena, "get", path, scopes=["signals:read"]).json()["echo"]
    assert {**listed["echo"], "at": None} == {
        "at": None,
        "reason": "already_ended",
        "words": "it has already ended",
        "count": 2,
    }
