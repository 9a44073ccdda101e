"""The loop: one failing module stops no other, a hint wakes it, stopping is orderly, and its beat is seen."""

import threading
import time as wall
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError

from andon.engine import beats
from andon.engine.loop import Engine
from andon.engine.models import EngineBeat
from andon.kit import clock, wake
from andon.kit.clock import FixedClock

pytestmark = pytest.mark.django_db  # a round looks after the thread's lines to the database, whatever its modules do


class Work:
    """A module that does what the test says."""

    def __init__(self, name: str, do: Callable[[], int] = lambda: 0) -> None:
        self.name = name
        self.do = do
        self.runs = 0
        self.stopped = False

    def run_once(self, now: datetime, limit: int) -> int:
        self.runs += 1
        return self.do()

    def stop(self) -> None:
        self.stopped = True


def fail() -> int:
    raise ZeroDivisionError("by intent")


def test_a_module_that_fails_stops_no_other_and_rests(time: FixedClock, monkeypatch: pytest.MonkeyPatch):
    instant = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: instant[0])
    bad, good = Work("bad", fail), Work("good", lambda: 1)
    engine = Engine([bad, good], name="test")
    assert engine.run_once(time.now()) == 1
    assert engine.failing == {"bad": {"failures": 1, "error": "ZeroDivisionError: by intent"}}
    engine.run_once(time.now())
    assert (bad.runs, good.runs) == (1, 2)  # it rests
    instant[0] += 1.0
    engine.run_once(time.now())
    assert bad.runs == 2
    instant[0] += 1.0
    engine.run_once(time.now())
    assert bad.runs == 2  # longer each time
    bad.do = lambda: 0
    instant[0] += 1.0
    engine.run_once(time.now())
    assert engine.failing == {}


def test_the_traceback_is_in_the_log(time: FixedClock, caplog: pytest.LogCaptureFixture):
    Engine([Work("bad", fail)], name="test").run_once(time.now())
    assert "by intent" in caplog.text
    assert "Traceback" in caplog.text


def test_trouble_with_the_database_is_contained_too(time: FixedClock):
    def gone() -> int:
        raise OperationalError("server closed the connection unexpectedly")

    engine = Engine([Work("bad", gone), Work("good", lambda: 0)], name="test")
    engine.run_once(time.now())
    assert "OperationalError" in engine.failing["bad"]["error"]


def test_it_goes_round_again_while_there_is_work(time: FixedClock):
    left = [3]

    def some() -> int:
        if not left[0]:
            return 0
        left[0] -= 1
        return 1

    assert Engine([Work("some", some)], name="test").run_until_idle(time.now()) == 3


LIMIT = 60
"""Seconds for what takes a moment: other work may have the processors for long, and only a hang is a failure."""


@pytest.fixture
def running() -> Iterator[tuple[Engine, Work]]:
    """An engine that would sleep for an hour if nothing woke it."""
    work = Work("work")
    engine = Engine([work], name="test-running", tick=3600.0)
    thread = threading.Thread(target=engine.run)
    thread.start()
    try:
        _until(lambda: work.runs > 0)
        yield engine, work
    finally:
        engine.stop()
        thread.join(LIMIT)
    assert not thread.is_alive()
    assert work.stopped


def _until(true: Callable[[], bool]) -> None:
    ends = wall.monotonic() + LIMIT
    while not true():
        assert wall.monotonic() < ends, "it did not happen"
        wall.sleep(0.01)


@pytest.mark.django_db(transaction=True)
def test_a_hint_wakes_it_at_once(running: tuple[Engine, Work]):
    _engine, work = running
    before = work.runs
    wake.engine.set()
    _until(lambda: work.runs > before)


@pytest.mark.django_db(transaction=True)
def test_its_beat_is_seen_while_it_runs_and_taken_away_when_it_stops(running: tuple[Engine, Work]):
    engine, _work = running
    _until(lambda: EngineBeat.objects.filter(name="test-running").exists())
    assert beats.status(clock.now()).running == 1
    engine.stop()
    _until(lambda: not EngineBeat.objects.filter(name="test-running").exists())
    assert beats.status(clock.now()).running == 0


def test_an_engine_that_died_is_not_taken_for_one_that_runs(time: FixedClock):
    beats.beat("dead", started_at=time.now(), audit=None, modules={})
    assert beats.status(time.now()).healthy
    status = beats.status(time.forward(timedelta(seconds=21)))
    assert not status.healthy
    assert "not running" in status.sentence


def test_a_failing_module_shows(time: FixedClock):
    beats.beat("one", started_at=time.now(), audit=None, modules={"delivery": {"failures": 3, "error": "boom"}})
    status = beats.status(time.now())
    assert not status.healthy
    assert status.failing == {"delivery": "boom"}
    assert "delivery" in status.sentence
