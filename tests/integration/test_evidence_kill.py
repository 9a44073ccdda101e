"""kill -9 while evidence is kept, before each kind of statement that is sent to the database: nothing lost or doubled.

A process keeps evidence and is killed by SIGKILL before the first statement of one kind, then before the last of them,
and so on through all kinds. After each death another process takes the same pull's evidence up. The bytes lie in the
database, so "between file and row" is between two statements of one transaction.

Whoever forks here has no line to the database open and has asked nobody anything: a child that shared the lines of a
pool would speak on its parent's, and one that found a pool of threads would wait for threads that only its parent has.
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
import importlib, os, signal, sys, traceback
from django.db import connection
from andon.containment.evidence import queries, verifying
from andon.containment.evidence.actions import preserve
from andon.containment.evidence.models import Blob, Item, Preservation
from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.people.policy import Actor

def apart(*deeds):
    '''What each deed gives, done in a process of its own with a line of its own to the database; up to where it was killed.'''
    assert connection.connection is None, "a child would share this process's line"
    back, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(back)
        try:
            for do in deeds:
                os.write(into, json.dumps(do(), default=str).encode() + b"\\n")
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(into)
    with os.fdopen(back) as told:
        said = [json.loads(line) for line in told]
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    assert (status == 0) == (len(said) == len(deeds)), said
    return said

def keep(key):
    return preserve(Incident.objects.get(), why=Preservation.Why.PULL, by=Actor.engine(), key=key)

def sending(key, hear):
    '''Keep evidence; `hear` is told of each statement before it is sent.'''
    def told(execute, sql, params, many, context):
        hear(sql)
        return execute(sql, params, many, context)
    with connection.execute_wrapper(told):
        keep(key)

def statements():
    '''What is sent when nobody dies, and which modules that took.'''
    sent = []
    sending("pull:0", sent.append)
    return sent, sorted(set(sys.modules) - known)

def dies_before(statement, key):
    sent = 0
    def count(_):
        nonlocal sent
        sent += 1
        if sent == statement:
            os.kill(os.getpid(), signal.SIGKILL)
    sending(key, count)
    return "alive"

def taken_up(key):
    '''What is wrong once another process has taken it up, how much stood there before, and what stands there now.'''
    incident = Incident.objects.get()
    before = list(Item.objects.filter(preservation__key=key).values_list("name", "digest", "created_at"))
    sealed = Preservation.objects.filter(key=key, finished_at__isnull=False).exists()
    row = keep(key)
    after = list(row.items.values_list("name", "digest", "created_at"))
    names = sorted(name for name, _, _ in after)
    wrong = [
        word for word, so in (
            ("what was kept before the crash is gone or was changed", not set(before) <= set(after)),
            ("something stands there twice", len(set(names)) != len(names)),
            ("it is not sealed", row.finished_at is None),
            ("it began twice", Preservation.objects.filter(key=key).count() != 1),
            ("it is told twice", incident.timeline.filter(kind="evidence_kept", body__evidence=row.number).count() != 1),
            ("a digest has no bytes", any(d and not Blob.objects.filter(pk=d, body__isnull=False).exists() for _, d, _ in after)),
        ) if so
    ]
    return {"wrong": wrong, "half": bool(before) and not sealed, "names": names}

def problems():
    incident = Incident.objects.get()
    return [one.problem for one in timeline.verify(incident) + verifying.verify(incident)]

known = set(sys.modules)
whole, (sent, modules) = apart(lambda: taken_up("pull:whole"), statements)
for module in modules:
    importlib.import_module(module)  # once, and not in every child anew
kinds = {sql: [place for place, one in enumerate(sent, start=1) if one == sql] for sql in sent}
deaths = sorted({place for places in kinds.values() for place in (places[0], places[-1])})
result = {"names": whole["names"], "meant": len(deaths), "deaths": 0, "half": 0, "odd": []}
left = 0
for statement in [*deaths, None]:
    key = f"pull:{statement}"
    next_death = [lambda: dies_before(statement, key)] if statement else []
    found, *alive = apart(lambda: taken_up(f"pull:{left}"), *next_death)
    result["deaths"] += len(next_death) - len(alive)
    result["half"] += found["half"]
    if found["names"] != whole["names"]:
        found["wrong"].append(f"something is neither kept nor listed as missing: {found['names']}")
    result["odd"] += [(left, word) for word in found["wrong"]]
    left = statement
result["problems"] = apart(problems)[0]
"""


def test_kill_9_before_each_kind_of_statement_loses_nothing_and_doubles_nothing(tmp_path, database_url):
    with (
        listening() as listener,
        running_andon(tmp_path, database_url, server=False, engine=False) as andon,
    ):
        listener.answer = lambda handler: listener.say(handler, 200, b'{"model": "v7"}')
        andon.python(MAKE, url=listener.url)
        found = andon.python(KILLED, within=600)
    assert found["odd"] == []
    assert found["problems"] == []
    assert found["names"] == [
        "changes.json", "configuration.json", "lever-1-served.json", "lever-1-state.json",
    ]  # fmt: skip
    assert found["deaths"] == found["meant"] > 15
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
from andon.incidents import timeline
from andon.incidents.models import Incident
incident, (row,) = Incident.objects.get(), Preservation.objects.all()
result = {
    "missing": dict(row.items.filter(digest="").values_list("name", "why_missing")),
    "kept": list(row.items.exclude(digest="").values_list("name", flat=True)),
    "told": incident.timeline.filter(kind="evidence_kept").count(),
    "problems": [one.problem for one in timeline.verify(incident) + verifying.verify(incident)],
}
"""


def test_an_engine_that_is_killed_while_something_hangs_leaves_it_to_another_which_lists_it_and_goes_on(tmp_path):
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
