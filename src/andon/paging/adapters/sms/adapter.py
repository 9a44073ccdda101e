"""Pages by text message: short, the link last, and the answer that acknowledges.

The provider takes no idempotency key. The double of a page is the same text to the letter, its link included; and the
key is in the address at which the provider reports what became of the message.
"""

from django.conf import settings
from django.urls import reverse

from andon.paging.adapters.sms import twilio
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message

_LONGEST_HEADLINE = 110
_SERVICE = "MG"


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Ask the provider for the message; it says later, at the status address, whether it arrived."""
        sender = destination.settings["sender"]
        form = {
            "To": destination.address,
            "MessagingServiceSid" if sender.startswith(_SERVICE) else "From": sender,
            "Body": text(message),
            "StatusCallback": settings.BASE_URL + reverse("phone_status", args=["sms", message.key]),
        }
        return twilio.post("Messages", form, destination)


def text(message: Message) -> str:
    """The headline, how to answer, and the links."""
    headline = message.subject
    if len(headline) > _LONGEST_HEADLINE:
        headline = f"{headline[: _LONGEST_HEADLINE - 1]}…"
    return "\n".join([headline, _how_to_answer(message), *(url for _, url in message.links)])


def _how_to_answer(message: Message) -> str:
    if message.about is None:
        return f"{message.link_label}:"
    number = "and a number" if message.also else message.about.ref.removeprefix("INC-")
    return f"Answer 4 {number} to acknowledge, or open:"
