"""People over the API: what the screens can do."""

import json

import pytest
from django.test import Client

from andon.people import actions
from andon.people.models import ContactPoint, Invitation, Person
from andon.people.policy import Actor
from tests.people.helpers import token_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def call():
    def make(person):
        headers = token_for(person)

        def send(method, path, body=None):
            data = () if body is None else (json.dumps(body),)
            return getattr(Client(), method)(f"/api/v1{path}", *data, content_type="application/json", **headers)

        return send

    return make


def test_people_are_listed_and_found(cast, call):
    as_vera = call(cast.vera)
    listed = as_vera("get", "/people").json()
    assert {person["name"] for person in listed["items"]} == {"Nadia", "Omar", "Lena", "Tomas", "Sam", "Vera", "Rui"}
    lena = next(person for person in listed["items"] if person["name"] == "Lena")
    assert lena["teams"] == ["credit-models"]
    assert lena["reach"] == "Log (for trying out)"
    assert listed["items"][0]["name"] == "Rui", "newest first"
    page = Client().get("/api/v1/people?q=lena", **token_for(cast.vera)).json()
    assert [one["name"] for one in page["items"]] == ["Lena"]
    assert as_vera("get", f"/people/{cast.lena.pk}").json()["email"] == "lena@example.org"


def test_a_reporter_sees_themselves_alone(cast, call):
    as_rui = call(cast.rui)
    assert [one["name"] for one in as_rui("get", "/people").json()["items"]] == ["Rui"]
    assert as_rui("get", f"/people/{cast.lena.pk}").status_code == 404
    assert as_rui("get", "/teams").json()["items"] == []


def test_an_administrator_changes_people(cast, call):
    as_nadia = call(cast.nadia)
    where = f"/people/{cast.lena.pk}"
    assert as_nadia("get", f"{where}/uncovered").json()["uncovered"]
    assert as_nadia("patch", where, {"role": "lead", "name": "Lena B."}).json()["role"] == "lead"
    assert as_nadia("patch", where, {"is_active": False}).json()["is_active"] is False
    assert as_nadia("patch", where, {"is_active": True}).json()["is_active"] is True
    assert as_nadia("post", f"{where}/sign-out").status_code == 204
    assert as_nadia("delete", where).json()["uncovered"]
    assert as_nadia("get", where).status_code == 404


def test_a_change_is_whole_or_not_at_all(cast, call):
    answer = call(cast.nadia)("patch", f"/people/{cast.nadia.pk}", {"name": "New", "role": "viewer"})
    assert answer.status_code == 409
    assert Person.objects.get(pk=cast.nadia.pk).name == "Nadia"


@pytest.mark.parametrize("who", ["omar", "lena", "vera", "rui"])
def test_nobody_else_changes_people(cast, call, who):
    as_them = call(getattr(cast, who))
    other = cast.sam
    expected = {403, 404} if who == "rui" else {403}
    for method, path, body in (
        ("patch", f"/people/{other.pk}", {"role": "admin"}),
        ("patch", f"/people/{other.pk}", {"name": "X"}),
        ("patch", f"/people/{other.pk}", {"is_active": False}),
        ("post", f"/people/{other.pk}/sign-out", None),
        ("delete", f"/people/{other.pk}", None),
        ("get", "/invitations", None),
        ("post", "/invitations", {"email": "x@example.org"}),
    ):
        assert as_them(method, path, body).status_code in expected, (method, path)


def test_teams(cast, call):
    as_omar = call(cast.omar)
    assert as_omar("post", "/teams", {"name": "Fraud models"}).json()["slug"] == "fraud-models"
    member = f"/teams/fraud-models/members/{cast.lena.pk}"
    assert as_omar("put", member, {"role": "manager"}).json()["members"][0]["role"] == "manager"
    assert call(cast.lena)("patch", "/teams/fraud-models", {"name": "Fraud"}).json()["name"] == "Fraud"
    assert call(cast.sam)("patch", "/teams/fraud-models", {"name": "Mine"}).status_code == 403
    assert call(cast.vera)("get", "/teams/fraud-models").json()["size"] == 1
    assert as_omar("delete", member).status_code == 204
    assert as_omar("delete", member).status_code == 409
    assert as_omar("get", "/teams/nothing").status_code == 404
    assert {team["slug"] for team in as_omar("get", "/teams").json()["items"]} == {"credit-models", "fraud-models"}


def test_invitations(cast, call):
    as_nadia = call(cast.nadia)
    made = as_nadia(
        "post", "/invitations", {"email": "noor@example.org", "role": "lead", "team": "credit-models"}
    ).json()
    assert made["not_sent"] == ""
    assert Client().get(made["link"]).status_code == 200
    listed = as_nadia("get", "/invitations").json()["items"]
    assert [(one["email"], one["team"]) for one in listed] == [("noor@example.org", "credit-models")]
    where = f"/invitations/{listed[0]['id']}"
    assert as_nadia("delete", where).status_code == 204
    assert as_nadia("delete", where).status_code == 404
    assert Invitation.objects.get().withdrawn_at
    assert as_nadia("post", "/invitations", {"email": "a@example.org", "team": "none"}).status_code == 404


def test_one_s_own_account(cast, call):
    as_lena = call(cast.lena)
    assert as_lena("get", "/me").json()["person"]["name"] == "Lena"
    assert as_lena("put", "/me", {"name": "Lena B.", "time_zone": "Asia/Tokyo"}).json()["time_zone"] == "Asia/Tokyo"
    assert as_lena("put", "/me", {"name": "Lena", "time_zone": "Nowhere"}).json()["field"] == "time_zone"
    made = as_lena("post", "/me/contact-points", {"kind": "webhook", "address": "https://example.org/h"}).json()
    assert made["secret"].startswith("whsec_")
    assert made["contact_point"]["works"] is False
    where = f"/me/contact-points/{made['contact_point']['id']}"
    assert as_lena("put", where, {"label": "Hook", "delay_minutes": 5}).json()["label"] == "Hook"
    assert len(as_lena("get", "/me/contact-points").json()) == 2
    assert call(cast.omar)("delete", where).status_code == 404
    assert as_lena("delete", where).status_code == 204
    assert as_lena("delete", where).status_code == 404
    assert ContactPoint.objects.get(label="Hook").removed_at


def test_one_s_own_tokens(cast, call):
    as_lena = call(cast.lena)
    made = as_lena("post", "/me/tokens", {"name": "CI", "scopes": ["systems:read"], "days": None}).json()
    assert made["row"]["expires_at"] is None
    assert {one["name"] for one in as_lena("get", "/me/tokens").json()} == {"test", "CI"}
    where = f"/me/tokens/{made['row']['id']}"
    other = actions.make_token(name="o", scopes=["people:read"], days=1, by=Actor.of(cast.omar)).row
    assert as_lena("delete", f"/me/tokens/{other.pk}").status_code == 404
    assert as_lena("delete", where).status_code == 204
    assert as_lena("delete", where).status_code == 404
