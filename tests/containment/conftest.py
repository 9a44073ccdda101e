"""A service with a state of its own, a lever that sets it by webhook, and an incident in which it is pulled."""

import json
from dataclasses import dataclass, field

import pytest

from andon.containment import actions
from andon.containment.actions import LeverFacts
from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, IncidentType
from tests.support import scenes
from tests.support.listener import Listener, listening

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cw=="


@dataclass
class Service:
    """Serves a model; which one is told to it, and it takes it on, or not."""

    listener: Listener
    state: dict = field(default_factory=lambda: {"model": "v7"})
    takes: bool = True  # whether it takes on what it is told
    status: int = 200  # what it answers to a pull
    told: list = field(default_factory=list)

    @property
    def url(self):
        return self.listener.url

    def answer(self, handler):
        heard = handler.request_heard
        if heard.command == "POST":
            self.told.append(json.loads(heard.body) | {"key": heard.headers["webhook-id"]})
            if self.takes:
                self.state = json.loads(heard.body)["data"]["state"]
            return Listener.say(handler, self.status)
        return Listener.say(handler, 200, json.dumps(self.state).encode())


@pytest.fixture
def service():
    with listening() as listener:
        one = Service(listener)
        listener.answer = one.answer
        yield one


def facts(service, **changed):
    """A webhook lever of the service."""
    settings = {
        "url": f"{service.url}/levers",
        "secret": SECRET,
        "state": '{"model": "v6"}',
        "state_url": f"{service.url}/state",
    }
    return LeverFacts(
        **({"name": "Roll back to v6", "kind": ContainmentKind.ROLL_BACK, "settings": settings} | changed)
    )


@pytest.fixture
def lever(cast, service):
    return actions.create_lever(cast.credit_scorer, "webhook", facts(service), by=Actor.of(cast.omar))


@pytest.fixture
def incident(cast, time) -> Incident:
    """Declared by Rui, so that nobody has it yet."""
    return scenes.declared(cast, by=Actor.of(cast.rui), type_=IncidentType.PERFORMANCE_DEGRADATION)
