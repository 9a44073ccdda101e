"""A guard in a process: its threads, its end, its forks, and all that must not stop it from hearing Andon."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from andon.sdk import timing
from andon.sdk.guard import Guard, Mode, hearing
from andon.sdk.guard import switch as switches
from andon.sdk.guard.keeping import Copy
from andon.sdk.guard.sealing import Snapshot, Token, seal
from tests.support.guarding import wait_for
from tests.support.listener import Listener, listening

ROOT = Path(__file__).parents[2]
TOKEN = Token.read("andon_guard.credit-scorer.0123.key")


class Andon:
    """What Andon says, and what it is told, without Andon: it answers questions, and has no streams."""

    def __init__(self, listener: Listener) -> None:
        self.listener, self.url = listener, listener.url
        self.revision, self.mode = 1, Mode.ON
        self.told: list[dict[str, object]] = []
        self.last_words = threading.Event()
        self.released = threading.Event()
        listener.answer = self.answer

    def set(self, mode: Mode) -> None:
        self.revision, self.mode = self.revision + 1, mode

    def answer(self, handler) -> None:
        asked = urlsplit(handler.request_heard.path)
        if asked.path.endswith("/replicas"):
            said = json.loads(handler.request_heard.body)
            self.told.append(said)
            if said["ended"]:
                self.last_words.set()
                self.released.wait(120)
            Listener.say(handler, 204)
        elif asked.path.endswith("/stream"):
            Listener.say(handler, 502)
        else:
            nonce = parse_qs(asked.query)["nonce"][0]
            one = Snapshot(
                "credit-scorer", self.revision, f"m{self.revision}", self.mode, None, 60.0, Mode.SAFE, nonce, 0.0
            )
            Listener.say(handler, 200, seal(TOKEN.key, one).encode(), Content_Type="text/plain")


@pytest.fixture
def andon(monkeypatch):
    monkeypatch.setattr(hearing, "ASK_EVERY", 0.05)
    monkeypatch.setattr(hearing, "FIRST_REST", 0.05)
    monkeypatch.setattr(hearing, "LONGEST_REST", 0.05)
    monkeypatch.setattr(switches, "SPREAD", 0.0)
    with listening() as listener:
        one = Andon(listener)
        try:
            yield one
        finally:
            one.released.set()


@pytest.fixture
def made(andon, tmp_path):
    guards = []

    def make(**given):
        guards.append(Guard(TOKEN, andon.url, folder=tmp_path / "kept", **given))
        return guards[-1]

    yield make
    andon.released.set()
    for one in guards:
        one.close()


def test_whoever_is_called_on_a_change_and_never_returns_holds_nothing_up(andon, made):
    stuck, release = threading.Event(), threading.Event()

    def hang(_reading):
        stuck.set()
        release.wait(120)

    one = made()
    assert one.wait(60)
    one.on_change(hang)
    assert one.mode() is Mode.ON
    andon.set(Mode.SAFE)
    assert stuck.wait(60)
    andon.set(Mode.OFF)
    wait_for(lambda: one.mode() is Mode.OFF)
    wait_for(lambda: any(said["revision"] == 3 for said in andon.told))
    wait_for(lambda: one._copy.read().revision == 3)
    release.set()


def test_a_disk_that_hangs_holds_up_no_hearing(andon, made, monkeypatch):
    stuck, release = threading.Event(), threading.Event()

    def hang(*_):
        stuck.set()
        release.wait(120)
        return True

    one = made()
    assert one.wait(60)
    monkeypatch.setattr(one._copy, "write", hang)
    one.mode()
    andon.set(Mode.SAFE)
    assert stuck.wait(60)
    andon.set(Mode.OFF)
    wait_for(lambda: one.mode() is Mode.OFF)
    release.set()


def test_a_trust_store_that_cannot_be_read_is_tried_again(andon, made, monkeypatch, caplog):
    """As when certificates are put in place after the process has started."""
    broken, real = threading.Event(), hearing._trusted
    broken.set()

    def trusted():
        if broken.is_set():
            raise FileNotFoundError("/etc/ssl/certs/ca.pem")
        return real()

    monkeypatch.setattr(hearing, "_trusted", trusted)
    monkeypatch.setattr(switches, "TELL_EVERY", 0.05)
    one = made()
    one.mode()
    wait_for(lambda: "could not be heard" in caplog.text and "could not be told" in caplog.text)
    broken.clear()
    assert one.wait(60)
    wait_for(lambda: andon.told)


def test_closing_says_so_once_and_what_holds_goes_on_holding(andon, made):
    andon.mode = Mode.REVIEW
    one = made()
    one.mode()
    wait_for(lambda: andon.told)
    andon.released.set()
    one.close()
    one.close()
    wait_for(lambda: not any(thread.is_alive() for thread in one._threads))
    assert [said["ended"] for said in andon.told].count(True) == 1
    assert one.mode() is Mode.REVIEW
    assert Copy(one._copy.path.parent, andon.url, TOKEN).read().mode is Mode.REVIEW


def asks_until_told(one):
    one.mode()
    wait_for(lambda: one._told)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_of_multiprocessing_says_that_it_ends(andon, made, monkeypatch):
    monkeypatch.setattr(switches, "LAST_WORDS", 60.0)
    andon.released.set()
    process = multiprocessing.get_context("fork").Process(target=asks_until_told, args=(made(),))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert [said["ended"] for said in andon.told][-1:] == [True]
    assert {said["instance"].split(":")[1] for said in andon.told} == {str(process.pid)}


PROGRAM = """
import sys, time
import andon
switch = andon.guard("credit-scorer", url=sys.argv[1], token="andon_guard.credit-scorer.0123.key", folder=sys.argv[2])
switch.mode()
assert switch.wait(60)
while not switch._told:
    time.sleep(0.02)
