"""On call over the API: a story, and who may call what."""

import pytest
from django.test import Client

from andon.oncall.models import Override
from tests.oncall.support import Api, make_schedule, utc

pytestmark = pytest.mark.django_db

ROTATION = {
    "participants": ["lena@example.org", "tomas@example.org"],
    "time_zone": "Europe/Berlin",
    "start_date": "2026-02-23",
    "handover": "09:00",
    "name": "primary",
}


def test_a_schedule_from_nothing_to_who_is_on_call(time, cast):
    lead = Api(cast.omar)
    made = lead("post", "/schedules", name="Credit models", time_zone="Europe/Berlin", team="credit-models")
    assert made.status_code == 201
    assert made.json()["slug"] == "credit-models"
    empty = lead("get", "/schedules/credit-models").json()
    assert empty["now"] is None
    assert [gap["starts"] for gap in empty["gaps"]] == ["2026-03-02T03:12:00Z"]

    layer = lead("post", "/schedules/credit-models/layers", **ROTATION)
    assert layer.status_code == 201
    detail = lead("get", "/schedules/credit-models").json()
    assert detail["now"]["person"]["name"] == "Lena"
    assert detail["next"]["starts"] == "2026-03-02T08:00:00Z"
    assert detail["gaps"] == []
    assert [turn["name"] for turn in detail["layers"][0]["participants"]] == ["Lena", "Tomas"]

    mine = Api(cast.sam)(
        "post", "/schedules/credit-models/overrides", starts_local="2026-03-02T03:00", ends_local="2026-03-02T08:00"
    )
    assert mine.status_code == 201
    seen = lead("get", "/oncall", schedule="credit-models").json()
    assert seen["schedules"][0]["now"]["person"]["name"] == "Sam"
    assert seen["systems"] == []
    gone = Api(cast.sam)("delete", f"/schedules/credit-models/overrides/{mine.json()['id']}")
    assert gone.json()["cancelled_at"] == "2026-03-02T03:12:00Z"

    changed = lead(
        "put",
        "/schedules/credit-models/layers/1",
        **ROTATION | {"participants": ["sam@example.org"]},
        replaces=layer.json()["id"],
    )
    assert changed.status_code == 200
    stale = lead("put", "/schedules/credit-models/layers/1", **ROTATION, replaces=layer.json()["id"])
    assert stale.status_code == 409
    versions = lead("get", "/schedules/credit-models/layers").json()
    assert [v["effective_until"] is None for v in versions] == [False, True]
    shifts = lead(
        "get", "/schedules/credit-models/shifts", start="2026-03-02T00:00:00Z", end="2026-03-03T00:00:00Z"
    ).json()
    assert [s["person"]["name"] for s in shifts] == ["Sam"], "versions of this test begin and end at one instant"


def test_a_chain_is_made_changed_and_archived(time, cast):
    lead = Api(cast.omar)
    make_schedule("primary", cast.lena)
    steps = [
        {"wait_minutes": 3, "targets": [{"kind": "schedule", "id": "primary"}]},
        {"targets": [{"kind": "person", "id": "omar@example.org"}, {"kind": "team", "id": "credit-models"}]},
    ]
    made = lead("post", "/chains", name="Night", steps=steps)
    assert made.status_code == 201
    assert [[t["label"] for t in s["targets"]] for s in made.json()["steps"]] == [
        ["Primary"],
        ["Omar", "Credit models"],
    ]
    changed = lead("put", "/chains/night", name="Night shift", steps=steps[:1], repeats=0)
    assert (changed.json()["name"], len(changed.json()["steps"])) == ("Night shift", 1)
    assert lead("post", "/chains/night/fallback").json()["is_fallback"] is True
    assert lead("delete", "/chains/night").status_code == 409
    lead("post", "/chains/credit/fallback")
    assert lead("delete", "/chains/night").status_code == 204
    assert [row["slug"] for row in lead("get", "/chains").json()["items"]] == ["fallback", "credit"]


