import json
from datetime import date

import pytest
from django.test import Client

from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.reviews import actions
from andon.reviews.models import Review
from tests.support import scenes

pytestmark = pytest.mark.django_db

REVIEWS, ACTIONS = "/api/v1/reviews", "/api/v1/actions"


@pytest.fixture
def review(cast, time) -> Review:
    return Review.objects.get(incident=scenes.resolved(cast))


def send(method: str, path: str, payload: object = None, *, headers: dict[str, str]):
    return getattr(Client(), method)(path, json.dumps(payload), content_type="application/json", headers=headers)


def test_a_review_from_draft_to_published(review, cast):
    url = f"{REVIEWS}/{review.incident.number}"
    lena, omar = scenes.token(cast.lena, "reviews:write"), scenes.token(cast.omar, "reviews:write")
    found = Client().get(url, headers=lena).json()
    assert found["state"] == "draft"
    assert found["sections"][0]["key"] == "summary"
    assert found["sections"][0]["prompt"]
    saved = send("put", f"{url}/sections/summary", {"body": "One", "seen_version": 1}, headers=lena).json()
    assert (saved["version"], saved["versions"], saved["by"]["name"]) == (2, 2, "Lena")
    late = send("put", f"{url}/sections/summary", {"body": "Two", "seen_version": 1}, headers=omar)
    assert (late.status_code, late.json()["code"]) == (409, "version-conflict")
    versions = Client().get(f"{url}/sections/summary/versions", headers=lena).json()
    assert [row["version"] for row in versions] == [2, 1]
    own = send("post", f"{url}/sections", {"title": "The vendor's part"}, headers=lena)
    assert (own.status_code, own.json()["version"]) == (201, 1)
    assert send("post", f"{url}/move", {"to": "in_review"}, headers=lena).json()["state"] == "in_review"
    assert send("post", f"{url}/move", {"to": "published"}, headers=lena).status_code == 403
    unsigned = send("post", f"{url}/move", {"to": "published"}, headers=omar)
    assert (unsigned.status_code, unsigned.json()["code"]) == (409, "not-signed")
    sign = {"role": "lead", "seen": Client().get(url, headers=lena).json()["text"]}
    assert send("post", f"{url}/sign", sign, headers=omar).status_code == 403
    earlier = send("post", f"{url}/sign", sign | {"seen": "an earlier text"}, headers=lena)
    assert (earlier.status_code, earlier.json()["code"]) == (409, "version-conflict")
    assert send("post", f"{url}/sign", sign, headers=lena).json()["signatures"][0]["stands"] is True
    scenes.sign(review, cast)
    assert send("post", f"{url}/move", {"to": "published"}, headers=omar).json()["published_by"]["name"] == "Omar"
    assert send("post", f"{url}/move", {"to": "elsewhere"}, headers=omar).status_code == 422


def test_opening_a_review_that_is_there_answers_with_it(review, cast):
    headers = scenes.token(cast.lena, "reviews:write")
    opened = send("post", f"{REVIEWS}/{review.incident.number}", headers=headers)
    assert (opened.status_code, opened.json()["incident"]) == (201, review.incident.number)
    going_on = scenes.declared(cast, system=None)
    assert send("post", f"{REVIEWS}/{going_on.number}", headers=headers).status_code == 409
    assert Client().get(f"{REVIEWS}/{going_on.number}", headers=headers).status_code == 404


