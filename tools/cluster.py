"""A throw-away PostgreSQL: Debian's binaries, a temporary folder, loopback, a free port, always stopped.

PostgreSQL refuses to run as root; root starts it as an unprivileged user.
"""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEBIAN = Path("/usr/lib/postgresql")
UNPRIVILEGED = ("postgres", "nobody")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
TRIES = 3


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl: Debian's newest version, else that of the PATH; None without either."""
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].partition(".")[0]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextmanager
def throwaway(binaries_in: Path) -> Iterator[str]:
    """A fresh server while the block runs; gives the URL of an empty database in it."""
    folder = Path(tempfile.mkdtemp(prefix="andon-postgres-"))
    as_whom = _unprivileged(folder)
    password = secrets.token_urlsafe(24)
    secret = folder / "password"
    secret.write_text(password)
    if as_whom:
        os.chown(secret, as_whom["user"], as_whom["group"])
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [binaries_in / program, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, **as_whom
        )

    try:
        run(
            "initdb", f"--pgdata={data}", "--username=andon", "--auth=scram-sha-256", f"--pwfile={secret}",
            "--encoding=UTF8", "--no-locale", "--no-sync",
        )  # fmt: skip
        port = _start(run, data, folder / "log")
        try:
            url = f"postgresql://andon:{password}@127.0.0.1:{port}"
            _create_database(f"{url}/postgres")
            yield f"{url}/andon"
        finally:
            run("pg_ctl", "stop", f"--pgdata={data}", "--mode=immediate", "--silent")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """How to start a process as somebody else when we are root; the folder becomes theirs."""
    if os.geteuid() != 0:
        return {}
    for name in UNPRIVILEGED:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, user.pw_uid, user.pw_gid)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise SystemExit(f"PostgreSQL does not run as root, and this machine has no user {' or '.join(UNPRIVILEGED)}.")


def _start(run: Any, data: Path, log: Path) -> int:
    """Start on a free port; another process may take it in between, so a few ports are tried."""
    for attempt in range(1, TRIES + 1):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        options = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=''", *FAST]
        flags = " ".join(f"-c {option}" for option in options)
        try:
            run("pg_ctl", "start", f"--pgdata={data}", f"--log={log}", f"--options={flags}", "--wait", "--silent")
        except subprocess.CalledProcessError:
            if attempt == TRIES:
                print(log.read_text() if log.exists() else "pg_ctl wrote no log.")
                raise
        else:
            return port
    raise AssertionError("unreachable: the last attempt raises")


def _create_database(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE andon")