def test_wrong_input_is_answered_in_words_with_its_field(time, cast):
    lead = Api(cast.omar)
    make_schedule("primary", cast.lena)
    for path, body, field in (
        ("/schedules", {"name": "X", "time_zone": "Mars/Base"}, "time_zone"),
        ("/schedules", {"name": "Primary", "time_zone": "UTC"}, "name"),
        ("/schedules", {"name": "X", "slug": "No Slug", "time_zone": "UTC"}, "slug"),
        ("/schedules/primary/layers", ROTATION | {"participants": ["kim@example.com"]}, "participants"),
        (
            "/schedules/primary/overrides",
            {"starts_local": "2026-03-04T10:00:00Z", "ends_local": "2026-03-04T11:00"},
            "starts_local",
        ),
        ("/schedules/primary/calendar", {"calendar": "hello"}, "calendar"),
        ("/chains", {"name": "X", "steps": [{"targets": [{"kind": "team", "id": "nobody"}]}]}, "steps"),
    ):
        answer = lead("post", path, **body)
        assert (answer.status_code, answer.json().get("field")) == (422, field), answer.content
        assert answer["Content-Type"].startswith("application/problem+json")
    assert lead("get", "/schedules/none").status_code == 404
    assert lead("get", "/schedules/primary/gaps", start="2026-03-02T00:00:00").status_code == 422


OVERRIDE = {"starts_local": "2026-03-04T10:00", "ends_local": "2026-03-04T11:00"}
STEPS = [{"targets": [{"kind": "person", "id": "lena@example.org"}]}]
# method, path, body, least role
ROUTES = [
    ("get", "/oncall", {}, "vera"),
    ("get", "/schedules", {}, "vera"),
    ("get", "/schedules/primary", {}, "vera"),
    ("get", "/schedules/primary/shifts", {}, "vera"),
    ("get", "/schedules/primary/gaps", {}, "vera"),
    ("get", "/schedules/primary/layers", {}, "vera"),
    ("get", "/chains", {}, "vera"),
    ("get", "/chains/credit", {}, "vera"),
    ("post", "/schedules/primary/overrides", OVERRIDE, "lena"),
    ("post", "/oncall/feed", {}, "lena"),
    ("post", "/schedules/primary/overrides", OVERRIDE | {"person": "sam@example.org"}, "omar"),
    ("post", "/schedules", {"name": "Second", "time_zone": "UTC"}, "omar"),
    ("patch", "/schedules/primary", {"name": "Other"}, "omar"),
    ("delete", "/schedules/primary", {}, "omar"),
    ("post", "/schedules/primary/layers", ROTATION, "omar"),
    ("put", "/schedules/primary/layers/1", ROTATION, "omar"),
    ("delete", "/schedules/primary/layers/1", {}, "omar"),
    ("post", "/schedules/primary/calendar", {"calendar": "x"}, "omar"),
    ("post", "/chains", {"name": "Night", "steps": STEPS}, "omar"),
    ("put", "/chains/credit", {"name": "Night", "steps": STEPS}, "omar"),
    ("post", "/chains/credit/fallback", {}, "omar"),
    ("delete", "/chains/credit", {}, "omar"),
]
LADDER = ["rui", "vera", "lena", "omar", "nadia"]


@pytest.mark.parametrize(("method", "path", "body", "least"), ROUTES)
def test_who_may_call_what(time, cast, method, path, body, least):
    make_schedule("primary", cast.lena)
    assert getattr(Client(), method)(f"/api/v1{path}").status_code == 401
    for name in LADDER:
        status = Api(getattr(cast, name))(method, path, **body).status_code
        if LADDER.index(name) < LADDER.index(least):
            assert status == 403, name
        else:
            # Allowed: done, or refused for what it asks rather than for who asks.
            assert status in {200, 201, 204, 409, 422}, (name, status)


@pytest.mark.parametrize(("method", "path", "body", "least"), ROUTES)
def test_a_token_without_the_scope_is_refused(time, cast, method, path, body, least):
    make_schedule("primary", cast.lena)
    narrow = Api(cast.nadia, "systems:write", *(["oncall:read"] if method != "get" else []))
    assert narrow(method, path, **body).status_code == 403
    assert not Override.objects.exists()


def test_the_list_takes_the_same_queries_for_many(time, cast, django_assert_max_num_queries):
    for number in range(20):
        make_schedule(f"s{number:02}", cast.lena, cast.tomas)
    reader = Api(cast.vera, "oncall:read")
    reader("get", "/schedules")
    with django_assert_max_num_queries(4):
        assert len(reader("get", "/schedules").json()["items"]) == 20
    with django_assert_max_num_queries(30):
        seen = reader("get", "/oncall", at="2026-03-04T12:00:00Z").json()
    assert len(seen["schedules"]) == 20
    assert seen["systems"][0]["system"] == "credit-scorer"
    assert utc(2026, 3, 4, 12).isoformat().replace("+00:00", "Z") == seen["at"]
