"""Levers that act on Andon's own machine: only what its administrator allowed, whole or not at all, in bounded time."""

import json
import os
import sys
import textwrap
import time as machine_time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from andon.containment import adapters
from andon.containment.adapters.nginx.adapter import servers
from andon.containment.lever import LeverFault, Plan, cleaned
from andon.kit.errors import Invalid
from tests.support.listener import Listener, listening

PYTHON = sys.executable
OLD = "# written by hand\nserver 10.0.0.7:8080;\n"


@pytest.fixture
def allow(tmp_path, settings):
    """Write what the administrator allows."""
    where = tmp_path / "levers.yaml"
    settings.LEVERS_FILE = where

    def write(**parts):
        where.write_text(yaml.safe_dump(parts))
        where.chmod(0o600)
        return where

    return write


def script(tmp_path: Path, name: str, code: str) -> list[str]:
    file = tmp_path / f"{name}.py"
    file.write_text(textwrap.dedent(code))
    return [PYTHON, str(file)]


# --- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def commands(tmp_path, allow):
    """A model's version in a file, and the four programs that go with it."""
    (tmp_path / "model").write_text("v7")
    head = f"import json, os, sys\nfrom pathlib import Path\nmodel = Path({str(tmp_path / 'model')!r})\n"
    return allow(
        commands={
            "roll-back": {
                "run": script(tmp_path, "run", head + "model.write_text('v6'); print('now', os.environ['PULL_KEY'])"),
                "undo": script(tmp_path, "undo", head + "model.write_text(json.load(sys.stdin)['model'])"),
                "state": script(tmp_path, "state", head + "print(json.dumps({'model': model.read_text()}))"),
                "probe": script(
                    tmp_path, "probe", head + "sys.exit(json.load(sys.stdin) != {'model': model.read_text()})"
                ),
            }
        }
    )


COMMAND = {"command": "roll-back", "expected": '{"model": "v6"}'}


def test_a_command_is_run_seen_and_undone(tmp_path, commands):
    adapter = adapters.find("command")
    prior = adapter.state(COMMAND)
    plan = adapter.plan(COMMAND, prior)
    assert adapter.probe(COMMAND, plan).holds is False
    assert adapter.act(COMMAND, plan, "PULL-1").text == f"{Path(PYTHON).name} ended well: now PULL-1"
    assert adapter.probe(COMMAND, plan).holds is True
    assert adapter.plan(COMMAND, adapter.state(COMMAND)).says.startswith("Nothing would change")
    adapter.undo(COMMAND, prior, "PULL-2")
    assert adapter.state(COMMAND) == prior == {"model": "v7"}
    assert adapter.probe(COMMAND, Plan(prior, "")).holds is True


def test_only_what_is_allowed_is_run_and_taking_it_out_stops_it_at_once(commands, allow):
    adapter = adapters.find("command")
    with pytest.raises(LeverFault, match="No command /bin/sh is allowed") as caught:
        adapter.act({"command": "/bin/sh"}, Plan({}, ""), "PULL-1")
    assert caught.value.sure is True
    allow(commands={})
    with pytest.raises(LeverFault, match="Allowed: none"):
        adapter.act(COMMAND, Plan({}, ""), "PULL-1")


def test_nothing_is_allowed_without_a_file(settings):
    settings.LEVERS_FILE = None
    with pytest.raises(LeverFault, match="No command roll-back"):
        adapters.find("command").state(COMMAND)


def test_a_file_that_others_may_write_allows_nothing(commands):
    commands.chmod(0o620)
    with pytest.raises(LeverFault, match="others than its owner may write it"):
        adapters.find("command").state(COMMAND)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"run": "rm -rf /"}, "list of words"),
        ({"run": ["roll-back"]}, "absolute path"),
        ({"state": ["/bin/true"]}, "has no run"),
        ({"run": ["/bin/true"], "shell": True}, "shell, which means nothing"),
        ({"run": ["/bin/true"], "seconds": 1000}, "seconds is no number"),
        ({"run": ["/bin/true"], "seconds": True}, "seconds is no number"),
        (["/bin/true"], "no mapping"),
    ],
)
def test_a_file_that_cannot_be_meant_says_where(allow, entry, says):
    where = allow(commands={"roll-back": entry})
    with pytest.raises(LeverFault, match=says) as caught:
        adapters.find("command").act(COMMAND, Plan({}, ""), "PULL-1")
    assert str(where) in caught.value.text
    assert "commands.roll-back" in caught.value.text
    assert caught.value.sure is True


@pytest.mark.parametrize(("status", "sure"), [(1, False), (2, False), (3, True), (137, False)])
def test_a_command_says_by_its_status_whether_it_changed_something(tmp_path, allow, status, sure):
    allow(commands={"roll-back": {"run": script(tmp_path, "run", f"import sys; sys.exit({status})")}})
    with pytest.raises(LeverFault, match=f"ended with {status}") as caught:
        adapters.find("command").act(COMMAND, Plan({}, ""), "PULL-1")
    assert caught.value.sure is sure


