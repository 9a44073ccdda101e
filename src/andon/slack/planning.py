"""The next call to Slack, decided purely from what is wanted and what is known to be there; and what an answer teaches.

One call at a time: each is made under a lease, and what it taught is on disk before the next. Whatever is cut off is
asked for again, so every call is one that may be made twice: a channel whose name is taken is looked for among the
app's own, an invitation of somebody who is there is no fault, and a message is looked for before it is posted again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from andon.paging.adapters.slack.blocks import Drawn
from andon.paging.adapters.slack.web import Said
from andon.practice.severity import Severity

Known = Mapping[str, Any]
NAME_LENGTH: Final = 80
TOPIC_LENGTH: Final = 250
_LISTED: Final = 30  # channels or messages in one answer, which is read up to a limit
_NAMES_TRIED: Final = 5
_CLOSED: Final = frozenset({"is_archived", "channel_not_found", "not_in_channel"})
_IN_IT: Final = frozenset({"already_in_channel", "cant_invite_self"})
_BAD_NAMES: Final = frozenset(
    {"invalid_name", "invalid_name_specials", "invalid_name_punctuation", "invalid_name_maxlength"}
)


class Verdict(StrEnum):
    """Whether an incident gets a channel, and why."""

    PRIVATE = "private: the incident is restricted"
    PUBLIC = "public"
    NOT_ASKED = "no channels are asked for"
    TOO_MILD = "milder than channels are asked for"


def room_for(severity: Severity, *, restricted: bool, channels_from: str) -> Verdict:
    """Whether an incident gets a channel of its own; `channels_from` is the mildest severity that does, or empty."""
    if channels_from not in Severity.__members__:
        return Verdict.NOT_ASKED
    if Severity[channels_from].worse_than(severity):
        return Verdict.TOO_MILD
    return Verdict.PRIVATE if restricted else Verdict.PUBLIC


@dataclass(frozen=True)
class Room:
    """The channel that an incident should have.

    Attributes:
        name: What it is called, if that is free.
        private: Only those invited see it. A channel that is not is given up when this becomes so.
        members: Slack's IDs of who is invited.
        topic: Severity, state and link.
        summary: The pinned message.
        over: The incident is over: what is there is kept right, nothing new is made.
    """

    name: str
    private: bool
    members: tuple[str, ...]
    topic: str
    summary: Drawn
    over: bool = False


@dataclass(frozen=True)
class Call:
    """One call of Slack's Web API."""

    method: str
    arguments: Mapping[str, Any]


RESTRICTED: Final = Drawn("This incident is restricted now. Those involved go on in Andon.", ())


def next_for_room(room: Room, known: Known, *, key: str) -> Call | None:
    """What is still to be done for a channel; None when it is as it should be. `key` marks its summary."""
    if known.get("closed") or (room.over and not known.get("channel")):
        return None
    if not known.get("channel"):
        return _make(room, known)
    channel = known["channel"]
    if room.private and not known.get("private"):
        return _leave(channel, known)
    for member in room.members:
        if member not in [*known.get("invited", ()), *known.get("refused", ())]:
            return Call("conversations.invite", {"channel": channel, "users": member})
    if known.get("topic") != room.topic:
        return Call("conversations.setTopic", {"channel": channel, "topic": room.topic})
    return next_for_message(room.summary, known, channel=channel, key=key) or (
        None if known.get("pinned") else Call("pins.add", {"channel": channel, "timestamp": known["ts"]})
    )


def next_for_message(drawn: Drawn, known: Known, *, channel: str, key: str) -> Call | None:
    """What is still to be done for a message in a channel; None when it shows what it should."""
    if known.get("closed"):
        return None
    if known.get("ts"):
        if known.get("drawn") == digest(drawn):
            return None
        return Call("chat.update", {"channel": channel, "ts": known["ts"], **drawn.arguments()})
    if known.get("posting"):
        return Call("conversations.history", {"channel": channel, "limit": _LISTED, "include_all_metadata": True})
    mark = {"event_type": "andon_incident", "event_payload": {"key": key}}
    return Call("chat.postMessage", {"channel": channel, "metadata": mark, **drawn.arguments()})


def _make(room: Room, known: Known) -> Call:
    if known.get("taken"):
        return Call(
            "users.conversations",
            {
                "types": "public_channel,private_channel",
                "exclude_archived": True,
                "limit": _LISTED,
                "cursor": known.get("cursor", ""),
            },
        )
    return Call("conversations.create", {"name": name_of(room, known), "is_private": room.private})


def name_of(room: Room, known: Known) -> str:
    """The name to try now: the wanted one, then the same with a number behind it."""
    tried = int(known.get("tried", 0))
    ending = f"-{tried + 1}" if tried else ""
    return f"{room.name[: NAME_LENGTH - len(ending)]}{ending}"


def _leave(channel: str, known: Known) -> Call:
    """A channel that everyone sees cannot be made private: what stands there is taken back, and it is archived."""
    if known.get("topic") != RESTRICTED.text:
        return Call("conversations.setTopic", {"channel": channel, "topic": RESTRICTED.text})
    if known.get("ts") and known.get("drawn") != digest(RESTRICTED):
        return Call("chat.update", {"channel": channel, "ts": known["ts"], **RESTRICTED.arguments()})
    return Call("conversations.archive", {"channel": channel})


@dataclass(frozen=True)
class Learned:
    """What an answer teaches: `known` from now on, or why the call counts as not done (`trouble`)."""

    known: dict[str, Any]
    trouble: str = ""


def before(call: Call, known: Known) -> dict[str, Any]:
    """What is noted before a call leaves, so that a crash while it is on its way is recognised afterwards."""
    return {**known, "posting": True} if call.method == "chat.postMessage" else dict(known)


