"""The page of a kill switch, its part on the system's page, and its API."""

import json
from datetime import timedelta

import pytest

from andon.people.actions import make_token as make_personal
from andon.people.api_auth import SCOPES
from andon.people.policy import Actor
from andon.practice.words import SwitchMode
from andon.switch import actions
from andon.switch.actions import Setting
from andon.switch.models import GuardToken, Replica, Switch
from tests.support import scenes
from tests.support.replicas import says, token_of

PAGE = "/systems/credit-scorer/switch"
API = "/api/v1/systems/credit-scorer/switch"


@pytest.fixture
def guarded(cast, time):
    for name in ("one", "two"):
        says(cast.credit_scorer, name)
    return cast.credit_scorer


def test_the_page_says_what_holds_and_who_applies_it(cast, guarded, signed_in, time):
    browser = signed_in(cast.lena)
    assert "In service: 2 of 2 replicas in service" in browser.get(PAGE).text
    answer = browser.post(
        PAGE, {"mode": "safe", "reason": "It declines women.", "until": "The gap is closed.", "expected": 1}, follow=True
    )  # fmt: skip
    assert "Credit scorer is on its safe fallback. Its processes are being told." in answer.text
    assert "On its safe fallback: 0 of 2 replicas contained, 2 not yet" in answer.text
    says(cast.credit_scorer, "one")
    time.forward(timedelta(seconds=31))
    says(cast.credit_scorer, "one")
    page = browser.get(PAGE).text
    assert "1 of 2 replicas contained, 1 silent" in page
    assert "It is gone" in page
    assert "It declines women." in page
    assert "The gap is closed." in page
    assert "says nothing any more" in page.lower()
    silent = Replica.objects.get(instance="two")
    answer = browser.post(f"{PAGE}/replicas/{silent.pk}/forget", follow=True)
    assert "1 of 1 replica contained" in answer.text
    assert "1 of 1 replica contained" in browser.get("/systems/credit-scorer").text.lower()


def test_a_share_is_filled_in_as_percent_and_two_at_once_are_told(cast, guarded, signed_in):
    browser = signed_in(cast.lena)
    wrong = browser.post(PAGE, {"mode": "limit", "reason": "x", "expected": 1})
    assert (wrong.status_code, "needs its figure" in wrong.text) == (422, True)
    assert browser.post(PAGE, {"mode": "limit", "percent": 10, "reason": "x", "expected": 1}).status_code == 302
    assert Switch.objects.get().share == 0.1
    late = browser.post(PAGE, {"mode": "off", "reason": "x", "expected": 1})
    assert (late.status_code, "switched meanwhile" in late.text) == (422, True)


def test_a_rate_is_taken_and_the_incident_that_it_is_for_has_it_on_its_timeline(cast, guarded, signed_in):
    browser = signed_in(cast.lena)
    incident = scenes.declared(cast)
    secret = scenes.declared(cast, "Not for Lena", restricted=True, by=Actor.of(cast.nadia))
    page = browser.get(PAGE).text
    assert incident.title in page
    assert secret.title not in page
    given = {"mode": "limit", "per_second": 2.5, "reason": "Too many.", "expected": 1, "incident": str(incident.pk)}
    both = browser.post(PAGE, given | {"percent": 10})
    assert (both.status_code, "give one of them" in both.text) == (422, True)
    assert browser.post(PAGE, given | {"incident": str(secret.pk)}).status_code == 422
    assert browser.post(PAGE, given).status_code == 302
    assert (Switch.objects.get().per_second, Switch.objects.get().share) == (2.5, None)
    assert incident.timeline.get(kind="switched").body["words"] == "limited (2.5 requests a second in each process)"
    assert f"for {incident.ref}" in browser.get(PAGE).text


def test_refused_processes_are_said_to_be_ahead(cast, guarded, signed_in):
    says(cast.credit_scorer, "one", revision=7, mark="lost")
    assert "Processes have heard a later revision than Andon knows" in signed_in(cast.vera).get(PAGE).text


