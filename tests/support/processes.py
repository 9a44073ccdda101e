"""Andon as real processes on loopback, for tests that kill them: a server, an engine, an own database.

    with running_andon(tmp_path, database_url=url) as andon:
        sender = andon.integration("generic")
        sender.post({"title": "Errors", "system": "credit-scorer"})
        andon.kill_server()  # SIGKILL, of the process that was started
        andon.kill_group()  # SIGKILL, of that and of its workers
        andon.start_server()
        andon.sql("SELECT count(*) FROM intake_signal")

The fixture `database_url` (see tests/integration/conftest.py) runs a test on SQLite and on PostgreSQL.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg

from tests.support import tables
from tests.support.prometheus import free_port

ROOT = Path(__file__).parents[2]
SERVER = ("-m", "andon.cli.main", "serve", "--host", "127.0.0.1", "--workers")
ENGINE = ("-m", "andon.cli.main", "engine")
START_SECONDS = 60.0

_STARTED = b"Application startup complete."  # what uvicorn logs once for each worker
_PREAMBLE = "import json\nimport django\ndjango.setup()\nresult = None\n"
_EPILOGUE = "\nprint('\\x1e' + json.dumps(result, default=str))\n"


@dataclass
class Sender:
    """An integration, from the sender's side."""

    url: str
    token: str
    slug: str

    def post(self, body: Any, *, client: httpx.Client | None = None, **headers: str) -> httpx.Response:
        """Send a body (bytes as they are, anything else as JSON)."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        send = client.post if client else httpx.post
        return send(self.url, content=content, headers={"Authorization": f"Bearer {self.token}", **headers}, timeout=30)


@dataclass
class RunningAndon:
    """One installation: its processes come and go, its database stays."""

    folder: Path
    database_url: str
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    server: "subprocess.Popen[bytes] | None" = None
    engine: "subprocess.Popen[bytes] | None" = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANDON_")}
        return inherited | {
            "ANDON_DATA_DIR": str(self.folder / "data"),
            "ANDON_DATABASE_URL": self.database_url,
            "ANDON_BASE_URL": self.base_url,
            "ANDON_ALLOW_PRIVATE_TARGETS": "true",
            "DJANGO_SETTINGS_MODULE": "andon.site.settings",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT), inherited.get("PYTHONPATH", "")]),
            **self.settings,
        }

    def start_server(self) -> None:
        """Start serving and return when it answers, each of its workers."""
        log = self.folder / "server.log"
        said_before = log.stat().st_size if log.exists() else 0
        self.server = self._start("server", *SERVER, str(self.workers), "--port", str(self.port))
        deadline = time.monotonic() + START_SECONDS
        while not self._answers() or (
            self.workers > 1 and log.read_bytes()[said_before:].count(_STARTED) < self.workers
        ):
            if self.server.poll() is not None:
                raise AssertionError(f"The server ended with {self.server.returncode}:\n{self.log('server')}")
            if time.monotonic() > deadline:
                raise AssertionError(f"The server does not answer:\n{self.log('server')}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            httpx.get(f"{self.base_url}/intake/generic/nobody", timeout=2)
        except httpx.TransportError:
            return False
        return True

    def start_engine(self) -> None:
        """Start an engine; it works as soon as its imports are done (about a second)."""
        self.engine = self._start("engine", *ENGINE)

    def serving(self) -> list[int]:
        """The processes that answer: the server, or the workers below it (beside them is a helper of Python's own)."""
        server = self.server
        if server is None:
            return []
        if self.workers == 1:
            return [server.pid]
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        return [int(child) for child in children if _is_worker(child)]

    def server_of(self, answer: httpx.Response) -> int:
        """The process that holds the other end of an answer's connection, which must be open still, by the kernel's word.

        So in a hook of the client (`event_hooks`), which is called before the answer's body is read.
        """
        _, near = answer.extensions["network_stream"].get_extra_info("client_addr")
        ends = (f":{self.port:04X}", f":{near:04X}")
        rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
        sockets = {f"socket:[{row[9]}]" for row in rows if (row[1][-5:], row[2][-5:]) == ends}
        holding = [process for process in self.serving() if sockets & _open_in(process)]
        if len(holding) != 1:
            raise AssertionError(f"{holding} of {self.serving()} hold the connection from port {near}")
        return holding[0]

    def kill_server(self) -> None:
        """SIGKILL of the process that was started; its workers see that by themselves."""
        self._end("server", signal.SIGKILL)

    def kill_group(self) -> None:
        """SIGKILL of the server and of all its workers at once, as a power cut would; returns when they are gone."""
        server = self.server
        if server is None:
            return
        workers = self.serving()
        for process in (server.pid, *workers):  # it first: it would start another in a worker's place
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._end("server", signal.SIGKILL)
        deadline = time.monotonic() + 20
        while any(alive(worker) for worker in workers):
            if time.monotonic() > deadline:
                raise AssertionError(f"Workers outlive SIGKILL: {workers}")
            time.sleep(0.01)

    def kill_engine(self) -> None:
        """SIGKILL, as a power cut would."""
        self._end("engine", signal.SIGKILL)

    def stop(self) -> None:
        """End both in good order; safe to call twice."""
        self._end("engine", signal.SIGTERM)
        self._end("server", signal.SIGTERM)

    def log(self, name: str) -> str:
        """What a process wrote, newest 20,000 characters; shown in a test's failure."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace")[-20_000:] if path.exists() else ""

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read (or write) the database from outside; placeholders are `?`."""
        if self.database_url.startswith("sqlite"):
            with sqlite3.connect(self.database_url.removeprefix("sqlite:///"), timeout=20) as connection:
                return list(connection.execute(statement, parameters))
        with psycopg.connect(self.database_url) as postgres:
            cursor = postgres.execute(statement.replace("%", "%%").replace("?", "%s"), parameters)  # type: ignore[arg-type]
            return list(cursor.fetchall()) if cursor.description else []

    def python(self, code: str, *, within: float = 60, **given: Any) -> Any:
        """Run code with Django set up, in a process of its own; what it puts into `result` comes back as JSON."""
        names = "".join(f"{name} = json.loads({json.dumps(value)!r})\n" for name, value in given.items())
        done = subprocess.run(
            [sys.executable, "-c", _PREAMBLE + names + code + _EPILOGUE],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=within, check=False,
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout.rpartition("\x1e")[2])

    def integration(
        self, kind: str, slug: str = "", *, resolves_incidents: bool = False, options: Mapping[str, str] | None = None
    ) -> Sender:
        """Set up a sender as an administrator would."""
        slug = slug or kind
        token = self.python(
            "from andon.intake.actions import create_integration\n"
            "from andon.people.policy import Actor\n"
            "_, result = create_integration(slug=slug, name=slug, kind=kind, by=Actor.operator(), "
            "resolves_incidents=resolves, options=options)",
            slug=slug, kind=kind, resolves=resolves_incidents, options=dict(options or {}),
        )  # fmt: skip
        return Sender(f"{self.base_url}/intake/{kind}/{slug}", token, slug)

    def _start(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *arguments], env=self.environment, cwd=ROOT, stdout=log, stderr=log
            )  # fmt: skip

    def _end(self, name: str, how: signal.Signals) -> None:
        process: subprocess.Popen[bytes] | None = getattr(self, name)
        if process is None:
            return
        setattr(self, name, None)
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
            raise AssertionError(f"The {name} did not end within 20 seconds:\n{self.log(name)}") from None


