"""Routing when something is wrong: one bad signal holds up no other, and replicas at once open nothing twice."""

import threading
from functools import partial

import pytest
from django.db import OperationalError, connection, connections

from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.kit import clock
from andon.people.policy import Actor
from andon.registry.models import System
from andon.response import containing, naming, resolving, routing
from tests.engine.test_replicas import at_once
from tests.response.test_routing import event, hear, monitor, route  # noqa: F401  the fixture is used by its name

pytestmark = pytest.mark.django_db


def test_a_group_that_cannot_be_routed_holds_up_no_other(monitor, time, monkeypatch):  # noqa: F811  the fixture
    real = routing._opening

    def poisoned(group, read):
        if read.signal.fingerprint == "bad":
            raise KeyError("a protocol that is gone")
        return real(group, read)

    monkeypatch.setattr(routing, "_opening", poisoned)
    hear(monitor, event("bad"), event("good", type_="fairness_violation"), event("fine", type_="safety"))
    with pytest.raises(KeyError):
        route(time)
    assert set(Incident.objects.values_list("type", flat=True)) == {"fairness_violation", "safety"}
    assert sorted(Incident.objects.values_list("number", flat=True)) == [1, 2]  # what failed takes no number
    assert route(time) == 0  # the bad one rests, and does not keep the module failing meanwhile
    time.forward(routing.REST)
    monkeypatch.setattr(routing, "_opening", real)
    assert route(time) == 1
    assert Incident.objects.count() == 3


def test_a_signal_whose_group_cannot_be_told_holds_up_no_other(monitor, time, monkeypatch):  # noqa: F811  as above
    hear(monitor, event("bad", type_="safety"), event("good"))
    real = routing._group_of

    def poisoned(read, by_onset):
        if read.signal.fingerprint == "bad":
            raise ValueError("a type of another version")
        return real(read, by_onset)

    monkeypatch.setattr(routing, "_group_of", poisoned)
    with pytest.raises(ValueError, match="another version"):
        route(time)
    assert Incident.objects.get().type == "technical_failure"
    assert Signal.objects.get(fingerprint="bad").leased_until == time.now() + routing.REST


