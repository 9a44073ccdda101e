"""Phone calls: what is asked of the provider, and what is read out. What follows is in tests/response/test_phone.py."""

from dataclasses import replace
from typing import Any

import pytest

from andon.paging.adapters import find
from andon.paging.adapters.voice import script
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.message import Message
from andon.paging.providers import actions as providers
from andon.paging.providers import queries
from andon.people.models import ChannelKind
from andon.people.policy import Actor
from tests.paging.channels.conftest import PAGE, TEST, about, hostile, is_another_try
from tests.support.cast import Cast
from tests.support.listener import Listener
from tests.support.phone import ACCOUNT, LENAS, OURS, TOKEN, Provider


def send(listener: Listener, message: Message = PAGE, **settings: str) -> Receipt:
    whole = {"server": listener.url, "account": ACCOUNT, "token": TOKEN, "sender": OURS, "caller": "", **settings}
    return find("voice").send(message, Destination(LENAS, settings=whole))


def test_the_call_fetches_what_to_say_by_the_links_own_token(listener: Listener):
    provider = Provider(listener)
    assert send(listener).outcome is Outcome.SENT
    send(listener, TEST)
    page, test = provider.forms
    assert listener.heard[0].path.endswith("/Calls.json")
    assert page["Url"] == "http://testserver/phone/call/page/token.signature"
    assert test["Url"] == "http://testserver/phone/call/test/token:signature"


def test_another_number_calls_and_a_messaging_service_cannot(listener: Listener):
    provider = Provider(listener)
    send(listener, caller="+15005550007")
    assert provider.forms[0]["From"] == "+15005550007"
    refused = send(listener, sender="MG" + "0" * 32)
    assert refused.outcome is Outcome.UNABLE
    assert "number to call from" in refused.reason


@hostile
@pytest.mark.usefixtures("hurried")
def test_a_hostile_provider_costs_another_try_and_no_more(listener: Listener, hostility: Any):
    hostility(listener)
    is_another_try(send(listener))


def test_it_stands_as_the_account_for_text_messages_does(cast: Cast):
    by = Actor.of(cast.nadia)
    assert queries.standing("voice") is queries.Standing.NOT_SET_UP
    providers.set_up(ChannelKind.SMS, {"account": ACCOUNT, "token": TOKEN, "sender": OURS}, by=by)
    assert queries.standing("voice") is queries.Standing.READY
    assert queries.settings_of("voice") == queries.settings_of("sms")
    providers.disable(ChannelKind.VOICE, by=by)
    assert (queries.standing("sms"), queries.standing("voice")) == ("ready", "disabled")


def test_a_drill_says_first_that_it_is_one():
    drill = replace(PAGE, about=replace(about(), kind="drill"))
    assert "This is a drill. Incident 42, severity 2. Credit scorer." in script.of_page(drill)
    assert "drill" not in script.of_page(PAGE)


def test_a_call_does_not_read_for_ever():
    endless = script.asks(script.of_page(replace(PAGE, about=about(title="x" * 99_999))))
    said = endless[0].findtext("Say") or ""
    assert len(said) <= 1500
    assert said.endswith("Press 4 to acknowledge. Press 1 to hear it again.")
