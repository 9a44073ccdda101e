"""Pages by Apprise, in a process of its own for each message."""

from django.conf import settings

from andon.paging.adapters.apprise import apart
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.message import Message


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Let Apprise hand it over, and read what it says."""
        task = {
            "url": destination.address,
            "title": message.subject,
            "body": f"{message.text()}\n[{message.key[:8]}]",
            "urgent": bool(message.about and message.about.severity in {"S1", "S2"}),
            "allow_private": settings.ALLOW_PRIVATE_TARGETS,
        }
        try:
            told = apart.run(task)
        except apart.TooSlow:
            return Receipt.retry(f"The service did not take the message within {apart.DEADLINE:g} seconds.")
        if told.get("outcome") not in set(Outcome):
            return Receipt.retry("Apprise ended without saying what became of the message.")
        return Receipt(Outcome(told["outcome"]), reason=str(told.get("reason", ""))[:300])
