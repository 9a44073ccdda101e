"""Pages by webhook, signed by the Standard Webhooks scheme (see `andon.kit.webhooks`); the key is the page's.

Body: `{"type": "incident.page" | "test", "timestamp": …, "data": {…}}`; see `Message.data`.
"""

import json

from andon.kit import outbound, webhooks
from andon.paging.answers import asked_wait
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message

_GONE = 410


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """POST the message. 2xx is sent; 410 says that the address is no more; the rest is worth another try."""
        if not destination.secret:
            return Receipt.broken("This webhook has no signing secret. Remove it and add it again to get one.")
        body = _body(message)
        try:
            answer = outbound.post(destination.address, body, webhooks.headers(message.key, body, destination.secret))
        except outbound.TargetRefused as refused:
            return Receipt.broken(refused.what)
        except outbound.Unreachable as error:
            return Receipt.retry(f"The webhook did not answer: {error}"[:300])
        if answer.ok:
            return Receipt.sent()
        if answer.status == _GONE:
            return Receipt.broken("The webhook answered 410: it is gone for good.", gone=True)
        return Receipt.retry(f"The webhook answered {answer.status} instead of 2xx.", asked_wait(answer))


def _body(message: Message) -> bytes:
    """The JSON; `timestamp` is when the page was made, and so is the same on every attempt."""
    kind = "incident.page" if message.kind == "page" else message.kind
    whole = {"type": kind, "timestamp": message.at.isoformat(), "data": message.data()}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
