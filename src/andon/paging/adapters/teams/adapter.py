"""Pages to Microsoft Teams: an Adaptive Card to the address of a workflow.

What senders and people typed stands in text runs, which are not read as Markdown, so that nobody can put a link into a
page. The card shows the page's key, by which the double of a page is recognised.
Formats: learn.microsoft.com, "Create incoming webhooks with Workflows"; adaptivecards.io/explorer, version 1.4.
"""

import json
from typing import Any

from andon.kit import outbound
from andon.paging.answers import judge
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message

_COLOUR = {"S1": "Attention", "S2": "Attention", "S3": "Warning"}
_LONGEST = 1000
"""Characters of one text; a card of more than 28 KB is refused."""


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Hand the card to the workflow, which answers 202 and posts it."""
        body = json.dumps(_posting(message), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"}
        return judge("The Teams workflow", lambda: outbound.post(destination.address, body, headers), mine=False)


def _posting(message: Message) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": message.subject,
        "body": _body(message),
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": url} for label, url in message.links],
        "msteams": {"width": "Full"},
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _body(message: Message) -> list[dict[str, Any]]:
    about = message.about
    colour = _COLOUR.get(about.severity, "Default") if about else "Default"
    parts = [_words(message.subject, size="Large", weight="Bolder", color=colour), _words(message.why)]
    if about:
        facts = {"Incident": about.ref, "Severity": about.severity, "Type": about.type, "Kind": about.kind}
        parts.append({"type": "FactSet", "facts": [{"title": name, "value": value} for name, value in facts.items()]})
        parts.append(_words(f"System: {about.system}"))
    if message.first:
        parts.append(_words("First:", weight="Bolder"))
        parts += [_words(f"{number}. {step}") for number, step in enumerate(message.first, 1)]
    for one in message.also:
        parts += [_words(one.headline, weight="Bolder"), _words(one.why)]
    parts.append(_words(f"Page {message.key[:8]}", size="Small", isSubtle=True))
    return parts


def _words(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text[:_LONGEST], **look}]}
