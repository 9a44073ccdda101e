"""Fixtures for the whole suite."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client

from andon.kit import clock
from andon.paging.providers import queries as providers
from andon.people.models import Person
from andon.web import lamps
from tests.support import cast as the_cast


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Transactional tests empty the tables afterwards, which the append-only trigger refuses on SQLite.

    So the no-delete trigger is dropped here; test_append_only.py holds it on a database of its own.
    """
    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("DROP TRIGGER IF EXISTS incidents_timelineentry_no_delete")
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            # Threads of servers under test end with this process; their connections must not keep the database.
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


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
