"""What comes back from Slack: by whom, with which right, and that everybody else is answered in words."""

import json

import pytest
from django.test import Client
from slack_sdk.signature import SignatureVerifier

from andon.incidents.actions import restrict
from andon.incidents.models import Incident, TimelineEntry
from andon.kit.clock import FixedClock
from andon.people import actions as people
from andon.people.models import ChannelKind, ContactPoint
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind
from andon.response.acknowledging import acknowledge
from andon.response.containing import contain
from tests.slack.conftest import Run
from tests.support.cast import Cast
from tests.support.paging import kinds
from tests.support.slack import SECRET, Slack, connect, member_id, number_of


def last_answer(slack: Slack, run: Run) -> str:
    run()
    return slack.answers[-1]["text"]


def notes(incident: Incident) -> list[str]:
    rows = TimelineEntry.objects.filter(incident=incident, kind="note").order_by("seq")
    return [row.body["text"] for row in rows if row.body]


# Only Slack, and only now.


def test_what_slack_did_not_sign_is_refused(connected: Slack, cast: Cast, incident: Incident):
    click = {"act": "andon_acknowledge", "value": number_of(incident)}
    assert connected.click(member_id(cast.lena), **click, secret="another").status_code == 401
    assert connected.click(member_id(cast.lena), **click, age=301).status_code == 401
    assert connected.click(member_id(cast.lena), **click, age=-301).status_code == 401
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


BAD = [
    {"data": b"payload=%7B%7D", "headers": {}},
    {"data": b"\xff\xfe", "headers": {"X-Slack-Request-Timestamp": "1772421120", "X-Slack-Signature": "v0=x"}},
    {"data": b"x", "headers": {"X-Slack-Request-Timestamp": "soon", "X-Slack-Signature": "v0=x"}},
    {"data": b"x", "headers": {"X-Slack-Request-Timestamp": "1772421120", "X-Slack-Signature": "v0=é"}},
]


@pytest.mark.parametrize("bad", BAD)
def test_anything_else_is_a_401_and_no_error_of_ours(connected: Slack, bad: dict):
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        assert Client().post("/slack/events", bad["data"], content_type=kind, headers=bad["headers"]).status_code == 401
    assert Client().post("/slack/events", {"a": "b"}).status_code == 401  # multipart
    assert Client().get("/slack/events").status_code == 405


def test_where_slack_is_not_set_up_there_is_nothing(cast: Cast, slack: Slack):
    assert slack.click("U0SAM", "andon_acknowledge", "1").status_code == 404


def test_slack_verifies_the_address(connected: Slack):
    answer = connected.post({"type": "url_verification", "challenge": "abc", "token": "t"}, event=True)
    assert answer.status_code == 200
    assert "abc" in answer.text


# Acknowledge.


def test_a_click_acknowledges_in_ones_own_name(connected: Slack, cast: Cast, incident: Incident, run: Run):
    run()
    (message,) = connected.direct_messages(member_id(cast.lena))
    assert incident.ref in message["text"]
    (button,) = [b for b in message["blocks"][-1]["elements"] if b["action_id"] == "andon_acknowledge"]
    assert connected.click(member_id(cast.lena), "andon_acknowledge", button["value"]).status_code == 200
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.lena
    entry = TimelineEntry.objects.get(incident=incident, kind="acknowledged")
    assert (entry.person, entry.body) == (cast.lena, {"via": "slack"})
    run()
    assert "*Lena* acknowledged" in json.dumps(message["blocks"])
    assert "andon_acknowledge" not in json.dumps(message["blocks"])
    assert connected.answers == []


def test_of_two_at_once_the_second_learns_who_has_it(connected: Slack, cast: Cast, incident: Incident, run: Run):
    for person in (cast.lena, cast.tomas):
        assert connected.click(member_id(person), "andon_acknowledge", number_of(incident)).status_code == 200
    assert "Lena has it" in last_answer(connected, run)
    assert connected.answers[-1]["response_type"] == "ephemeral"
    assert connected.answers[-1]["replace_original"] is False
    assert kinds(incident).count("acknowledged") == 1


def test_who_clicks_twice_has_it_already(connected: Slack, cast: Cast, incident: Incident, run: Run):
    for _ in range(2):
        connected.click(member_id(cast.lena), "andon_acknowledge", number_of(incident))
    assert last_answer(connected, run).startswith("You have it already")


def test_a_click_on_an_old_message_is_answered(connected: Slack, cast: Cast, incident: Incident, run: Run):
    finish(incident, cast)
    connected.click(member_id(cast.tomas), "andon_acknowledge", number_of(incident))
    assert "already resolved" in last_answer(connected, run)
    connected.click(member_id(cast.tomas), "andon_acknowledge", "9999")
    assert "no incident INC-9999" in last_answer(connected, run)
    for odd in ("", "٣", "-1", "1" * 30, "x"):
        connected.click(member_id(cast.tomas), "andon_acknowledge", odd)
        assert "belongs to no incident" in last_answer(connected, run)


