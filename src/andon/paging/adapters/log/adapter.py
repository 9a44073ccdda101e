"""Pages into Andon's own log, for trying out: nobody is woken by it.

The one-click link is a credential, so it is not in the log; the incident's own address is, where one signs in.
"""

import structlog

from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message

_log = structlog.get_logger("andon.page")


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:  # noqa: ARG002  the log is the destination
        """Write one line."""
        _log.info(
            "page" if message.kind == "page" else f"{message.kind} message",
            to=message.to,
            headline=message.subject,
            why=message.why,
            first=message.first[0] if message.first else None,
            incident=message.about.url if message.about else None,
            key=message.key,
        )
        return Receipt.sent()
