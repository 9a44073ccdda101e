"""Acting in PagerDuty: an acknowledgement there is one here, of whom it paged there; nothing else that is said there is."""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client

from andon.incidents.models import Incident
from andon.incidents.timeline import verify
from andon.paging.models import Mirror
from andon.paging.providers import actions as providers
from andon.people.actions import erase
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, OrgRole
from andon.response import acknowledging, assessing, containing, pagerduty, resolving
from tests.support.cast import Cast
from tests.support.paging import Story, kinds, open_incident
from tests.support.versions import overtaken

SECRET = "a-secret-that-pagerduty-made-up"
ANOTHER = "the-secret-of-another-subscription"
KEY = "R0123456789abcdef0123456789abcdE"
SignedIn = Callable[[Person], Client]


def body_of(
    incident: Incident, did: str = "acknowledged", *, mark: str = "", at: datetime, **event: Any
) -> dict[str, Any]:
    """As PagerDuty's documentation shows an event, with what an incident has around the key."""
    return {
        "event": {
            "id": mark or f"01{did}",
            "event_type": f"incident.{did}",
            "resource_type": "incident",
            "occurred_at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "agent": {
                "html_url": "https://acme.pagerduty.com/users/PLH1HKV",
                "id": "PLH1HKV",
                "self": "https://api.pagerduty.com/users/PLH1HKV",
                "summary": "Lena",
                "type": "user_reference",
            },
            "client": {"name": "PagerDuty"},
            "data": {
                "id": "PGR0VU2",
                "type": "incident",
                "number": 2,
                "status": did,
                "incident_key": f"http://testserver/incidents/{incident.number}",
                "title": "[S2] INC-1 Credit scorer",
                "service": {"id": "PF9KMXH", "summary": "API Service", "type": "service_reference"},
                "assignees": [],
                "priority": None,
                "resolve_reason": None,
            },
            **event,
        }
    }


def sign(body: bytes, *secrets: str) -> str:
    """The header as PagerDuty documents it, sharing no code with Andon."""
    return ",".join("v1=" + hmac.new(one.encode(), body, hashlib.sha256).hexdigest() for one in secrets)


def post(body: Any, signature: str | None = None, *, secret: str = SECRET) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    headers = {"X-PagerDuty-Signature": sign(raw, secret) if signature is None else signature}
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    answer: HttpResponse = client.post("/pagerduty/events", raw, content_type="application/json", headers=headers)  # type: ignore[assignment]
    return answer


def outcome(answer: HttpResponse) -> str:
    assert answer.status_code == 202, answer.content
    said: str = json.loads(answer.content)["outcome"]
    return said


def who_has(incident: Incident) -> Person | None:
    return Incident.objects.get(pk=incident.pk).acknowledged_by


@pytest.fixture
def story(time: Any, cast: Cast) -> Story:
    """Lena is paged in PagerDuty at once, Tomas five minutes later in another way."""
    providers.set_up(ChannelKind.PAGERDUTY, {"webhook_secrets": SECRET}, by=Actor.of(cast.nadia))
    cast.lena.contact_points.update(kind=ChannelKind.PAGERDUTY, address=KEY)
    return Story(time)


@pytest.fixture
def incident(cast: Cast, story: Story) -> Incident:
    made = open_incident(cast.credit_scorer, cast.vera)
    story.run()
    story.time.forward(timedelta(seconds=40))
    return made


@pytest.fixture
def said(story: Story, incident: Incident) -> Callable[..., dict[str, Any]]:
    """An event that happened just now."""
    return lambda did="acknowledged", **more: body_of(incident, did, **{"at": story.time.now(), **more})


# Acknowledging.


def test_whoever_acknowledges_there_has_it_here(
    incident: Incident, story: Story, cast: Cast, said, signed_in: SignedIn
):
    assert outcome(post(said())) == "acknowledged"
    assert who_has(incident) == cast.lena
    entry = incident.timeline.get(kind="acknowledged")
    assert (entry.actor, entry.body["via"]) == (f"person:{cast.lena.pk}", "pagerduty")
    assert entry.body["user"] == "PLH1HKV"  # whoever took that name over there can be told from her
    assert "Lena" not in json.dumps(entry.body)
    assert "Acknowledged in PagerDuty" in signed_in(cast.nadia).get(f"/incidents/{incident.number}/timeline").text
    assert story.forward(hours=1) == []
    assert verify(Incident.objects.get(pk=incident.pk)) == []