def alive(pid: int) -> bool:
    """Whether a process, which need not be a child, still runs; one that nobody has buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _open_in(pid: int) -> set[str]:
    """What a process has open, as the kernel names it."""
    names = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            names.add(str(link.readlink()))
    return names


def _is_worker(pid: str) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False  # it ended meanwhile


@contextmanager
def running_andon(
    folder: Path,
    database_url: str | None = None,
    *,
    engine: bool = True,
    settings: Mapping[str, str] | None = None,
    server: bool = True,
    workers: int = 1,
) -> Iterator[RunningAndon]:
    """A fresh installation with its tables made.

    Args:
        folder: Of its own; data and logs go there.
        database_url: An empty PostgreSQL database; None = SQLite in the folder.
        engine: Whether to start an engine beside the server.
        settings: More environment, such as ANDON_SMTP_URL.
        server: False leaves it to the test to start one.
        workers: Processes of the server; more than one have a parent, which is what `kill_server` kills.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    url = database_url or f"sqlite:///{folder / 'data' / 'andon.sqlite3'}"
    andon = RunningAndon(folder, url, free_port(), settings or {}, workers)
    _make_tables(andon)
    try:
        if server:
            andon.start_server()
        if engine:
            andon.start_engine()
        yield andon
    finally:
        andon.stop()


def _make_tables(andon: RunningAndon) -> None:
    if andon.database_url.startswith("sqlite"):
        tables.copy_sqlite(Path(andon.database_url.removeprefix("sqlite:///")))
        return
    name = urlsplit(andon.database_url).path.lstrip("/")
    tables.copy_postgres(tables.database_url(andon.database_url, "postgres"), name)
