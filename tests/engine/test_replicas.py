"""Engines beside each other on one database: every page goes out once, and an acknowledgement wins cleanly."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from django.db import OperationalError, connections

from andon.engine.loop import build
from andon.incidents.models import Incident
from andon.kit import clock
from andon.paging import outcomes
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message
from andon.paging.models import Page
from andon.paging.recording import RecordingChannel
from andon.people.policy import Actor
from andon.response.acknowledging import acknowledge
from tests.support.cast import Cast
from tests.support.paging import kinds, open_incident

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*jobs: Callable[[], None]) -> None:
    """Run jobs in threads that start together; what one raises is raised here."""
    start = threading.Barrier(len(jobs))
    failures: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            start.wait(10)
            job()
        except BaseException as error:  # noqa: BLE001  handed to the test's own thread
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def test_engines_at_once_send_each_page_once(cast: Cast):
    incidents = [open_incident(None, cast.vera, f"Number {n}") for n in range(12)]
    channel = RecordingChannel()

    def engine() -> None:
        one = build(find=channel, senders=0)
        for _ in range(6):
            one.run_until_idle(clock.now())
        assert not one.failing, one.failing

    at_once(*[engine] * 4)
    times = Counter(message.key for message in channel.attempts)
    assert len(times) == len(incidents)
    assert set(times.values()) == {1}
    assert set(Page.objects.values_list("state", flat=True)) == {"sent"}
    assert all(kinds(incident).count("page_sent") == 1 for incident in incidents)


def test_pages_go_out_in_threads_while_the_loop_goes_round(cast: Cast):
    wire = threading.Semaphore(0)

    def slow(message: Message, _destination: Destination) -> Receipt:
        if message.to == "Lena":
            assert wire.acquire(timeout=20)
        return Receipt.sent()

    channel = RecordingChannel(answers=slow)
    engine = build(find=channel, senders=4)
    stuck = open_incident(cast.credit_scorer, cast.vera)
    engine.run_once(clock.now())
    free = open_incident(None, cast.vera, "Another")
    for _ in range(200):
        engine.run_once(clock.now())
        if Page.objects.filter(incident=free, state="sent").exists():
            break
        threading.Event().wait(0.02)
    assert Page.objects.get(incident=free).state == "sent"
    assert Page.objects.get(incident=stuck).state == "sending"
    wire.release()
    for module in engine.modules:
        module.stop()
    assert Page.objects.get(incident=stuck).state == "sent"


def test_an_acknowledgement_and_the_engine_at_once_leave_nothing_waiting(cast: Cast):
    for number in range(8):
        incident = open_incident(None, cast.vera, f"Number {number}")
        channel = RecordingChannel()
        engine = build(find=channel, senders=0)

        def work(engine=engine) -> None:
            for _ in range(5):
                engine.run_until_idle(clock.now())

        def answer(incident=incident) -> None:
            acknowledge(incident, by=Actor.of(cast.lena), via="page")

        at_once(work, answer)
        assert not engine.failing, engine.failing
        incident.refresh_from_db()
        assert incident.acknowledged_at is not None
        assert incident.next_page_at is None
        states = set(Page.objects.filter(incident=incident).values_list("state", flat=True))
        assert states <= {"sent", "cancelled"}
        assert Incident.objects.get(pk=incident.pk).timeline_count == incident.timeline.count()


def test_two_clicks_on_one_link_at_once_acknowledge_once(cast: Cast, settings: object):
    from django.test import Client

    from andon.paging import links

    incident = open_incident(cast.credit_scorer, cast.vera)
    build(find=RecordingChannel(), senders=0).run_until_idle(clock.now())
    path = f"/a/{links.make(Page.objects.get(incident=incident))}"
    answers: list[int] = []

    def click() -> None:
        answers.append(Client().post(path).status_code)

    at_once(*[click] * 4)
    assert sorted(answers) == [302, 409, 409, 409]
    assert kinds(incident).count("acknowledged") == 1


def test_outcomes_outlive_a_database_that_goes_away(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    incident = open_incident(cast.credit_scorer, cast.vera)
    channel = RecordingChannel()
    engine = build(find=channel, senders=2)
    real, failures = outcomes.settle, [OperationalError("gone")] * 2

    def away(*args: object) -> int:
        if failures:
            raise failures.pop()
        return real(*args)

    monkeypatch.setattr(outcomes, "settle", away)
    delivery = engine.modules[2]
    engine.modules[1].run_once(clock.now(), 100)
    tries = 0
    while failures or Page.objects.get(incident=incident).state != "sent":
        with suppress(OperationalError):
            delivery.run_once(clock.now(), 100)
        threading.Event().wait(0.01)
        tries += 1
        assert tries < 1000
    delivery.stop()
    assert len(channel.attempts) == 1  # its outcome waited; it was not sent again


def test_one_outcome_that_cannot_be_written_holds_up_no_other(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    for number in range(3):
        open_incident(None, cast.vera, f"Number {number}")
    bad = Incident.objects.order_by("number").first()
    channel = RecordingChannel()
    engine = build(find=channel, senders=4)
    real = outcomes._settle

    def poisoned(page: Page, *rest: object) -> bool:
        if page.incident_id == bad.pk:
            raise ZeroDivisionError
        return real(page, *rest)

    monkeypatch.setattr(outcomes, "_settle", poisoned)
    engine.modules[1].run_once(clock.now(), 100)
    engine.modules[2].run_once(clock.now(), 100)
    engine.modules[2].stop()
    states = Counter(Page.objects.values_list("state", flat=True))
    assert states == {"sent": 2, "sending": 1}


def test_a_receiver_that_clicks_at_once_and_the_engine_do_not_wait_for_each_other(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    from django.test import Client

    from andon.paging import links

    incident = open_incident(cast.credit_scorer, cast.vera)
    clicks: list[threading.Thread] = []
    answers: list[int] = []

    def click(page: Page) -> None:
        answers.append(Client().post(f"/a/{links.make(page)}").status_code)
        connections.close_all()

    real = outcomes._settle

    def clicked_meanwhile(page: Page, *rest: object) -> bool:
        """The engine holds the incident; the click comes before it has written that the page went out."""
        clicks.append(threading.Thread(target=click, args=(page,)))
        clicks[-1].start()
        threading.Event().wait(0.5)
        return real(page, *rest)

    monkeypatch.setattr(outcomes, "_settle", clicked_meanwhile)
    engine = build(find=RecordingChannel(), senders=0)
    engine.run_until_idle(clock.now())
    for clicking in clicks:
        clicking.join(60)
    assert not engine.failing, engine.failing
    assert answers == [302]
    assert kinds(incident).count("page_sent") == kinds(incident).count("acknowledged") == 1
