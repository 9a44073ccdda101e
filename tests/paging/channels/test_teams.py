"""Pages to Microsoft Teams: the card, that nobody's words become a link, and what each answer means."""

import json
from dataclasses import replace
from typing import Any

import pytest

from andon.kit.errors import Invalid
from andon.paging.adapters import find, setup
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.message import Message
from tests.paging.channels.conftest import PAGE, SEVERAL, TEST, hostile, is_another_try
from tests.support.listener import Listener


def send(listener: Listener, message: Message = PAGE) -> Receipt:
    return find("teams").send(message, Destination(f"{listener.url}/workflows/x?sig=secret"))


def card(listener: Listener) -> dict[str, Any]:
    whole = json.loads(listener.heard[-1].body)
    assert whole["type"] == "message"
    (attachment,) = whole["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    content: dict[str, Any] = attachment["content"]
    assert (content["type"], content["version"]) == ("AdaptiveCard", "1.4")
    return content


def words(content: dict[str, Any]) -> list[str]:
    return [run["text"] for part in content["body"] if part["type"] == "RichTextBlock" for run in part["inlines"]]


def test_the_card_says_what_and_has_one_button(listener: Listener):
    listener.always(202)
    assert send(listener).outcome is Outcome.SENT
    content = card(listener)
    assert words(content)[0] == PAGE.subject
    assert "2. Roll back to v6" in words(content)
    (facts,) = [part["facts"] for part in content["body"] if part["type"] == "FactSet"]
    assert {"title": "Severity", "value": "S2"} in facts
    assert content["actions"] == [{"type": "Action.OpenUrl", "title": "Look and acknowledge", "url": PAGE.link}]
    assert content["fallbackText"] == PAGE.subject


def test_the_double_of_a_page_is_the_same_card(listener: Listener):
    send(listener)
    send(listener)
    first, second = listener.heard
    assert first.body == second.body
    assert f"Page {PAGE.key[:8]}" in words(card(listener))


def test_nobodys_words_are_read_as_markdown(listener: Listener):
    """A TextBlock reads Markdown, and so a title could be a link to somewhere else; a TextRun does not."""
    trap = "[Acknowledge here](https://thief.example)"
    send(listener, replace(PAGE, headline=trap, why=trap, first=(trap,)))
    assert "TextBlock" not in {part["type"] for part in card(listener)["body"]}
    (facts,) = [part["facts"] for part in card(listener)["body"] if part["type"] == "FactSet"]
    assert "thief" not in json.dumps(facts)


def test_several_incidents_have_a_button_each(listener: Listener):
    send(listener, SEVERAL)
    assert [one["url"] for one in card(listener)["actions"]] == [url for _, url in SEVERAL.links]
    assert any("INC-43" in one for one in words(card(listener)))


def test_a_test_message_is_a_card_without_facts(listener: Listener):
    send(listener, TEST)
    assert [part for part in card(listener)["body"] if part["type"] == "FactSet"] == []


def test_a_card_stays_under_what_teams_takes(listener: Listener):
    send(listener, replace(PAGE, why="x" * 90_000, first=tuple("y" * 9_000 for _ in range(3))))
    assert len(listener.heard[-1].body) < 28_000


@pytest.mark.parametrize(
    ("status", "outcome", "gone"),
    [(202, Outcome.SENT, False), (400, Outcome.BROKEN, False), (401, Outcome.BROKEN, False),
     (404, Outcome.BROKEN, False), (410, Outcome.BROKEN, True), (429, Outcome.RETRY, False),
     (500, Outcome.RETRY, False)],
)  # fmt: skip
def test_what_each_answer_means(listener: Listener, status: int, outcome: Outcome, gone: bool):
    listener.always(status)
    receipt = send(listener)
    assert (receipt.outcome, receipt.gone) == (outcome, gone)


@hostile
@pytest.mark.usefixtures("hurried")
def test_a_hostile_server_costs_another_try_and_no_more(listener: Listener, hostility: Any):
    hostility(listener)
    is_another_try(send(listener))


def test_an_address_that_andon_does_not_call_is_refused_for_good():
    assert find("teams").send(PAGE, Destination("http://169.254.169.254/x")).outcome is Outcome.BROKEN


@pytest.mark.parametrize(
    "wrong", ["", "mailto:x@example.org", "https://", "https://[x", "https://user:pass@example.org/x"]
)
def test_what_is_no_address_is_refused(wrong: str):
    with pytest.raises(Invalid):
        setup("teams").way.check(wrong)


def test_a_retired_connector_is_refused_with_what_to_do_instead():
    with pytest.raises(Invalid, match="retired"):
        setup("teams").way.check("https://example.webhook.office.com/webhookb2/x@y/IncomingWebhook/z")
