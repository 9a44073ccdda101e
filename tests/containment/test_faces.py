"""Levers on the pages, over the API and on the command line, for everybody who may and may not."""

import json

import pytest
from django.test import Client
from typer.testing import CliRunner

from andon.cli.main import app
from andon.containment import actions
from andon.containment.models import Lever, Pull
from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule, PullState
from andon.practice.severity import Severity
from tests.containment.conftest import SECRET, facts
from tests.support import scenes
from tests.support.versions import overtaken


def api(person, *scopes):
    headers = scenes.token(person, *(scopes or ("levers:read", "levers:write", "incidents:read")))
    client = Client(headers=headers)

    def call(method, path, **body):
        return getattr(client, method)(f"/api/v1{path}", json.dumps(body) if body else None, "application/json")

    return call


def made(service, **more):
    given = facts(service)
    return {
        "system": "credit-scorer",
        "adapter": "webhook",
        "name": given.name,
        "kind": "roll_back",
        "settings": dict(given.settings),
    } | more


def test_a_lever_over_the_api_from_its_making_to_its_undo(cast, service, incident):
    lead, responder = api(cast.omar), api(cast.lena)
    assert "webhook" in [kind["kind"] for kind in lead("get", "/levers/kinds").json()]
    lever = lead("post", "/levers", **made(service))
    assert lever.status_code == 201
    lever = lever.json()
    assert (lever["fit"], lever["unfit"], lever["settings"]["secret"]) == (False, "never_rehearsed", "(kept)")
    assert SECRET not in json.dumps(lever)
    number = lever["number"]
    assert responder("post", f"/levers/{number}/try", drill=False).json()["says"] == 'model goes from "v7" to "v6".'
    assert service.told == []
    rehearsal = responder("post", f"/levers/{number}/rehearse", on_real=True)
    assert rehearsal.status_code == 202
    for _ in range(2):
        actions.run_pull(Pull.objects.order_by("-number")[0])
    assert responder("get", f"/levers/{number}/rehearsals").json()[0]["state"] == "passed"
    assert lead("get", f"/levers/{number}").json()["fit"] is True

    pull = responder("post", f"/levers/{number}/pull", incident=incident.number, why="Approvals fell.")
    assert pull.status_code == 202
    again = api(cast.tomas)("post", f"/levers/{number}/pull", incident=incident.number)
    assert (again.status_code, again.json()["code"]) == (409, "already-pulled")
    assert "Lena pulled" in again.json()["detail"]
    actions.run_pull(Pull.objects.get(number=pull.json()["number"]))
    seen = responder("get", f"/pulls/{pull.json()['number']}").json()
    assert (seen["state"], seen["prior"], seen["expected"]) == ("verified", {"model": "v7"}, {"model": "v6"})
    assert [stage["name"] for stage in seen["stages"] if stage["at"]][-1] == "Verified"
    assert {step["move"] for step in seen["trail"]} == {"preserve", "prepare", "act", "look"}
    undo = responder("post", f"/pulls/{pull.json()['number']}/undo", reason="It is over.").json()
    actions.run_pull(Pull.objects.get(number=undo["number"]))
    assert service.state == {"model": "v7"}
    assert [row["ref"] for row in responder("get", f"/pulls?incident={incident.number}").json()["items"]] == [
        undo["ref"],
        seen["ref"],
    ]
    changed = lead("patch", f"/levers/{number}", name="Roll back", settings=made(service)["settings"] | {"secret": ""})
    assert (changed.json()["name"], changed.json()["fit"]) == ("Roll back", True)
    assert lead("post", f"/levers/{number}/end").json()["ended_at"]
    assert lead("post", f"/levers/{number}/end").status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"adapter": "wishes"}, "adapter"),
        ({"name": " "}, "name"),
        ({"settings": {"url": "ftp://x"}}, "settings.url"),
        ({"settings": {"state": "[1]"}}, "settings.state"),
        ({"settings": {"speed": "9"}}, "settings.speed"),
        ({"verify_seconds": 0}, "verify_seconds"),
        ({"probe": {"url": "https://example.org"}}, "probe.pointer"),
        ({"probe": {"url": "https://example.org", "status": "9000"}}, "probe.status"),
        ({"probe": {"url": "https://example.org", "status": "200", "headers": "no header"}}, "probe.headers"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_field(cast, service, change, field):
    refused = api(cast.omar)("post", "/levers", **made(service, **change))
    assert refused.status_code == 422
    assert refused.json()["field"] == field
    assert not Lever.objects.exists()


def test_a_secret_is_not_sent_to_another_address_by_somebody_who_cannot_read_it(cast, service, lever):
    moved = made(service)["settings"] | {"url": "https://elsewhere.example.org/", "secret": ""}
    refused = api(cast.omar)("patch", f"/levers/{lever.number}", settings=moved)
    assert (refused.status_code, refused.json()["field"]) == (422, "settings.secret")


WRITES = ("", "/end", "/try", "/rehearse", "/pull")


@pytest.mark.parametrize(
    ("who", "may_see", "may_pull", "may_prepare"),
    [
        ("nadia", True, True, True),
        ("omar", True, True, True),
        ("lena", True, True, False),
        ("sam", True, True, False),
        ("vera", True, False, False),
        ("rui", False, False, False),
    ],
)
def test_who_may_what(cast, service, lever, incident, signed_in, who, may_see, may_pull, may_prepare):
    person = getattr(cast, who)
    browser, call = signed_in(person), api(person)
    for path in ("/levers", f"/levers/{lever.number}"):
        assert browser.get(path).status_code == (200 if may_see else 403), path
        assert call("get", path).status_code == (200 if may_see else 403), path
    for path in ("/systems/credit-scorer/levers/new", "/systems/credit-scorer/levers/new/webhook"):
        assert browser.get(path).status_code == (200 if may_prepare else 403), path
    assert browser.get(f"/levers/{lever.number}/change").status_code == (200 if may_prepare else 403)
    assert call("patch", f"/levers/{lever.number}", effect="None.").status_code == (200 if may_prepare else 403)
    pulled = call("post", f"/levers/{lever.number}/pull", incident=incident.number)
    assert pulled.status_code == (202 if may_pull else 404 if who == "rui" else 403) or who == "rui"
    assert Pull.objects.exists() == may_pull
    assert call("post", f"/levers/{lever.number}/end").status_code == (200 if may_prepare else 403)


def test_a_stranger_rehearses_nothing_and_nobody_unknown_sees_anything(cast, service, lever, signed_in):
    assert api(cast.sam)("post", f"/levers/{lever.number}/rehearse", on_real=True).status_code == 403
    assert signed_in(cast.sam).post(f"/levers/{lever.number}/try").status_code == 403
    assert Client().get(f"/levers/{lever.number}").status_code == 302
    assert Client().get(f"/api/v1/levers/{lever.number}").status_code == 401
    assert api(cast.omar, "incidents:write")("get", "/levers").status_code == 403
    assert api(cast.omar, "levers:read")("post", f"/levers/{lever.number}/end").status_code == 403


def test_a_pull_for_a_restricted_incident_is_seen_only_by_whom_it_concerns(cast, lever, incident, signed_in):
    Incident.objects.filter(pk=incident.pk).update(restricted=True)
    pull = actions.pull(lever, incident, by=Actor.of(cast.omar))
    assert signed_in(cast.omar).get(f"/pulls/{pull.number}").status_code == 200
    assert signed_in(cast.sam).get(f"/pulls/{pull.number}").status_code == 404
    assert api(cast.sam)("get", f"/pulls/{pull.number}").status_code == 404
    assert api(cast.sam)("get", "/pulls").json()["items"] == []
    assert pull.ref not in signed_in(cast.sam).get(f"/levers/{lever.number}").text


def test_a_lever_on_the_pages_from_its_making_to_its_undo(cast, service, incident, signed_in):
    lead, responder = signed_in(cast.omar), signed_in(cast.lena)
    assert "Signed webhook" in lead.get("/systems/credit-scorer/levers/new").text
    given = {f"settings.{name}": value for name, value in facts(service).settings.items()}
    plain = {
        "name": "Roll back to v6", "kind": "roll_back", "effect": "", "approval": "second", "verify_seconds": 60,
        "every_seconds": 2,
    }  # fmt: skip
    refused = lead.post("/systems/credit-scorer/levers/new/webhook", given | plain | {"settings.state": "{"})
    assert refused.status_code == 422
    assert "This is not JSON" in refused.text
    created = lead.post("/systems/credit-scorer/levers/new/webhook", given | plain)
    lever = Lever.objects.get()
    assert created["Location"] == f"/levers/{lever.number}"
    page = responder.get(f"/levers/{lever.number}").text
    assert "It has never been rehearsed." in page
    assert SECRET not in page
    assert SECRET not in lead.get(f"/levers/{lever.number}/change").text
    assert "model goes from" in responder.post(f"/levers/{lever.number}/try").text
    assert lever.name in responder.get("/systems/credit-scorer").text
    assert lever.name in responder.get("/levers").text

    Incident.objects.filter(pk=incident.pk).update(severity=Severity.S2)
    address = f"/incidents/{incident.number}"
    assert responder.post(f"{address}/levers/{lever.number}/pull", {"reason": "Approvals fell."})["Location"] == address
    pull = Pull.objects.get()
    asked = responder.get(f"/pulls/{pull.number}").text
    assert "Waits for somebody to agree" in asked
    assert "Agree, and let it begin" not in asked, "it was she who asked"
    assert "Agree, and let it begin" in signed_in(cast.tomas).get(f"/pulls/{pull.number}").text
    agreed = signed_in(cast.tomas).post(f"/pulls/{pull.number}/approve", {"from": "incident"})
    assert agreed["Location"] == address, "the button of the incident's page leads back there"
    again = signed_in(cast.tomas).post(f"/pulls/{pull.number}/approve", follow=True)
    assert again.redirect_chain == [(f"/pulls/{pull.number}", 302)]
    assert "does not wait for anybody any more" in again.text
    actions.run_pull(pull)
    done = responder.get(f"/pulls/{pull.number}").text
    assert "Verified" in done
    assert "hx-trigger" not in done.partition("pull-now")[2].partition("Who and what")[0], "it is over"
    assert "Tomas" in done
    assert responder.post(f"/pulls/{pull.number}/undo", {"reason": "Over."}).status_code == 302
    assert "It is being undone" in responder.get(f"/pulls/{pull.number}").text
    undo = Pull.objects.get(undoes=pull)
    responder.post(f"/pulls/{undo.number}/withdraw", {"reason": "Not yet."})
    assert Pull.objects.get(pk=undo.pk).phase is PullState.WITHDRAWN


def test_a_refusal_needs_a_reason_and_ends_the_pull(cast, service, lever, incident, signed_in):
    Lever.objects.update(approval=ApprovalRule.SECOND)
    Incident.objects.update(severity=Severity.S2)
    lever.refresh_from_db()
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    tomas = api(cast.tomas)
    assert tomas("post", f"/pulls/{pull.number}/decline", reason=" ").status_code == 422
    assert tomas("post", f"/pulls/{pull.number}/decline", reason="v6 is worse.").json()["state"] == "withdrawn"
    assert tomas("post", f"/pulls/{pull.number}/approve").status_code == 409


def test_the_page_of_an_unverified_pull_says_so_loudly(cast, service, lever, incident, signed_in):
    service.takes = False
    Lever.objects.update(verify_seconds=1)
    lever.refresh_from_db()
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    actions.run_pull(pull)
    Pull.objects.update(state=PullState.UNVERIFIED, next_at=None)
    page = signed_in(cast.lena).get(f"/pulls/{pull.number}").text
    assert "UNVERIFIED" in page
    assert "Nobody may take this as contained." in page
    assert "Undo it" in page


def andon(*words):
    return CliRunner().invoke(app, list(words), prog_name="andon", catch_exceptions=False)


def test_the_command_line_lists_tries_and_pulls(cast, service, lever, incident):
    assert "Roll back to v6" in andon("lever", "list").stdout
    assert json.loads(andon("lever", "show", lever.ref, "--json").stdout)["ref"] == lever.ref
    tried = andon("lever", "try", lever.ref)
    assert (tried.exit_code, service.told) == (0, [])
    assert 'model goes from "v7" to "v6".' in tried.stdout
    begun = andon(
        "lever", "pull", lever.ref, "--incident", incident.ref, "--as", "lena@example.org", "--wait", "0", "--json"
    )
    assert begun.exit_code == 0
    assert json.loads(begun.stdout)["state"] == "approved"
    pull = actions.run_pull(Pull.objects.get())
    undone = andon("lever", "undo", pull.ref, "--as", "lena@example.org", "--wait", "0")
    assert undone.exit_code == 0
    assert Pull.objects.filter(undoes=pull).exists()
    assert andon("lever", "pull", "x", "--incident", incident.ref, "--as", "lena@example.org").exit_code == 2


ACTS = ("approve", "decline", "withdraw", "undo")


@pytest.mark.parametrize(
    ("who", "open_", "restricted"),
    [("nadia", 302, 302), ("tomas", 302, 404), ("sam", 302, 404), ("vera", 403, 404), ("rui", 403, 404)],
)
def test_who_may_act_on_a_pull_by_its_one_set_of_addresses(cast, lever, incident, signed_in, who, open_, restricted):
    """Whoever may not see its incident finds no pull; whoever may see it only may do nothing about it."""
    Lever.objects.update(approval=ApprovalRule.SECOND)
    lever.refresh_from_db()
    browser = signed_in(getattr(cast, who))
    for hidden, expected in ((True, restricted), (False, open_)):
        Incident.objects.update(severity=Severity.S3, restricted=hidden)
        pull = actions.pull(lever, Incident.objects.get(), by=Actor.of(cast.omar))
        for act in ACTS:
            answer = browser.post(f"/pulls/{pull.number}/{act}", {"from": "incident"})
            assert answer.status_code == expected, (act, hidden)
        pull.refresh_from_db()
        assert pull.phase is (PullState.APPROVED if expected == 302 else PullState.ASKED)
        actions.withdraw(pull, reason="It was a test.", by=Actor.of(cast.omar))


def test_acts_are_posted_by_somebody_signed_in_and_the_former_addresses_are_gone(cast, lever, incident, signed_in):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    lena = signed_in(cast.lena)
    for act in ACTS:
        assert Client().post(f"/pulls/{pull.number}/{act}").status_code == 302
        assert lena.get(f"/pulls/{pull.number}/{act}").status_code == 405
        assert lena.post(f"/incidents/{incident.number}/pulls/{pull.number}/{act}").status_code == 404
    assert lena.post(f"/levers/{lever.number}/pull", {"incident": incident.number}).status_code == 404
    assert Pull.objects.get().phase is PullState.APPROVED


def test_the_form_tells_what_a_pull_needs_from_what_is_optional(cast, signed_in):
    page = " ".join(signed_in(cast.omar).get("/systems/credit-scorer/levers/new/webhook").text.split())
    assert ">Web address</label>" in page, "a lever can be kept without, and not pulled"
    assert '>Effect <span class="optional">' in page
    labels = page.split("<label ")[1:]
    probe = [label.split("<")[0].partition(">")[2].strip() for label in labels if "id_probe" in label.split(">")[0]]
    assert len(set(probe)) == len(probe), "each label says by itself what it is about"


def test_on_an_older_server_a_lever_is_tried_and_not_pulled(cast, lever, service, incident, signed_in):
    call, lena = api(cast.lena), signed_in(cast.lena)
    with overtaken("pulling"):
        assert "model goes from" in lena.post(f"/levers/{lever.number}/try").content.decode()
        assert call("post", f"/levers/{lever.number}/try", drill=False).json()["ok"]
        assert lena.post(f"/levers/{lever.number}/rehearse", {"target": "real"}).status_code == 503
        assert call("post", f"/levers/{lever.number}/pull", incident=incident.number, why="x").status_code == 503
    assert service.told == []
    assert not Pull.objects.exists()
