"""The list of what was kept, as it is sealed and given out; and how its reader verifies it. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

FORMAT: Final = "andon.evidence.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing in a manifest; `sha256` is empty where it could not be collected, and `why_missing` says why."""

    kind: str
    name: str
    source: str
    collected_at: str
    sha256: str
    size: int
    media: str
    rows: int | None
    notes: tuple[str, ...]
    why_missing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one preservation kept. Times are ISO 8601 in UTC; people are keys, not names."""

    incident: str
    number: int
    why: str
    what_for: str
    actor: str
    began_at: str
    since: str
    until: str
    entries: tuple[Entry, ...]

    @property
    def kept(self) -> list[Entry]:
        """What was collected."""
        return [one for one in self.entries if one.sha256]

    @property
    def missing(self) -> list[Entry]:
        """What could not be collected."""
        return [one for one in self.entries if not one.sha256]


def iso(at: datetime) -> str:
    """A time as it stands in a manifest: ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat()


def written(manifest: Manifest) -> bytes:
    """The one form in which a manifest is hashed and given out: `sha256sum manifest.json` gives its digest."""
    said = {"format": FORMAT} | asdict(manifest)
    return (json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read(body: bytes) -> Manifest:
    """The manifest of its bytes. Raises ValueError for what is none of this format."""
    said: Any = json.loads(body)
    if not isinstance(said, dict) or said.pop("format", "") != FORMAT:
        raise ValueError(f"This is no manifest of the format {FORMAT}.")
    try:
        entries = tuple(Entry(**(one | {"notes": tuple(one["notes"])})) for one in said.pop("entries"))
        return Manifest(**said, entries=entries)
    except (TypeError, KeyError) as error:
        raise ValueError(f"This manifest lacks something or has too much: {error}.") from error


def digest(body: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(body).hexdigest()


def sums(files: Sequence[tuple[str, str]]) -> bytes:
    """`SHA256SUMS` for pairs of digest and path, as `sha256sum -c` reads it."""
    return "".join(f"{one}  {path}\n" for one, path in files).encode()