def test_a_system_without_a_switch_is_guarded_by_its_first_token(cast, signed_in):
    browser = signed_in(cast.omar)
    assert "Guard it" in browser.get("/systems/credit-scorer").text
    assert "has none yet" in browser.get(PAGE).text
    assert browser.post(PAGE, {"mode": "off"}).status_code == 200
    assert browser.post(f"{PAGE}/tokens", {"name": ""}).status_code == 422
    made = browser.post(f"{PAGE}/tokens", {"name": "production"}).text
    assert "andon_guard.credit-scorer." in made
    row = GuardToken.objects.get()
    assert row.key in made
    assert row.key not in browser.get(PAGE).text
    assert "production" in browser.get(PAGE).text
    assert "was revoked" in browser.post(f"{PAGE}/tokens/{row.pk}/revoke", follow=True).text
    assert browser.post(f"{PAGE}/tokens/{row.pk}/revoke").status_code == 409


def test_how_long_on_lasts_is_said_on_the_page(cast, guarded, signed_in):
    browser = signed_in(cast.omar)
    given = {"max_stale_seconds": 120, "on_stale": "review", "expected": 1}
    assert "Its processes are told" in browser.post(f"{PAGE}/staleness", given, follow=True).text
    assert (Switch.objects.get().max_stale_seconds, Switch.objects.get().on_stale) == (120, "review")
    assert browser.post(f"{PAGE}/staleness", given | {"max_stale_seconds": 1, "expected": 2}).status_code == 422


@pytest.mark.parametrize(
    ("name", "sees", "sets", "manages"),
    [
        ("nadia", 200, True, True), ("omar", 200, True, True), ("lena", 200, True, False), ("sam", 200, True, False),
        ("vera", 200, False, False), ("rui", 403, False, False), (None, 302, False, False),
    ],
)  # fmt: skip
def test_who_sees_and_sets_it(cast, guarded, signed_in, client, name, sees, sets, manages):
    browser = signed_in(getattr(cast, name)) if name else client
    answer = browser.get(PAGE)
    assert answer.status_code == sees
    if sees == 200:
        assert ("Set the switch" in answer.text) is sets
        assert ("Make a guard token" in answer.text) is manages
        assert ("In service: it decides" in answer.text) is (name in {"nadia", "omar", "lena"})
    refused = 302 if name is None else 403
    token, replica = GuardToken.objects.get(), Replica.objects.all()[0]
    assert browser.post(
        f"{PAGE}/staleness", {"max_stale_seconds": 90, "on_stale": "on", "expected": 1}
    ).status_code == (302 if manages else refused)
    assert browser.post(f"{PAGE}/tokens", {"name": "x"}).status_code == (200 if manages else refused)
    assert browser.post(f"{PAGE}/replicas/{replica.pk}/forget").status_code == (409 if sets else refused)
    assert browser.post(f"{PAGE}/tokens/{token.pk}/revoke").status_code == (302 if manages else refused)
    browser.post(PAGE, {"mode": "off", "reason": "x", "expected": Switch.objects.get().number})
    assert (Switch.objects.get().mode == "off") is sets


def test_a_restricted_incident_is_not_named_to_who_may_not_know_of_it(cast, guarded, signed_in):
    secret = scenes.declared(cast, "Secret", restricted=True)
    setting = Setting(SwitchMode.OFF, "Off.", incident=secret)
    actions.set_mode(cast.credit_scorer, setting, by=Actor.of(cast.omar))
    assert secret.ref in signed_in(cast.omar).get(PAGE).text
    assert secret.ref not in signed_in(cast.sam).get(PAGE).text
    assert api(cast.sam)("get", API).json()["incident"] is None
    assert api(cast.omar)("get", API).json()["incident"] == secret.ref
    assert api(cast.sam)("get", f"{API}/revisions").json()[0]["incident"] is None