def test_a_command_that_hangs_is_killed_with_all_that_it_started(tmp_path, allow):
    child = tmp_path / "child"
    code = f"""
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(child)!r} + ".new", "w").write(str(child.pid))
        import os; os.rename({str(child)!r} + ".new", {str(child)!r})
        time.sleep(600)
    """
    allow(commands={"roll-back": {"run": script(tmp_path, "run", code), "seconds": 2}})
    with pytest.raises(LeverFault, match="was killed") as caught:
        adapters.find("command").act(COMMAND, Plan({}, ""), "PULL-1")
    assert caught.value.sure is False
    if child.exists():  # on a machine so slow that it does not, there is nothing to end
        deadline = machine_time.monotonic() + 20
        while alive(int(child.read_text())):
            assert machine_time.monotonic() < deadline, "its child goes on"
            machine_time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_command_gets_nothing_of_andons_environment(tmp_path, allow, monkeypatch):
    monkeypatch.setenv("ANDON_SECRET_KEY", "a secret")
    code = "import json, os; print(json.dumps({'names': sorted(os.environ)}))"
    allow(
        commands={
            "roll-back": {
                "run": ["/bin/true"],
                "state": script(tmp_path, "state", code),
                "environment": {"REGION": "eu"},
            }
        }
    )
    names = set(adapters.find("command").state(COMMAND)["names"]) - {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"}
    assert names == {"PATH", "LANG", "PULL_KEY", "REGION"}


def test_what_a_command_prints_is_cut_and_need_not_be_text(tmp_path, allow):
    code = "import sys; sys.stdout.buffer.write(b'\\xff' * 5_000_000 + b'\\nthe end'); sys.stdout.flush()"
    allow(commands={"roll-back": {"run": script(tmp_path, "run", code)}})
    assert len(adapters.find("command").act(COMMAND, Plan({}, ""), "PULL-1").text) < 300


@pytest.mark.parametrize("printed", ["", "no JSON", "[]", "null", '{"model": '])
def test_a_state_that_is_nonsense_is_none(tmp_path, allow, printed):
    allow(commands={"roll-back": {"run": ["/bin/true"], "state": ["/bin/echo", printed]}})
    with pytest.raises(LeverFault, match="JSON") as caught:
        adapters.find("command").state(COMMAND)
    assert caught.value.sure is True


def test_a_command_that_is_not_there_was_surely_not_run(allow):
    allow(commands={"roll-back": {"run": ["/nowhere/roll-back"], "probe": ["/nowhere/probe"]}})
    with pytest.raises(LeverFault, match="could not be started") as caught:
        adapters.find("command").act(COMMAND, Plan({}, ""), "PULL-1")
    assert caught.value.sure is True
    assert adapters.find("command").probe(COMMAND, Plan({}, "")).holds is None
    with pytest.raises(LeverFault, match="has no undo"):
        adapters.find("command").undo(COMMAND, {}, "PULL-1")


# --- nginx and Envoy -----------------------------------------------------------------------------------------------


class Proxy:
    """What reads the file when it is told to, as nginx does, or whenever it looks, as Envoy does."""

    def __init__(self, listener: Listener, file: Path, version) -> None:
        self.file, self.version = file, version
        listener.answer = lambda handler: Listener.say(handler, 200, X_Model_Version=self.version(file.read_text()))


@pytest.fixture
def nginx(tmp_path, allow):
    file = tmp_path / "scorer.servers"
    file.write_text(OLD)
    file.chmod(0o644)
    tested = script(
        tmp_path, "test", f"import sys; sys.exit('10.0.0.66' in open({str(file)!r}).read() and 'host not found')"
    )
    allow(files={"scorer": {"path": str(file), "test": tested, "apply": ["/bin/true"]}})
    with listening() as listener:
        Proxy(listener, file, lambda text: "v6" if "10.0.0.6:" in text else "v7")
        yield file, {"serving": listener.url, "shows": "X-Model-Version", "shown": "v6", "shown_before": "v7"}


def nginx_settings(looks, **changed):
    given = {"file": "scorer", "servers": "10.0.0.6:8080 weight=2\n\n10.0.0.6:8081   backup"} | looks | changed
    return cleaned(adapters.find("nginx").fields, given)


def test_a_route_is_rewritten_seen_and_put_back_to_the_byte(nginx):
    file, looks = nginx
    adapter, given = adapters.find("nginx"), nginx_settings(looks)
    prior = adapter.state(given)
    plan = adapter.plan(given, prior)
    assert plan.says == "scorer goes from 10.0.0.7:8080 to 10.0.0.6:8080 weight=2, 10.0.0.6:8081 backup."
    assert adapter.probe(given, plan).holds is False
    adapter.act(given, plan, "PULL-1")
    assert file.read_text() == "server 10.0.0.6:8080 weight=2;\nserver 10.0.0.6:8081 backup;\n"
    assert file.stat().st_mode & 0o777 == 0o644
    assert adapter.probe(given, plan).holds is True
    assert adapter.plan(given, adapter.state(given)).says.startswith("Nothing would change")
    adapter.undo(given, prior, "PULL-2")
    assert file.read_text() == OLD
    assert adapter.probe(given, Plan(prior, "")).holds is True
    assert [one.name for one in file.parent.iterdir() if one.name.startswith(".")] == []


def test_a_route_that_does_not_pass_its_test_is_taken_back(nginx):
    file, looks = nginx
    given = nginx_settings(looks, servers="10.0.0.66:8080")
    adapter = adapters.find("nginx")
    with pytest.raises(LeverFault, match="did not pass its test and was taken back: host not found") as caught:
        adapter.act(given, adapter.plan(given, adapter.state(given)), "PULL-1")
    assert caught.value.sure is True
    assert file.read_text() == OLD


def test_a_route_that_is_not_taken_up_is_not_known(nginx, allow):
    file, looks = nginx
    allow(files={"scorer": {"path": str(file), "apply": ["/bin/false"]}})
    given, adapter = nginx_settings(looks), adapters.find("nginx")
    with pytest.raises(LeverFault, match="was not taken up") as caught:
        adapter.act(given, adapter.plan(given, adapter.state(given)), "PULL-1")
    assert caught.value.sure is False


def test_a_proxy_that_is_silent_or_gone_shows_nothing(nginx, monkeypatch):
    file, looks = nginx
    adapter, given = adapters.find("nginx"), nginx_settings(looks)
    plan = adapter.plan(given, adapter.state(given))
    adapter.act(given, plan, "PULL-1")
    assert adapter.probe(given | {"serving": "http://127.0.0.1:9/"}, plan).holds is None
    file.unlink()
    assert adapter.probe(given, plan).holds is None
    with pytest.raises(LeverFault, match="cannot be read") as caught:
        adapter.state(given)
    assert caught.value.sure is True


@given(st.text())
def test_no_directive_is_slipped_into_a_list_of_servers(text):
    try:
        kept = servers(text)
    except Invalid:
        return
    assert not set(kept) & set(";{}#'\"$\\/*")
    assert all(":" in line for line in kept.splitlines())


@pytest.mark.parametrize(
    "bad",
    [
        "10.0.0.6",
        "10.0.0.6:0",
        "10.0.0.6:99999",
        "unix:/tmp/x",
        "10.0.0.6:80; include /etc/passwd",
        "10.0.0.6:80 resolve",
        "",
    ],
)
def test_what_is_no_server_is_refused(bad):
    with pytest.raises(Invalid):
        servers(bad)


ROUTE = {
    "resources": [{
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "scorer",
        "virtual_hosts": [{"name": "scorer", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {
            "weighted_clusters": {"clusters": [{"name": "scorer-v6", "weight": 0}, {"name": "scorer-v7", "weight": 100}]}
        }}]}],
    }],
}  # fmt: skip


