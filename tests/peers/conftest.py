"""A real Andon on loopback for every peer to talk to."""

from collections.abc import Iterator

import pytest

from tests.support.processes import RunningAndon, running_andon

SYSTEM = """
from andon.people.models import Organisation, Person
from andon.registry.models import System
Organisation.objects.get_or_create(id=1, defaults={"name": "Example Bank"})
Person.objects.create_user(email="omar@example.org", name="Omar", role="lead")
System.objects.create(slug="credit-scorer", name="Credit scorer", stage="production", criticality="high")
"""


@pytest.fixture
def andon(tmp_path) -> Iterator[RunningAndon]:
    """A server with one system in its register, on SQLite and without an engine: what is taken is what is looked at."""
    with running_andon(tmp_path, engine=False) as running:
        running.python(SYSTEM)
        yield running