def finish(incident: Incident, cast: Cast) -> None:
    from andon.response.resolving import resolve

    by = Actor.of(cast.omar)
    contain(incident, kind=ContainmentKind.ROLL_BACK, note="rolled back to v6", by=by)
    resolve(incident, summary="approvals are back", by=by)


# Who.


def test_whom_andon_does_not_know_is_told_how_to_be_known(connected: Slack, incident: Incident, run: Run):
    connected.click("U0NOBODY", "andon_acknowledge", number_of(incident))
    words = last_answer(connected, run)
    assert "does not know who you are" in words
    assert "U0NOBODY" in words
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_a_member_of_another_workspace_is_nobody_here(connected: Slack, cast: Cast, incident: Incident, run: Run):
    connected.click(member_id(cast.lena), "andon_acknowledge", number_of(incident), team="T0ELSEWHERE")
    assert "not the one that Andon here belongs to" in last_answer(connected, run)
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


@pytest.mark.parametrize("change", ["unconfirmed", "removed", "inactive"])
def test_only_a_confirmed_contact_point_of_an_active_person_counts(
    connected: Slack, cast: Cast, incident: Incident, run: Run, time: FixedClock, change: str
):
    points = ContactPoint.objects.filter(person=cast.lena, kind=ChannelKind.SLACK)
    if change == "unconfirmed":
        points.update(verified_at=None)
    elif change == "removed":
        points.update(removed_at=time.now())
    else:
        people.deactivate(cast.lena, by=Actor.of(cast.nadia))
    connected.click(member_id(cast.lena), "andon_acknowledge", number_of(incident))
    assert "does not know who you are" in last_answer(connected, run)


def test_an_account_that_two_people_claim_acts_for_neither(connected: Slack, cast: Cast, incident: Incident, run: Run):
    ContactPoint.objects.create(
        person=cast.vera, kind=ChannelKind.SLACK, address=member_id(cast.lena), verified_at=incident.created_at
    )
    connected.click(member_id(cast.lena), "andon_acknowledge", number_of(incident))
    assert "nothing was done in anybody's name" in last_answer(connected, run)
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_a_restricted_incident_does_not_exist_for_a_stranger(
    connected: Slack, cast: Cast, incident: Incident, run: Run
):
    restrict(incident, restricted=True, by=Actor.of(cast.omar))
    for act in ("andon_acknowledge", "andon_note", "andon_resolve"):
        connected.click(member_id(cast.sam), act, number_of(incident))
        assert last_answer(connected, run) == f"There is no incident {incident.ref}, or you may not see it."
    assert connected.forms == []
    form = {"callback_id": "andon_note", "private_metadata": number_of(incident)}
    answer = connected.submit(member_id(cast.sam), form, "let me in").json()
    assert answer["response_action"] == "errors"
    assert "no incident" in answer["errors"]["words"]
    assert notes(incident) == []


@pytest.mark.parametrize(
    ("who", "may"), [("nadia", True), ("omar", True), ("lena", True), ("sam", True), ("vera", False), ("rui", False)]
)
def test_everyone_acts_with_their_own_rights(slack: Slack, cast: Cast, time: FixedClock, run: Run, who: str, may: bool):
    from tests.support.paging import open_incident

    person = getattr(cast, who)
    connect(slack, cast.nadia, person)
    incident = open_incident(cast.credit_scorer, cast.omar)
    slack.click(member_id(person), "andon_acknowledge", number_of(incident))
    slack.click(member_id(person), "andon_note", number_of(incident))
    run()
    incident.refresh_from_db()
    assert (incident.acknowledged_by == person) is may
    assert bool(slack.forms) is may
    assert bool(slack.answers) is not may


# Forms.


def test_a_note_is_asked_for_and_kept(connected: Slack, cast: Cast, incident: Incident, run: Run):
    connected.click(member_id(cast.tomas), "andon_note", number_of(incident))
    (form,) = connected.forms
    assert incident.ref in json.dumps(form)
    answer = connected.submit(member_id(cast.tomas), form, "the new feature store lags")
    assert (answer.status_code, answer.content) == (200, b"")
    assert notes(incident) == ["the new feature store lags"]
    connected.submit(member_id(cast.tomas), form, "the new feature store lags")  # sent again
    assert len(notes(incident)) == 1
    empty = connected.submit(member_id(cast.tomas), form, "  ", view="V2").json()
    assert "The note is empty" in empty["errors"]["words"]


