"""What an adapter hears in a sender's words, said in ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from andon.practice.grouping import SignalStatus
from andon.practice.words import IncidentType

TITLE, DESCRIPTION, URL, HINT, FINGERPRINT, EPISODE = 300, 8_000, 2_000, 120, 255, 64
LABELS, LABEL_NAME, LABEL_VALUE = 64, 100, 1_000


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing that a sender says about one fingerprint, bounded to what the tables hold.

    Attributes:
        fingerprint: What makes it the same thing again, unique within its integration.
        episode: The sender's own mark of one firing, mostly the time it began; may be empty.
        status: `firing` or `resolved`.
        title: One line for a person.
        severity_hint: 1 (worst) to 5, or None where the sender says nothing.
        starts_at: When it began by the sender's clock, aware, or None.
    """

    fingerprint: str
    episode: str
    status: str
    title: str
    description: str = ""
    url: str = ""
    labels: dict[str, str] = {}
    system_hint: str = ""
    type_hint: str = ""
    severity_hint: int | None = None
    starts_at: datetime | None = None


class Malformed(Exception):  # noqa: N818  reads as what it is
    """A body that is not what its adapter understands; `field` is a path such as `alerts[0].status`, or empty."""

    def __init__(self, what: str, *, field: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.field = field


class Adapter(Protocol):
    """One kind of sender. A folder in `andon.intake.adapters` holds a class `Adapter` that is one of these."""

    kind: str
    title: str

    def parse(self, body: bytes, headers: Mapping[str, str], settings: Mapping[str, Any]) -> list[Event]:
        """The events in one request.

        Args:
            body: As it came.
            headers: Names in lower case.
            settings: The integration's own.

        Raises `Malformed`, naming the field, when the body is not understood.
        """


def event(
    *,
    fingerprint: str,
    status: SignalStatus,
    title: str,
    starts_at: datetime | None = None,
    episode: str | None = None,
    description: str = "",
    url: str = "",
    labels: Mapping[str, str] | None = None,
    system_hint: str = "",
    type_hint: str = "",
    severity_hint: int | None = None,
) -> Event:
    """An event with every text cut to what the tables hold; what cannot be used as a hint is left to the labels.

    Without an `episode` the start time is taken for it.
    """
    began = _utc(starts_at)
    mark = (began.isoformat() if began else "") if episode is None else episode
    link = url.strip()
    return Event(
        fingerprint=_key(fingerprint, FINGERPRINT),
        episode=_key(mark, EPISODE),
        status=status.value,
        title=_text(" ".join(title.split()), TITLE) or "(no title)",
        description=_text(description, DESCRIPTION),
        url=_text(link, URL) if link.startswith(("http://", "https://")) and len(link) <= URL else "",
        labels=_labels(labels) if labels else {},
        system_hint=_text(system_hint.strip(), HINT),
        type_hint=type_hint if type_hint in _TYPES else "",
        severity_hint=severity_hint,
        starts_at=began,
    )


_YEARS = range(1900, 2200)
_TYPES = frozenset(word.value for word in IncidentType)


def _text(text: str, limit: int) -> str:
    """Cut, and without NUL: PostgreSQL's text cannot hold one, and an alert is not lost for a character."""
    return text.replace("\x00", "\ufffd")[:limit]


def _key(text: str, limit: int) -> str:
    """As `_text`, but two keys that differ only in their tails stay different."""
    clean = text.replace("\x00", "\ufffd")
    return clean if len(clean) <= limit else sha256(clean.encode()).hexdigest()[:limit]


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    items = labels.items() if len(labels) <= LABELS else list(labels.items())[:LABELS]
    return {_text(name, LABEL_NAME): _text(value, LABEL_VALUE) for name, value in items}


def _utc(at: datetime | None) -> datetime | None:
    """In UTC; None for "no time", which senders written in Go spell as the first instant of the year 1.

    Any year that no clock of ours shows is taken for that: near the ends of the calendar a change of zone runs over.
    """
    if at is None or at.year not in _YEARS:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
