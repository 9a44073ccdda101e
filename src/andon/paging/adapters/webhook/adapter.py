"""Pages by webhook, signed by the Standard Webhooks scheme, so that any of its libraries verifies them.

Headers: `webhook-id` (the page's key: the same on every attempt), `webhook-timestamp` (this attempt, Unix seconds),
`webhook-signature` (`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body` under the contact point's secret).
Body: `{"type": "incident.page" | "test", "timestamp": …, "data": {…}}`; see `Message.data`.
"""

import base64
import binascii
import hashlib
import hmac
import json

from andon.kit import clock, outbound
from andon.paging.answers import asked_wait
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message

_PREFIX = "whsec_"
_GONE = 410


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """POST the message. 2xx is sent; 410 says that the address is no more; the rest is worth another try."""
        if not destination.secret:
            return Receipt.broken("This webhook has no signing secret. Remove it and add it again to get one.")
        body = _body(message)
        try:
            answer = outbound.post(destination.address, body, _headers(message.key, body, destination.secret))
        except outbound.TargetRefused as refused:
            return Receipt.broken(refused.what)
        except outbound.Unreachable as error:
            return Receipt.retry(f"The webhook did not answer: {error}"[:300])
        if answer.ok:
            return Receipt.sent()
        if answer.status == _GONE:
            return Receipt.broken("The webhook answered 410: it is gone for good.", gone=True)
        return Receipt.retry(f"The webhook answered {answer.status} instead of 2xx.", asked_wait(answer))


def sign(key: str, timestamp: int, body: bytes, secret: str) -> str:
    """The signature header's value. A secret in the scheme's form, `whsec_` and base64, is decoded first."""
    signed = b".".join([key.encode(), str(timestamp).encode(), body])
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    """The bytes to sign with; a secret that is not in the scheme's form is taken as it stands."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()


def _body(message: Message) -> bytes:
    """The JSON; `timestamp` is when the page was made, and so is the same on every attempt."""
    kind = "incident.page" if message.kind == "page" else message.kind
    whole = {"type": kind, "timestamp": message.at.isoformat(), "data": message.data()}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def _headers(key: str, body: bytes, secret: str) -> dict[str, str]:
    timestamp = int(clock.now().timestamp())
    return {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(key, timestamp, body, secret),
    }