def test_an_action_from_adding_to_verified(review, cast):
    lena, tomas = scenes.token(cast.lena, "reviews:write"), scenes.token(cast.tomas, "reviews:write")
    given = {"title": "Alert earlier", "owner": str(cast.tomas.pk), "due_on": "2026-03-20"}
    made = send("post", f"{REVIEWS}/{review.incident.number}/actions", given, headers=lena)
    assert made.status_code == 201
    url = f"{ACTIONS}/{made.json()['number']}"
    nobody = given | {"owner": "0190a1b2-0000-7000-8000-000000000000"}
    refused = send("post", f"{REVIEWS}/{review.incident.number}/actions", nobody, headers=lena)
    assert (refused.status_code, refused.json()["field"]) == (422, "owner")
    changed = send("patch", url, {"due_on": "2026-03-25"}, headers=lena).json()
    assert (changed["due_on"], changed["title"]) == ("2026-03-25", "Alert earlier")
    assert send("post", f"{url}/move", {"to": "done"}, headers=tomas).json()["state"] == "done"
    assert send("post", f"{url}/move", {"to": "verified"}, headers=tomas).status_code == 403
    assert send("post", f"{url}/move", {"to": "verified"}, headers=lena).json()["state_by"]["name"] == "Lena"
    assert send("post", f"{url}/move", {"to": "open"}, headers=lena).json()["field"] == "reason"


def test_lists_with_their_filters(review, cast, time):
    action = actions.add_action(review, title="Late", owner=cast.tomas, due_on=date(2026, 3, 3), by=Actor.of(cast.lena))
    headers = scenes.token(cast.tomas, "reviews:read")
    time.set(time.now().replace(day=5))
    for asked, expected in [("", 1), ("?due=overdue", 1), ("?owner=me", 1), ("?state=done", 0), ("?limit=1", 1)]:
        found = Client().get(f"{ACTIONS}{asked}", headers=headers).json()
        assert len(found["items"]) == expected, asked
    assert Client().get(f"{ACTIONS}/{action.number}", headers=headers).json()["overdue"] is True
    assert len(Client().get(f"{REVIEWS}?state=draft", headers=headers).json()["items"]) == 1
    assert Client().get(f"{REVIEWS}?state=published", headers=headers).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("who", "sees"), [("nadia", True), ("omar", True), ("sam", False), ("vera", False), ("rui", False)]
)
def test_a_restricted_incident_hides_them(review, cast, who, sees):
    action = actions.add_action(
        review, title="Hidden", owner=cast.tomas, due_on=date(2026, 3, 3), by=Actor.of(cast.lena)
    )
    Incident.objects.filter(pk=review.incident_id).update(restricted=True)
    headers = scenes.token(getattr(cast, who), "reviews:write")
    number = review.incident.number
    status = 200 if sees else 404
    for path in (f"{REVIEWS}/{number}", f"{REVIEWS}/{number}/sections/summary/versions", f"{ACTIONS}/{action.number}"):
        assert Client().get(path, headers=headers).status_code == status, path
    for path in (REVIEWS, ACTIONS):
        assert len(Client().get(path, headers=headers).json()["items"]) == int(sees)
    if not sees:
        for method, path, payload in _writes(review, action.number, str(cast.lena.pk)):
            assert send(method, path, payload, headers=headers).status_code == 404, path


def test_a_viewer_writes_nothing_and_a_token_needs_its_scope(review, cast):
    action = actions.add_action(review, title="x", owner=cast.tomas, due_on=date(2026, 3, 3), by=Actor.of(cast.lena))
    for method, path, payload in _writes(review, action.number, str(cast.lena.pk)):
        assert send(method, path, payload, headers=scenes.token(cast.vera, "reviews:write")).status_code == 403, path
        assert send(method, path, payload, headers=scenes.token(cast.lena, "reviews:read")).status_code == 403, path
    assert Client().get(REVIEWS).status_code == 401
    assert Client().get(ACTIONS, headers=scenes.token(cast.lena, "incidents:read")).status_code == 403


def _writes(review, action: int, owner: str) -> list[tuple[str, str, object]]:
    url = f"{REVIEWS}/{review.incident.number}"
    given = {"title": "x", "owner": owner, "due_on": "2026-03-20"}
    return [
        ("post", url, None),
        ("post", f"{url}/move", {"to": "in_review"}),
        ("post", f"{url}/sections", {"title": "x"}),
        ("put", f"{url}/sections/summary", {"body": "x", "seen_version": 1}),
        ("post", f"{url}/actions", given),
        ("patch", f"{ACTIONS}/{action}", {"title": "y"}),
        ("post", f"{ACTIONS}/{action}/move", {"to": "done"}),
    ]