def after(call: Call, said: Said, known: Known, *, name: str = "", key: str = "") -> Learned:
    """What is known after a call. `name` is the channel's that was to be made, `key` the summary's mark."""
    if call.method in _TEACHES:
        return _TEACHES[call.method](call, said, dict(known), name, key)
    return Learned(dict(known), said.error)


def _created(_call: Call, said: Said, known: dict[str, Any], name: str, _key: str) -> Learned:
    if said.ok:
        return Learned(_settled(known, said.data["channel"], private=bool(_call.arguments["is_private"])))
    if said.error == "name_taken":
        return Learned({**known, "taken": name, "cursor": ""})
    if said.error in _BAD_NAMES and int(known.get("tried", 0)) < _NAMES_TRIED:
        return Learned({**known, "tried": int(known.get("tried", 0)) + 1})
    return Learned(known, said.error)


def _settled(known: dict[str, Any], channel: Mapping[str, Any], *, private: bool) -> dict[str, Any]:
    kept = {k: v for k, v in known.items() if k not in {"taken", "cursor"}}
    return {**kept, "channel": str(channel["id"]), "name": str(channel.get("name", "")), "private": private}


def _looked(_call: Call, said: Said, known: dict[str, Any], name: str, _key: str) -> Learned:
    """Among the channels that the app is in: one of that name is one that it made, and was cut off."""
    if not said.ok:
        return Learned(known, said.error)
    for channel in said.data.get("channels", ()):
        if channel.get("name") == name and channel["id"] != known.get("left"):
            return Learned(_settled(known, channel, private=bool(channel.get("is_private"))))
    cursor = (said.data.get("response_metadata") or {}).get("next_cursor", "")
    if cursor:
        return Learned({**known, "cursor": cursor})
    tried = int(known.get("tried", 0)) + 1
    rest = {k: v for k, v in known.items() if k not in {"taken", "cursor"}}
    if tried > _NAMES_TRIED:
        return Learned({**rest, "tried": 0}, "name_taken")
    return Learned({**rest, "tried": tried})


def _invited(call: Call, said: Said, known: dict[str, Any], _name: str, _key: str) -> Learned:
    member = call.arguments["users"]
    if said.ok or said.error in _IN_IT:
        return Learned({**known, "invited": [*known.get("invited", ()), member]})
    if said.error in _CLOSED:
        return Learned({**known, "closed": True})
    if said.fault == "this":  # this member cannot be: nobody else waits for them
        return Learned({**known, "refused": [*known.get("refused", ()), member]})
    return Learned(known, said.error)


def _topic_set(call: Call, said: Said, known: dict[str, Any], _name: str, _key: str) -> Learned:
    if said.ok:
        return Learned({**known, "topic": call.arguments["topic"]})
    return _closed_or(known, said)


def _archived(call: Call, said: Said, known: dict[str, Any], _name: str, _key: str) -> Learned:
    if said.ok or said.error in {"already_archived", "channel_not_found"}:
        return Learned({"left": call.arguments["channel"]})
    return Learned(known, said.error)


def _posted(call: Call, said: Said, known: dict[str, Any], _name: str, _key: str) -> Learned:
    if said.ok:
        rest = {k: v for k, v in known.items() if k != "posting"}
        return Learned({**rest, "ts": str(said.data["ts"]), "drawn": _digest_of(call)})
    if said.fault == "passing":
        return Learned(known, said.error)  # it may be there: look first
    rest = {k: v for k, v in known.items() if k != "posting"}
    return _closed_or(rest, said)


def _searched(_call: Call, said: Said, known: dict[str, Any], _name: str, key: str) -> Learned:
    """In the channel's newest messages: the one with our mark was posted before a crash."""
    if said.fault == "passing":
        return Learned(known, said.error)
    rest = {k: v for k, v in known.items() if k != "posting"}
    for message in said.data.get("messages", ()):
        if ((message.get("metadata") or {}).get("event_payload") or {}).get("key") == key:
            return Learned({**rest, "ts": str(message["ts"]), "drawn": ""})
    return Learned(rest)  # it is not there, or the app may not look: post it


def _updated(call: Call, said: Said, known: dict[str, Any], _name: str, _key: str) -> Learned:
    if said.ok:
        return Learned({**known, "drawn": _digest_of(call)})
    if said.error in {"message_not_found", "cant_update_message", "edit_window_closed"}:
        return Learned({**known, "closed": True})  # somebody deleted it, or the workspace allows no late edits
    return _closed_or(known, said)


def _pinned(_call: Call, said: Said, known: dict[str, Any], _name: str, _key: str) -> Learned:
    if said.ok or said.error == "already_pinned":
        return Learned({**known, "pinned": True})
    return _closed_or(known, said)


def _closed_or(known: dict[str, Any], said: Said) -> Learned:
    """Somebody closed the channel: there is nothing to keep right any more."""
    return Learned({**known, "closed": True}) if said.error in _CLOSED else Learned(known, said.error)


_TEACHES: Final = {
    "conversations.create": _created,
    "users.conversations": _looked,
    "conversations.invite": _invited,
    "conversations.setTopic": _topic_set,
    "conversations.archive": _archived,
    "conversations.history": _searched,
    "chat.postMessage": _posted,
    "chat.update": _updated,
    "pins.add": _pinned,
}


def digest(drawn: Drawn) -> str:
    """What a message shows, in short: to see whether it shows that already."""
    return hashlib.sha256(json.dumps([drawn.text, list(drawn.blocks)], sort_keys=True).encode()).hexdigest()[:32]


def _digest_of(call: Call) -> str:
    return digest(Drawn(call.arguments["text"], tuple(call.arguments["blocks"])))