def test_it_is_resolved_with_a_summary_once_contained(connected: Slack, cast: Cast, incident: Incident, run: Run):
    connected.click(member_id(cast.lena), "andon_resolve", number_of(incident))
    assert "not contained, so it cannot be resolved" in last_answer(connected, run)
    assert connected.forms == []
    contain(incident, kind=ContainmentKind.ROLL_BACK, note="rolled back to v6", by=Actor.of(cast.lena))
    connected.click(member_id(cast.lena), "andon_resolve", number_of(incident))
    (form,) = connected.forms
    assert "Say how it was resolved" in connected.submit(member_id(cast.lena), form, " ").json()["errors"]["words"]
    assert connected.submit(member_id(cast.lena), form, "approvals are back").content == b""
    incident.refresh_from_db()
    assert incident.resolved_at is not None
    entry = TimelineEntry.objects.get(incident=incident, kind="resolved")
    assert (entry.person, entry.body["summary"]) == (cast.lena, "approvals are back")
    late = connected.submit(member_id(cast.lena), form, "again").json()
    assert "already resolved" in late["errors"]["words"]


def test_a_form_that_slack_does_not_open_is_said(connected: Slack, cast: Cast, incident: Incident, run: Run):
    connected.instead = lambda method, _: (
        (200, {"ok": False, "error": "expired_trigger_id"}, {}) if method == "views.open" else None
    )
    assert connected.click(member_id(cast.tomas), "andon_note", number_of(incident)).status_code == 200
    assert "did not open the form" in last_answer(connected, run)


def test_a_reopened_incident_cannot_be_resolved_by_the_form_of_before(connected: Slack, cast: Cast, incident: Incident):
    from andon.response.resolving import reopen

    contain(incident, kind=ContainmentKind.ROLL_BACK, note="v6", by=Actor.of(cast.lena))
    connected.click(member_id(cast.lena), "andon_resolve", number_of(incident))
    finish_form = connected.forms[0]
    connected.submit(member_id(cast.lena), finish_form, "over")
    reopen(incident, reason="it goes on", by=Actor.of(cast.omar))
    answer = connected.submit(member_id(cast.lena), finish_form, "over", view="V9").json()
    assert "not contained" in answer["errors"]["words"]


# Confirming.


@pytest.mark.parametrize(
    ("body", "kind"), [("payload=%7B", "application/x-www-form-urlencoded"), ("{", "application/json")]
)
def test_what_is_signed_and_is_no_json_is_a_400(connected: Slack, time: FixedClock, body: str, kind: str):
    stamp = str(int(time.now().timestamp()))
    mark = SignatureVerifier(SECRET).generate_signature(timestamp=stamp, body=body)
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": mark}
    assert Client().post("/slack/events", body, content_type=kind, headers=headers).status_code == 400


def test_the_button_of_a_test_confirms_for_the_member_it_reached(connected: Slack, cast: Cast, run: Run, signed_in):
    vera = signed_in(cast.vera)
    vera.post("/account/contact-points", {"kind": "slack", "address": "U0VERAXX", "delay_minutes": "0"})
    point = ContactPoint.objects.get(person=cast.vera, kind=ChannelKind.SLACK)
    vera.post(f"/contact-points/{point.pk}/test")
    (message,) = connected.direct_messages("U0VERAXX")
    (button,) = message["blocks"][-1]["elements"]
    connected.click(member_id(cast.sam), button["action_id"], button["value"])
    assert "meant for another member" in last_answer(connected, run)
    assert not ContactPoint.objects.get(pk=point.pk).works
    connected.click("U0VERAXX", button["action_id"], button["value"])
    assert "Confirmed. Pages for Vera" in last_answer(connected, run)
    assert ContactPoint.objects.get(pk=point.pk).works
    connected.click("U0VERAXX", button["action_id"], "forged")
    assert "does not work any more" in last_answer(connected, run)


def test_an_address_that_is_no_member_is_refused(connected: Slack, cast: Cast, signed_in):
    answer = signed_in(cast.vera).post(
        "/account/contact-points", {"kind": "slack", "address": "@vera", "delay_minutes": "0"}
    )
    assert answer.status_code == 422
    assert "U012AB3CD" in answer.text


def test_a_link_in_a_buttons_clothes_is_only_heard(connected: Slack, cast: Cast, incident: Incident, run: Run):
    assert connected.click(member_id(cast.lena), "andon_open", "").status_code == 200
    run()
    assert connected.answers == []


def test_a_click_is_on_disk_before_slack_is_answered_and_an_error_is_not_answered_as_done(
    connected: Slack, cast: Cast, incident: Incident, monkeypatch
):
    from andon.slack import listening

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(listening, "acknowledge", broken)
    assert connected.click(member_id(cast.lena), "andon_acknowledge", number_of(incident)).status_code == 500
    assert acknowledge(incident, by=Actor.of(cast.lena), via="page").acknowledged_by == cast.lena
    assert SECRET not in str(incident.__dict__)
