import json

import pytest
from django.test import Client

from andon.incidents.models import RoleAssignment
from andon.people.policy import Actor
from andon.practice.words import Phase
from tests.support import scenes

pytestmark = pytest.mark.django_db

URL = "/api/v1/incidents"


def send(client: Client, method: str, path: str, payload: object = None, **more):
    return getattr(client, method)(path, json.dumps(payload), content_type="application/json", **more)


def test_a_list_in_pages_newest_first(cast, time):
    for number in range(3):
        scenes.declared(cast, f"No {number}", system=None)
    headers = scenes.token(cast.vera, "incidents:read")
    first = Client().get(f"{URL}?limit=2", headers=headers).json()
    assert [found["title"] for found in first["items"]] == ["No 2", "No 1"]
    second = Client().get(f"{URL}?limit=2&cursor={first['next_cursor']}", headers=headers).json()
    assert [found["title"] for found in second["items"]] == ["No 0"]
    assert second["next_cursor"] is None


def test_the_filters_of_the_page_are_those_of_the_api(cast, time):
    scenes.resolved(cast, "Over")
    scenes.declared(cast, "Slow", system=None)
    headers = scenes.token(cast.vera, "incidents:read")
    for asked, expected in [("state=unresolved", ["Slow"]), ("q=over", ["Over"]), ("system=credit-scorer", ["Over"])]:
        found = Client().get(f"{URL}?{asked}", headers=headers).json()["items"]
        assert [one["title"] for one in found] == expected


def test_one_incident_says_everything_with_times_in_utc(cast, time):
    incident = scenes.contained(cast)
    found = Client().get(f"{URL}/{incident.number}", headers=scenes.token(cast.vera, "incidents:read")).json()
    assert found["ref"] == incident.ref
    assert found["state"] == "contained"
    assert found["system"] == "credit-scorer"
    assert found["severity_reason"] == incident.severity_reason
    assert found["detected_at"] == "2026-03-02T03:12:00Z"
    assert found["containment_note"] == "rolled back to v6"
    assert found["acknowledged_by"]["name"] == "Lena"
    assert {role["role"] for role in found["roles"]} >= {"lead"}
    assert {step["phase"] for step in found["steps"]} >= {"contain", "diagnose"}
    assert found["protocol"] == f"{incident.protocol_slug}@{incident.protocol_version}"
    assert found["url"] == f"/incidents/{incident.number}"


def test_the_timeline_comes_in_order_and_in_pages(cast, time):
    incident = scenes.acknowledged(cast)
    headers = scenes.token(cast.vera, "incidents:read")
    url = f"{URL}/{incident.number}/timeline"
    whole = Client().get(url, headers=headers).json()
    assert [entry["seq"] for entry in whole["items"]] == list(range(1, len(whole["items"]) + 1))
    assert whole["items"][0]["kind"] == "opened"
    assert whole["items"][0]["prev_hash"] == ""
    assert whole["items"][1]["prev_hash"] == whole["items"][0]["hash"]
    first = Client().get(f"{url}?limit=1", headers=headers).json()
    rest = Client().get(f"{url}?cursor={first['next_cursor']}", headers=headers).json()
    assert first["items"] + rest["items"] == whole["items"]
    newest = Client().get(f"{url}?order=newest&limit=1", headers=headers).json()
    assert newest["items"] == whole["items"][-1:]
    wrong = Client().get(f"{url}?cursor=abc", headers=headers)
    assert (wrong.status_code, wrong.json()["field"]) == (422, "cursor")
    assert Client().get(f"{url}?limit=0", headers=headers).json()["field"] == "limit"


def test_notes_roles_links_and_steps_are_written_with_the_right_scope(cast, time):
    incident = scenes.contained(cast)
    headers = scenes.token(cast.lena, "incidents:write")
    url = f"{URL}/{incident.number}"
    note = send(Client(), "post", f"{url}/notes", {"text": "v6 is back"}, headers=headers)
    assert (note.status_code, note.json()["detail"]) == (201, "v6 is back")
    assert send(Client(), "post", f"{url}/notes", {"text": "  "}, headers=headers).json()["field"] == "text"

    given = send(Client(), "post", f"{url}/roles", {"role": "scribe", "person": str(cast.tomas.pk)}, headers=headers)
    assert (given.status_code, given.json()["person"]["name"]) == (201, "Tomas")
    role_url = f"{url}/roles/{given.json()['id']}"
    assert Client().delete(role_url, headers=headers).status_code == 204
    assert Client().delete(role_url, headers=headers).status_code == 409
    unknown = {"role": "scribe", "person": "0190a1b2-0000-7000-8000-000000000000"}
    assert send(Client(), "post", f"{url}/roles", unknown, headers=headers).json()["field"] == "person"

    link = send(Client(), "post", f"{url}/links", {"title": "Call", "url": "https://example.org"}, headers=headers)
    assert link.status_code == 201
    assert Client().delete(f"{url}/links/{link.json()['id']}", headers=headers).status_code == 204
    assert send(Client(), "post", f"{url}/links", {"url": "javascript:alert(1)"}, headers=headers).status_code == 422

    step = incident.steps.filter(phase=Phase.DIAGNOSE).first()
    done = send(Client(), "post", f"{url}/steps/{step.key}/done", headers=headers)
    assert (done.status_code, done.json()["state"]) == (200, "done")
    assert send(Client(), "post", f"{url}/steps/{step.key}/reopen", headers=headers).json()["state"] == "todo"
    refused = send(Client(), "post", f"{url}/steps/{step.key}/waive", {"reason": " "}, headers=headers)
    assert (refused.status_code, refused.json()["field"]) == (422, "reason")
    waived = send(Client(), "post", f"{url}/steps/{step.key}/waive", {"reason": "not needed"}, headers=headers)
    assert (waived.json()["state"], waived.json()["reason"]) == ("waived", "not needed")


