"""Routing when something is wrong: one bad signal holds up no other, and a lease that ran out routes nothing twice."""

from datetime import timedelta

import pytest
from django.db import OperationalError

from andon.incidents.models import Incident
from andon.intake import queries as heard
from andon.intake.models import Signal
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind
from andon.response import containing, resolving, routing
from tests.response.test_routing import event, hear, monitor, route  # noqa: F401  the fixture is used by its name

pytestmark = pytest.mark.django_db


def test_a_group_that_cannot_be_routed_holds_up_no_other(monitor, time, monkeypatch):  # noqa: F811  the fixture
    real = routing._open

    def poisoned(group, signal):
        if signal.fingerprint == "bad":
            raise KeyError("a protocol that is gone")
        return real(group, signal)

    monkeypatch.setattr(routing, "_open", poisoned)
    hear(monitor, event("bad"), event("good", type_="fairness_violation"), event("fine", type_="safety"))
    with pytest.raises(KeyError):
        route(time)
    assert set(Incident.objects.values_list("type", flat=True)) == {"fairness_violation", "safety"}
    assert route(time) == 0  # the bad one waits for its lease, and does not keep the module failing meanwhile
    time.forward(routing.LEASE)
    monkeypatch.setattr(routing, "_open", real)
    assert route(time) == 1
    assert Incident.objects.count() == 3


def test_a_database_that_is_away_is_asked_once_and_not_for_each_group(monitor, time, monkeypatch):  # noqa: F811  as above
    asked = []

    def away(group, signals):
        asked.append(group)
        raise OperationalError("the connection is closed")

    hear(monitor, event("a"), event("b", type_="fairness_violation"))
    monkeypatch.setattr(routing, "_route_group", away)
    with pytest.raises(OperationalError):
        route(time)
    assert len(asked) == 1


def test_an_engine_whose_lease_ran_out_opens_nothing_twice(monitor, cast, time):  # noqa: F811  as above
    hear(monitor, event("a"))
    (slow,) = heard.claim_for_routing(time.now(), 10, routing.LEASE)
    time.forward(routing.LEASE + timedelta(seconds=1))
    route(time)  # another engine takes it up
    incident = Incident.objects.get()
    lena = Actor.of(cast.lena)
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="back to v6", by=lena)
    resolving.resolve(incident, summary="v6 holds", by=lena)
    routing._route_group(routing._group_of(slow, {}), [slow])  # and now the slow one goes on
    assert Incident.objects.count() == 1
    assert Signal.objects.get().incident == incident


def test_a_turn_that_is_over_gives_back_what_it_did_not_route(monitor, time):  # noqa: F811  as above
    hear(monitor, event("a"), event("b", type_="fairness_violation"), event("c", type_="safety"))
    assert routing.route_due(time.now(), 100, turn=-1) == 3
    assert Incident.objects.count() == 1  # always at least one group, so that it gets on
    assert Signal.objects.filter(route_at__isnull=False, leased_until=None).count() == 2
    route(time)
    assert Incident.objects.count() == 3
