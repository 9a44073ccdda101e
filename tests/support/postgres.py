"""A PostgreSQL of the test session's own (Debian's packages, an unprivileged user), or the one that is given.

ANDON_TEST_POSTGRES_URL names a server that may make databases; without it one is started in a folder of its own.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.support import tables
from tests.support.prometheus import free_port


def binaries() -> Path | None:
    """Where initdb and postgres are, the newest version first; None when this machine has none."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[str | None]:
    """The URL of a server's own `postgres` database; None where there is none and none can be started.

    `durable` is for benches: what is committed has reached the disk, as in a server that somebody installs.
    """
    if given := os.environ.get("ANDON_TEST_POSTGRES_URL"):
        yield given
        return
    where = binaries()
    if where is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="andon-postgres-"))
    user = _unprivileged(folder)
    data, port = folder / "data", free_port()
    try:
        _run(user, where / "initdb", "-D", str(data), "-U", "andon", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        # In tests its own crashes are not what is tested, and it is thrown away: no need to wait for the disk.
        quick = "" if durable else "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 {quick}"
        _run(user, where / "pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql://andon@127.0.0.1:{port}/postgres"
        finally:
            _run(user, where / "pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class OwnPostgres:
    """A server of a test's own, which it may end as a crash would, and start again.

    Commits reach the operating system before they are answered, so that they outlive the server's processes; they need
    not reach the disk, for the machine itself goes on.
    """

    def __init__(self, where: Path, folder: Path) -> None:
        self._where, self._folder, self._user = where, folder, _unprivileged(folder)
        self._data, self._port = folder / "data", free_port()
        made = ("-D", str(self._data), "-U", "andon", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        _run(self._user, where / "initdb", *made)

    @property
    def url(self) -> str:
        return f"postgresql://andon@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, recovering from its log if it had crashed; returns when it answers."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = str(self._folder / "log")
        _run(self._user, self._where / "pg_ctl", "-D", str(self._data), "-l", log, "-w", "-o", options, "start")

    def crash(self) -> None:
        """End all its processes at once, without a word to anybody: it has to recover when it is started."""
        _run(self._user, self._where / "pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")


@contextmanager
def own_postgres() -> Iterator[OwnPostgres | None]:
    """A running server of the test's own; None where this machine has none."""
    where = binaries()
    if where is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="andon-postgres-"))
    try:
        server = OwnPostgres(where, folder)
        server.start()
        try:
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """An empty database on the server, dropped afterwards."""
    name = f"andon_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield tables.database_url(server_url, name)
    finally:
        with suppress(psycopg.OperationalError):
            tables.drop(server_url, name)


def _unprivileged(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root: the user to run it as, who then owns the folder."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            account = pwd.getpwnam(name)
            os.chown(folder, account.pw_uid, account.pw_gid)
            return name
    return None


def _run(user: str | None, program: Path, *arguments: str) -> None:
    done = subprocess.run(
        [program, *arguments], user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{program.name}: {done.stderr.decode(errors='replace')}")