def test_a_role_or_link_of_another_incident_is_not_taken_for_this_ones(cast, time):
    one, other = scenes.acknowledged(cast), scenes.acknowledged(cast, "Other", system=None)
    role = RoleAssignment.objects.filter(incident=other).first()
    response = Client().delete(
        f"{URL}/{one.number}/roles/{role.pk}", headers=scenes.token(cast.nadia, "incidents:write")
    )
    assert response.status_code == 404
    role.refresh_from_db()
    assert role.ended_at is None


def test_restriction_is_for_leads(cast, time):
    incident = scenes.declared(cast)
    url = f"{URL}/{incident.number}/restricted"
    denied = send(Client(), "put", url, {"restricted": True}, headers=scenes.token(cast.lena, "incidents:write"))
    assert denied.status_code == 403
    done = send(Client(), "put", url, {"restricted": True}, headers=scenes.token(cast.omar, "incidents:write"))
    assert done.json()["restricted"] is True


@pytest.mark.parametrize(("who", "status"), [("nadia", 200), ("omar", 200), ("lena", 200), ("sam", 404), ("vera", 404)])
def test_a_restricted_incident_is_missing_for_whoever_may_not_see_it(cast, time, who, status):
    incident = scenes.declared(cast, restricted=True)
    headers = scenes.token(getattr(cast, who), "incidents:write")
    for path in ("", "/timeline"):
        assert Client().get(f"{URL}/{incident.number}{path}", headers=headers).status_code == status
    listed = Client().get(URL, headers=headers).json()["items"]
    assert len(listed) == (1 if status == 200 else 0)
    note = send(Client(), "post", f"{URL}/{incident.number}/notes", {"text": "x"}, headers=headers)
    assert note.status_code == (201 if status == 200 else 404)


def test_a_viewer_reads_and_does_not_write(cast, time):
    incident = scenes.declared(cast)
    headers = scenes.token(cast.vera, "incidents:write")
    url = f"{URL}/{incident.number}"
    step = incident.steps.first().key
    for method, path, payload in [
        ("post", "/notes", {"text": "x"}),
        ("post", "/roles", {"role": "lead", "person": str(cast.vera.pk)}),
        ("post", "/links", {"url": "https://example.org"}),
        ("post", f"/steps/{step}/done", None),
        ("post", f"/steps/{step}/waive", {"reason": "x"}),
        ("post", f"/steps/{step}/reopen", None),
        ("put", "/restricted", {"restricted": True}),
    ]:
        assert send(Client(), method, url + path, payload, headers=headers).status_code == 403, path
    assert incident.timeline.count() == 1


def test_scopes_and_strangers(cast, time, signed_in):
    incident = scenes.declared(cast)
    assert Client().get(URL).status_code == 401
    assert Client().get(f"{URL}/{incident.number}", headers=scenes.token(cast.vera, "systems:read")).status_code == 403
    read_only = scenes.token(cast.lena, "incidents:read")
    assert send(Client(), "post", f"{URL}/{incident.number}/notes", {"text": "x"}, headers=read_only).status_code == 403
    assert signed_in(cast.vera).get(f"{URL}/{incident.number}").status_code == 200  # a browser needs no token


def test_declaring_stands_at_the_same_address_as_the_list(cast, time):
    declared = send(Client(), "post", URL, {"title": "Odd"}, headers=scenes.token(cast.rui, "incidents:write"))
    assert declared.status_code == 201
    assert declared.json()["declared_by"]["name"] == "Rui"


def test_the_number_of_queries_does_not_grow_with_the_list(cast, time, django_assert_max_num_queries):
    for number in range(10):
        scenes.acknowledged(cast, f"No {number}", system=None)
    headers = scenes.token(cast.lena, "incidents:read")
    with django_assert_max_num_queries(12):
        assert len(Client().get(URL, headers=headers).json()["items"]) == 10


def test_a_part_of_andon_may_see_everything(cast, time):
    from andon.incidents.policy import visible

    scenes.declared(cast, restricted=True)
    assert visible(Actor.engine()).count() == 1
