"""What PagerDuty says by its V3 webhooks: that somebody acknowledged or resolved an incident there. Pure.

Formats: developer.pagerduty.com, "Webhooks overview" and "Verifying signatures". A signature covers the body and no
time, so that whoever saw a request can send it again: what is too late is told by `Event.at`, a double by `Event.id`.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

LARGEST: Final = 256 * 1024
"""Bytes of a body: PagerDuty drops what is larger."""
_PEOPLE: Final = frozenset({"user", "user_reference"})
_LONGEST_ID: Final = 64
_LONGEST_NAME: Final = 100
_VERSION: Final = "v1="
_LONGEST_SIGNATURES: Final = 4096
"""Characters of the header: some sixty signatures, where PagerDuty sends one for each secret of a webhook."""


class Did(StrEnum):
    """What somebody did there."""

    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Event:
    """One event, as far as Andon understands it.

    Attributes:
        id: PagerDuty's own mark of the event, the same in every delivery.
        did: What was done.
        at: When, by PagerDuty's clock.
        key: The `dedup_key` under which the incident was triggered.
        user: PagerDuty's own mark of who did it; may be empty.
        name: What they are called there; may be empty.
    """

    id: str
    did: Did
    at: datetime
    key: str
    user: str
    name: str


class _Agent(msgspec.Struct):
    id: str = ""
    type: str = ""
    summary: str | None = None


class _Incident(msgspec.Struct):
    incident_key: str | None = None


class _Event(msgspec.Struct):
    id: str
    event_type: str
    occurred_at: datetime
    data: _Incident
    agent: _Agent | None = None


class _Body(msgspec.Struct):
    event: _Event


_bodies = msgspec.json.Decoder(_Body)
_KNOWN: Final = {f"incident.{did}": did for did in Did}


def is_genuine(body: bytes, signatures: str, secrets: str) -> bool:
    """Whether one of the signatures, `v1=<hex>` with commas between, was made with one of the secrets.

    HMAC-SHA256 over the body as it came. Every pair is compared, in constant time.
    """
    given = [one.strip().encode() for one in signatures[:_LONGEST_SIGNATURES].split(",")]
    good = [
        f"{_VERSION}{hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}".encode()
        for secret in secrets.split()
    ]
    return any([hmac.compare_digest(one, each) for one in good for each in given])  # noqa: C419  as long for all


def read(body: bytes) -> Event | None:
    """What a person did; None for all else: other events, what programs did (Andon's own words among it), no JSON."""
    try:
        said = _bodies.decode(body).event
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    did, key = _KNOWN.get(said.event_type), said.data.incident_key
    agent = said.agent
    if agent is None or agent.type not in _PEOPLE:
        return None
    if did is None or not key or not said.id or said.occurred_at.tzinfo is None:
        return None
    name, mark, user = _words(agent.summary or "", _LONGEST_NAME), _words(said.id), _words(agent.id)
    return Event(mark, did, said.occurred_at, key, user, name)


def _words(text: str, most: int = _LONGEST_ID) -> str:
    """On one line, without what cannot be printed: no database here keeps NUL, and some marks turn a line around."""
    printed = "".join(one for one in text if one.isprintable() or one.isspace())
    return " ".join(printed.split())[:most]
