"""kill -9 of the real engine at every point of a pull: acted never twice, lost never, and its state told truthfully.

A service on loopback holds the engine at one point of the pull (it knows which by the pull's state in the database), the
engine is killed there, and another one takes over.
"""

import contextlib
import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.listener import Listener, listening
from tests.support.processes import running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

POINTS = {
    "keeping evidence": ("approved", "GET"),
    "reading what holds": ("preserved", "GET"),
    "telling": ("acting", "POST"),
    "told, and not answered": ("acting", "POST"),
    "looking": ("acted", "GET"),
}
MAKE = """
from andon.containment import actions
from andon.containment.actions import LeverFacts
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, Criticality, Stage
from andon.registry.models import System
from andon.response.opening import declare
lena = Person.objects.create_user(email="lena@example.org", name="Lena", role="admin")
by = Actor.of(lena)
result = []
for number in range(count):
    system = System.objects.create(
        slug=f"system-{number}", name=f"System {number}", stage=Stage.PRODUCTION, criticality=Criticality.HIGH
    )  # so that its incident is an S2, at which whoever is on it pulls alone
    settings = {"url": f"{url}/{number}", "state_url": f"{url}/{number}", "secret": "s", "state": '{"model": "v6"}'}
    facts = LeverFacts(name="Roll back", kind=ContainmentKind.ROLL_BACK, settings=settings, verify_seconds=10)
    lever = actions.create_lever(system, "webhook", facts, by=by)
    declare(title="Approvals fell", system=system, by=by)
"""
PULL = """
from andon.containment import actions
from andon.containment.models import Lever
from andon.incidents.models import Incident
from andon.people.models import Person
from andon.people.policy import Actor
system = f"system-{number}"
lever = Lever.objects.get(system__slug=system)
actions.pull(lever, Incident.objects.get(system__slug=system), by=Actor.of(Person.objects.get()))
"""
VERIFY = """
from andon.incidents import timeline
result = [broken.problem for _, found in timeline.verify_all() for broken in found]
"""
STATE = (
    "SELECT p.state FROM containment_pull p JOIN containment_lever l ON l.id = p.lever_id "
    "JOIN registry_system s ON s.id = l.system_id WHERE s.slug = ?"
)
# The next engine would go on with it in the middle of the next point, and be killed there at a second one. A time
# further ahead would be taken for one of a clock that was set back.
LEAVE, FOR = "UPDATE containment_pull SET next_at = ?", timedelta(minutes=3)
GO_ON = "UPDATE containment_pull SET next_at = asked_at"


class Services:
    """A service for each point, which holds whoever comes at that point the first time."""

    def __init__(self, andon, listener):
        self.andon = andon
        self.models = ["v7"] * len(POINTS)
        self.told = [0] * len(POINTS)
        self.reached = [threading.Event() for _ in POINTS]
        self.over = threading.Event()
        listener.answer = self.answer

    def state(self, number):
        rows = self.andon.sql(STATE, f"system-{number}")
        return rows[0][0] if rows else ""

    def answer(self, handler):
        number = int(handler.path.strip("/"))
        point, (state, command) = list(POINTS.items())[number]
        told = handler.command == "POST"
        self.told[number] += told
        here = command == handler.command and self.state(number) == state and not self.reached[number].is_set()
        if told and not (here and point == "telling"):
            self.models[number] = json.loads(handler.request_heard.body)["data"]["state"]["model"]
        if here:
            self.reached[number].set()
            self.over.wait()  # for good: whoever waits for the answer is killed
        with contextlib.suppress(OSError):
            Listener.say(handler, 200, json.dumps({"model": self.models[number]}).encode())


def start_engine(andon):
    """An engine that goes round."""
    andon.sql("DELETE FROM engine_enginebeat")  # of the one that was killed
    andon.start_engine()
    ends = time.monotonic() + 180
    while not andon.sql("SELECT name FROM engine_enginebeat"):
        assert time.monotonic() < ends, andon.log("engine")
        time.sleep(0.1)


def test_kill_9_at_every_point_of_a_pull_acts_never_twice_and_loses_none(tmp_path, database_url):
    with listening() as listener, running_andon(tmp_path, database_url, server=False, engine=False) as andon:
        andon.python(MAKE, url=listener.url, count=len(POINTS))
        services = Services(andon, listener)
        try:
            for number, point in enumerate(POINTS):
                start_engine(andon)  # before the pull, which waits for evidence for ten seconds only
                andon.python(PULL, number=number)
                assert services.reached[number].wait(180), (point, services.state(number), andon.log("engine"))
                andon.kill_engine()
                andon.sql(LEAVE, f"{datetime.now(UTC) + FOR:%Y-%m-%d %H:%M:%S}+00:00")
            andon.sql(GO_ON)
            andon.start_engine()
            ends = time.monotonic() + 300
            states = {}
            while time.monotonic() < ends:
                states = {point: services.state(number) for number, point in enumerate(POINTS)}
                if set(states.values()) <= {"verified", "unverified", "failed"}:
                    break
                time.sleep(0.2)
            whole = dict.fromkeys(POINTS, "verified") | {"telling": "unverified"}
            assert states == whole, andon.log("engine")
        finally:
            services.over.set()
        assert services.told == [1] * len(POINTS)
        assert services.models == ["v6", "v6", "v7", "v6", "v6"]
        contained = andon.sql(
            "SELECT s.slug FROM incidents_incident i JOIN registry_system s ON s.id = i.system_id "
            "WHERE i.contained_at IS NOT NULL ORDER BY s.slug"
        )
        assert [slug for (slug,) in contained] == ["system-0", "system-1", "system-3", "system-4"]
        doubtful = andon.sql("SELECT count(*) FROM containment_pull WHERE crashed = ?", True)
        assert doubtful == [(2,)]
        assert andon.python(VERIFY) == []