def test_the_name_of_somebody_else_over_there_is_kept_as_theirs(
    incident: Incident, cast: Cast, said, signed_in: SignedIn
):
    agent = {"type": "user_reference", "summary": "Ada  <b>Ops</b>\u0000"}
    assert outcome(post(said(agent=agent))) == "acknowledged"
    assert who_has(incident) == cast.lena
    page = signed_in(cast.nadia).get(f"/incidents/{incident.number}/timeline").text
    assert "Acknowledged in PagerDuty, there by Ada &lt;b&gt;Ops&lt;/b&gt;" in page


def test_a_colleague_who_was_not_paged_is_known_by_a_key_so_that_their_name_can_be_erased(
    incident: Incident, cast: Cast, said, signed_in: SignedIn
):
    assert outcome(post(said(agent={"type": "user_reference", "summary": "Tomas"}))) == "acknowledged"
    assert who_has(incident) == cast.lena
    assert "Tomas" not in json.dumps(incident.timeline.get(kind="acknowledged").body)
    browser = signed_in(cast.nadia)
    assert "Acknowledged in PagerDuty, there by Tomas" in browser.get(f"/incidents/{incident.number}/timeline").text
    erase(cast.tomas, by=Actor.of(cast.nadia))
    assert "Tomas" not in browser.get(f"/incidents/{incident.number}/timeline").text


def test_what_turns_a_line_around_is_not_kept_of_a_name(incident: Incident, said):
    agent = {"type": "user_reference", "summary": "\u202egnp.exe \x07\x1b[31m"}
    assert outcome(post(said(agent=agent))) == "acknowledged"
    assert incident.timeline.get(kind="acknowledged").body["name"] == "gnp.exe [31m"


def test_the_same_event_twice_is_nothing_new(incident: Incident, cast: Cast, said):
    event = said()
    assert [outcome(post(event)) for _ in range(3)] == ["acknowledged", "ignored", "ignored"]
    assert kinds(incident).count("acknowledged") == 1


def test_somebody_else_was_faster(incident: Incident, cast: Cast, said):
    acknowledging.acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    assert outcome(post(said())) == "ignored"
    assert who_has(incident) == cast.tomas


def test_what_was_acknowledged_there_is_told_to_the_others_there(incident: Incident, cast: Cast, said):
    post(said())
    assert Mirror.objects.get(incident=incident).due_at is not None


@pytest.mark.parametrize("role", [OrgRole.REPORTER, OrgRole.VIEWER])
def test_whoever_was_paged_may_take_it_whatever_their_role(incident: Incident, cast: Cast, said, role: OrgRole):
    Person.objects.filter(pk=cast.lena.pk).update(role=role)
    assert outcome(post(said())) == "acknowledged"


def test_a_restricted_incident_is_taken_by_whom_it_paged_and_its_timeline_stays_theirs(
    incident: Incident, cast: Cast, said, signed_in: SignedIn
):
    Incident.objects.filter(pk=incident.pk).update(restricted=True)
    answer = post(said())
    assert outcome(answer) == "acknowledged"
    assert incident.title not in answer.text
    assert who_has(incident) == cast.lena
    assert signed_in(cast.sam).get(f"/incidents/{incident.number}/timeline").status_code == 404


# Whose it is.


def both_in_pagerduty(cast: Cast, story: Story) -> None:
    cast.tomas.contact_points.update(kind=ChannelKind.PAGERDUTY, address=KEY[::-1])
    story.forward(minutes=5)


@pytest.mark.parametrize(("here", "there"), [("Tomas", " TOMAS "), ("Tom\u00e1s", "Toma\u0301s")])
def test_of_several_it_is_the_one_who_goes_by_that_name(
    incident: Incident, cast: Cast, story: Story, said, here: str, there: str
):
    Person.objects.filter(pk=cast.tomas.pk).update(name=here)
    both_in_pagerduty(cast, story)
    assert outcome(post(said(agent={"type": "user_reference", "summary": there}))) == "acknowledged"
    assert who_has(incident) == cast.tomas


