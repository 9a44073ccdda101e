"""A database to a file and back: SQLite by its online backup, PostgreSQL by its own programs."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from andon.cli import house, say
from andon.cli.say import Trouble

PAGES_A_STEP = 2048
"""Pages copied before writers of the same database have their turn."""
DEBIAN = Path("/usr/lib/postgresql")
_CUSTOM_FORMAT = b"PGDMP"
_SQLITE = b"SQLite format 3\x00"


class Dump(Protocol):
    """How one kind of database is kept in a file."""

    def save(self, file: Path) -> None:
        """Write the database as it is at one instant; `file` appears complete or not at all."""

    def check(self, file: Path) -> None:
        """Raise `Trouble` unless the file is a whole backup of this kind of database."""

    def load(self, file: Path) -> None:
        """Put the file's content in the place of everything there is, in one transaction."""


def find() -> Dump:
    """The one for the database in use."""
    file = house.database_file()
    return Sqlite(file) if file else Postgres()


@contextmanager
def _appearing(file: Path) -> Iterator[Path]:
    """A path to write to, which becomes `file` when the block succeeds; readable by its owner alone."""
    partial = file.with_name(f"{file.name}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    except OSError as error:
        raise Trouble(f"Cannot write {file}: {error.strerror}.", code=1) from error
    try:
        yield partial
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


class Sqlite:
    """The embedded database: copied page by page while it is in use."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def save(self, file: Path) -> None:
        """Copy, then check the copy's integrity before it gets its name."""
        with _appearing(file) as partial:
            with closing(sqlite3.connect(self.database)) as source, closing(sqlite3.connect(partial)) as copy:
                _copy(source, copy, "Copying the database")
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            self.check(partial)

    def check(self, file: Path) -> None:
        """SQLite's own full check, and that it is a database of Andon's."""
        with file.open("rb") as opened:
            if opened.read(len(_SQLITE)) != _SQLITE:
                raise Trouble(f"{file} is not a backup of an SQLite database (see ANDON_DATABASE_URL).", code=1)
        try:
            with closing(sqlite3.connect(f"file:{_quoted(file)}?mode=ro", uri=True)) as opened_database:
                verdict = opened_database.execute("PRAGMA integrity_check").fetchone()[0]
                ours = opened_database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'people_person'")
                is_ours = bool(ours.fetchone()[0])
        except sqlite3.DatabaseError as error:
            raise Trouble(f"{file} is damaged: {error}.", code=1) from error
        if verdict != "ok":
            raise Trouble(f"{file} is damaged: {verdict}.", code=1)
        if not is_ours:
            raise Trouble(f"{file} is not a database of Andon's.", code=1)

    def load(self, file: Path) -> None:
        """Copy the other way round: readers and writers are shut out until it is whole."""
        from django.db import connections

        connections.close_all()
        self.database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(self.database, timeout=5)) as target:
                _make_fit(target, source)
                _copy(source, target, "Restoring the database")
                with suppress(sqlite3.OperationalError):  # somebody reads already: whoever writes next sees to it
                    target.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            raise Trouble(f"The database is in use ({error}). Stop Andon first, then restore.", code=1) from error
        self.database.chmod(0o600)


def _make_fit(target: sqlite3.Connection, source: sqlite3.Connection) -> None:
    """Let it take pages of another size, which a database with a log beside it does not; raises if it is in use."""
    target.execute("BEGIN IMMEDIATE")  # waits only so long; to copy would wait for a writer for ever
    target.rollback()
    of_pages = "PRAGMA page_size"
    (size,), (other,) = source.execute(of_pages).fetchone(), target.execute(of_pages).fetchone()
    if size != other:
        target.execute("PRAGMA journal_mode=DELETE")
        target.execute(f"PRAGMA page_size={size}")


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, doing: str) -> None:
    from rich.progress import Progress

    with Progress(console=say.console(stderr=True), transient=True, disable=say.to_machine()) as progress:
        task = progress.add_task(doing, total=None)

        def moved(_status: int, remaining: int, total: int) -> None:
            progress.update(task, total=total, completed=total - remaining)

        source.backup(target, pages=PAGES_A_STEP, progress=moved)