def test_a_database_that_is_away_is_asked_once_and_not_for_each_group(monitor, time, monkeypatch):  # noqa: F811  as above
    asked = []

    def away(batch, **_):
        asked.append(batch)
        raise OperationalError("the connection is closed")

    hear(monitor, event("a"), event("b", type_="fairness_violation"))
    monkeypatch.setattr(routing, "_route_groups", away)
    with pytest.raises(OperationalError):
        route(time)
    assert len(asked) == 1
    assert not Signal.objects.filter(leased_until__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_replicas_at_once_route_each_signal_once_and_open_one_incident_a_group(monitor):  # noqa: F811  as above
    for number in range(12):
        System.objects.create(slug=f"system-{number}", name=f"System {number}")
    hear(monitor, *(event(f"{n}-{k}", system=f"system-{n}") for k in range(6) for n in range(12)))
    taken = []

    def replica():
        # PostgreSQL's replicas leave out what another one holds: an empty round is not the end.
        while Signal.objects.filter(route_at__isnull=False).exists():
            taken.append(routing.route_due(clock.now(), 9))
            threading.Event().wait(0.005)

    at_once(*[replica] * 3)
    assert sum(taken) == 72
    assert Incident.objects.count() == 12
    assert sorted(Incident.objects.values_list("number", flat=True)) == list(range(1, 13))
    assert all(incident.signals.count() == 6 for incident in Incident.objects.all())
    assert all(timeline.verify(incident) == [] for incident in Incident.objects.all())
    assert not Signal.objects.filter(reason_joined="").exists()


@pytest.mark.django_db(transaction=True)
def test_a_firing_that_begins_while_a_person_resolves_counts_as_before_it_or_after_it(monitor, cast, time):  # noqa: F811  as above
    """Whoever is first; never is a firing left on what is over from which the next one could not be told."""
    fingerprints = [f"disk-{number}" for number in range(6)]
    hear(monitor, *(event(one, episode="2026-03-02T03:00:00Z") for one in fingerprints), event("nightly"))
    route(time)
    incident = Incident.objects.get()
    containing.waive_containment(incident, reason="It did nothing.", by=Actor.of(cast.omar))

    def again(one):
        hear(monitor, event(one, episode="2026-03-03T03:00:00Z"))

    at_once(
        lambda: resolving.resolve(incident, summary="cleaned", by=Actor.of(cast.lena)),
        *(partial(again, one) for one in fingerprints),
        lambda: hear(monitor, event("nightly")),
    )
    route(time)
    assert not incident.signals.filter(status="firing", let_go_at=None).exists()
    firing = Signal.objects.filter(status="firing")
    assert firing.filter(fingerprint__startswith="disk").count() == 6
    assert not firing.filter(incident=None).exists()

    hear(monitor, *(event(one, episode="2026-03-04T03:00:00Z") for one in fingerprints), event("nightly"))
    route(time)
    second = Incident.objects.exclude(pk=incident.pk).get()
    assert (second.state, second.signals.filter(status="firing").count()) == ("open", 7)


@pytest.mark.django_db(transaction=True)
def test_a_signal_that_another_replica_holds_is_left_to_it(monitor, time):  # noqa: F811  as above
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time: there is nothing that could be held")
    from django.db import transaction

    from andon.intake import queries as heard

    hear(monitor, event("a"), event("b", type_="safety"))
    held, done = threading.Event(), threading.Event()

    def other():
        with transaction.atomic():
            assert len(heard.take_due(time.now(), 1)) == 1
            held.set()
            assert done.wait(20)
        connections.close_all()

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(20)
    assert route(time) == 1
    done.set()
    thread.join(20)
    assert route(time) == 1  # it was given up, and is due as before
    assert Incident.objects.count() == 2


def test_what_is_said_of_an_incident_that_is_named_meanwhile_reaches_it(monitor, cast, time, monkeypatch):  # noqa: F811  as above
    """By the key that it had when its signals were read it cannot be found: nobody would be told that it is worse."""
    monitor.resolves_incidents = True
    monitor.save(update_fields=["resolves_incidents"])
    other = System.objects.create(slug="other", name="Other", owner=cast.omar)
    hear(monitor, event("a", episode="1"))
    route(time)
    really, named = routing._unresolved, []

    def late(keys):
        if not named:
            named.append(naming.set_system(Incident.objects.get(), other, by=Actor.of(cast.lena)))
        return really(keys)

    monkeypatch.setattr(routing, "_unresolved", late)
    hear(monitor, event("a", episode="1", severity=1), event("b", type_="safety"))
    assert route(time) == 1  # the other one
    assert Signal.objects.get(fingerprint="a").route_at is not None
    assert route(time) == 1
    incident = Signal.objects.get(fingerprint="a").incident
    assert (incident.system, incident.severity) == (other, 1)
    assert route(time) == 0

    named.clear()
    monkeypatch.setattr(routing, "_unresolved", really)
    hear(monitor, event("a", episode="1", status="resolved"))
    assert route(time) == 1
    assert "signals_ended" in incident.timeline.values_list("kind", flat=True)


WAITING_HERE = (  # other databases of the server have tests, and locks, of their own
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_locks l "
    "JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database())"
)


@pytest.mark.django_db(transaction=True)
def test_a_system_that_is_named_while_routing_waits_for_the_incident_loses_no_worse_signal(monitor, cast, time):  # noqa: F811  as above
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time: nothing changes between a look and the lock")
    from django.db import transaction

    other = System.objects.create(slug="other", name="Other", owner=cast.omar)
    hear(monitor, event("a", episode="1"))
    route(time)
    hear(monitor, event("a", episode="1", severity=1))
    named, counts = threading.Event(), []

    def name():
        with transaction.atomic():
            naming.set_system(Incident.objects.get(), other, by=Actor.of(cast.lena))
            named.set()
            for _ in range(2000):
                with connection.cursor() as cursor:
                    cursor.execute(WAITING_HERE)
                    if cursor.fetchone()[0]:
                        return
                threading.Event().wait(0.01)
            raise AssertionError("routing did not come to wait")

    def routes():
        assert named.wait(20)
        counts.append(route(time))

    at_once(name, routes)
    assert counts == [0]
    assert route(time) == 1
    assert Incident.objects.get().severity == 1
