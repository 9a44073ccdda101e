"""Pages by webhook: what is sent, that anybody can verify it, and what each answer means."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from andon.incidents.models import Incident
from andon.paging.adapters import find
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.message import Message
from andon.paging.models import Page
from tests.support.cast import Cast
from tests.support.listener import Heard, Listener, listening
from tests.support.paging import Story

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def verify(heard: Heard, key: bytes) -> dict[str, Any]:
    """A receiver, written from the Standard Webhooks specification and sharing no code with the sender."""
    signed = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.{heard.body.decode()}"
    expected = base64.b64encode(hmac.HMAC(key, signed.encode("utf-8"), hashlib.sha256).digest())
    offered = [part.split(",", 1) for part in heard.headers["webhook-signature"].split(" ")]
    assert any(version == "v1" and hmac.compare_digest(expected, got.encode()) for version, got in offered)
    whole: dict[str, Any] = json.loads(heard.body)
    return whole


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as one:
        yield one


@pytest.fixture
def message(story: Story, incident: Incident) -> Message:
    (made,) = story.run()
    return made


@pytest.fixture
def send(listener: Listener, message: Message):
    return lambda secret=SECRET: find("webhook").send(message, Destination(f"{listener.url}/hook", secret))


def test_the_signature_verifies_and_the_body_says_it_all(
    send: Any, listener: Listener, message: Message, incident: Incident, story: Story
):
    assert send().outcome is Outcome.SENT
    (heard,) = listener.heard
    whole = verify(heard, KEY)
    assert heard.headers["webhook-id"] == message.key
    assert int(heard.headers["webhook-timestamp"]) == int(story.time.now().timestamp())
    assert heard.headers["content-type"] == "application/json"
    assert whole["type"] == "incident.page"
    assert whole["data"]["link"] == message.link
    assert whole["data"]["incident"]["ref"] == incident.ref
    assert whole["data"]["incident"]["severity"] == incident.level.name
    assert whole["data"]["first"] == list(message.first)


def test_a_changed_body_does_not_verify(send: Any, listener: Listener):
    send()
    (heard,) = listener.heard
    heard.body = heard.body.replace(b"Approvals", b"Rejections")
    with pytest.raises(AssertionError):
        verify(heard, KEY)


def test_the_same_page_carries_the_same_id_and_body_but_the_time_of_the_attempt(
    send: Any, listener: Listener, story: Story
):
    send()
    story.time.forward(timedelta(seconds=5))
    send()
    first, second = listener.heard
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    verify(second, KEY)


def test_a_secret_that_is_not_in_the_schemes_form_signs_as_it_stands(send: Any, listener: Listener):
    send("plain words")
    verify(listener.heard[0], b"plain words")


@pytest.mark.parametrize(
    ("status", "outcome", "gone"),
    [
        (200, Outcome.SENT, False),
        (204, Outcome.SENT, False),
        (301, Outcome.RETRY, False),
        (400, Outcome.RETRY, False),
        (404, Outcome.RETRY, False),
        (410, Outcome.BROKEN, True),
        (500, Outcome.RETRY, False),
    ],
)
def test_what_each_answer_means(send: Any, listener: Listener, status: int, outcome: Outcome, gone: bool):
    listener.always(status)
    receipt = send()
    assert (receipt.outcome, receipt.gone) == (outcome, gone)
    assert outcome is Outcome.SENT or str(status) in receipt.reason


@pytest.mark.parametrize(("asked", "wait"), [("30", 30), ("86400", 60), ("soon", 0), ("-5", 0), ("9" * 40, 0), ("", 0)])
def test_a_wait_that_is_asked_for_is_kept_within_a_minute(send: Any, listener: Listener, asked: str, wait: int):
    listener.always(503, Retry_After=asked)
    assert send().after == timedelta(seconds=wait)


def test_an_address_that_andon_does_not_call_is_refused_for_good(message: Message):
    receipt = find("webhook").send(message, Destination("http://169.254.169.254/latest", SECRET))
    assert receipt.outcome is Outcome.BROKEN
    assert "metadata" in receipt.reason


def test_nobody_listening_is_tried_again(message: Message):
    receipt = find("webhook").send(message, Destination("http://127.0.0.1:1/", SECRET))
    assert receipt.outcome is Outcome.RETRY


def test_without_a_secret_nothing_is_sent(send: Any, listener: Listener):
    assert send("").outcome is Outcome.BROKEN
    assert listener.heard == []


def test_a_webhook_that_is_gone_breaks_its_contact_point_and_the_next_step_is_paged(
    listener: Listener, story: Story, incident: Incident, cast: Cast
):
    listener.always(410)
    cast.lena.contact_points.update(kind="webhook", address=listener.url, secret=SECRET)
    story.engine.modules[2]._find = lambda kind: find(kind) if kind == "webhook" else story.channel
    assert [message.to for message in story.run()] == ["Nadia", "Tomas"]  # told that Lena's is broken, and paged
    point = cast.lena.contact_points.get()
    assert not point.works
    assert "410" in point.broken_reason
    assert Page.objects.get(incident=incident, person=cast.lena).state == "failed"


@pytest.mark.parametrize("kind", ["", "pigeon", "../email", "email.adapter"])
def test_a_kind_without_a_folder_is_a_clear_error(kind: str):
    with pytest.raises(LookupError, match="no channel"):
        find(kind)


def test_the_log_channel_keeps_the_link_to_itself(message: Message, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO"):
        assert find("log").send(message, Destination("x")) == Receipt.sent()
    assert message.link not in caplog.text
    assert "Approvals fell by half" in caplog.text
