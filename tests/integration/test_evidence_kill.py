"""kill -9 while evidence is kept, at every statement that is sent to the database: nothing lost, nothing doubled.

A process keeps evidence and is killed by SIGKILL before its first statement, before its second, and so on until one gets
through. After each death another process takes the same pull's evidence up. The bytes lie in the database, so "between
file and row" is between two statements of one transaction. On SQLite: a forked process shares the other database's pool.
"""

import threading

import pytest

from tests.integration.test_pull_kill import start_engine
from tests.support.guarding import wait_for
from tests.support.listener import listening
from tests.support.processes import running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

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
system = System.objects.create(
    slug="credit-scorer", name="Credit scorer", stage=Stage.PRODUCTION, criticality=Criticality.HIGH
)
settings = {"url": url, "state_url": url, "secret": "s", "state": '{"model": "v6"}'}
lever = actions.create_lever(
    system, "webhook", LeverFacts(name="Roll back", kind=ContainmentKind.ROLL_BACK, settings=settings), by=by
)
declare(title="Approvals fell", system=system, by=by)
result = lever.number
"""

KILLED = """
import os, signal
from django.db import connection, connections
from andon.containment.evidence import queries, verifying
from andon.containment.evidence.actions import preserve
from andon.containment.evidence.models import Blob, Item, Preservation
from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.people.policy import Actor

incident = Incident.objects.get()

def keep(key):
    return preserve(incident, why=Preservation.Why.PULL, by=Actor.engine(), key=key)

def dies_before(statement, key):
    '''Keep evidence in a process of its own that is killed before this statement; whether it was.'''
    connections.close_all()
    child = os.fork()
    if child == 0:
        sent = 0
        def count(execute, sql, params, many, context):
            nonlocal sent
            sent += 1
            if sent == statement:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(sql, params, many, context)
        with connection.execute_wrapper(count):
            keep(key)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)

result = {"deaths": 0, "half": 0, "odd": []}
whole = None
statement = 0
while True:
    statement += 1
    key = f"pull:{statement}"
    killed = dies_before(statement, key)
    before = list(Item.objects.filter(preservation__key=key).values_list("name", "digest", "created_at"))
    sealed = Preservation.objects.filter(key=key, finished_at__isnull=False).exists()
    result["half"] += bool(before) and not sealed
    row = keep(key)
    after = list(row.items.values_list("name", "digest", "created_at"))
    names = sorted(name for name, _, _ in after)
    whole = whole or names
    wrong = [
        word for word, so in (
            ("what was kept before the crash is gone or was changed", not set(before) <= set(after)),
            ("something stands there twice", len(set(names)) != len(names)),
            ("something is neither kept nor listed as missing", names != whole),
            ("it is not sealed", row.finished_at is None),
            ("it began twice", Preservation.objects.filter(key=key).count() != 1),
            ("it is told twice", incident.timeline.filter(kind="evidence_kept", body__evidence=row.number).count() != 1),
            ("a digest has no bytes", any(d and not Blob.objects.filter(pk=d, body__isnull=False).exists() for _, d, _ in after)),
        ) if so
    ]
    result["odd"] += [(statement, word) for word in wrong]
    if not killed:
        break
    result["deaths"] += 1
incident.refresh_from_db()
result["problems"] = [one.problem for one in timeline.verify(incident) + verifying.verify(incident)]
result["names"] = whole
"""


def test_kill_9_before_every_statement_loses_nothing_and_doubles_nothing(tmp_path):
    with (
        listening() as listener,
        running_andon(tmp_path, server=False, engine=False) as andon,
    ):
        listener.answer = lambda handler: listener.say(handler, 200, b'{"model": "v7"}')
        andon.python(MAKE, url=listener.url)
        found = andon.python(KILLED, within=600)
    assert found["odd"] == []
    assert found["problems"] == []
    assert found["names"] == [
        "changes.json", "configuration.json", "lever-1-served.json", "lever-1-state.json",
    ]  # fmt: skip
    assert found["deaths"] > 20
    assert found["half"] > 5


PULL = """
from andon.containment import actions
from andon.containment.models import Lever
from andon.incidents.models import Incident
from andon.people.models import Person
from andon.people.policy import Actor
actions.pull(Lever.objects.get(), Incident.objects.get(), by=Actor.of(Person.objects.get()))
"""
TOLD = """
from andon.containment.evidence import verifying
from andon.containment.evidence.models import Preservation
from andon.containment.models import Pull
from andon.incidents import timeline
from andon.incidents.models import Incident
incident, pull, (row,) = Incident.objects.get(), Pull.objects.get(), Preservation.objects.all()
result = {
    "missing": dict(row.items.filter(digest="").values_list("name", "why_missing")),
    "kept": list(row.items.exclude(digest="").values_list("name", flat=True)),
    "told": incident.timeline.filter(kind="evidence_kept").count(),
    "waited": (pull.preserved_at - pull.approved_at).total_seconds(),
    "problems": [one.problem for one in timeline.verify(incident) + verifying.verify(incident)],
}
"""


def test_an_engine_that_is_killed_while_something_hangs_delays_containment_by_no_more_than_ten_seconds(tmp_path):
    """The control plane hangs, the engine dies in it, another one takes over: what hung is listed, and it goes on."""
    asked, over = threading.Event(), threading.Event()

    def answer(handler):
        state = andon.sql("SELECT state FROM containment_pull")
        if handler.command == "GET" and state == [("approved",)]:
            asked.set()
            over.wait()
        listener.say(handler, 200, b'{"model": "v6"}')

    with (
        listening() as listener,
        running_andon(tmp_path, server=False, engine=False) as andon,
    ):
        listener.answer = answer
        try:
            andon.python(MAKE, url=listener.url)
            start_engine(andon)  # before the pull, which waits for evidence for ten seconds only
            andon.python(PULL)
            assert asked.wait(400), andon.log("engine")
            andon.kill_engine()
            andon.start_engine()
            wait_for(
                lambda: andon.sql("SELECT state FROM containment_pull") == [("verified",)], 400,
                what=lambda: andon.log("engine"),
            )  # fmt: skip
            found = andon.python(TOLD)
        finally:
            over.set()
    assert set(found["missing"]) == {"lever-1-served.json", "lever-1-state.json"}, found
    assert "configuration.json" in found["kept"]
    assert found["told"] == 1
    assert found["problems"] == []
