"""Opening the house: Django set up, the database there and of this version. Commands call this first.

The command line stands below `andon.site` and names it only by its dotted name, as Django itself does.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from andon.cli import say
from andon.cli.say import Trouble

if TYPE_CHECKING:
    from andon.people.models import Person
    from andon.people.policy import Actor

SETTINGS_MODULE = "andon.site.settings"
_MIGRATING = 7_141_953  # PostgreSQL's advisory lock: two processes that start at once migrate one after the other


def environment() -> Any:
    """The module that reads the settings of the environment."""
    from importlib import import_module

    return import_module("andon.site.environment")


@cache
def set_up() -> None:
    """Load settings and models, once; a setting that cannot be used is told in words."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS_MODULE)
    import django
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup(set_prefix=False)
    except (ValueError, ImproperlyConfigured) as error:
        raise Trouble(f"A setting cannot be used: {error} See docs/reference/settings.md.") from error


@contextmanager
def _folder_in_words() -> Iterator[None]:
    """Whatever the data folder refuses, told in words."""
    try:
        yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise Trouble(f"The data folder cannot be used: {error}. Set ANDON_DATA_DIR to one that can.") from error


def enter(*, to_run: bool = False) -> None:
    """Set up, and see that the database is there, has the tables of this version, and is not run by a newer one.

    Nothing is made on the way: a command that only looks, or that looks in the wrong place, leaves nothing behind.

    Args:
        to_run: For an engine and a server. They make the keys that an installation lacks, and go on under a newer
            engine: an engine does the rest of its modules, a server still takes signals. See docs/adr/0014.
    """
    set_up()
    knock()
    with _folder_in_words():
        if (file := database_file()) and not file.exists():
            raise Trouble(f"There is no database at {file} yet. `andon up` makes it.")
    if missing := len(pending()):
        raise Trouble(
            f"The database lacks {missing} migrations of this version of Andon. "
            "Run `andon migrate` (or `andon up`, which does it too)."
        )
    match_keys(to_run=to_run)
    if not to_run:
        match_rules()


def match_rules() -> None:
    """See that no newer version runs on the database: its rows mean what this one does not know."""
    from andon.engine import locks

    if newer := locks.newer():
        raise Trouble(
            f"A newer version of Andon runs on this database: its rules of {', '.join(newer)} are not known here. "
            "Nothing was done. Update this `andon`, or use the one that runs."
        )


def match_keys(*, to_run: bool = False) -> None:
    """See that what is encrypted in the database can be read with the keys that we have; raises `Trouble` if not.

    `to_run` is for what goes on to run: it reads all keys now, and makes those that are not there.
    """
    from andon.kit import crypto
    from andon.people.actions import keys

    fit = keys_fit()
    if fit and to_run:
        with _folder_in_words():
            crypto.hold_keys()
            fit = keys.match()
    if not fit:
        raise Trouble(keys.OTHER_KEYS)


def keys_fit() -> bool:
    """Whether the keys here are those of the database. Where there are none here, none are made to find that out."""
    from andon.people.actions import keys

    with _folder_in_words():
        return keys.match() if environment().has_field_keys() else keys.unsaid()


def knock() -> None:
    """Ask PostgreSQL for one connection, outside the pool: its own words say why there is none, and at once."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return
    plain = connection.copy()
    plain.settings_dict["OPTIONS"].pop("pool", None)
    try:
        plain.ensure_connection()
    finally:
        plain.close()


def database_file() -> Path | None:
    """The file of the embedded database; None on PostgreSQL."""
    from django.db import connection

    return Path(connection.settings_dict["NAME"]) if connection.vendor == "sqlite" else None


def database_name() -> str:
    """Where the data is, without a password."""
    from django.db import connection

    told = connection.settings_dict
    if file := database_file():
        return f"SQLite, {file}"
    return f"PostgreSQL, {told['NAME']} on {told['HOST'] or 'this machine'}:{told['PORT'] or 5432}"


def pending() -> list[Any]:
    """The migrations that this version has and the database has not."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return [step for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def unknown_migrations() -> list[str]:
    """The migrations of ours that the database has and this version does not know: it is newer than the code."""
    from django.apps import apps
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(connection)
    known = set(loader.disk_migrations) | set(loader.replacements)
    ours = {config.label for config in apps.get_app_configs()}
    return [f"{app}.{name}" for app, name in loader.applied_migrations if app in ours and (app, name) not in known]


def migrate() -> int:
    """Bring the database to this version, showing progress; returns how many migrations ran."""
    from rich.progress import Progress

    knock()
    _make_folder()
    _keep_to_its_owner()
    if newer := unknown_migrations():
        raise Trouble(
            f"This database was used by a newer version of Andon (it has {newer[0]}). "
            "Install that version again, or restore a backup from before."
        )
    waiting = len(pending())
    if not waiting:
        return 0
    with Progress(console=say.console(stderr=True), transient=True, disable=say.to_machine()) as progress:
        task = progress.add_task("Preparing the database", total=waiting)
        return _migrate(lambda: progress.advance(task))


def _make_folder() -> None:
    """Make the data folder for the database that is to lie in it."""
    if (file := database_file()) and file.parent.resolve() == environment().data_dir():
        with _folder_in_words():
            environment().make_data_dir()


def _keep_to_its_owner() -> None:
    """A new embedded database is readable by its owner alone; SQLite gives the files beside it the same rights."""
    if (file := database_file()) and file.parent.is_dir():
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _migrate(step_done: Callable[[], None]) -> int:
    """Run what is to run. Processes take turns, so the later one finds nothing left."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    ran = 0

    def progress(action: str, *_: Any) -> None:
        nonlocal ran
        if action == "apply_success":
            ran += 1
            step_done()

    with _one_at_a_time():
        executor = MigrationExecutor(connection, progress)
        executor.migrate(executor.loader.graph.leaf_nodes())
        _announce_tables()
    return ran


def _announce_tables() -> None:
    """What Django does after migrating: content types and the like are made by whoever listens."""
    from django.core.management.sql import emit_post_migrate_signal

    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    from django.db import connection

    if connection.vendor != "postgresql":
        with _alone_in(Path(connection.settings_dict["NAME"]).parent):
            yield
        return
    with connection.cursor() as cursor:
        # All migrations of a new database take longer than anything else may wait for a lock.
        cursor.execute("SET lock_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATING])
        cursor.execute("RESET lock_timeout")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATING])


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder of the embedded database: SQLite's own lock is let go of between two migrations."""
    try:
        import fcntl
    except ImportError:  # Windows has none
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system that knows no such locks
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def operator() -> "Actor":
    """Whoever has a shell on this machine."""
    from andon.people.policy import Actor

    return Actor.operator()


def signed_operator() -> "Actor":
    """Whoever has a shell on this machine, with the account that they have there: for what is kept for years."""
    import getpass

    from andon.people.policy import Actor

    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        login = f"uid {os.getuid()}"
    return Actor.operator(login)


def person(email: str) -> "Person":
    """The person with this e-mail address."""
    from andon.kit.errors import Missing
    from andon.people.models import Person

    found = Person.objects.filter(email__iexact=email.strip(), erased_at=None).first()
    if found is None:
        raise Missing(f"There is nobody with the address {email}. `andon user list` shows who there is.")
    return found


def actor(email: str) -> "Actor":
    """A person on whose behalf somebody at this machine acts."""
    from andon.kit.errors import Forbidden
    from andon.people.policy import Actor

    found = person(email)
    if not found.is_active:
        raise Forbidden(f"{found} is deactivated; name somebody else with --as.")
    return Actor.of(found)
