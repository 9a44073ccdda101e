"""Pages by ntfy: a JSON message to the topic, with a priority by severity.

One button opens the link, another acknowledges without opening it. The page's key goes along as the sequence id: a
server from 2.16 on shows the double of a page in place of the first. Format: docs.ntfy.sh/publish.
"""

import json
from typing import Any

from andon.kit import outbound
from andon.paging.answers import judge
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message

_PRIORITY = {"S1": 5, "S2": 5, "S3": 4, "S4": 3, "S5": 2}
_LONGEST = 3500
"""Bytes of text; a server makes an attachment of more than 4,096."""
_MOST_BUTTONS = 3


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Publish to the person's topic on the installation's server."""
        headers = {"Content-Type": "application/json"}
        if token := destination.settings.get("token"):
            headers["Authorization"] = f"Bearer {token}"
        body = json.dumps(_body(message, destination.address), ensure_ascii=False).encode()
        return judge("The ntfy server", lambda: outbound.post(destination.settings["server"], body, headers))


def _body(message: Message, topic: str) -> dict[str, Any]:
    return {
        "topic": topic,
        "title": message.subject,
        "message": _text(message),
        "priority": _PRIORITY[message.about.severity] if message.about else 3,
        "tags": ["rotating_light", message.about.severity] if message.about else ["white_check_mark"],
        "click": message.link,
        "actions": _buttons(message),
        "sequence_id": message.key,
    }


def _buttons(message: Message) -> list[dict[str, Any]]:
    """One that opens each link, and for a page about one incident one that acknowledges from the lock screen."""
    buttons: list[dict[str, Any]] = [
        {"action": "view", "label": label, "url": url} for label, url in message.links[:_MOST_BUTTONS]
    ]
    if message.kind == "page" and not message.also:
        buttons.append({"action": "http", "label": "I have it", "url": message.link, "method": "POST", "clear": True})
    return buttons


def _text(message: Message) -> str:
    """Why, and what to do first; the title says what, and the buttons have the links."""
    steps = [f"{number}. {step}" for number, step in enumerate(message.first, 1)]
    also = [f"{one.headline}\n{one.link}" for one in message.also]
    return "\n".join([message.why, *steps, *also]).encode()[:_LONGEST].decode(errors="ignore")