def api(person, *scopes):
    """Calls of the API with a token of this person."""
    from django.test import Client

    scopes = scopes or ("switches:write",)
    token = make_personal(name="x", scopes=scopes, days=1, by=Actor.of(person)).token

    def call(method, path, **body):
        data = () if method in {"get", "delete"} else (json.dumps(body),)
        headers = {"Authorization": f"Bearer {token}"}
        return getattr(Client(), method)(path, *data, content_type="application/json", headers=headers)

    return call


def test_everything_over_the_api(cast, guarded, time):
    omar = api(cast.omar)
    assert omar("get", API).json()["mode"] == "on"
    done = omar("post", API, mode="limit", reason="Slowly.", share=0.25, until="Later.", expected=1).json()
    assert (done["mode"], done["limit"]["share"], done["revision"], done["by"]) == ("limit", 0.25, 2, "Omar")
    assert (done["replicas_say"], done["applies_everywhere"]) == ("0 of 2 replicas contained, 2 not yet", False)
    assert [one["stands"] for one in done["replicas"]] == ["behind", "behind"]
    assert omar("post", API, mode="off", reason="x", expected=1).status_code == 409
    assert omar("post", API, mode="limit", reason="x").json()["field"] == "limit"
    assert omar("post", API, mode="sideways", reason="x").status_code == 422
    assert [one["revision"] for one in omar("get", f"{API}/revisions").json()] == [2, 1]
    changed = omar("put", f"{API}/staleness", max_stale_seconds=90, on_stale="off").json()
    assert (changed["max_stale_seconds"], changed["on_stale"], changed["mode"]) == (90, "off", "limit")
    made = omar("post", f"{API}/tokens", name="staging").json()
    assert made["token"].startswith(f"{made['sent']}.")
    listed = omar("get", f"{API}/tokens").json()
    assert [one["name"] for one in listed] == ["staging", "production"]
    assert all("token" not in one for one in listed)
    assert omar("delete", f"{API}/tokens/{made['id']}").status_code == 204
    time.forward(timedelta(minutes=1))
    one = Replica.objects.all()[0]
    assert omar("delete", f"{API}/replicas/{one.pk}").status_code == 204
    assert len(omar("get", API).json()["replicas"]) == 1


def test_scopes_and_roles_of_the_api(cast, guarded):
    others = [scope for scope in SCOPES if not scope.startswith("switches:")]
    calls = [
        ("get", API, {}), ("post", API, {"mode": "off", "reason": "x"}), ("get", f"{API}/revisions", {}),
        ("put", f"{API}/staleness", {"max_stale_seconds": 90, "on_stale": "on"}), ("get", f"{API}/tokens", {}),
        ("post", f"{API}/tokens", {"name": "x"}), ("delete", f"{API}/tokens/{GuardToken.objects.get().pk}", {}),
        ("delete", f"{API}/replicas/{Replica.objects.all()[0].pk}", {}),
    ]  # fmt: skip
    for method, path, body in calls:
        assert api(cast.nadia, *others)(method, path, **body).json()["code"] == "scope-missing"
        if method != "get":
            assert api(cast.nadia, "switches:read")(method, path, **body).json()["code"] == "scope-missing"
        assert api(cast.rui)(method, path, **body).status_code == 403
        if (method, path) not in {("get", API), ("get", f"{API}/revisions")}:
            assert api(cast.vera)(method, path, **body).status_code == 403
    assert api(cast.vera, "switches:read")("get", API).status_code == 200
    assert api(cast.vera)("get", "/api/v1/systems/nothing/switch").status_code == 404


def test_what_has_no_switch_says_so_over_the_api(cast):
    assert "no kill switch yet" in api(cast.vera)("get", API).json()["detail"]
    token_of(cast.credit_scorer)
    assert api(cast.vera)("get", API).json()["replicas_say"] == "no replica has said anything"
