"""A run of the shipped runbook on fairness, on the incident that everybody knows."""

import pytest

from andon.people.policy import Actor
from andon.practice.words import IncidentType
from andon.runbooks import actions
from andon.runbooks.models import Run
from tests.containment.conftest import lever, service  # noqa: F401  a lever that rolls back, and what it acts on
from tests.support import scenes
from tests.watch.conftest import connected, folder, watched, written  # noqa: F401  a decision log of its own

KEY = "fairness-violation"


@pytest.fixture
def incident(cast, time):
    return scenes.acknowledged(cast, type_=IncidentType.FAIRNESS_VIOLATION)


@pytest.fixture
def run(incident, cast) -> Run:
    return actions.begin(incident, key=KEY, by=Actor.of(cast.lena))
