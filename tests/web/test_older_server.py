"""A server of an older version beside a newer engine: it shows what there is, and changes nothing."""

from urllib.parse import urlsplit

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from andon.engine import locks
from andon.incidents.models import Incident
from andon.kit import outdated
from tests.support.cast import Cast
from tests.support.paging import Story, open_incident
from tests.support.scenes import token
from tests.support.versions import overtaken

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident(cast: Cast, time) -> Incident:
    return open_incident(cast.credit_scorer, cast.vera)


@pytest.fixture
def newer():
    """The rules of a module as a version of tomorrow has taken them over."""
    with overtaken():
        yield


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
    with overtaken("delivery"):
        assert phone.post(path).status_code == 503
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


GOES_ON = {
    # to come in, to prove it again, and to leave
    "account_login", "account_logout", "account_reauthenticate", "mfa_authenticate", "mfa_reauthenticate",
    "mfa_login_webauthn", "mfa_reauthenticate_webauthn", "openid_connect_login", "openid_connect_callback",
    "own_sign_out", "person_sign_out", "api:sign_out", "own_theme",
    # trials: asked by POST, and nothing is kept
    "rule_create", "rule_change", "watch_create", "watch_change", "lever_try", "integration_test",
    "api:try_draft", "api:try_change", "api:try_watch", "api:try_lever", "api:send_test_signal",
    # by telephone
    "phone_answer", "phone_call",
}  # fmt: skip


def test_who_says_something_of_itself_is_listed_here_so_that_nothing_that_writes_gets_among_them():
    def named(resolver: URLResolver, space: str = "") -> list[str]:
        found = []
        for one in resolver.url_patterns:
            if isinstance(one, URLPattern):
                found += [f"{space}{one.name}"] if outdated.said_by(one.callback) else []
            else:
                found += named(one, f"{one.namespace}:" if one.namespace else space)
        return found

    assert set(named(get_resolver())) == GOES_ON


def test_to_read_over_the_api_asks_nothing_more_of_the_database(incident, cast, django_assert_num_queries):
    headers = token(cast.lena, "incidents:read", "rules:read")
    Client().get("/api/v1/rules", headers=headers)
    with django_assert_num_queries(3) as asked:
        assert Client().get("/api/v1/rules", headers=headers).status_code == 200
    assert not any("modulelock" in one["sql"] for one in asked.captured_queries)
