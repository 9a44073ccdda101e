"""How Andon looks in Slack: Block Kit, with every text of people escaped and cut to what Slack takes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

Block = dict[str, Any]
_LINK = re.compile(r"<([^|>]+)(?:\|([^>]*))?>")
_SECTION: Final = 2900  # Slack takes 3000 characters; escaping was counted already
_BUTTON: Final = 75
MOST_BLOCKS: Final = 50
"""Blocks that Slack takes in one message."""
_VALUE: Final = 2000


class Act(StrEnum):
    """What a button asks for; its `action_id` in Slack, which is for ever."""

    ACKNOWLEDGE = "andon_acknowledge"
    NOTE = "andon_note"
    RESOLVE = "andon_resolve"
    CONFIRM = "andon_confirm"
    OPEN = "andon_open"


_LABELS: Final = {Act.ACKNOWLEDGE: "Acknowledge", Act.NOTE: "Add a note", Act.RESOLVE: "Resolve"}


@dataclass(frozen=True)
class Drawn:
    """A message: `text` is what notifications and screen readers say, `blocks` what is seen."""

    text: str
    blocks: tuple[Block, ...]

    def arguments(self) -> dict[str, Any]:
        """As the methods of `chat` take it. Links of people are not unfurled: their targets would be called."""
        return {"text": self.text, "blocks": list(self.blocks), "unfurl_links": False, "unfurl_media": False}


def escape(text: str) -> str:
    """Text in which nothing is a mention, a link or an entity."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """What somebody typed in Slack, without Slack's marks: links with their words, mentions as Slack names them."""
    text = text.replace("\0", "")  # which no database here keeps
    return _LINK.sub(_read, text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _read(link: re.Match[str]) -> str:
    target, label = link[1], link[2]
    if target[0] in "@#!":
        return label or target[1:]
    return f"{label} ({target})" if label and label != target else target


def when(at: datetime) -> str:
    """An instant, shown in the reader's own zone."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at:%Y-%m-%d %H:%M} UTC>"


def section(text: str) -> Block:
    """A paragraph of mrkdwn."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, _SECTION)}}


def context(text: str) -> Block:
    """A quiet line."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": _cut(text, _SECTION)}]}


def buttons(acts: Sequence[Act], value: str, *, link: str, link_label: str) -> Block:
    """A row: the acts that are of use now, the first one primary, and the link."""
    elements = [_button(act, _LABELS[act], value=value) for act in acts]
    if acts and acts[0] is Act.ACKNOWLEDGE:
        elements[0]["style"] = "primary"
    return {"type": "actions", "elements": [*elements, _button(Act.OPEN, link_label, url=link)]}


def confirm(label: str, value: str) -> Block:
    """The one button of a test message."""
    return {"type": "actions", "elements": [_button(Act.CONFIRM, label, value=value) | {"style": "primary"}]}


def message(headline: str, lines: Iterable[str], row: Block) -> Drawn:
    """A headline, some lines of mrkdwn (escaped already), and a row of buttons."""
    paragraphs = [section(line) for line in lines if line]
    return Drawn(escape(headline), (section(f"*{escape(headline)}*"), *paragraphs, row))


def _button(act: Act, label: str, *, value: str = "", url: str = "") -> Block:
    button: Block = {
        "type": "button",
        "action_id": str(act),
        "text": {"type": "plain_text", "text": _cut(label, _BUTTON)},
    }
    if value:
        button["value"] = value[:_VALUE]
    if url:
        button["url"] = url
    return button


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