@pytest.fixture
def envoy(tmp_path, allow):
    file = tmp_path / "scorer.json"
    file.write_text(json.dumps(ROUTE))
    allow(files={"scorer": {"path": str(file)}})

    def version(text):
        clusters = json.loads(text)["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]["weighted_clusters"][
            "clusters"
        ]
        return max(clusters, key=lambda one: one["weight"])["name"].removeprefix("scorer-")

    with listening() as listener:
        Proxy(listener, file, version)
        looks = {"serving": listener.url, "shows": "X-Model-Version", "shown": "v6", "shown_before": "v7"}
        yield (
            file,
            cleaned(
                adapters.find("envoy").fields,
                looks | {"file": "scorer", "weights": '{"scorer-v6": 100, "scorer-v7": 0}'},
            ),
        )


def test_the_weights_of_a_route_are_set_seen_and_put_back(envoy):
    file, given = envoy
    adapter = adapters.find("envoy")
    prior = adapter.state(given)
    plan = adapter.plan(given, prior)
    assert plan.says == "The weight goes: scorer-v6 from 0 to 100, scorer-v7 from 100 to 0."
    assert adapter.probe(given, plan).holds is False
    before = file.stat().st_ino
    adapter.act(given, plan, "PULL-1")
    assert file.stat().st_ino != before, "Envoy takes a file up when another is moved into its place"
    assert adapter.probe(given, plan).holds is True
    assert adapter.plan(given, adapter.state(given)).says.startswith("Nothing would change")
    adapter.undo(given, prior, "PULL-2")
    assert file.read_text() == json.dumps(ROUTE)
    assert adapter.probe(given, Plan(prior, "")).holds is True


@pytest.mark.parametrize(
    ("text", "says"), [("no JSON", "is not JSON"), ("{}", "no weighted cluster scorer-v6"), ("[" * 9000, "is not JSON")]
)
def test_a_route_that_lacks_its_clusters_is_no_route(envoy, text, says):
    file, given = envoy
    file.write_text(text)
    with pytest.raises(LeverFault, match=says) as caught:
        adapters.find("envoy").state(given)
    assert caught.value.sure is True
    assert adapters.find("envoy").probe(given, Plan({"text": text}, "")).holds is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_rewritten_file_keeps_its_owner(nginx):
    file, looks = nginx
    os.chown(file, 65534, 65534)
    adapter, given = adapters.find("nginx"), nginx_settings(looks)
    adapter.act(given, adapter.plan(given, adapter.state(given)), "PULL-1")
    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65534)
