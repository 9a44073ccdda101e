"""Levers pulled as on the night: `andon lever` and `andon engine` as processes, a command that the machine's
administrator allowed, and a probe of a process that serves. And what is said when that process is gone, slow, deaf, or
talks nonsense.
"""

import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.listener import listening
from tests.support.processes import ROOT, running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

SERVES = """
import json, signal, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
folder = Path(sys.argv[1])
loaded = (folder / "version").read_text()
def mood():
    return (folder / "mood").read_text()
def load(*_):
    global loaded
    if mood() != "deaf":  # a loaded model goes on being served, whatever the registry says
        loaded = (folder / "version").read_text()
signal.signal(signal.SIGHUP, load)
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if mood() == "slow":
            time.sleep(3600)
        body = b"<html>502" if mood() == "nonsense" else json.dumps({"model": {"version": loaded}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
(folder / "port.new").write_text(str(server.server_port))
(folder / "port.new").rename(folder / "port")
server.serve_forever()
"""
TELLS = """
import json, os, signal, sys
from pathlib import Path
folder = Path(sys.argv[2])
if sys.argv[1] == "which":
    print(json.dumps({"version": (folder / "version").read_text()}))
    sys.exit()
if (folder / "mood").read_text() == "refuses":
    print("The disk is full.", file=sys.stderr)
    sys.exit(3)
with (folder / "acts").open("a") as acts:
    acts.write(os.environ["PULL_KEY"] + "\\n")
(folder / "version").write_text(json.load(sys.stdin)["version"])
try:
    os.kill(int((folder / "pid").read_text()), signal.SIGHUP)
except ProcessLookupError:
    pass
print("told")
"""
MAKE = """
from andon.containment import actions
from andon.containment.actions import LeverFacts
from andon.kit import clock
from andon.people.models import ContactPoint, Person
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, Criticality, Stage
from andon.registry.models import System
from andon.response.opening import declare
lena = Person.objects.create_user(email="lena@example.org", name="Lena", role="admin")
ContactPoint.objects.create(person=lena, kind="webhook", address=page, secret="whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cw==",
                            verified_at=clock.now())
by = Actor.of(lena)
result = {}
for name, url in urls.items():
    system = System.objects.create(slug=name, name=name, stage=Stage.PRODUCTION, criticality=Criticality.HIGH)
    facts = LeverFacts(
        name="Roll back to v6", kind=ContainmentKind.ROLL_BACK, verify_seconds=seconds, every_seconds=1,
        settings={"command": f"roll-back-{name}", "expected": '{"version": "v6"}'},
        probe={"url": url, "status": "200", "pointer": "/model/version", "equals": "v6", "times": "2"},
    )
    lever = actions.create_lever(system, "command", facts, by=by)
    result[name] = [lever.ref, declare(title="Approvals fell", system=system, by=by).ref]
"""
ENDED = "SELECT count(*) FROM containment_pull WHERE next_at IS NOT NULL"


@dataclass
class Served:
    """A process that serves a model, and the folder by which it is told."""

    folder: Path
    process: "subprocess.Popen[bytes]"
    url: str

    @property
    def version(self):
        return httpx.get(self.url, timeout=30).json()["model"]["version"]

    @property
    def acts(self):
        acts = self.folder / "acts"
        return acts.read_text().split() if acts.exists() else []

    def mood(self, word):
        (self.folder / "mood").write_text(word)


@contextmanager
def serving(folder):
    folder.mkdir()
    (folder / "version").write_text("v7")
    (folder / "mood").write_text("")
    process = subprocess.Popen([sys.executable, "-c", SERVES, str(folder)], stderr=subprocess.DEVNULL)
    (folder / "pid").write_text(str(process.pid))
    try:
        ends = time.monotonic() + 60
        while not (folder / "port").exists():
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.05)
        yield Served(folder, process, f"http://127.0.0.1:{(folder / 'port').read_text()}/")
    finally:
        process.kill()
        process.wait(20)


