"""The register over the API: a story, and who may call what."""

import pytest
from django.test import Client

from andon.practice.words import Stage
from andon.registry.models import Component, System
from tests.oncall.support import Api
from tests.support.levers import rehearsed

pytestmark = pytest.mark.django_db

SYSTEM = {
    "name": "Claims triage",
    "purpose": "Sorts insurance claims.",
    "kind": "classifier",
    "criticality": "high",
    "risk_class": "high",
    "jurisdictions": ["de", "EU", "US-NY"],
    "owner": "omar@example.org",
    "team": "credit-models",
    "groups": ["sex", "age band"],
    "decision_log": "s3://decisions/claims/",
}
COMPONENT = {"name": "Big model", "kind": "model", "vendor": "A vendor", "version": "4"}


def test_a_system_from_the_register_to_production(time, cast):
    lead, admin = Api(cast.omar), Api(cast.nadia)
    made = lead("post", "/systems", **SYSTEM)
    assert made.status_code == 201
    system = made.json()
    assert (system["slug"], system["stage"], system["jurisdictions"]) == (
        "claims-triage",
        "development",
        ["DE", "EU", "US-NY"],
    )
    assert system["owner"]["name"] == "Omar"
    assert [finding["code"] for finding in system["findings"]] == ["no_chain", "no_lever"]

    verdict = lead("get", "/systems/claims-triage/readiness").json()
    assert verdict == {"ready": False, "findings": system["findings"], "advice": []}
    refused = lead("post", "/systems/claims-triage/stage", to="production")
    assert (refused.status_code, refused.json()["code"]) == (409, "not-ready")
    assert "There is no escalation chain" in refused.json()["detail"]
    assert lead("post", "/systems/claims-triage/stage", to="production", override_reason="Now!").status_code == 403

    moved = admin("post", "/systems/claims-triage/stage", to="production", override_reason="The old one is gone.")
    assert moved.json()["findings"][0]["code"] == "no_chain"
    seen = lead("get", "/systems/claims-triage").json()
    assert (seen["override"]["reason"], seen["override"]["by"]["name"]) == ("The old one is gone.", "Nadia")

    rehearsed(System.objects.get(slug="claims-triage"))
    ready = lead("patch", "/systems/claims-triage", chain="credit").json()
    assert (ready["ready"], ready["findings"], ready["override"]) == (True, [], None)
    assert ready["purpose"] == "Sorts insurance claims.", "what is left out stays"
    assert lead("patch", "/systems/claims-triage", owner=None).json()["owner"] is None
    assert [row["after"] for row in lead("get", "/systems/claims-triage/stages").json()] == ["production"]


def test_what_a_system_stands_on(time, cast):
    lead = Api(cast.omar)
    assert lead("post", "/components", **COMPONENT).status_code == 201
    stands = lead("put", "/systems/credit-scorer/components/big-model", purpose="Reads the payslip").json()
    assert stands["components"] == [{"component": "big-model", "name": "Big model", "purpose": "Reads the payslip"}]
    assert lead("get", "/components/big-model").json()["systems"] == ["credit-scorer"]
    changed = lead("put", "/components/big-model", **COMPONENT | {"version": "5"}).json()
    assert changed["version"] == "5"
    assert lead("delete", "/systems/credit-scorer/components/big-model").status_code == 204
    assert lead("delete", "/systems/credit-scorer/components/big-model").status_code == 409


def test_the_list_is_filtered_by_its_address(time, cast):
    System.objects.create(slug="chat", name="Chat helper", stage=Stage.PILOT, criticality="low")
    reader = Api(cast.vera, "systems:read")

    def slugs(**query):
        return [row["slug"] for row in reader("get", "/systems", **query).json()["items"]]

    assert slugs() == ["chat", "credit-scorer"]
    assert slugs(stage="pilot") == ["chat"]
    assert slugs(q="CREDIT") == ["credit-scorer"]
    assert slugs(owner="omar@example.org", team="credit-models", criticality="high") == ["credit-scorer"]
    assert reader("get", "/systems", stage="sleeping").json()["field"] == "stage"


def test_wrong_input_is_answered_in_words_with_its_field(time, cast):
    lead = Api(cast.omar)
    for changes, field in (
        ({"name": " "}, "name"),
        ({"slug": "credit-scorer"}, "slug"),
        ({"jurisdictions": ["Germany"]}, "jurisdictions"),
        ({"owner": "kim@example.com"}, "owner"),
        ({"chain": "none"}, "chain"),
        ({"stage": "production"}, "stage"),
        ({"groups": ["x" * 81]}, "groups"),
    ):
        answer = lead("post", "/systems", **SYSTEM | changes)
        assert (answer.status_code, answer.json().get("field")) == (422, field), answer.content
    assert lead("post", "/components", **COMPONENT | {"kind": "spoon"}).json()["field"] == "kind"
    assert System.objects.count() == 1


# method, path, body, least role
ROUTES = [
    ("get", "/systems", {}, "vera"),
    ("get", "/systems/credit-scorer", {}, "vera"),
    ("get", "/systems/credit-scorer/readiness", {}, "vera"),
    ("get", "/systems/credit-scorer/stages", {}, "vera"),
    ("get", "/components", {}, "vera"),
    ("get", "/components/big-model", {}, "vera"),
    ("post", "/systems", SYSTEM, "omar"),
    ("patch", "/systems/credit-scorer", {"name": "Other"}, "omar"),
    ("post", "/systems/credit-scorer/stage", {"to": "pilot"}, "omar"),
    ("put", "/systems/credit-scorer/components/big-model", {}, "omar"),
    ("delete", "/systems/credit-scorer/components/big-model", {}, "omar"),
    ("post", "/components", COMPONENT | {"slug": "second"}, "omar"),
    ("put", "/components/big-model", COMPONENT, "omar"),
]
LADDER = ["rui", "vera", "lena", "omar", "nadia"]


@pytest.mark.parametrize(("method", "path", "body", "least"), ROUTES)
def test_who_may_call_what(time, cast, method, path, body, least):
    Component.objects.create(slug="big-model", name="Big model", kind="model")
    assert getattr(Client(), method)(f"/api/v1{path}").status_code == 401
    narrow = Api(cast.nadia, "oncall:write", *(["systems:read"] if method != "get" else []))
    assert narrow(method, path, **body).status_code == 403
    for name in LADDER:
        status = Api(getattr(cast, name))(method, path, **body).status_code
        if LADDER.index(name) < LADDER.index(least):
            assert status == 403, name
        else:
            assert status in {200, 201, 204, 409, 422}, (name, status)


def test_the_list_takes_the_same_queries_for_many(time, cast, django_assert_max_num_queries):
    for number in range(20):
        rehearsed(System.objects.create(slug=f"s{number:02}", name=f"S{number:02}", owner=cast.omar, chain=cast.chain))
    reader = Api(cast.vera, "systems:read")
    reader("get", "/systems")
    with django_assert_max_num_queries(10):
        items = reader("get", "/systems").json()["items"]
    assert len(items) == 21
    assert all(item["ready"] for item in items)
