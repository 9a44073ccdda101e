"""Databases for tests that start real processes."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import fresh_database, running_postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str | None]:
    with running_postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server) -> Iterator[str]:
    """A fresh PostgreSQL database."""
    if postgres_server is None:
        pytest.skip("NOT TESTED ON POSTGRESQL: no server is given and Debian's package postgresql is not installed")
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request) -> Iterator[str | None]:
    """None (SQLite in the installation's own folder), then a fresh PostgreSQL database: the test runs on each."""
    if request.param == "sqlite":
        yield None
        return
    yield request.getfixturevalue("postgres_url")
