"""Acting by phone: with one's own rights, on what one was paged for, and every answer in words."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.test import Client

from andon.engine import locks
from andon.incidents.models import Incident, TimelineEntry
from andon.paging.adapters import find
from andon.paging.models import Page
from andon.paging.providers import actions as providers
from andon.people.actions import contact_point_token
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, OrgRole
from andon.response import acknowledging, containing
from tests.support import phone
from tests.support.cast import Cast
from tests.support.listener import Listener, listening
from tests.support.paging import Story, open_incident
from tests.support.phone import LENAS, OURS, Provider
from tests.support.versions import overtaken

TOMAS = "+12024561111"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as one:
        yield one


@pytest.fixture
def story(time: Any, cast: Cast) -> Story:
    return Story(time)


@pytest.fixture
def night(cast: Cast, story: Story, listener: Listener) -> Provider:
    """Lena is paged by text message and Tomas by phone call, through the listener."""
    made = phone.set_up(cast, listener)
    cast.tomas.contact_points.update(kind=ChannelKind.VOICE, address=TOMAS)
    delivery = next(module for module in story.engine.modules if module.name == "delivery")
    delivery._find = lambda kind: find(kind) if kind in {"sms", "voice"} else story.channel
    return made


def opened(cast: Cast, story: Story, title: str = "Approvals fell by half") -> Incident:
    made = open_incident(cast.credit_scorer, cast.vera, title)
    story.run()
    return made


@pytest.fixture
def incident(night: Provider, cast: Cast, story: Story) -> Incident:
    return opened(cast, story)


def who_has(incident: Incident) -> Person | None:
    return Incident.objects.get(pk=incident.pk).acknowledged_by


# By text message.


@pytest.mark.parametrize("text", ["4", "ack", "4 {0.number}", "ACK {0.ref}", "Acknowledge {0.number}."])
def test_an_answer_acknowledges_as_whoever_was_paged(night: Provider, incident: Incident, cast: Cast, text: str):
    said = night.texts(text.format(incident))
    assert f"You have {incident.ref}" in said
    assert who_has(incident) == cast.lena
    entry = TimelineEntry.objects.get(incident=incident, kind="acknowledged")
    assert (entry.body["via"], entry.actor) == ("sms", f"person:{cast.lena.pk}")


def test_a_repeated_or_late_answer_says_how_it_stands(night: Provider, incident: Incident, cast: Cast):
    acknowledging.acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    for _ in range(2):
        said = night.texts(f"4 {incident.number}")
        assert "Tomas has it" in said
    assert who_has(incident) == cast.tomas


def test_which_of_several_is_asked_for(night: Provider, incident: Incident, cast: Cast, story: Story):
    second = opened(cast, story, "Another one")
    said = night.texts("4")
    assert incident.ref in said
    assert second.ref in said
    assert who_has(incident) is None
    assert who_has(second) is None
    night.texts(f"4 {second.number}")
    assert who_has(second) == cast.lena
    night.texts("4")  # only one waits now
    assert who_has(incident) == cast.lena


def test_what_is_not_named_is_counted(night: Provider, incident: Incident, cast: Cast, story: Story):
    for number in range(5):
        opened(cast, story, f"Another {number}")
    said = night.texts("4")
    assert said.startswith("6 incidents go on: ")
    assert said.count("INC-") == 5
    assert " and 1 more. " in said


def test_what_one_was_not_paged_for_is_out_of_reach(night: Provider, incident: Incident, cast: Cast, story: Story):
    other = open_incident(None, cast.vera, "Of another team")
    said = night.texts(f"4 {other.number}")
    assert "not paged here" in said
    assert "Of another team" not in said
    assert who_has(other) is None


def test_a_stranger_gets_no_answer_at_all(night: Provider, incident: Incident):
    assert night.texts("4", sender="+12025550100") == ""
    assert night.texts(f"status {incident.number}", sender="") == ""
    assert who_has(incident) is None


@pytest.mark.parametrize("change", [{"verified_at": None}, {"removed_at": "2026-01-01T00:00Z"}])
def test_a_number_that_is_not_confirmed_or_was_removed_is_a_strangers(
    night: Provider, incident: Incident, cast: Cast, change: dict[str, Any]
):
    cast.lena.contact_points.update(**change)
    assert night.texts("4") == ""
    assert who_has(incident) is None


def test_somebody_who_left_is_a_stranger(night: Provider, incident: Incident, cast: Cast):
    Person.objects.filter(pk=cast.lena.pk).update(is_active=False)
    assert night.texts("4") == ""
    assert who_has(incident) is None


@pytest.mark.parametrize("role", [OrgRole.REPORTER, OrgRole.VIEWER])
def test_whoever_was_paged_may_take_it_whatever_their_role(
    night: Provider, incident: Incident, cast: Cast, role: OrgRole
):
    Person.objects.filter(pk=cast.lena.pk).update(role=role)
    night.texts("4")
    assert who_has(incident) == cast.lena


def test_a_restricted_incident_is_answered_to_whom_it_paged_and_to_nobody_else(
    night: Provider, incident: Incident, cast: Cast
):
    Incident.objects.filter(pk=incident.pk).update(restricted=True)
    ContactPoint.objects.create(person=cast.sam, kind="sms", address="+12024561414", verified_at=incident.created_at)
    said = night.texts(f"status {incident.number}", sender="+12024561414")
    assert said == night.texts("status 9999", sender="+12024561414").replace("9999", str(incident.number))
    assert "open" in night.texts(f"status {incident.number}")


def test_status_and_help_are_in_words(night: Provider, incident: Incident, cast: Cast):
    assert "nobody has it yet" in night.texts("status")
    night.texts("4")
    assert "Lena has it" in night.texts("status")
    assert "Answer 4 to acknowledge" in night.texts("what now?")
    assert "You were not paged" in night.texts("ack 9999")


def test_nothing_goes_on(night: Provider, cast: Cast):
    assert "Nothing that you were paged for" in night.texts("4")


def test_resolving_says_what_is_missing_and_works_when_nothing_is(night: Provider, incident: Incident, cast: Cast):
    assert "Say how it was resolved" in night.texts(f"resolve {incident.number}")
    refused = night.texts(f"resolve {incident.number} two batches in the band")
    assert refused.startswith(f"{incident.ref}: ")
    assert Incident.objects.get(pk=incident.pk).resolved_at is None
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="v6", by=Actor.of(cast.lena))
    assert "is resolved" in night.texts(f"resolve {incident.number} two batches in the band")
    entry = TimelineEntry.objects.get(incident=incident, kind="resolved")
    assert entry.body["summary"] == "two batches in the band"
    assert entry.actor == f"person:{cast.lena.pk}"


def test_two_people_with_one_phone_answer_for_the_one_who_was_paged(night: Provider, incident: Incident, cast: Cast):
    ContactPoint.objects.create(person=cast.sam, kind="sms", address=LENAS, verified_at=incident.created_at)
    night.texts("4")
    assert who_has(incident) == cast.lena


# Only the provider.


@pytest.mark.parametrize("path", ["/phone/sms", "/phone/call/page/x", "/phone/status/sms/00"])
def test_without_the_signature_nothing_is_done(night: Provider, incident: Incident, path: str):
    given = {"From": LENAS, "Body": "4"}
    for signature in ("", "AAAA", "x" * 5000):
        assert night.calls(f"http://testserver{path}", signature=signature, **given).status_code == 403
    assert night.calls(f"http://testserver{path}", token="another token", **given).status_code == 403
    assert Client().post(path, given).status_code == 403
    assert Client().get(path).status_code == 405
    assert who_has(incident) is None


def test_a_signature_is_for_what_was_signed(night: Provider, incident: Incident):
    import base64
    import hashlib
    import hmac

    whole = f"http://testserver/phone/smsBody4From{TOMAS}"
    signed = base64.b64encode(hmac.new(phone.TOKEN.encode(), whole.encode(), hashlib.sha1).digest()).decode()
    assert night.calls("http://testserver/phone/sms", signature=signed, Body="4", From=TOMAS).status_code == 200
    assert night.calls("http://testserver/phone/sms", signature=signed, Body="4", From=LENAS).status_code == 403


def test_a_channel_that_is_switched_off_takes_nothing(night: Provider, incident: Incident, cast: Cast):
    providers.disable(ChannelKind.SMS, by=Actor.of(cast.nadia))
    answer = night.calls("http://testserver/phone/sms", From=LENAS, Body="4")
    assert answer.status_code == 404
    assert who_has(incident) is None


def test_what_no_text_holds_is_refused_before_a_database_sees_it(night: Provider, incident: Incident):
    given = {"From": LENAS, "Body": f"resolve {incident.number} \0"}
    assert night.calls("http://testserver/phone/sms", **given).status_code == 400
    url = night.forms[-1]["StatusCallback"]
    assert night.calls(url, MessageSid="\0", MessageStatus="failed").status_code == 400


# By phone call.


@pytest.fixture
def call(night: Provider, incident: Incident, story: Story, cast: Cast) -> dict[str, str]:
    """The call that Tomas gets five minutes later."""
    story.forward(minutes=5)
    (form,) = [one for one in night.forms if "Url" in one]
    return form


def fetch(night: Provider, call: dict[str, str], **given: str) -> ET.Element:
    answer = night.calls(call["Url"], CallSid="SM2", From=OURS, To=TOMAS, **given)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/xml")
    return ET.fromstring(answer.content)


def test_a_call_is_asked_for_with_where_to_fetch_and_where_to_report(call: dict[str, str]):
    assert (call["To"], call["From"], call["Method"]) == (TOMAS, OURS, "POST")
    assert call["Url"].startswith("http://testserver/phone/call/page/")
    assert call["StatusCallback"].startswith("http://testserver/phone/status/voice/")


def test_it_reads_the_page_twice_and_listens(night: Provider, call: dict[str, str], incident: Incident):
    reply = fetch(night, call)
    assert [part.tag for part in reply] == ["Gather", "Gather", "Say"]
    said = reply[0].findtext("Say") or ""
    assert f"Incident {incident.number}, severity" in said
    assert "Approvals fell by half" in said
    assert "Press 4 to acknowledge" in said
    assert reply[0].get("numDigits") == "1"
    assert who_has(incident) is None


def test_a_server_that_is_older_than_the_engine_still_speaks_and_says_that_a_key_did_not_count(
    night: Provider, call: dict[str, str], incident: Incident
):
    locks.take({**locks.RULES, "escalation": locks.RULES["escalation"] + 1}, "an engine of tomorrow")
    assert "Press 4 to acknowledge" in (fetch(night, call)[0].findtext("Say") or "")
    assert "this did not count" in (fetch(night, call, Digits="4").findtext("Say") or "")
    assert "this did not count" in night.texts("4")
    assert who_has(incident) is None


def test_pressing_4_acknowledges_once_and_then_says_how_it_stands(
    night: Provider, call: dict[str, str], incident: Incident, cast: Cast
):
    assert "You have" in (fetch(night, call, Digits="4").findtext("Say") or "")
    assert who_has(incident) == cast.tomas
    assert TimelineEntry.objects.get(incident=incident, kind="acknowledged").body["via"] == "voice"
    assert "Tomas has it" in (fetch(night, call, Digits="4").findtext("Say") or "")


@pytest.mark.parametrize("key", ["1", "9", "#", "44", ""])
def test_any_other_key_reads_it_again(night: Provider, call: dict[str, str], incident: Incident, key: str):
    assert fetch(night, call, Digits=key)[0].tag == "Gather"
    assert who_has(incident) is None


def test_what_people_typed_stays_text(night: Provider, cast: Cast, story: Story):
    opened(cast, story, "</Say><Dial>+19005550100</Dial> & \x07 <x")
    story.forward(minutes=5)
    (form,) = [one for one in night.forms if "Url" in one]
    reply = fetch(night, form)
    assert reply.findall(".//Dial") == []
    assert "</Say><Dial>" in (reply[0].findtext("Say") or "")


@pytest.mark.parametrize("token", ["x", "a.b", "é"])
def test_a_call_about_nothing_says_so(night: Provider, token: str):
    answer = night.calls(f"http://testserver/phone/call/page/{token}", Digits="4")
    assert answer.status_code in {200, 403}
    assert b"Gather" not in answer.content


def test_a_call_about_several_reads_them_and_takes_them_all(
    night: Provider, call: dict[str, str], incident: Incident, cast: Cast, story: Story
):
    other = opened(cast, story, "Another one")
    story.forward(minutes=5)
    lead = Page.objects.filter(incident=incident, person=cast.tomas).first()
    second = Page.objects.filter(incident=other, person=cast.tomas).first()
    Page.objects.filter(pk__in=[lead.pk, second.pk]).update(bundle=lead.key)
    said = fetch(night, call)[0].findtext("Say") or ""
    assert "2 incidents." in said
    assert "Another one" in said
    assert "acknowledge them all" in said
    acknowledging.acknowledge(incident, by=Actor.of(cast.omar), via="page")
    said = fetch(night, call, Digits="4").findtext("Say") or ""
    assert "Omar has it" in said
    assert f"You have {other.ref}" in said
    assert (who_has(incident), who_has(other)) == (cast.omar, cast.tomas)


def test_an_old_call_says_so(night: Provider, call: dict[str, str], story: Story, incident: Incident):
    from datetime import timedelta

    story.time.forward(timedelta(days=8))
    assert "older than a week" in (fetch(night, call, Digits="4").findtext("Say") or "")
    assert who_has(incident) is None


@pytest.mark.parametrize("status", ["no-answer", "busy", "failed", "canceled"])
def test_whoever_does_not_answer_is_called_again_twice_and_then_the_chain_goes_on(
    night: Provider, call: dict[str, str], incident: Incident, cast: Cast, story: Story, status: str
):
    def calls() -> list[dict[str, str]]:
        return [one for one in night.forms if "Url" in one]

    for _ in range(3):
        page = Page.objects.get(incident=incident, person=cast.tomas)
        night.calls(calls()[-1]["StatusCallback"], CallSid=page.provider_ref, CallStatus=status)
        story.forward(seconds=16)
    assert len(calls()) == 3
    assert Page.objects.get(incident=incident, person=cast.tomas).state == "failed"
    assert cast.tomas.contact_points.get().works
    assert [message.to for message in story.channel.attempts] == ["Omar"]


def test_a_call_that_was_answered_stays_sent(night: Provider, call: dict[str, str], incident: Incident, cast: Cast):
    page = Page.objects.get(incident=incident, person=cast.tomas)
    night.calls(call["StatusCallback"], CallSid=page.provider_ref, CallStatus="completed")
    assert Page.objects.get(pk=page.pk).state == "sent"


def test_a_test_call_is_confirmed_by_a_key(night: Provider, cast: Cast):
    point = ContactPoint.objects.create(person=cast.omar, kind=ChannelKind.VOICE, address="+12024561414")
    url = f"http://testserver/phone/call/test/{contact_point_token(point)}"
    reply = ET.fromstring(night.calls(url, CallSid="x").content)
    assert "a test for Omar" in (reply[0].findtext("Say") or "")
    assert not ContactPoint.objects.get(pk=point.pk).works
    ET.fromstring(night.calls(url, CallSid="x", Digits="4").content)
    assert not ContactPoint.objects.get(pk=point.pk).works
    assert "Thank you" in (ET.fromstring(night.calls(url, CallSid="x", Digits="1").content).findtext("Say") or "")
    assert ContactPoint.objects.get(pk=point.pk).works
    wrong = night.calls("http://testserver/phone/call/test/forged", CallSid="x", Digits="1")
    assert b"does not work" in wrong.content


def test_an_older_server_takes_no_report_and_the_chain_goes_on_without_it(
    night: Provider, call: dict[str, str], incident: Incident, cast: Cast, story: Story
):
    page = Page.objects.get(incident=incident, person=cast.tomas)
    with overtaken("delivery"):
        refused = night.calls(call["StatusCallback"], CallSid=page.provider_ref, CallStatus="busy")
        assert refused.status_code == 503
        assert refused["Retry-After"]
    page.refresh_from_db()
    assert page.state == "sent"
    story.forward(seconds=600)
    assert [message.to for message in story.channel.attempts] == ["Omar"]
