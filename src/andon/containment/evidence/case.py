"""What collectors go by, and what they may use to say it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from andon.containment.evidence.gathering import Piece, Task
from andon.incidents.models import Incident
from andon.kit import clock
from andon.registry.models import System

BEFORE: Final = timedelta(hours=1)
"""How long before its detection the affected window begins, where nobody has estimated the onset."""


@dataclass(frozen=True, slots=True)
class Case:
    """An incident as it is looked at: which system, and the affected window from `since` to `until`."""

    incident: Incident
    since: datetime
    until: datetime

    @property
    def system(self) -> System | None:
        """The system that it is about, where one is named."""
        return self.incident.system

    @classmethod
    def of(cls, incident: Incident) -> "Case":
        """The incident as it is now."""
        began = incident.onset_low or incident.onset or incident.detected_at - BEFORE
        now = clock.now()
        return cls(incident, min(began, now), now)


def as_json(said: Any) -> bytes:
    """JSON for people and programs: indented, keys in order, times in ISO 8601."""
    return (json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False, default=_plain) + "\n").encode()


def at_hand(kind: str, name: str, source: str, said: Any, *, notes: tuple[str, ...] = ()) -> Task:
    """A task for what Andon's own tables say, read already."""
    rows = len(said) if isinstance(said, list) else None
    piece = Piece(as_json(said), rows=rows, notes=notes)
    return Task(kind, name, source, lambda _left: piece, outside=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(bytes(value))} bytes"
    return str(value)
