"""A stub of Slack: its Web API on loopback, as far as Andon calls it, and what Slack sends, signed as Slack signs."""

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client

from andon.incidents.models import Incident
from andon.kit import clock
from andon.paging.providers.actions import set_up
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from tests.support.listener import Heard, Listener, listening

TEAM = "T0EXAMPLE"
TOKEN = "xoxb-for-tests-only"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
Answer = dict[str, Any]


@dataclass
class Channel:
    id: str
    name: str
    private: bool
    members: list[str] = field(default_factory=list)
    topic: str = ""
    pins: list[str] = field(default_factory=list)
    archived: bool = False


class Slack:
    """A workspace: channels, messages, and answers that a test can change."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.url = f"{listener.url}/api"
        self.channels: dict[str, Channel] = {}
        self.messages: dict[tuple[str, str], dict[str, Any]] = {}
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.forms: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.instead: Callable[[str, dict[str, Any]], tuple[int, Answer, dict[str, str]] | None] = lambda _m, _a: None
        self.after: Callable[[str, dict[str, Any]], None] = lambda _method, _arguments: None
        self._one_at_a_time = threading.Lock()
        self._count = 0
        listener.answer = self._answer

    # What a test asks.

    def calls(self, method: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.said if name == method]

    def methods(self) -> list[str]:
        return [name for name, _ in self.said]

    def channel(self, name: str) -> Channel:
        (found,) = [one for one in self.channels.values() if one.name == name]
        return found

    def direct_messages(self, member: str) -> list[dict[str, Any]]:
        return [one for (channel, _), one in self.messages.items() if channel == f"D{member[1:]}"]

    # What Slack answers.

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._one_at_a_time:
            self._answer_one(handler, handler.request_heard)  # type: ignore[attr-defined]

    def _answer_one(self, handler: BaseHTTPRequestHandler, heard: Heard) -> None:
        arguments = json.loads(heard.body)
        if heard.path.startswith("/response/"):
            self.answers.append(arguments)
            self.listener.say(handler, 200, b"ok")
            return
        method = heard.path.removeprefix("/api/")
        assert heard.headers["authorization"] == f"Bearer {TOKEN}"
        self.said.append((method, arguments))
        if changed := self.instead(method, arguments):
            status, answer, headers = changed
            self.listener.say(handler, status, json.dumps(answer).encode(), **headers)
            return
        answer = getattr(self, f"_{method.replace('.', '_')}")(arguments)
        self.after(method, arguments)
        self.listener.say(handler, 200, json.dumps({"ok": "error" not in answer, **answer}).encode())

    def _chat_postMessage(self, given: Answer) -> Answer:  # noqa: N802  the method's name
        self._count += 1
        ts = f"{1772421120 + self._count}.000100"
        channel = f"D{given['channel'][1:]}" if given["channel"][0] in "UW" else given["channel"]
        if channel[0] == "C" and channel not in self.channels:
            return {"error": "channel_not_found"}
        self.messages[channel, ts] = {**given, "ts": ts, "channel": channel}
        return {"channel": channel, "ts": ts}

    def _chat_update(self, given: Answer) -> Answer:
        message = self.messages.get((given["channel"], given["ts"]))
        if message is None:
            return {"error": "message_not_found"}
        message.update(text=given["text"], blocks=given["blocks"])
        return {"ts": given["ts"]}

    def _chat_postEphemeral(self, given: Answer) -> Answer:  # noqa: N802  the method's name
        self.answers.append(given)
        return {"message_ts": "1"}

    def _conversations_create(self, given: Answer) -> Answer:
        if any(one.name == given["name"] for one in self.channels.values()):
            return {"error": "name_taken"}
        made = Channel(f"C{len(self.channels):08d}", given["name"], given["is_private"])
        self.channels[made.id] = made
        return {"channel": {"id": made.id, "name": made.name, "is_private": made.private}}

    def _users_conversations(self, given: Answer) -> Answer:
        own = [one for one in self.channels.values() if not one.archived]
        start = int(given["cursor"] or 0)
        page = own[start : start + 2]
        following = str(start + 2) if start + 2 < len(own) else ""
        listed = [{"id": one.id, "name": one.name, "is_private": one.private} for one in page]
        return {"channels": listed, "response_metadata": {"next_cursor": following}}

    def _conversations_invite(self, given: Answer) -> Answer:
        channel = self.channels[given["channel"]]
        if given["users"] in channel.members:
            return {"error": "already_in_channel"}
        channel.members.append(given["users"])
        return {}

    def _conversations_setTopic(self, given: Answer) -> Answer:  # noqa: N802  the method's name
        self.channels[given["channel"]].topic = given["topic"]
        return {}

    def _conversations_archive(self, given: Answer) -> Answer:
        self.channels[given["channel"]].archived = True
        return {}

    def _conversations_history(self, given: Answer) -> Answer:
        return {"messages": [one for (channel, _), one in self.messages.items() if channel == given["channel"]]}

    def _pins_add(self, given: Answer) -> Answer:
        self.channels[given["channel"]].pins.append(given["timestamp"])
        return {}

    def _views_open(self, given: Answer) -> Answer:
        self.forms.append(given["view"])
        return {"view": {"id": f"V{len(self.forms)}"}}

    # What Slack sends.

    def post(self, payload: Answer, **more: Any) -> HttpResponse:
        """A request as Slack makes it; see `signed`."""
        body, headers = self.signed(payload, **more)
        kind = headers.pop("Content-Type")
        return Client(enforce_csrf_checks=True).post("/slack/events", body, content_type=kind, headers=headers)

    @staticmethod
    def signed(
        payload: Answer, *, secret: str = SECRET, age: int = 0, event: bool = False
    ) -> tuple[str, dict[str, str]]:
        """Body and headers, signed `age` seconds ago."""
        body = json.dumps(payload) if event else urlencode({"payload": json.dumps(payload)})
        stamp = str(int(clock.now().timestamp()) - age)
        mark = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        kind = "application/json" if event else "application/x-www-form-urlencoded"
        return body, {"Content-Type": kind, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={mark}"}

    def click(self, member: str, act: str, value: str, *, team: str = TEAM, **more: Any) -> HttpResponse:
        """A click on a button of a message."""
        return self.post(self.clicked(member, act, value, team=team), **more)

    def clicked(self, member: str, act: str, value: str, *, team: str = TEAM) -> Answer:
        """What Slack says of a click."""
        return self._from(member, team) | {
            "type": "block_actions",
            "actions": [{"type": "button", "action_id": act, "block_id": "b", "value": value}],
            "container": {"type": "message"},
        }

    def submit(self, member: str, form: dict[str, Any], words: str, *, view: str = "V1") -> HttpResponse:
        """A form, filled in and sent."""
        shown = {
            "id": view,
            "type": "modal",
            "callback_id": form["callback_id"],
            "private_metadata": form["private_metadata"],
            "state": {"values": {"words": {"words": {"type": "plain_text_input", "value": words}}}},
        }
        payload = {k: v for k, v in self._from(member, TEAM).items() if k != "response_url"}
        return self.post(payload | {"type": "view_submission", "view": shown})

    def keep(self, member: str, channel: str, text: str, *, ts: str = "1772421000.000200", author: str = "") -> Any:
        """The message shortcut."""
        payload = self._from(member, TEAM) | {
            "type": "message_action",
            "callback_id": "andon_note",
            "channel": {"id": channel, "name": "x"},
            "message": {"type": "message", "ts": ts, "text": text, "user": author or member},
        }
        return self.post(payload)

    def mention(self, member: str, channel: str, text: str, *, ts: str = "1772421100.000300", **more: Any) -> Any:
        """`@andon …` in a channel."""
        event = {
            "type": "app_mention", "user": member, "text": f"<@U0ANDON> {text}", "ts": ts, "channel": channel, **more,
        }  # fmt: skip
        whole = {"type": "event_callback", "team_id": TEAM, "api_app_id": "A1", "event_id": "Ev1", "event": event}
        return self.post(whole, event=True)

    def _from(self, member: str, team: str) -> Answer:
        return {
            "team": {"id": team, "domain": "example"},
            "user": {"id": member, "team_id": team, "name": "someone"},
            "api_app_id": "A1",
            "trigger_id": "1.2.abc",
            "response_url": f"{self.listener.url}/response/of-this-click",
        }


@contextmanager
def a_workspace() -> Iterator[Slack]:
    with listening() as listener:
        yield Slack(listener)


def member_id(person: Person) -> str:
    return f"U0{person.name.upper()}XX"


def connect(slack: Slack, admin: Person, *people: Person, **settings: str) -> None:
    """Slack is set up, and these people have confirmed that it reaches them."""
    given = {"token": TOKEN, "signing_secret": SECRET, "team": TEAM, "url": slack.url, **settings}
    set_up(ChannelKind.SLACK, given, by=Actor.of(admin))
    for person in people:
        ContactPoint.objects.create(
            person=person, kind=ChannelKind.SLACK, address=member_id(person), verified_at=clock.now()
        )


def number_of(incident: Incident) -> str:
    return str(incident.number)
