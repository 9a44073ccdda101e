"""Pages and tests of contact points over the API: who may, and what is told."""

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from andon.incidents.models import Incident
from andon.people.models import ChannelKind, ContactPoint
from tests.people.helpers import token_for
from tests.support.cast import Cast
from tests.support.paging import Story


@pytest.fixture(autouse=True)
def no_pause(db):
    cache.clear()


def test_the_pages_of_an_incident_say_what_became_of_them(story: Story, incident: Incident, cast: Cast):
    story.run()
    answer = Client().get(f"/api/v1/incidents/{incident.number}/pages", **token_for(cast.vera, "incidents:read"))
    assert answer.status_code == 200
    (page,) = answer.json()
    assert page["person_id"] == str(cast.lena.pk)
    assert (page["state"], page["channel"], page["step"], page["round"]) == ("sent", "log", 1, 1)
    assert "lena@example.org" not in answer.content.decode()


def test_a_restricted_incidents_pages_are_for_those_involved(story: Story, incident: Incident, cast: Cast):
    story.run()
    Incident.objects.update(restricted=True)
    path = f"/api/v1/incidents/{incident.number}/pages"
    answers = {
        person.name: Client().get(path, **token_for(person, "incidents:read")).status_code
        for person in (cast.nadia, cast.omar, cast.lena, cast.sam, cast.rui)
    }
    assert answers == {"Nadia": 200, "Omar": 200, "Lena": 200, "Sam": 404, "Rui": 404}


def test_without_a_token_or_its_scope_nothing_is_told(incident: Incident, cast: Cast):
    path = f"/api/v1/incidents/{incident.number}/pages"
    assert Client().get(path).status_code == 401
    assert Client().get(path, **token_for(cast.lena, "people:read")).status_code == 403


def test_a_contact_point_is_tried_by_its_owner(cast: Cast):
    point = ContactPoint.objects.create(person=cast.lena, kind=ChannelKind.EMAIL, address="lena@example.org")
    path = f"/api/v1/contact-points/{point.pk}/test"
    assert Client().post(path, **token_for(cast.sam, "people:write")).status_code == 404
    assert Client().post(path, **token_for(cast.lena, "people:read")).status_code == 403
    assert Client().post(path).status_code == 401
    assert mail.outbox == []
    answer = Client().post(path, **token_for(cast.lena, "people:write"))
    assert answer.json() == {"outcome": "sent", "reason": ""}
    assert len(mail.outbox) == 1
    assert Client().post(path, **token_for(cast.lena, "people:write")).status_code == 409