def test_where_that_cannot_be_told_nobody_has_it_and_the_timeline_says_so_once(
    incident: Incident, cast: Cast, story: Story, said, signed_in: SignedIn
):
    both_in_pagerduty(cast, story)
    event = said(agent={"type": "user_reference", "summary": "Ada Ops"})
    assert [outcome(post(event)) for _ in range(2)] == ["noted", "ignored"]
    assert who_has(incident) is None
    page = signed_in(cast.nadia).get(f"/incidents/{incident.number}/timeline").text
    assert page.count("Ada Ops acknowledged it in PagerDuty; several people were paged there") == 1
    assert story.forward(minutes=10) != []  # the chain goes on


def test_two_of_the_same_name_are_nobody(incident: Incident, cast: Cast, story: Story, said):
    both_in_pagerduty(cast, story)
    Person.objects.filter(pk=cast.tomas.pk).update(name="Lena")
    assert outcome(post(said())) == "noted"
    assert who_has(incident) is None


@pytest.mark.parametrize("change", [{"removed_at": "2026-01-01T00:00Z"}, {"verified_at": None}])
def test_a_contact_point_that_is_theirs_no_more_acknowledges_nothing(incident: Incident, cast: Cast, said, change):
    cast.lena.contact_points.update(**change)
    assert outcome(post(said())) == "noted"
    assert who_has(incident) is None


def test_somebody_who_left_acknowledges_nothing(incident: Incident, cast: Cast, said, signed_in: SignedIn):
    Person.objects.filter(pk=cast.lena.pk).update(is_active=False)
    assert outcome(post(said())) == "noted"
    assert who_has(incident) is None
    page = signed_in(cast.nadia).get(f"/incidents/{incident.number}/timeline").text
    assert "it paged nobody there by a contact point that is still in use" in page


def test_an_incident_that_never_paged_there_is_out_of_reach(incident: Incident, cast: Cast, story: Story, said):
    other = open_incident(None, cast.vera, "Of another team")
    assert outcome(post(body_of(other, at=story.time.now()))) == "noted"
    assert who_has(other) is None


@pytest.mark.parametrize(
    "agent",
    [None, {"type": "service_reference", "summary": "API Service"}, {"type": "integration_reference"}, {}],
)
def test_what_a_program_did_is_nobodys_acknowledgement(incident: Incident, said, agent):
    """Among it the echo of what Andon itself told PagerDuty."""
    assert outcome(post(said(agent=agent))) == "ignored"
    assert who_has(incident) is None


# Late, and in another order.


def test_an_acknowledgement_from_before_it_was_reopened_does_not_count(
    incident: Incident, cast: Cast, story: Story, said, signed_in: SignedIn
):
    late, other = said(mark="early"), said(mark="never-delivered")
    assert outcome(post(late)) == "acknowledged"
    story.time.forward(timedelta(minutes=1))
    by = Actor.of(cast.omar)
    containing.waive_containment(incident, reason="Nothing to contain.", by=by)
    resolving.resolve(incident, summary="Over.", by=by)
    resolving.reopen(incident, reason="It goes on.", by=by)
    assert outcome(post(late)) == "ignored"
    assert [outcome(post(other)) for _ in range(2)] == ["noted", "ignored"]
    assert who_has(incident) is None
    assert "before it was reopened" in signed_in(cast.nadia).get(f"/incidents/{incident.number}/timeline").text
    story.forward(seconds=30)
    assert outcome(post(said(mark="anew", at=story.time.now()))) == "acknowledged"


def test_what_was_resolved_there_before_it_was_reopened_is_late_whoever_has_it_now(
    incident: Incident, cast: Cast, story: Story, said, signed_in: SignedIn
):
    late = said("resolved")
    story.time.forward(timedelta(minutes=1))
    by = Actor.of(cast.omar)
    containing.waive_containment(incident, reason="Nothing to contain.", by=by)
    resolving.resolve(incident, summary="Over.", by=by)
    resolving.reopen(incident, reason="It goes on.", by=by)
    acknowledging.acknowledge(incident, by=by, via="page")
    assert outcome(post(late)) == "noted"
    assert "before it was reopened" in signed_in(cast.nadia).get(f"/incidents/{incident.number}/timeline").text


def test_what_happened_before_there_was_an_incident_speaks_of_another_of_that_number(
    incident: Incident, story: Story, said
):
    assert outcome(post(said(at=incident.created_at - timedelta(minutes=6)))) == "ignored"
    assert who_has(incident) is None
    assert outcome(post(said(at=incident.created_at - timedelta(minutes=4)))) == "acknowledged"  # clocks differ