sys.stdin.read(1)
"""


def test_a_process_ends_though_andon_takes_its_last_words_and_never_answers(andon, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, andon.url, str(tmp_path / "kept")], stdin=subprocess.PIPE, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    try:
        wait_for(lambda: andon.told)
        process.stdin.close()
        assert process.wait(60) == 0
        assert not andon.released.is_set(), "nobody has answered"
    finally:
        process.kill()
        process.wait(10)


IMPORTS = """
import sys, threading, time

before, start = [], threading.Thread.start

def starting(thread):
    before.append(set(sys.modules))
    start(thread)

threading.Thread.start = starting
import andon
switch = andon.guard("credit-scorer", url=sys.argv[1], token="andon_guard.credit-scorer.0123.key", folder=sys.argv[2])
switch.mode()
assert switch.wait(60)
while not (switch._told and switch._copy.path.exists()):
    time.sleep(0.02)
print(sorted(set(sys.modules) - before[0]))
"""


def test_no_thread_of_the_guard_imports_anything(andon, tmp_path):
    """A process that forks meanwhile, as a server that loads the application first, leaves its child half a module."""
    andon.released.set()
    url = andon.url.replace("127.0.0.1", "localhost")
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, url, str(tmp_path / "kept")], capture_output=True, text=True, timeout=120,
        check=False, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


WRITES = """
import io, logging, os, sys, threading

import andon

class Slow(io.RawIOBase):
    writing = threading.Event()
    parent = os.getpid()

    def writable(self):
        return True

    def write(self, data):
        if os.getpid() == self.parent:
            self.writing.set()
            threading.Event().wait(0.3)
        return len(data)

stream = io.TextIOWrapper(io.BufferedWriter(Slow()), line_buffering=True)
logging.basicConfig(stream=stream, level=logging.DEBUG)
switch = andon.guard("credit-scorer", url=sys.argv[1], token="andon_guard.credit-scorer.0123.key", folder=sys.argv[2])
for _ in range(8):
    assert Slow.writing.wait(60)
    Slow.writing.clear()
    if (child := os.fork()) == 0:
        stream.write("a line of the child's\\n")
        os._exit(0)
    for _ in range(500):
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            break
        threading.Event().wait(0.02)
    else:
        os.kill(child, 9)
        sys.exit("the child hangs at its first line")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_that_is_forked_while_the_guard_writes_a_line_can_write_its_own(andon, tmp_path):
    """Else a server that loads the application first runs without one of its workers."""

    def changing(handler):
        andon.set(Mode.OFF if andon.mode is Mode.ON else Mode.ON)  # which is a line in the log each time
        Andon.answer(andon, handler)

    andon.listener.answer = changing
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WRITES, andon.url, str(tmp_path / "kept")], capture_output=True, text=True,
        timeout=200, check=False, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_that_was_forked_while_a_copy_was_written_keeps_nobody_from_writing(tmp_path, monkeypatch):
    copy = Copy(tmp_path, "https://andon.example.org", TOKEN)
    with copy._alone():
        if (child := os.fork()) == 0:
            signal.pause()
            os._exit(0)
    try:
        monkeypatch.setattr(timing, "pause", lambda _: pytest.fail("the child has kept the lock"))
        one = Snapshot("credit-scorer", 1, "m", Mode.OFF, None, 60.0, Mode.SAFE)
        assert copy.write(seal(TOKEN.key, one), one)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_whoever_waits_for_its_turn_in_vain_writes_all_the_same(tmp_path, monkeypatch):
    copy, other = (Copy(tmp_path, "https://andon.example.org", TOKEN) for _ in range(2))
    monkeypatch.setattr(timing, "pause", lambda _: None)
    one = Snapshot("credit-scorer", 1, "m", Mode.OFF, None, 60.0, Mode.SAFE)
    with copy._alone():  # as by a process that was stopped
        assert other.write(seal(TOKEN.key, one), one)
    assert copy.read() == one


ALONE = """
import sys

ALLOWED = {"andon", "httpx", "httpcore", "h11", "idna", "certifi", "anyio", "sniffio", "typing_extensions"}

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in ALLOWED | set(sys.stdlib_module_names):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])

sys.meta_path.insert(0, Wall())
import andon
import importlib, pkgutil
import andon.sdk
for part in pkgutil.walk_packages(andon.sdk.__path__, "andon.sdk."):
    importlib.import_module(part.name)
switch = andon.guard("credit-scorer", url="http://127.0.0.1:9", token="andon_guard.credit-scorer.1.key", folder=sys.argv[1])
print(switch.mode(), switch.reading().state, switch.wait(0.3))
"""


def test_it_stands_on_httpx_and_nothing_else(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "safe no_state False\n"), done.stderr
    assert "Traceback" not in done.stderr
