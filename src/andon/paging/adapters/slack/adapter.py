"""Pages as direct messages: what is wrong, what to do first, and buttons to acknowledge, to note and to resolve.

What the buttons do, and how a message changes when the incident does, is in `andon.slack`. A page sent again after a
crash carries the same `client_msg_id` and the same key in its metadata.
"""

from typing import Any
from uuid import UUID

from andon.paging.adapters.slack import blocks, web
from andon.paging.adapters.slack.blocks import MOST_BLOCKS, Act, Drawn
from andon.paging.channel import Destination, Receipt
from andon.paging.message import About, Message

_GONE = frozenset({"user_not_found", "users_not_found", "channel_not_found", "user_disabled", "is_archived"})


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Post the message to the person; its place in Slack is the receipt's `ref`, as `channel:ts`."""
        said = web.call(destination.settings, "chat.postMessage", _arguments(message, destination.address))
        if said.ok:
            return Receipt.sent(ref=f"{said.data.get('channel', '')}:{said.data.get('ts', '')}")
        if said.fault is web.Fault.APP:
            return Receipt.unable(f"Slack does not let Andon's app send: {said.error}.")
        if said.fault is web.Fault.PASSING:
            return Receipt.retry(f"Slack did not take the message: {said.error}.", said.wait)
        return Receipt.broken(f"Slack has no way to this member: {said.error}.", gone=said.error in _GONE)


def _arguments(message: Message, member: str) -> dict[str, Any]:
    return {
        "channel": member,
        "client_msg_id": str(UUID(message.key)),
        "metadata": {"event_type": "andon_page", "event_payload": {"key": message.key}},
        **_draw(message).arguments(),
    }


def _draw(message: Message) -> Drawn:
    why = blocks.escape(message.why)
    if message.kind == "test":
        token = message.link.rstrip("/").rpartition("/")[2]
        lines = [f"{blocks.escape(message.to)}: {why}"]
        return blocks.message(message.subject, lines, blocks.confirm(message.link_label, token))
    if message.about is None:
        row = blocks.buttons([], "", link=message.link, link_label=message.link_label)
        return blocks.message(message.subject, [why], row)
    first = blocks.message(message.subject, [why, _steps(message.first)], _row(message.about, message.link))
    others = [blocks.message(one.headline, [blocks.escape(one.why)], _row(one.about, one.link)) for one in message.also]
    return Drawn(first.text, tuple(block for drawn in (first, *others) for block in drawn.blocks)[:MOST_BLOCKS])


def _row(about: About, link: str) -> blocks.Block:
    """The buttons; each carries the incident's number, which is no credential."""
    number = about.ref.rpartition("-")[2]
    return blocks.buttons([Act.ACKNOWLEDGE, Act.NOTE, Act.RESOLVE], number, link=link, link_label=f"Open {about.ref}")


def _steps(first: tuple[str, ...]) -> str:
    """What to do first, numbered."""
    if not first:
        return ""
    return "\n".join(["First:", *(f"{n}. {blocks.escape(step)}" for n, step in enumerate(first, 1))])
