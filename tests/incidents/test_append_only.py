"""Promise 6: the timeline is append-only, and `verify` finds what somebody with a database shell did to it."""

import os
import subprocess
import sys

import pytest
from django.db import DatabaseError, connection, transaction

from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.response import acknowledging, opening
from tests.support import tables
from tests.support.cast import make


def story(cast):
    incident = opening.declare(title="Odd answers", system=cast.credit_scorer, by=Actor.of(cast.omar))
    acknowledging.acknowledge(incident, by=Actor.of(cast.lena), via="page")
    return Incident.objects.get(pk=incident.pk)


@pytest.mark.django_db
def test_the_database_refuses_to_change_an_entry(cast, time):
    incident = story(cast)
    entry = incident.timeline.first()
    for column, value in (("kind", "note"), ("actor", "engine"), ("hash", "0"), ("seq", 9)):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            type(entry).objects.filter(pk=entry.pk).update(**{column: value})
    assert timeline.verify(incident) == []


@pytest.mark.django_db
def test_a_changed_body_is_found(cast, time):
    incident = story(cast)
    incident.timeline.filter(seq=1).update(body={"title": "nothing happened"})
    (broken,) = timeline.verify(incident)
    assert (broken.ref, broken.seq) == ("INC-1", 1)


@pytest.mark.django_db
def test_an_erased_body_still_verifies(cast, time):
    incident = story(cast)
    incident.timeline.filter(seq=1).update(body=None)
    assert timeline.verify(incident) == []


@pytest.mark.django_db
def test_a_cut_tail_is_found(cast, time):
    incident = story(cast)
    Incident.objects.filter(pk=incident.pk).update(timeline_count=1)
    incident.refresh_from_db()
    assert timeline.verify(incident)


SCRIPT = """
import django; django.setup()
from andon.people.policy import Actor
from andon.response import opening
from andon.incidents.models import TimelineEntry
from tests.support.cast import make
cast = make()
opening.declare(title="Odd answers", system=None, by=Actor.of(cast.omar))
try:
    TimelineEntry.objects.all().delete()
except Exception as error:
    print("refused:", error)
"""


def test_the_embedded_database_refuses_to_delete_an_entry(tmp_path):
    """On a database of its own, because the suite's has this one trigger dropped (see conftest)."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps its trigger in the suite; test_postgresql_refuses_to_delete holds it")
    tables.copy_sqlite(tmp_path / "andon.sqlite3")
    env = {**os.environ, "ANDON_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    env["PYTHONPATH"] = os.pathsep.join(["src", "."])
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True)
    assert "refused: incidents_timelineentry is append-only" in done.stdout


@pytest.mark.django_db
def test_postgresql_refuses_to_delete(time):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's is held by test_the_embedded_database_refuses_to_delete_an_entry")
    incident = story(make())
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        incident.timeline.all().delete()
