"""Fixtures for the whole suite."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from hypothesis import settings

from andon.kit import clock, garbage
from andon.paging.providers import queries as providers
from andon.people.models import Person
from andon.web import lamps
from tests.support import cast as the_cast
from tests.support import tables

PROCESSES_TAKE = 420
"""Seconds for a test that starts processes and names no limit of its own: each start takes as long as the machine is busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give heavy tests time, and let the longest begin first, so that no core waits for the last of them in the end."""
    for item in items:
        if item.get_closest_marker("heavy") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(PROCESSES_TAKE))
    items.sort(key=lambda item: "simulation" not in item.path.parts)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Migrate before the first test's clock runs: where migrations are new, a slow machine takes minutes for it.

    And what is loaded by now stays: the collector of garbage need not walk through it again and again.
    """
    garbage.settle()
    if not session.config.option.collectonly and any(map(_asks_a_database, session.items)):
        tables.make(os.environ.get("ANDON_TEST_POSTGRES_URL"))


def _asks_a_database(item: pytest.Item) -> bool:
    asked = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
    return bool(asked) or item.get_closest_marker("django_db") is not None


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Use the database that is there: the fixture below has put it."""
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix) -> Iterator[None]:
    """Put this worker's database, with its tables, where pytest-django looks for it."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        tables.copy_sqlite(Path(settings["TEST"]["NAME"]))
        yield
        return
    server, name = os.environ["ANDON_TEST_POSTGRES_URL"], connection.creation._get_test_db_name()
    tables.copy_postgres(server, name)
    yield
    # Threads of servers under test end with this process; their connections do not keep the database.
    tables.drop(server, name)


# How long an example takes says something of the machine, not of what is tested.
# In CI the same examples each time, so that a change is judged by what it changes; at the desk chance looks further.
settings.register_profile("house", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("house")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Transactional tests empty the tables afterwards, which the append-only triggers refuse on SQLite.

    So the no-delete triggers are dropped here; test_append_only.py holds them on a database of its own.
    """
    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\\_no\\_delete' ESCAPE '\\'"
                )
                for (name,) in cursor.fetchall():
                    cursor.execute(f"DROP TRIGGER {name}")


@pytest.fixture(autouse=True)
def _fresh_lamps() -> None:
    """Pages keep their lamps for a moment; a test does not see those of the test before."""
    lamps.forget()


@pytest.fixture(autouse=True)
def _fresh_providers() -> None:
    """The settings of channels are kept for a moment too."""
    providers.forget_here()


@pytest.fixture
def time() -> Iterator[clock.FixedClock]:
    """A clock that moves only when the test says so: 2026-03-02 03:12 UTC, a Monday night."""
    with clock.use(clock.FixedClock(datetime(2026, 3, 2, 3, 12, tzinfo=UTC))) as fixed:
        assert isinstance(fixed, clock.FixedClock)
        yield fixed


@pytest.fixture
def cast(db: None) -> the_cast.Cast:
    """The fixed cast with one production system and its chain."""
    return the_cast.make()


@pytest.fixture
def signed_in() -> Callable[[Person], Client]:
    """A browser in which a person has signed in."""

    def make(person: Person) -> Client:
        client = Client()
        client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return make
