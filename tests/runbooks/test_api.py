"""Runbooks, runs and proposals over the API, for everybody who may and may not."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.runbooks import actions, shelf
from andon.runbooks.models import Run
from tests.handbook.test_runbooks import GOOD
from tests.runbooks.conftest import KEY
from tests.support import scenes
from tests.watch.conftest import decisions

pytestmark = pytest.mark.django_db
EVERYBODY = ("nadia", "omar", "lena", "tomas", "sam", "vera", "rui")


def api(person, *scopes):
    client = Client(headers=scenes.token(person, *(scopes or ("runbooks:write", "incidents:read"))))

    def call(method, path, **body):
        given = json.dumps(body) if body or method in {"post", "put"} else None
        return getattr(client, method)(f"/api/v1{path}", given, content_type="application/json")

    return call


def step(run, key):
    return next(one for one in run["steps"] if one["step"]["key"] == key)


def test_a_run_from_its_beginning_to_the_change_that_it_taught(incident, cast, time):
    lena, omar = api(cast.lena), api(cast.omar)
    offered = lena("get", f"/incidents/{incident.number}/runbooks").json()
    assert (offered[0]["key"], offered[0]["reasons"][0]) == (KEY, "the protocol asks for it")
    begun = lena("post", "/runs", incident=incident.number, runbook=KEY)
    assert begun.status_code == 201, begun.content
    run = begun.json()
    at = f"/runs/{run['number']}"
    assert (run["ref"], run["state"], step(run, "read-gap")["now"]) == ("RUN-1", "going", True)
    again = lena("post", "/runs", incident=incident.number, runbook=KEY)
    assert (again.status_code, again.json()["code"]) == (409, "run-going")

    time.forward(timedelta(minutes=4))
    done = lena("post", f"{at}/steps/read-gap", note="Age 18 to 25 fell.").json()
    gap = step(done, "read-gap")
    assert (gap["state"], gap["by"]["name"], gap["seconds"], gap["note"]) == (
        "done",
        "Lena",
        240.0,
        "Age 18 to 25 fell.",
    )
    refused = lena("post", f"{at}/steps/choose-lever", outcome="perhaps")
    assert (refused.status_code, refused.json()["field"]) == (422, "outcome")
    chosen = lena("post", f"{at}/steps/choose-lever", outcome="no-human-capacity").json()
    assert step(chosen, "human-review")["state"] == "passed"
    opened = lena("post", f"{at}/steps/choose-lever/again").json()
    assert (step(opened, "choose-lever")["turn"], step(opened, "choose-lever")["before"][0]["outcome"]) == (
        2,
        "no-human-capacity",
    )
    assert lena("post", f"{at}/steps/locate").json()["status"] == 409  # diagnosing waits for containment
    skipped = lena("post", f"{at}/steps/locate", state="skipped", note="The vendor does it.").json()
    assert step(skipped, "locate")["note"] == "The vendor does it."
    assert lena("post", f"{at}/steps/nothing").status_code == 404

    assert lena("post", f"{at}/end").json()["field"] == "note"
    ended = lena("post", f"{at}/end", finished=False, note="Handed to the vendor.").json()
    assert (ended["state"], ended["end_note"], ended["ended_by"]["name"]) == (
        "stopped",
        "Handed to the vendor.",
        "Lena",
    )
    said = lena("post", f"{at}/feedback", helped="partly", missing="Partners keep a copy.").json()
    assert said["feedback"][0]["missing"] == "Partners keep a copy."

    missing = {"after": "see-effect", "title": "Ask the partners", "body": "Each has a copy."}
    made = lena("post", f"/runbooks/{KEY}/proposals", why="Partners keep a copy.", step=missing, run=run["number"])
    assert made.status_code == 201, made.content
    change = made.json()
    assert "+### Ask the partners" in change["diff"].split("\n")
    assert (change["run"], change["now"]) == (run["number"], 1)
    assert [one["number"] for one in omar("get", "/proposals?state=open").json()["items"]] == [change["number"]]
    where = f"/proposals/{change['number']}"
    assert lena("post", f"{where}/accept", seen=1).status_code == 403
    assert omar("post", f"{where}/accept", seen=7).json()["code"] == "version-conflict"
    accepted = omar("post", f"{where}/accept", seen=1).json()
    assert (accepted["state"], accepted["made"]) == ("accepted", 2)
    assert omar("post", f"{where}/decline", reason="No.").status_code == 409
    book = lena("get", f"/runbooks/{KEY}").json()
    assert (book["version"], book["runs"], book["answers"], book["source"]) == (2, 1, 1, "own")
    assert "ask-the-partners" in [one["key"] for one in book["steps"]]
    assert [one["number"] for one in lena("get", f"/runbooks/{KEY}/versions").json()] == [2, 1]


def test_a_query_is_drawn_and_its_aggregates_come_with_the_run(run, cast, written, connected):
    call = api(cast.lena)
    assert call("post", f"/runs/{run.number}/steps/read-gap/draw").status_code == 409  # no log is connected
    written(decisions(24 * 27, 20, lambda _: 1))
    connected(segment_columns=["region"], output_column="approved")
    drawn = call("post", f"/runs/{run.number}/steps/read-gap/draw")
    assert drawn.status_code == 200, drawn.content
    assert {line["name"] for line in step(drawn.json(), "read-gap")["seen"]["lines"]} == {"north", "south"}
    assert call("post", f"/runs/{run.number}/steps/read-gap/draw", by="name").json()["field"] == "by"
    assert call("post", f"/runs/{run.number}/steps/human-review/draw").status_code == 422


def test_a_runbook_of_ones_own_over_the_api(cast, time):
    lead = api(cast.omar)
    broken = lead("post", "/runbooks", text=GOOD.replace("## Verify", "## Varify"))
    assert (broken.status_code, broken.json()["code"], broken.json()["field"]) == (422, "runbook-broken", "text")
    assert broken.json()["detail"].startswith("Line ")
    written = lead("post", "/runbooks", text=GOOD)
    assert (written.status_code, written.json()["key"]) == (201, "good")
    assert lead("put", "/runbooks/good/owner", owner=str(cast.lena.pk)).json()["owner"] == "Lena"
    assert lead("put", "/runbooks/good/owner", owner="Lena").json()["field"] == "owner"
    assert lead("post", "/runbooks/good/reviewed").json()["freshness"] == "fresh"
    assert lead("post", "/runbooks/good/retire").json()["off"] is True
    assert [one["key"] for one in lead("get", "/runbooks?off=true").json()] == ["good"]
    assert lead("post", "/runbooks/good/put-back").json()["off"] is False
    assert lead("get", "/runbooks/nothing").status_code == 404


def test_a_proposal_is_a_whole_text_or_a_step(run, cast):
    call = api(cast.lena)
    text = shelf.one(KEY).text
    assert call("post", f"/runbooks/{KEY}/proposals", why="x").json()["field"] == "text"
    step_ = {"after": "see-effect", "title": "Ask", "body": "Each."}
    assert call("post", f"/runbooks/{KEY}/proposals", why="x", text=text, step=step_).json()["field"] == "text"
    assert call("post", f"/runbooks/{KEY}/proposals", why="x", text=text).status_code == 422  # nothing changes
    wrong = call("post", f"/runbooks/{KEY}/proposals", why="x", step=step_ | {"after": "nowhere"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "after")


def test_the_lists_narrow(run, cast):
    call = api(cast.vera)
    for query, found in (
        ("", 1), (f"?incident={run.incident.number}", 1), (f"?runbook={KEY}", 1), ("?runbook=feature-skew", 0),
        ("?state=going", 1), ("?state=finished", 0),
    ):  # fmt: skip
        assert len(call("get", f"/runs{query}").json()["items"]) == found, query
    assert call("get", "/runs?limit=0").status_code == 422


@pytest.mark.parametrize("path", ["/runbooks", f"/runbooks/{KEY}", f"/runbooks/{KEY}/versions", "/proposals"])
def test_viewers_and_up_read_runbooks_with_the_scope_for_it(run, cast, client, path):
    for name in EVERYBODY:
        assert api(getattr(cast, name), "runbooks:read")("get", path).status_code == (403 if name == "rui" else 200)
    assert api(cast.nadia, "incidents:write")("get", path).status_code == 403
    assert client.get(f"/api/v1{path}").status_code == 401


@pytest.mark.parametrize("restricted", [False, True])
def test_a_run_is_seen_by_whoever_sees_its_incident(run, cast, client, restricted):
    Incident.objects.filter(pk=run.incident_id).update(restricted=restricted)
    at = f"/runs/{run.number}"
    for name in EVERYBODY:
        call = api(getattr(cast, name), "runbooks:read")
        seen = name in {"nadia", "omar", "lena"} or (not restricted and name != "rui")
        if name == "tomas":
            seen = call("get", at).status_code == 200  # of the team: as its incident's policy has it
        assert call("get", at).status_code == (200 if seen else 404), name
        assert len(call("get", "/runs").json()["items"]) == seen, name
        assert call("get", f"/incidents/{run.incident.number}/runbooks").status_code == (200 if seen else 404)
    assert client.get(f"/api/v1{at}").status_code == 401


ACTS = {
    "/runs": {"incident": 1, "runbook": "feature-skew"},
    "/runs/1/steps/read-gap": {"note": "x"},
    "/runs/1/steps/read-gap/again": {},
    "/runs/1/steps/read-gap/draw": {},
    "/runs/1/end": {"finished": False, "note": "x"},
    "/runs/1/feedback": {"helped": "yes"},
}


@pytest.mark.parametrize("path", ACTS)
def test_only_who_may_respond_acts_on_a_run(run, cast, client, path):
    assert (run.number, run.incident.number) == (1, 1)
    before = (Run.objects.count(), run.incident.timeline.count())
    for name, status in (("vera", 403), ("rui", 404)):
        assert api(getattr(cast, name))("post", path, **ACTS[path]).status_code == status, name
    assert api(cast.lena, "runbooks:read")("post", path, **ACTS[path]).status_code == 403
    Incident.objects.filter(pk=run.incident_id).update(restricted=True)
    for name in ("sam", "vera", "rui"):
        assert api(getattr(cast, name))("post", path, **ACTS[path]).status_code == 404, name
    assert client.post(f"/api/v1{path}", "{}", content_type="application/json").status_code == 401
    assert (Run.objects.count(), run.incident.timeline.count()) == before


SHELF = {
    ("post", "/runbooks"): {"text": GOOD},
    ("put", f"/runbooks/{KEY}/owner"): {"owner": None},
    ("post", f"/runbooks/{KEY}/reviewed"): {},
    ("post", f"/runbooks/{KEY}/retire"): {},
    ("post", f"/runbooks/{KEY}/put-back"): {},
    ("post", "/proposals/1/accept"): {"seen": 1},
    ("post", "/proposals/1/decline"): {"reason": "No."},
}


@pytest.mark.parametrize(("method", "path"), SHELF)
def test_only_leads_and_owners_change_the_shelf(run, cast, client, method, path):
    text = shelf.one(KEY).text.replace("minutes: 180", "minutes: 90")
    made = actions.propose(KEY, text=text, why="Quicker.", by=Actor.of(cast.lena))
    for name in ("lena", "tomas", "sam", "vera", "rui"):
        assert api(getattr(cast, name))(method, path, **SHELF[method, path]).status_code == 403, name
    assert getattr(client, method)(f"/api/v1{path}", "{}", content_type="application/json").status_code == 401
    made.refresh_from_db()
    assert made.state == "open"
    assert set(shelf.shelf()) == set(shelf.shipped_texts())


def test_a_proposal_does_not_tell_of_a_restricted_incident(run, cast):
    text = shelf.one(KEY).text.replace("minutes: 180", "minutes: 90")
    made = actions.propose(KEY, text=text, why="Quicker.", by=Actor.of(cast.lena), run=run)
    Incident.objects.filter(pk=run.incident_id).update(restricted=True)
    assert api(cast.vera)("get", f"/proposals/{made.number}").json()["run"] is None
    assert api(cast.omar)("get", f"/proposals/{made.number}").json()["run"] == run.number
    assert api(cast.sam)("post", f"/runbooks/{KEY}/proposals", why="x", text=text, run=run.number).status_code == 404