def test_an_acknowledgement_of_something_milder_does_not_count(incident: Incident, cast: Cast, story: Story, said):
    mild = said()
    story.time.forward(timedelta(minutes=1))
    assessing.score_technical(incident, value=4, by=Actor.of(cast.omar))
    assert "severity_raised" in kinds(incident)
    assert outcome(post(mild)) == "noted"
    assert who_has(incident) is None


def test_one_that_comes_late_counts_where_nothing_has_changed(incident: Incident, cast: Cast, story: Story, said):
    early = said()
    story.forward(minutes=20)
    assert outcome(post(early)) == "acknowledged"


# Resolving.


def test_resolving_there_acknowledges_and_asks_for_how_that_was_verified(
    incident: Incident, cast: Cast, said, signed_in: SignedIn
):
    assert outcome(post(said("resolved"))) == "acknowledged"
    incident.refresh_from_db()
    assert (incident.acknowledged_by, incident.resolved_at) == (cast.lena, None)
    page = signed_in(cast.nadia).get(f"/incidents/{incident.number}/timeline").text
    assert "Lena resolved it in PagerDuty; here it goes on until somebody says how that was verified" in page


def test_resolving_there_what_somebody_has_is_noted_once(incident: Incident, cast: Cast, said):
    post(said())
    event = said("resolved", mark="02")
    assert [outcome(post(event)) for _ in range(2)] == ["noted", "ignored"]
    assert kinds(incident).count("said_in_pagerduty") == 1
    assert Incident.objects.get(pk=incident.pk).resolved_at is None


def test_what_is_over_here_is_left_alone(incident: Incident, cast: Cast, said):
    by = Actor.of(cast.lena)
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="v6", by=by)
    resolving.resolve(incident, summary="Two batches in the band.", by=by)
    before = kinds(incident)
    assert [outcome(post(said(did))) for did in ("acknowledged", "resolved")] == ["ignored", "ignored"]
    assert kinds(incident) == before


# Only PagerDuty.


def test_without_the_signature_nothing_is_done(incident: Incident, said):
    raw = json.dumps(said()).encode()
    wrong = ["", "v1=", "v1=" + "0" * 64, sign(raw, ANOTHER), sign(raw + b" ", SECRET), sign(raw, SECRET)[3:]]
    wrong += [sign(raw, SECRET).replace("v1=", "v0="), "é" * 200, "," * 1000, sign(raw, "")]
    for signature in wrong:
        assert post(raw, signature).status_code == 401, signature
    assert Client().post("/pagerduty/events", {"a": "b"}).status_code == 401  # multipart
    assert Client().get("/pagerduty/events").status_code == 405
    assert who_has(incident) is None


def test_of_several_signatures_one_is_enough(incident: Incident, cast: Cast, said):
    raw = json.dumps(said()).encode()
    assert outcome(post(raw, f"{sign(raw, ANOTHER)}, v2=abc,{sign(raw, SECRET)}")) == "acknowledged"


def test_a_header_of_a_million_signatures_is_not_gone_through(incident: Incident, said):
    raw = json.dumps(said()).encode()
    assert post(raw, "v1=a," * 1_000_000 + sign(raw, SECRET)).status_code == 401


def test_of_several_secrets_each_counts(incident: Incident, cast: Cast, said, signed_in: SignedIn):
    page = signed_in(cast.nadia)
    page.post("/settings/channels/pagerduty", {"server": "", "webhook_secrets": f" {ANOTHER}\n{SECRET} "})
    shown = page.get("/settings/channels/pagerduty").text
    assert "http://testserver/pagerduty/events" in shown
    assert SECRET not in shown
    assert outcome(post(said(), secret=ANOTHER)) == "acknowledged"
    assert outcome(post(said("resolved"))) == "noted"


@pytest.mark.parametrize("wrong", ["short", f"{SECRET} short", "geheimnis-mit-ü-drin-lang", " ".join([SECRET] * 51)])
def test_what_is_no_secret_is_refused(cast: Cast, story: Story, signed_in: SignedIn, wrong: str):
    answer = signed_in(cast.nadia).post("/settings/channels/pagerduty", {"server": "", "webhook_secrets": wrong})
    assert answer.status_code == 422
    assert "16 characters or more" in answer.text


