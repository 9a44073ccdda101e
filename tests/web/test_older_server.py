"""A server of an older version beside a newer engine: it shows what there is, and changes nothing."""

from urllib.parse import urlsplit

import pytest
from django.db import OperationalError
from django.test import Client

from andon.engine import beats, locks
from andon.engine.models import ModuleLock
from andon.incidents.models import Incident
from andon.kit import clock
from tests.support.cast import Cast
from tests.support.paging import Story, open_incident
from tests.support.scenes import token

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident(cast: Cast, time) -> Incident:
    return open_incident(cast.credit_scorer, cast.vera)


@pytest.fixture
def newer():
    """The rules of a module as a version of tomorrow has taken them over."""
    locks.take({**locks.RULES, "escalation": locks.RULES["escalation"] + 1}, "an engine of tomorrow")
    beats.beat("an engine of tomorrow", started_at=clock.now(), audit=None, modules={})


def test_it_shows_everything_and_says_above_it_what_it_is(incident, newer, cast, signed_in):
    seen = signed_in(cast.vera).get(f"/incidents/{incident.number}")
    assert seen.status_code == 200
    assert incident.title in seen.content.decode()
    assert "This server runs an older version of Andon than its engine" in seen.content.decode()
    ready = Client().get("/readyz")
    assert ready.status_code == 200  # it still takes signals
    assert "an older version" in ready.json()["engine"]["says"]


def test_what_a_person_does_there_is_refused_in_words(incident, newer, cast, signed_in):
    answer = signed_in(cast.lena).post(f"/incidents/{incident.number}/acknowledge")
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "an older version" in answer.content.decode()
    assert "Nothing was changed" in answer.content.decode()
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_what_a_program_does_there_is_a_problem_that_says_to_try_elsewhere(incident, newer, cast):
    headers = token(cast.lena, "incidents:read", "incidents:write")
    body = {"data": {"text": "Looking"}, "content_type": "application/json"}
    answer = Client().post(f"/api/v1/incidents/{incident.number}/notes", **body, headers=headers)
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Retry-After"]
    assert answer.json()["code"] == "outdated"
    assert Client().get(f"/api/v1/incidents/{incident.number}", headers=headers).status_code == 200
    assert not incident.timeline.filter(kind="note").exists()


def test_the_link_in_a_message_is_not_used_up(incident, cast, time):
    (message,) = Story(time).run()
    phone, path = Client(enforce_csrf_checks=True), urlsplit(message.link).path
    later = ModuleLock.objects.create(module="delivery", version=locks.RULES["delivery"] + 1, taken_at=time.now())
    assert phone.post(path).status_code == 503
    later.delete()
    assert phone.post(path, follow=True).status_code == 200
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.lena


def test_beside_its_own_version_or_an_older_one_nothing_is_refused(incident, cast, signed_in):
    locks.take({**locks.RULES, "routing": locks.RULES["routing"] - 1}, "an engine of yesterday")
    assert signed_in(cast.lena).post(f"/incidents/{incident.number}/acknowledge").status_code in {200, 302}
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.lena


def test_where_nobody_can_tell_nothing_is_changed_and_that_is_said(incident, cast, signed_in, monkeypatch):
    def gone():
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(locks, "newer", gone)
    headers = token(cast.lena, "incidents:read", "incidents:write")
    body = {"data": {"text": "Looking"}, "content_type": "application/json"}
    client = Client(raise_request_exception=False)
    answer = client.post(f"/api/v1/incidents/{incident.number}/notes", **body, headers=headers)
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    lena = signed_in(cast.lena)
    lena.raise_request_exception = False
    assert lena.post(f"/incidents/{incident.number}/acknowledge").status_code == 503
    incident.refresh_from_db()
    assert incident.acknowledged_at is None
    assert not incident.timeline.filter(kind="note").exists()
