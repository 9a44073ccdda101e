"""Text messages: what is sent, what the provider's answers mean, and what becomes of a message later."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.incidents.models import Incident
from andon.kit.errors import Invalid
from andon.paging import sending
from andon.paging.adapters import find, setup
from andon.paging.adapters.sms import replies, twilio
from andon.paging.adapters.sms.replies import Reply, Wish
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.message import Message
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.response import acknowledging
from tests.paging.channels.conftest import PAGE, SEVERAL, TEST, hostile, is_another_try
from tests.support import phone
from tests.support.cast import Cast
from tests.support.listener import Listener
from tests.support.paging import Story, kinds, open_incident
from tests.support.phone import ACCOUNT, LENAS, OURS, TOKEN, Provider

SETTINGS = {"account": ACCOUNT, "token": TOKEN, "sender": OURS, "caller": ""}


def send(listener: Listener, message: Message = PAGE, **settings: str) -> Receipt:
    return find("sms").send(message, Destination(LENAS, settings={"server": listener.url, **SETTINGS, **settings}))


@pytest.fixture
def provider(listener: Listener) -> Provider:
    return Provider(listener)


# Sending.


def test_it_is_short_ends_with_the_link_and_says_how_to_answer(provider: Provider, listener: Listener):
    receipt = send(listener)
    assert (receipt.outcome, receipt.ref) == (Outcome.SENT, "SM1")
    (request,) = listener.heard
    assert request.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode() == f"{ACCOUNT}:{TOKEN}"
    (form,) = provider.forms
    assert (form["To"], form["From"]) == (LENAS, OURS)
    assert form["Body"].splitlines() == [PAGE.subject, "Answer 4 42 to acknowledge, or open:", PAGE.link]
    assert form["StatusCallback"] == f"http://testserver/phone/status/sms/{PAGE.key}"


def test_the_double_of_a_page_is_the_same_to_the_letter(provider: Provider, listener: Listener):
    send(listener)
    send(listener)
    first, second = provider.forms
    assert first == second


def test_a_messaging_service_sends_in_place_of_a_number(provider: Provider, listener: Listener):
    send(listener, sender="MG" + "0" * 32)
    assert provider.forms[0]["MessagingServiceSid"].startswith("MG")
    assert "From" not in provider.forms[0]


def test_several_incidents_and_a_test(provider: Provider, listener: Listener):
    send(listener, SEVERAL)
    send(listener, TEST)
    several, test = provider.forms
    assert "Answer 4 and a number" in several["Body"]
    assert several["Body"].splitlines()[-2:] == [url for _, url in SEVERAL.links]
    assert test["Body"].splitlines()[-1] == TEST.link


@pytest.mark.parametrize(
    ("status", "code", "outcome", "gone"),
    [
        (400, 21211, Outcome.BROKEN, False),
        (400, 21610, Outcome.BROKEN, True),
        (400, 21408, Outcome.UNABLE, False),
        (401, 20003, Outcome.UNABLE, False),
        (400, 99999, Outcome.BROKEN, False),
        (429, 20429, Outcome.RETRY, False),
        (503, 0, Outcome.RETRY, False),
    ],
)
def test_what_each_refusal_means(
    provider: Provider, listener: Listener, status: int, code: int, outcome: Outcome, gone: bool
):
    provider.refuse = (status, code)
    receipt = send(listener)
    assert (receipt.outcome, receipt.gone) == (outcome, gone)
    assert LENAS not in receipt.reason  # the provider repeats it; the timeline outlives a person


@pytest.mark.parametrize("said", [b"", b"[]", b"null", b'"x"', b'{"sid": 7}', b"\xff", b'{"code": "21610"}'])
@pytest.mark.parametrize("status", [201, 500])
def test_an_answer_that_is_no_answer(listener: Listener, said: bytes, status: int):
    listener.answer = lambda handler: listener.say(handler, status, said)
    receipt = send(listener)
    assert receipt.outcome is (Outcome.SENT if status == 201 else Outcome.RETRY)
    assert receipt.ref == ""


@hostile
@pytest.mark.usefixtures("hurried")
def test_a_hostile_provider_costs_another_try_and_no_more(listener: Listener, hostility: Any):
    hostility(listener)
    is_another_try(send(listener))


@pytest.mark.parametrize(
    ("typed", "kept"), [("+49 30 901820", "+4930901820"), (" +49-30-901820 ", "+4930901820"), ("+1 (202) 456-1111", "+12024561111")]
)  # fmt: skip
def test_a_number_is_kept_in_one_form(typed: str, kept: str):
    assert setup("sms").way.check(typed) == kept
    assert setup("voice").way.check(typed) == kept


@pytest.mark.parametrize("wrong", ["", "030 901820", "+49", "+1 555", "+999123456789", "lena", "+49 30 901820; rm"])
def test_what_is_no_number_is_refused(wrong: str):
    with pytest.raises(Invalid):
        setup("sms").way.check(wrong)


# The signature.


def test_the_example_of_the_providers_documentation_verifies():
    params = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309",
              "To": "+18005551212"}  # fmt: skip
    url, signature = "https://mycompany.com/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert twilio.is_genuine(url, params, signature, {"token": "12345"})
    assert not twilio.is_genuine(url, params, signature, {"token": "12346"})
    assert not twilio.is_genuine(url, params | {"Digits": "1235"}, signature, {"token": "12345"})
    assert not twilio.is_genuine(url + "3", params, signature, {"token": "12345"})
    assert not twilio.is_genuine(url, params, "", {"token": "12345"})
    assert not twilio.is_genuine(url, params, "ünicode", {"token": "12345"})


def test_a_url_that_was_signed_with_its_port_verifies():
    with_port = twilio._sign("https://andon.example.org:443/phone/sms", "t")
    assert twilio.is_genuine("https://andon.example.org/phone/sms", {}, with_port, {"token": "t"})
    without = twilio._sign("https://andon.example.org/phone/sms", "t")
    assert twilio.is_genuine("https://andon.example.org:8443/phone/sms", {}, without, {"token": "t"})


# What an answer means.


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("4", Reply(Wish.ACKNOWLEDGE)),
        (" 4. ", Reply(Wish.ACKNOWLEDGE)),
        ("4 42", Reply(Wish.ACKNOWLEDGE, 42)),
        ("Ack INC-42", Reply(Wish.ACKNOWLEDGE, 42)),
        ("ACK inc 42 please", Reply(Wish.ACKNOWLEDGE, 42, "please")),
        ("“ack 42”", Reply(Wish.ACKNOWLEDGE, 42)),
        ("acknowledge", Reply(Wish.ACKNOWLEDGE)),
        ("resolve 42 rolled back,\n two batches fine", Reply(Wish.RESOLVE, 42, "rolled back, two batches fine")),
        ("resolve: rolled back", Reply(Wish.RESOLVE, None, "rolled back")),
        ("status", Reply(Wish.STATUS)),
        ("help", Reply(Wish.HELP)),
        ("442", Reply(Wish.HELP)),
        ("ok", Reply(Wish.HELP)),
        ("", Reply(Wish.HELP)),
        ("👍", Reply(Wish.HELP)),
        ("4 9999999999999", Reply(Wish.ACKNOWLEDGE, None, "9999999999999")),
    ],
)
def test_what_an_answer_means(text: str, reply: Reply):
    assert replies.read(text) == reply


@given(st.text(max_size=400))
def test_whatever_is_written_is_understood_or_gets_help(text: str):
    reply = replies.read(text)
    assert reply.wish in set(Wish)
    assert reply.wish is not Wish.HELP or reply == Reply(Wish.HELP)


@given(st.sampled_from(["4", "ack", "Acknowledge"]), st.integers(1, 999_999_999), st.sampled_from([" ", " inc-", " #"]))
def test_a_named_incident_is_the_one(word: str, number: int, between: str):
    assert replies.read(f"{word}{between}{number}") == Reply(Wish.ACKNOWLEDGE, number)


# What becomes of a message later.


@pytest.fixture
def night(cast: Cast, story: Story, listener: Listener) -> Provider:
    """Lena is paged by text message, through the listener; everybody else over the recording channel."""
    made = phone.set_up(cast, listener)
    delivery = next(module for module in story.engine.modules if module.name == "delivery")
    delivery._find = lambda kind: find(kind) if kind == "sms" else story.channel
    return made


@pytest.fixture
def incident(night: Provider, cast: Cast, story: Story) -> Incident:
    made = open_incident(cast.credit_scorer, cast.vera)
    story.run()
    assert len(night.forms) == 1
    return made


def report(night: Provider, status: str = "undelivered", code: str = "30003", sid: str = "SM1") -> None:
    url = night.forms[-1]["StatusCallback"]
    assert night.calls(url, MessageSid=sid, MessageStatus=status, ErrorCode=code).status_code == 204


def page_of(incident: Incident, cast: Cast) -> Page:
    return Page.objects.get(incident=incident, person=cast.lena)


def test_a_message_that_did_not_arrive_is_sent_again(
    night: Provider, incident: Incident, cast: Cast, story: Story, signed_in: Any
):
    report(night)
    assert page_of(incident, cast).state == "pending"
    assert kinds(incident).count("page_returned") == 1
    timeline = signed_in(cast.nadia).get(f"/incidents/{incident.number}/timeline").text
    assert "Page to Lena by sms did not arrive and is sent again" in timeline
    assert LENAS not in timeline
    story.forward(seconds=5)
    assert page_of(incident, cast).state == "sent"
    first, second = night.forms
    assert first == second


@pytest.mark.parametrize("status", ["queued", "sent", "delivered", ""])
def test_a_message_on_its_way_stays_sent(night: Provider, incident: Incident, cast: Cast, status: str):
    report(night, status=status)
    assert page_of(incident, cast).state == "sent"


def test_a_report_twice_late_or_about_another_attempt_changes_nothing(
    night: Provider, incident: Incident, cast: Cast, story: Story
):
    report(night, sid="SM77")
    assert page_of(incident, cast).state == "sent"
    report(night)
    report(night)
    story.forward(seconds=5)
    assert page_of(incident, cast).provider_ref == "SM2"
    report(night, sid="SM1")
    assert page_of(incident, cast).state == "sent"
    assert kinds(incident).count("page_returned") == 1


def test_a_number_that_is_dead_brings_the_chain_forward_and_breaks_when_it_happens_again(
    night: Provider, incident: Incident, cast: Cast, story: Story
):
    report(night, code="30005")
    assert page_of(incident, cast).state == "failed"
    assert cast.lena.contact_points.get().works
    story.paged(cast.tomas)
    second = open_incident(cast.credit_scorer, cast.vera, "Another one")
    story.run()
    report(night, code="30006", sid="SM2")
    point = cast.lena.contact_points.get()
    assert not point.works
    assert "30006" in point.broken_reason
    assert page_of(second, cast).refused


def test_what_no_attempt_can_change_brings_the_chain_forward_at_once_and_blames_nobody(
    night: Provider, incident: Incident, cast: Cast, story: Story
):
    for _ in range(2):
        report(night, code="30034", sid=page_of(incident, cast).provider_ref)
        assert page_of(incident, cast).state == "failed"
    assert not page_of(incident, cast).refused
    story.paged(cast.tomas)


def test_pages_that_travelled_in_one_message_come_back_together(
    night: Provider, incident: Incident, cast: Cast, story: Story
):
    other = open_incident(cast.credit_scorer, cast.vera, "Another one")
    story.run()
    lead, second = page_of(incident, cast), page_of(other, cast)
    Page.objects.filter(pk__in=[lead.pk, second.pk]).update(bundle=lead.key, provider_ref="SM9")
    url = f"http://testserver/phone/status/sms/{lead.key}"
    assert night.calls(url, MessageSid="SM9", MessageStatus="failed", ErrorCode="30003").status_code == 204
    assert [page_of(one, cast).state for one in (incident, other)] == ["pending", "pending"]


def test_after_so_many_attempts_the_chain_goes_on_and_the_number_is_not_blamed(
    night: Provider, incident: Incident, cast: Cast, story: Story
):
    Page.objects.update(attempts=6)
    report(night)
    assert page_of(incident, cast).state == "failed"
    assert cast.lena.contact_points.get().works
    story.paged(cast.tomas)


def test_nothing_is_sent_again_once_somebody_has_it(night: Provider, incident: Incident, cast: Cast, story: Story):
    acknowledging.acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    report(night)
    story.forward(minutes=10)
    assert len(night.forms) == 1
    assert page_of(incident, cast).state == "sent"


def test_a_report_that_is_faster_than_we_are_is_heeded(night: Provider, cast: Cast, story: Story):
    """The provider says at once that it cannot, before the engine has written that it was sent."""
    incident = open_incident(cast.credit_scorer, cast.vera)
    story.engine.run_once(story.time.now(), limit=0)
    from andon.response.escalating import escalate_due

    escalate_due(story.time.now(), 10)
    (page,) = sending.claim(story.time.now(), 10, "one")
    (ready,) = sending.prepare([page], find)
    assert isinstance(ready, sending.Letter)
    receipt = sending.post(ready)
    report(night, code="30005")
    from andon.paging import outcomes

    outcomes.settle([(page, receipt)], story.time.now())
    assert page_of(incident, cast).state == "failed"
    assert "30005" in page_of(incident, cast).last_error


def test_a_report_about_nothing_is_taken_and_does_nothing(night: Provider, incident: Incident):
    url = f"http://testserver/phone/status/sms/{'0' * 32}"
    assert night.calls(url, MessageSid="SM1", MessageStatus="failed", ErrorCode="x").status_code == 204


def test_a_code_that_is_no_code_is_another_try(night: Provider, incident: Incident, cast: Cast, story: Story):
    report(night, code="<script>")
    assert page_of(incident, cast).state == "pending"
    assert "script" not in page_of(incident, cast).last_error
    story.forward(seconds=5)
    assert timedelta(0) <= story.time.now() - page_of(incident, cast).sent_at