def test_only_administrators_set_the_secret(cast: Cast, story: Story, signed_in: SignedIn):
    for person in (cast.omar, cast.lena, cast.vera, cast.rui):
        given = {"server": "", "webhook_secrets": ANOTHER}
        assert signed_in(person).post("/settings/channels/pagerduty", given).status_code == 403
    assert Client().post("/settings/channels/pagerduty", {"webhook_secrets": ANOTHER}).status_code == 302


def test_while_no_secret_is_kept_or_it_is_switched_off_there_is_no_such_address(incident: Incident, cast: Cast, said):
    by = Actor.of(cast.nadia)
    providers.disable(ChannelKind.PAGERDUTY, by=by)
    assert post(said()).status_code == 404
    providers.set_up(ChannelKind.PAGERDUTY, {"webhook_secrets": ""}, by=by)
    assert post(said(), secret="").status_code == 404
    assert who_has(incident) is None


def test_a_body_that_is_larger_than_any_of_pagerdutys_is_refused(incident: Incident, said):
    assert post(said(client={"name": "x" * 300_000})).status_code == 413
    assert post(b"x" * 3_000_000).status_code in {400, 413}
    assert who_has(incident) is None


def changed(event: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"event": {**event["event"], **more}}


NOT_UNDERSTOOD: list[Callable[[dict[str, Any]], Any]] = [
    lambda _: b"",
    lambda _: b"no JSON",
    lambda _: b"\xff\xfe{",
    lambda _: b"[" * 100_000,
    lambda _: [],
    lambda _: {"event": None},
    lambda _: {"messages": [{"event": "incident.acknowledge"}]},  # version 2
    lambda _: {"event": {"id": "1", "event_type": "pagey.ping", "data": {"message": "Hello from your friend Pagey!"}}},
    lambda e: changed(e, event_type="incident.escalated"),
    lambda e: changed(e, event_type="incident.unacknowledged"),
    lambda e: changed(e, id=""),
    lambda e: changed(e, id=7),
    lambda e: changed(e, occurred_at="yesterday"),
    lambda e: changed(e, occurred_at="2026-03-02T03:12:00"),  # in which zone?
    lambda e: changed(e, data=None),
    lambda e: changed(e, data={"incident_key": None}),
    lambda e: changed(e, data={"incident_key": "d3640fbd41094207a1c11e58e46b1662"}),
    lambda e: changed(e, data={"incident_key": e["event"]["data"]["incident_key"].replace("testserver", "thief.example")}),
    lambda e: changed(e, data={"incident_key": e["event"]["data"]["incident_key"] + "/"}),
    lambda e: changed(e, data={"incident_key": "http://testserver/incidents/" + "9" * 400}),
    lambda e: changed(e, data={"incident_key": "http://testserver/incidents/٣"}),
    lambda e: changed(e, data={"incident_key": "http://testserver/incidents/999"}),
]  # fmt: skip


@pytest.mark.parametrize("made", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_answered_as_taken_and_changes_nothing(incident: Incident, said, made):
    before = kinds(incident)
    assert outcome(post(made(said()))) == "ignored"
    assert kinds(incident) == before


def test_while_nothing_can_be_written_pagerduty_is_told_to_send_it_again(
    incident: Incident, cast: Cast, said, monkeypatch: pytest.MonkeyPatch
):
    def away(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    event = said()
    with monkeypatch.context() as broken:
        broken.setattr(pagerduty, "acknowledge", away)
        answer = post(event)
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert who_has(incident) is None
    assert outcome(post(event)) == "acknowledged"


def test_it_is_known_by_the_contact_point_of_whoever_was_paged_not_by_that_of_others(
    incident: Incident, cast: Cast, said
):
    ContactPoint.objects.create(person=cast.sam, kind="pagerduty", address=KEY, verified_at=incident.created_at)
    assert outcome(post(said(agent={"type": "user_reference", "summary": "Sam"}))) == "acknowledged"
    assert who_has(incident) == cast.lena


def test_on_an_older_server_pagerduty_is_told_to_come_again(incident: Incident, said: Any, cast: Cast) -> None:
    with overtaken():
        refused = post(said())
        assert (refused.status_code, bool(refused["Retry-After"])) == (503, True)
        assert who_has(incident) is None
    assert outcome(post(said())) == "acknowledged"
    assert who_has(incident) == cast.lena
