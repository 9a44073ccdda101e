"""Pages by ntfy: what is published, the button that acknowledges, and what each answer means."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from andon.kit.errors import Invalid
from andon.paging.adapters import find, setup
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.message import Message
from tests.paging.channels.conftest import PAGE, SEVERAL, TEST, about, hostile, is_another_try
from tests.support.cast import Cast
from tests.support.listener import Listener
from tests.support.paging import Story, open_incident


def send(listener: Listener, message: Message = PAGE, token: str = "") -> Receipt:
    return find("ntfy").send(message, Destination("lena-x7f2q", settings={"server": listener.url, "token": token}))


def heard(listener: Listener) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(listener.heard[-1].body)
    return whole


def test_it_publishes_to_the_persons_topic_with_all_that_a_lock_screen_needs(listener: Listener):
    assert send(listener, token="tk_secret").outcome is Outcome.SENT
    (request,) = listener.heard
    assert (request.command, request.path) == ("POST", "/")
    assert request.headers["authorization"] == "Bearer tk_secret"
    said = heard(listener)
    assert said["topic"] == "lena-x7f2q"
    assert said["title"] == PAGE.subject
    assert "1. Preserve the decision log" in said["message"]
    assert said["click"] == PAGE.link
    assert said["sequence_id"] == PAGE.key
    assert said["priority"] == 5
    view, take = said["actions"]
    assert (view["action"], view["url"]) == ("view", PAGE.link)
    assert (take["action"], take["method"], take["url"]) == ("http", "POST", PAGE.link)


@pytest.mark.parametrize(("severity", "priority"), [("S1", 5), ("S2", 5), ("S3", 4), ("S4", 3), ("S5", 2)])
def test_the_priority_follows_the_severity(listener: Listener, severity: str, priority: int):
    send(listener, replace(PAGE, about=about(severity=severity)))
    assert heard(listener)["priority"] == priority


def test_a_test_has_one_button_and_no_token_goes_where_none_is_set(listener: Listener):
    send(listener, TEST)
    assert [one["action"] for one in heard(listener)["actions"]] == ["view"]
    assert "authorization" not in listener.heard[0].headers


def test_several_incidents_have_their_links_each(listener: Listener):
    send(listener, SEVERAL)
    said = heard(listener)
    assert [one["url"] for one in said["actions"]] == [PAGE.link, "http://testserver/a/other.signature"]
    assert "INC-43" in said["message"]


def test_a_long_text_stays_a_message(listener: Listener):
    send(listener, replace(PAGE, why="ä" * 9000))
    assert len(heard(listener)["message"].encode()) <= 3500


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Outcome.SENT), (400, Outcome.BROKEN), (401, Outcome.UNABLE), (403, Outcome.UNABLE), (404, Outcome.RETRY),
     (429, Outcome.RETRY), (502, Outcome.RETRY)],
)  # fmt: skip
def test_what_each_answer_means(listener: Listener, status: int, outcome: Outcome):
    listener.always(status)
    receipt = send(listener)
    assert receipt.outcome is outcome
    assert outcome is Outcome.SENT or str(status) in receipt.reason


@hostile
@pytest.mark.usefixtures("hurried")
def test_a_hostile_server_costs_another_try_and_no_more(listener: Listener, hostility: Any):
    hostility(listener)
    is_another_try(send(listener))


def test_a_server_at_a_metadata_address_is_no_fault_of_the_person():
    receipt = find("ntfy").send(PAGE, Destination("t", settings={"server": "http://169.254.169.254", "token": ""}))
    assert receipt.outcome is Outcome.UNABLE
    assert "metadata" in receipt.reason


@pytest.mark.parametrize("wrong", ["", "a b", "https://ntfy.sh/x", "x" * 65, "ö", "a/b"])
def test_what_is_no_topic_is_refused(wrong: str):
    with pytest.raises(Invalid):
        setup("ntfy").way.check(wrong)


def test_the_button_on_the_lock_screen_acknowledges_once(cast: Cast, story: Story):
    incident = open_incident(cast.credit_scorer, cast.vera)
    (message,) = story.run()
    body = {"action": "http", "method": "POST", "url": message.link}
    path = body["url"].removeprefix("http://testserver")
    phone = Client(enforce_csrf_checks=True)
    assert phone.post(path, data=b"", content_type="application/octet-stream").status_code == 302
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.lena
    assert phone.post(path, data=b"", content_type="application/octet-stream").status_code == 409
