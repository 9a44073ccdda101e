"""Promise 6 beside writers: what is whole is called whole however busy Andon is, and a change is found all the same."""

import pytest
from django.db import connection

from andon.cli.looking import verify_everything
from andon.incidents import timeline
from andon.incidents.actions import add_note
from andon.incidents.models import Incident, TimelineEntry
from andon.people.policy import Actor
from andon.response import opening
from tests.support.meanwhile import meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def incidents(cast, time):
    made = [
        opening.declare(title=f"Odd answers {n}", system=cast.credit_scorer, by=Actor.of(cast.omar)) for n in range(3)
    ]
    return [Incident.objects.get(pk=incident.pk) for incident in made]


@pytest.fixture
def noted(cast, incidents):
    """Writes a note on every incident."""
    return lambda: [add_note(incident, text="Looking.", by=Actor.of(cast.lena)) for incident in incidents]


def test_an_incident_that_is_written_to_between_two_looks_is_intact(incidents, noted):
    with meanwhile(Incident, noted):
        assert timeline.verify(incidents[1]) == []
    with meanwhile(TimelineEntry, noted):
        assert timeline.verify(incidents[1]) == []
    assert incidents[1].timeline_count + 2 == Incident.objects.get(pk=incidents[1].pk).timeline_count
    assert timeline.verify(incidents[1]) == []  # whose count in hand is of before


def test_all_of_them_are_intact_while_each_is_written_to(incidents, noted):
    with meanwhile(Incident, noted):
        broken, verified, _ = verify_everything()
    assert (broken, verified) == ([], 3)
    verdicts = timeline.verify_all()
    found = [next(verdicts)]
    noted()
    found += verdicts
    assert [(incident.number, problems) for incident, problems in found] == [(1, []), (2, []), (3, [])]


def test_between_two_incidents_no_reading_is_open(incidents):
    for _ in timeline.verify_all():
        assert not connection.in_atomic_block
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                assert cursor.fetchone()[0] == 0  # nobody's reading keeps the log from being copied back and emptied


def test_what_was_tampered_with_is_found_beside_writers(cast, incidents):
    Incident.objects.filter(pk=incidents[0].pk).update(timeline_count=7)  # as if an end had been cut off
    incidents[1].timeline.filter(seq=1).update(body={"title": "nothing happened"})
    with meanwhile(TimelineEntry, lambda: add_note(incidents[2], text="Looking.", by=Actor.of(cast.lena))):
        broken, verified, _ = verify_everything()
    assert verified == 3
    assert {one.ref for one in broken} == {"INC-1", "INC-2"}
