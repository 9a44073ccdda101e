"""Engines beside each other on one database: every page goes out once, and an acknowledgement wins cleanly."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from django.db import OperationalError, connections

from andon.engine.loop import build
from andon.engine.modules import Delivery
from andon.incidents.models import Incident
from andon.kit import clock
from andon.paging import actions as paging
from andon.paging import outcomes, sending
from andon.paging.actions import Call, Reach
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message
from andon.paging.models import Page
from andon.paging.recording import RecordingChannel
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.severity import Severity
from andon.response.acknowledging import acknowledge
from andon.response.assessing import raise_severity
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


def test_engines_at_once_send_each_message_about_several_incidents_whole_and_once(cast: Cast):
    """Mild repeats travel together; which ones is on disk before they leave, and no replica splits what was tried."""
    incidents = [open_incident(None, cast.vera, f"Number {n}") for n in range(8)]
    Incident.objects.update(severity=Severity.S4, next_page_at=None)
    calls = [
        Call(one, [Reach(cast.lena, "again")], step=2, round=1, on_fallback=False, first=False) for one in incidents
    ]
    paging.queue(calls, clock.now())
    tried: set[str] = set()
    lock = threading.Lock()

    def first_time_busy(message: Message, _destination: Destination) -> Receipt:
        with lock:
            known = message.key in tried
            tried.add(message.key)
        return Receipt.sent() if known else Receipt.retry("busy")

    channel = RecordingChannel(answers=first_time_busy)

    def deliver() -> None:
        module = Delivery("one", find=channel, senders=0)
        for _ in range(4):
            module.run_once(clock.now(), 100)

    at_once(*[deliver] * 4)
    Page.objects.filter(state="pending").update(due_at=clock.now())
    at_once(*[deliver] * 4)
    named: dict[str, list[set[str]]] = {}
    for message in channel.attempts:
        refs = {about.ref for about in (message.about, *(one.about for one in message.also)) if about}
        named.setdefault(message.key, []).append(refs)
    assert all(len(attempts) == 2 and attempts[0] == attempts[1] for attempts in named.values()), named
    assert set.union(*(attempts[0] for attempts in named.values())) == {one.ref for one in incidents}
    assert set(Page.objects.values_list("state", flat=True)) == {"sent"}


def test_a_severity_that_rises_while_an_engine_holds_its_pages_leaves_none_waiting(cast: Cast):
    Person.objects.update(quiet_from="00:00", quiet_until="14:00", time_zone="UTC")
    Person.objects.filter(pk=cast.omar.pk).update(quiet_from=None, quiet_until=None)
    now = clock.now().replace(hour=3)
    incidents = [open_incident(None, cast.vera, f"Number {n}") for n in range(10)]
    Incident.objects.update(severity=Severity.S4, next_page_at=None)
    calls = [
        Call(one, [Reach(cast.lena, "again")], step=2, round=1, on_fallback=False, first=False) for one in incidents
    ]
    with clock.use(clock.FixedClock(now)):
        paging.queue(calls, now)

        def hold() -> None:
            for _ in range(5):
                sending.claim(now, 100, "one")

        def rise() -> None:
            for incident in incidents:
                raise_severity(incident, to=Severity.S2, reason="it spreads", by=Actor.of(cast.omar))

        at_once(hold, rise)
    assert not Page.objects.filter(state="pending", held="quiet_hours", due_at__gt=now).exists()