@contextmanager
def installed(folder, *names, seconds):
    """Andon with its engine, a served process for each name, and what the administrator allows."""
    tool = folder / "tell.py"
    tool.write_text(TELLS)
    with ExitStack() as stack:
        served = {name: stack.enter_context(serving(folder / name)) for name in names}
        pages = stack.enter_context(listening())
        allowed = folder / "levers.yaml"
        commands = {
            f"roll-back-{name}": {
                "run": [sys.executable, str(tool), "set", str(one.folder)],
                "undo": [sys.executable, str(tool), "set", str(one.folder)],
                "state": [sys.executable, str(tool), "which", str(one.folder)],
            }
            for name, one in served.items()
        }
        allowed.write_text(yaml.safe_dump({"commands": commands}))
        allowed.chmod(0o600)
        (folder / "andon").mkdir()
        settings = {"ANDON_LEVERS_FILE": str(allowed)}
        andon = stack.enter_context(running_andon(folder / "andon", server=False, engine=False, settings=settings))
        refs = andon.python(
            MAKE, urls={name: one.url for name, one in served.items()}, page=f"{pages.url}/page", seconds=seconds
        )
        andon.start_engine()
        yield andon, served, refs


def command(andon, *words):
    """`andon …` as a process: its exit code, and the JSON that it prints last."""
    done = subprocess.run(
        [sys.executable, "-m", "andon.cli.main", *words, "--json"], env=andon.environment, cwd=ROOT,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout[done.stdout.index("{") :])


def wait_for_the_end(andon):
    ends = time.monotonic() + 240
    while andon.sql(ENDED) != [(0,)]:
        assert time.monotonic() < ends, andon.log("engine")
        time.sleep(0.2)


def test_asked_kept_acted_once_seen_where_it_is_served_and_brought_back(tmp_path):
    with installed(tmp_path, "scorer", seconds=120) as (andon, served, refs):
        (lever, incident), one = refs["scorer"], served["scorer"]
        code, tried = command(andon, "lever", "try", lever)
        assert (code, tried["ok"], one.acts) == (0, True, [])
        assert "v6" in tried["says"]
        as_lena = ("--as", "lena@example.org", "--wait", "240")
        code, pull = command(
            andon, "lever", "pull", lever, "--incident", incident, *as_lena, "--why", "Approvals fell."
        )
        assert (code, pull["state"]) == (0, "verified"), (pull, andon.log("engine"))
        assert "2 requests" in pull["seen"]
        assert (pull["prior"], pull["expected"]) == ({"version": "v7"}, {"version": "v6"})
        assert one.version == "v6"
        assert len(one.acts) == 1
        moves = [step["move"] for step in pull["trail"]]
        assert moves[:3] == ["preserve", "prepare", "act"]
        assert set(moves[3:]) == {"look"}
        state = andon.sql("SELECT state, containment_kind FROM incidents_incident")
        assert state == [("contained", "roll_back")]
        kept = {name for (name,) in andon.sql("SELECT name FROM evidence_item WHERE digest <> ''")}
        assert {"lever-1-state.json", "lever-1-served.json"} <= kept
        code, undo = command(andon, "lever", "undo", pull["ref"], *as_lena)
        assert (code, undo["state"]) == (0, "verified"), (undo, andon.log("engine"))
        assert one.version == "v7"
        assert len(set(one.acts)) == 2, "an approval each, and a key each"


MOODS = {
    "deaf": ("unverified", 'is "v7"', 1),
    "nonsense": ("unverified", "is not JSON", 1),
    "slow": ("unverified", "No complete answer", 1),
    "gone": ("unverified", "could not be reached", 1),
    "refuses": ("failed", "Nothing was changed. ", 0),
}


def test_whatever_the_other_side_does_what_is_said_of_it_is_true_and_somebody_is_called(tmp_path):
    with installed(tmp_path, *MOODS, seconds=6) as (andon, served, refs):
        for name, one in served.items():
            one.mood(name)
        served["gone"].process.send_signal(signal.SIGKILL)
        served["gone"].process.wait(20)
        for lever, incident in refs.values():
            command(andon, "lever", "pull", lever, "--incident", incident, "--as", "lena@example.org", "--wait", "0")
        wait_for_the_end(andon)
        for number, (name, (state, says, acts)) in enumerate(MOODS.items(), start=1):
            code, lever = command(andon, "lever", "show", refs[name][0])
            (pull,) = lever["pulls"]
            assert (code, pull["state"]) == (0, state), (name, pull, andon.log("engine"))
            assert says.replace('"', "") in pull["seen"].replace('"', ""), (name, pull)
            assert len(served[name].acts) == acts, name
            assert f"PULL-{number}" == pull["pull"]
        assert andon.sql("SELECT count(*) FROM incidents_incident WHERE contained_at IS NOT NULL") == [(0,)]
        paged = andon.sql("SELECT reason FROM paging_page")
        for number, (state, _, _) in enumerate(MOODS.values(), start=1):
            word = "NOT DONE" if state == "failed" else "UNVERIFIED"
            assert any(word in reason and f"(PULL-{number})" in reason for (reason,) in paged), (number, paged)
