"""Rules while two engines, or an engine and a person, are at work at the same instant. SQLite lets one write at a time."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.people.policy import Actor
from andon.response import routing
from andon.rules import actions
from tests.rules.test_routing_by_rules import hear, labelled, route, signal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _several_writers():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")


class Beside:
    """Something done in a thread and transaction of its own, whose end comes when it is told to."""

    def __init__(self, do):
        self._do, self._failed = do, []
        self._done, self._may_end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            with transaction.atomic():
                self._do()
                self._done.set()
                assert self._may_end.wait(20)
        except BaseException as error:  # noqa: BLE001  raised in the test's own thread
            self._failed.append(error)
        finally:
            self._done.set()
            connections.close_all()

    def until_done(self, seconds=20.0):
        return self._done.wait(seconds)

    def end(self):
        self._may_end.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self._failed:
            raise self._failed[0]


def test_a_threshold_is_reached_by_signals_that_two_engines_route_at_once(monitor, rule, time):
    rule("threshold", count=2, minutes=60)
    hear(monitor, labelled("a"))
    one = Beside(lambda: routing.route_due(time.now(), 100))
    assert one.until_done()
    hear(monitor, labelled("b"))
    other = Beside(lambda: routing.route_due(time.now(), 100))
    other.until_done(0.5)
    one.end()
    other.end()
    route(time)
    incident = Incident.objects.get()
    assert {signal("a").incident, signal("b").incident} == {incident}


def test_a_rule_that_ends_while_an_engine_goes_by_it_keeps_nothing_quiet(monitor, cast, rule, time):
    silence = rule("silence", ends_at=time.now() + timedelta(days=90))
    hear(monitor, labelled("a"))
    engine = Beside(lambda: routing.route_due(time.now(), 100))
    assert engine.until_done()
    person = Beside(lambda: actions.end_rule(silence, by=Actor.of(cast.omar)))
    person.until_done(0.5)
    engine.end()
    person.end()
    assert Signal.objects.get().route_at == time.now()
    route(time)
    assert Signal.objects.get().incident == Incident.objects.get()
