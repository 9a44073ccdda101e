"""Databases in which Andon's tables stand already: migrated once, copied from then on.

To migrate takes ten seconds of CPU, and a run of the suite begins with an empty installation more than a hundred times,
and with an empty PostgreSQL server a dozen times.
What was migrated goes by the digest of all that tables are made from, so whoever changes one gets new ones.
"""

import atexit
import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".pytest_cache" / "andon-tables"
LOCK = 727_466_001
"""PostgreSQL's advisory lock under which the template is made, copied and dropped. Any number that nobody else has."""


def make(server_url: str | None) -> None:
    """Migrate now, on a PostgreSQL server or (None) in SQLite, if nobody has, so that whoever copies need not wait."""
    if server_url is None:
        with _alone():
            _made_sqlite()
        return
    with psycopg.connect(server_url, autocommit=True) as line:
        _made_postgres(line, server_url)


def copy_sqlite(file: Path) -> None:
    """Put a database with empty tables where none is yet."""
    with _alone():
        shutil.copy(_made_sqlite(), file)


def copy_postgres(server_url: str, name: str) -> str:
    """Make a database with empty tables on a server, in place of one of that name; returns its URL."""
    with psycopg.connect(server_url, autocommit=True) as line:
        template = _made_postgres(line, server_url)
        line.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        line.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return database_url(server_url, name)


def database_url(server_url: str, name: str) -> str:
    """The address of another database on the same server."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def drop(server_url: str, name: str) -> None:
    """Take a database off a server, whoever is connected to it."""
    with psycopg.connect(server_url, autocommit=True) as line:
        line.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _template() -> str:
    return f"andon_tables_{_digest()}"


def _drop_template(server_url: str, template: str) -> None:
    """Leave nothing behind on a server that somebody gave; a throw-away one may be gone by now, and all with it."""
    try:
        line = psycopg.connect(server_url, autocommit=True)
    except psycopg.OperationalError:
        return
    with line:
        line.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        line.execute(f'DROP DATABASE IF EXISTS "{template}" WITH (FORCE)')


@cache
def _digest() -> str:
    """Of all that tables, and the rows that Django writes with them, are made from."""
    source = ROOT / "src" / "andon"
    made_from = [
        *source.rglob("migrations/*.py"), *source.rglob("models.py"), source / "kit" / "migrating.py",
        source / "site" / "settings.py", ROOT / "requirements-dev.lock",
    ]  # fmt: skip
    digest = hashlib.sha256()
    for file in sorted(made_from):
        digest.update(str(file.relative_to(ROOT)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _alone() -> Iterator[None]:
    """Only one process of this checkout makes tables, or copies them, at a time."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _made_sqlite() -> Path:
    """The file to copy, made if it is not there. Only for who is alone."""
    template = KEPT / f"{_digest()}.sqlite3"
    if not template.exists():
        for older in KEPT.glob("*.sqlite3"):
            older.unlink()
        _make_sqlite(template)
    return template


def _made_postgres(line: psycopg.Connection, server_url: str) -> str:
    """The name of the database to copy, made if it is not there; nobody else makes or drops it until the line ends."""
    template = _template()
    line.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    if not line.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template]).fetchone():
        line.execute(f'CREATE DATABASE "{template}"')
        try:
            _fill(line.info.server_version, database_url(server_url, template))
        except BaseException:
            line.execute(f'DROP DATABASE "{template}" WITH (FORCE)')
            raise
        atexit.register(_drop_template, server_url, template)
    return template


def _fill(version: int, url: str) -> None:
    """Put the tables into an empty database: as they were dumped once, if the programs for that are here."""
    from tests.support.postgres import binaries

    where, dump = binaries(), KEPT / f"{_digest()}-{version}.sql"
    if where is None:
        _migrate(url)
        return
    with _alone():
        if dump.exists():
            _call(where / "psql", "-qX1", "-v", "ON_ERROR_STOP=1", "-f", str(dump), url)
            return
        _migrate(url)
        draft = dump.with_suffix(".draft")
        try:
            _call(where / "pg_dump", "--no-owner", "-f", str(draft), url)
        except AssertionError:  # programs of another version than the server that was given: it is migrated each time
            return
        for older in KEPT.glob(f"*-{version}.sql"):
            older.unlink()
        draft.rename(dump)


def _call(program: Path, *arguments: str) -> None:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise AssertionError(f"{program.name}: {done.stderr}")


def _make_sqlite(template: Path) -> None:
    draft = template.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    _migrate(f"sqlite:///{draft}")
    line = sqlite3.connect(draft)
    line.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    line.close()
    draft.rename(template)


def _migrate(url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="andon-migrate-") as folder:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANDON_")}
        done = subprocess.run(
            [sys.executable, "-m", "django", "migrate", "--no-input"],
            env=inherited | {
                "ANDON_DATA_DIR": folder, "ANDON_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "andon.site.settings",
                "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            },
            cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    if done.returncode:
        raise AssertionError(done.stderr or done.stdout)
