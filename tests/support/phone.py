"""A phone provider that speaks as Twilio does: signs as its documentation says, sharing no code with Andon."""

import base64
import hashlib
import hmac
import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

from django.http import HttpResponse
from django.test import Client

from andon.paging.providers import actions as providers
from andon.people.models import ChannelKind
from andon.people.policy import Actor
from tests.support.cast import Cast
from tests.support.listener import Listener

ACCOUNT, TOKEN = "AC0123456789abcdef0123456789abcdef", "an auth token"
OURS, LENAS = "+15005550006", "+4930901820"


class Provider:
    """The provider's two sides: it takes messages and calls (on the listener), and calls Andon (with `client`)."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.client = Client(enforce_csrf_checks=True)
        self.taken = 0
        self.refuse: tuple[int, int] | None = None
        listener.answer = self._answer

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.refuse:
            status, code = self.refuse
            body = {"code": code, "message": f"about {LENAS}", "status": status}
            return self.listener.say(handler, status, json.dumps(body).encode())
        self.taken += 1
        return self.listener.say(handler, 201, json.dumps({"sid": f"SM{self.taken}"}).encode())

    @property
    def forms(self) -> list[dict[str, str]]:
        return [
            {name: values[0] for name, values in parse_qs(one.body.decode()).items()} for one in self.listener.heard
        ]

    def calls(self, url: str, token: str = TOKEN, signature: str | None = None, **given: str) -> HttpResponse:
        """POST to an address of Andon, signed."""
        whole = url + "".join(f"{name}{given[name]}" for name in sorted(given))
        digest = hmac.new(token.encode(), whole.encode(), hashlib.sha1).digest()
        signed = base64.b64encode(digest).decode() if signature is None else signature
        path = url.removeprefix("http://testserver")
        answer: HttpResponse = self.client.post(path, given, headers={"X-Twilio-Signature": signed})  # type: ignore[assignment]
        return answer

    def texts(self, body: str, sender: str = LENAS) -> str:
        """Somebody answers by text message; what is answered to that."""
        answer = self.calls("http://testserver/phone/sms", From=sender, To=OURS, Body=body, MessageSid="SMin")
        assert answer.status_code == 200, answer.content
        reply = ET.fromstring(answer.content)
        assert reply.tag == "Response"
        return reply.findtext("Message") or ""


def set_up(cast: Cast, listener: Listener) -> Provider:
    """The account is set up, and Lena is paged by text message."""
    facts = {"server": listener.url, "account": ACCOUNT, "token": TOKEN, "sender": OURS}
    providers.set_up(ChannelKind.SMS, facts, by=Actor.of(cast.nadia))
    cast.lena.contact_points.update(kind=ChannelKind.SMS, address=LENAS)
    return Provider(listener)