def _quoted(file: Path) -> str:
    """A path as SQLite's URIs want it."""
    from urllib.parse import quote

    return quote(str(file.resolve()))


class Postgres:
    """PostgreSQL: pg_dump, pg_restore and psql, found in the PATH or where Debian keeps them."""

    def save(self, file: Path) -> None:
        """pg_dump's custom format: compressed, of one instant."""
        command = [program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges"]
        with _appearing(file) as partial, say.console(stderr=True).status("Dumping the database"):
            _run([*command, f"--file={partial}"], "The backup failed")

    def check(self, file: Path) -> None:
        """Whether pg_restore can read its table of contents, and it is one of Andon's."""
        with file.open("rb") as opened:
            if opened.read(len(_CUSTOM_FORMAT)) != _CUSTOM_FORMAT:
                raise Trouble(f"{file} is not a backup of a PostgreSQL database (see ANDON_DATABASE_URL).", code=1)
        listed = _run([program("pg_restore"), "--list", str(file)], f"{file} cannot be read")
        if b" people_person " not in listed:
            raise Trouble(f"{file} is not a database of Andon's.", code=1)

    def load(self, file: Path) -> None:
        """Everything in the schema goes and the backup comes in its place, in one transaction."""
        from django.db import connections

        connections.close_all()
        into = [program("psql"), "--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-"]
        out_of = [program("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(file)]
        with (
            say.console(stderr=True).status("Restoring the database"),
            subprocess.Popen(  # noqa: S603  our own list of arguments
                into, env=_where(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            ) as psql,
            subprocess.Popen(out_of, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader,  # noqa: S603  as above
        ):
            told = _pump(reader, psql)
        if reader.returncode or psql.returncode:
            raise Trouble(f"The restore failed and changed nothing: {_last_line(told)}", code=1)


def _pump(reader: "subprocess.Popen[bytes]", psql: "subprocess.Popen[bytes]") -> bytes:
    """Feed psql; it stops reading at the first error. A stream that was cut short must not be committed."""
    assert reader.stdout and reader.stderr and psql.stdin and psql.stderr  # noqa: S101, PT018  piped; tells the type checker
    try:
        psql.stdin.write(b"DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n")
        shutil.copyfileobj(reader.stdout, psql.stdin)
        if reader.wait():
            psql.stdin.write(b"\nDO $$ BEGIN RAISE EXCEPTION 'the backup file ended early'; END $$;\n")
        psql.stdin.close()
    except BrokenPipeError:
        reader.kill()  # psql has failed, and its words say why
    return psql.stderr.read() + reader.stderr.read()


def program(name: str) -> str:
    """A program of PostgreSQL's: that of the PATH, else Debian's newest."""
    if found := shutil.which(name):
        return found
    versions = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3].partition(".")[0]))
    if versions:
        return str(versions[-1])
    raise Trouble(
        f"{name} was not found. Install PostgreSQL's client programs (Debian: apt install postgresql-client)."
    )


def _where() -> dict[str, str]:
    """The connection for PostgreSQL's programs, in the environment: arguments are seen by every user of a machine."""
    from django.db import connection

    told: dict[str, Any] = connection.settings_dict
    given = {
        "PGHOST": told["HOST"], "PGPORT": told["PORT"], "PGUSER": told["USER"], "PGPASSWORD": told["PASSWORD"],
        "PGDATABASE": told["NAME"], "PGSSLMODE": told["OPTIONS"].get("sslmode"),
        "PGSSLROOTCERT": told["OPTIONS"].get("sslrootcert"), "PGCONNECT_TIMEOUT": 10,
    }  # fmt: skip
    return {**os.environ, **{name: str(value) for name, value in given.items() if value}}


def _run(command: list[str], failing: str) -> bytes:
    done = subprocess.run(command, env=_where(), capture_output=True, check=False)  # noqa: S603  our own list
    if done.returncode:
        raise Trouble(f"{failing}: {_last_line(done.stderr)}", code=1)
    return done.stdout


def _last_line(said: bytes) -> str:
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
    return (errors or lines or ["it said nothing"])[0]
