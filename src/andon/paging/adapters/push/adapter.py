"""Pages by Web Push (RFC 8030): the browser shows them, even when no page of Andon is open.

A message sent again carries the same topic and the same key: a push service that still holds the first drops it, and a
browser that has shown it does not ring twice.
"""

from typing import Final

from py_vapid import Vapid02

from andon.kit import outbound
from andon.paging.adapters.push import envelope
from andon.paging.adapters.push.subscription import Subscription
from andon.paging.answers import of_status
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message

DEADLINE: Final = 10.0
_GONE: Final = frozenset({404, 410})
_NOT_OURS: Final = 403
_TOO_LARGE: Final = 413


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """POST the message to the browser's push service.

        2xx is sent; 404 and 410 say that the browser is no longer subscribed; 403, that it was subscribed under
        other keys. A push service that finds the message too large gets a shorter one at once.
        """
        try:
            to = Subscription.kept(destination.address, destination.secret)
        except (ValueError, KeyError):
            return Receipt.broken("The keys of this browser are not there. Turn it on again in that browser.")
        keys = Vapid02.from_pem(destination.settings["private_key"].encode())
        try:
            answer = _post(message, to, keys, envelope.LARGEST)
            if answer.status == _TOO_LARGE:
                answer = _post(message, to, keys, envelope.SHORT)
        except outbound.TargetRefused as refused:
            return Receipt.broken(refused.what)
        except outbound.Unreachable as error:
            return Receipt.retry(f"The push service did not answer: {error}"[:300])
        return _receipt(answer)


def _post(message: Message, to: Subscription, keys: Vapid02, largest: int) -> outbound.Answer:
    body = envelope.sealed(envelope.text(message, largest), to)
    return outbound.post(to.endpoint, body, envelope.headers(message, to, keys), deadline=DEADLINE)


def _receipt(answer: outbound.Answer) -> Receipt:
    if answer.status in _GONE:
        return Receipt.broken("This browser no longer takes pages. Turn it on again in that browser.", gone=True)
    if answer.status == _NOT_OURS:
        return Receipt.broken("This browser was turned on under other keys. Turn it on again in that browser.")
    return of_status("The push service", answer)
