"""Pages by phone call: the provider calls, fetches from Andon what to say, and hands over the key that was pressed."""

from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from andon.paging.adapters.sms import twilio
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message

_RINGS = "25"
"""Seconds; most voice mailboxes take over later."""


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Ask the provider for the call; it says later, at the status address, whether anybody answered."""
        caller = destination.settings.get("caller") or destination.settings["sender"]
        if caller.startswith("MG"):
            return Receipt.unable("A messaging service cannot call. An administrator gives a number to call from.")
        form = {
            "To": destination.address,
            "From": caller,
            "Url": settings.BASE_URL + reverse("phone_call", args=[message.kind, _token(message)]),
            "Method": "POST",
            "Timeout": _RINGS,
            "StatusCallback": settings.BASE_URL + reverse("phone_status", args=["voice", message.key]),
            "StatusCallbackEvent": "completed",
            "StatusCallbackMethod": "POST",
        }
        return twilio.post("Calls", form, destination)


def _token(message: Message) -> str:
    """The signed token at the end of the message's link: the call is about the same page, or the same test."""
    return urlsplit(message.link).path.rsplit("/", 1)[-1]
