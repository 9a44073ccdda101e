"""Guarded processes, as real ones: each reads its switch, and says in a file what it reads.

with guarded(andon, Desk.of(andon).token, tmp_path) as replica:
    replica.until("safe")

What a process does is one thing, what Andon knows of it another: before a process is killed, wait for what the next
step relies on, by `Desk.until_says`.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.processes import ROOT, RunningAndon

PROGRAM = """
import json, os, sys, time
import andon
from andon.sdk import timing
from andon.sdk.guard import switch as switches

real, moved = timing.since_boot, 0.0
timing.since_boot = lambda: real() + moved
switches.LAST_WORDS = 30.0  # on a slow machine, too, Andon hears that it ends
out = open(os.environ["GUARDED_LOG"], "a", buffering=1)
switch = andon.guard("credit-scorer", version=os.environ.get("GUARDED_VERSION", ""))
def say(*_):
    r = switch.reading()
    out.write(json.dumps({"mode": switch.mode(), "state": r.state, "revision": r.revision, "at": time.time()}) + "\\n")
switch.mode()
switch.on_change(say)
say()
for line in sys.stdin:  # each line asks what holds; a number moves the clock on by so many seconds first
    moved += float(line.strip() or 0)
    say()
"""


@dataclass
class Guarded:
    """One guarded process."""

    process: "subprocess.Popen[str]"
    log: Path

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def ask(self, *, after: float = 0.0) -> dict[str, Any]:
        """What holds now, or so many seconds later by its own clock."""
        before = len(self.said())
        assert self.process.stdin is not None
        self.process.stdin.write(f"{after}\n")
        self.process.stdin.flush()
        wait_for(lambda: len(self.said()) > before, what=lambda: f"an answer of process {self.process.pid}")
        return self.said()[-1]

    def until(self, mode: str, **more: Any) -> dict[str, Any]:
        """Wait until it has read this mode (and state, revision)."""
        wanted = {"mode": mode, **more}
        wait_for(lambda: wanted.items() <= self.ask().items(), what=lambda: f"{wanted}, last {self.said()[-3:]}")
        return self.said()[-1]


class Between(ThreadingHTTPServer):
    """A proxy that does to Andon's answers what a test wants: it passes them on whole, so that no stream gets through.

    Attributes:
        change: Given a path and what Andon answered, what is answered in its place; None for 502.
    """

    daemon_threads = True

    def __init__(self, andon: RunningAndon) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.andon = andon
        self.line = httpx.Client(verify=False, timeout=60)
        self.change: Callable[[str, bytes], bytes | None] = lambda path, body: None if "/stream" in path else body
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def server_close(self) -> None:
        super().server_close()
        self.line.close()


class _Passing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._pass(b"")

    def do_POST(self) -> None:
        self._pass(self.rfile.read(int(self.headers["Content-Length"])))

    def _pass(self, content: bytes) -> None:
        server = self.server
        assert isinstance(server, Between)
        server.asked.append(self.path)
        headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
        given: bytes | None = None
        if "/stream" not in self.path:
            found = server.line.request(
                self.command, server.andon.base_url + self.path, content=content, headers=headers
            )
            given = found.content
        changed = server.change(self.path, given or b"")
        self.send_response(502 if changed is None else 200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(changed or b"")))
        self.end_headers()
        self.wfile.write(changed or b"")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def between(andon: RunningAndon) -> Iterator[Between]:
    """A proxy in front of Andon."""
    with Between(andon) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def wait_for(true: Any, seconds: float = 90.0, *, what: Any = lambda: "it") -> None:
    """Look again until it is so."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, f"waited in vain for {what()}"
        time.sleep(0.1)


@dataclass
class Desk:
    """A lead, over the API: the switch as it stands, and setting it. `token` is a guard token that they made."""

    andon: RunningAndon
    token: str
    line: httpx.Client

    @classmethod
    def of(cls, andon: RunningAndon) -> "Desk":
        token, personal = andon.python(_MAKE)
        headers = {"Authorization": f"Bearer {personal}"}
        return cls(andon, token, httpx.Client(verify=False, timeout=60, headers=headers))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def show(self) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("GET")
        return found

    def says(self) -> str:
        return str(self.show()["replicas_say"])

    def until_says(self, text: str) -> None:
        """Wait until Andon says this of the replicas; `*` stands for anything."""
        wait_for(lambda: fnmatchcase(self.says(), text), what=lambda: f"{text!r}: it says {self.says()!r}")

    def unheard(self, replica: Guarded, *, minutes: int) -> None:
        """Let so many minutes pass since the last word of a process that says nothing any more."""
        assert self.andon.python(_UNHEARD, pid=replica.process.pid, minutes=minutes) == 1, "no such replica is known"

    def set(self, mode: str, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("POST", {"mode": mode, "reason": "It declines whom it should not.", **more})
        return found

    def tokens(self) -> list[dict[str, Any]]:
        """The guard tokens of the system, newest first."""
        found: list[dict[str, Any]] = self._ask("GET", at="/tokens")
        return found

    def make_token(self, name: str) -> str:
        """Another guard token, whole."""
        return str(self._ask("POST", {"name": name}, at="/tokens")["token"])

    def revoke(self, pk: str) -> None:
        self._ask("DELETE", at=f"/tokens/{pk}")

    def _ask(self, method: str, body: Any = None, *, at: str = "") -> Any:
        where = f"{self.andon.base_url}/api/v1/systems/credit-scorer/switch{at}"
        answer = self.line.request(method, where, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


_MAKE = """
from andon.people.actions import make_token as make_personal
from andon.people.policy import Actor
from andon.switch.actions import make_token
from tests.support import cast

people = cast.make()
by = Actor.of(people.omar)
result = [
    make_token(people.credit_scorer, name="production", by=by).token,
    make_personal(name="desk", scopes=["switches:write"], days=1, by=by).token,
]
"""

_UNHEARD = """
from datetime import timedelta
from andon.kit import clock
from andon.switch.models import Replica

at = clock.now() - timedelta(minutes=minutes)
result = Replica.objects.filter(instance__contains=f":{pid}:", ended_at=None).update(heard_at=at)
"""


def command(andon: RunningAndon, *arguments: str) -> Any:
    """`andon switch …` as another process, its answer as JSON. It takes seconds to start: mostly use the desk."""
    done = subprocess.run(
        [sys.executable, "-m", "andon.cli.main", "switch", *arguments, "--json"],
        env=andon.environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def guarded(
    andon: RunningAndon, token: str, folder: Path, name: str = "one", *, url: str = "", version: str = "v7"
) -> Iterator[Guarded]:
    """A guarded process; it ends with the block."""
    log = folder / f"{name}.jsonl"
    environment = andon.environment | {
        "ANDON_BASE_URL": url or andon.base_url, "ANDON_GUARD_TOKEN": token, "ANDON_GUARD_DIR": str(folder / "guard"),
        "GUARDED_LOG": str(log), "GUARDED_VERSION": version,
    }  # fmt: skip
    with (folder / f"{name}.err").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=environment, stdin=subprocess.PIPE, text=True, stderr=errors, cwd=ROOT
        )
    try:
        yield Guarded(process, log)
    finally:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it was killed
            process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
            raise
