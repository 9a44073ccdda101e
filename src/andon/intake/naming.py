"""What senders call things, read in one way by every adapter: labels, tags, times and the hints in them.

Wherever a sender lets people attach words of their own (labels, tags, properties, a text), three are for Andon:

| word | meaning |
|---|---|
| `andon_system`, else `system` | the system's short name in the register |
| `andon_type` | one of the five types |
| `andon_severity` | `S1` to `S5`, instead of what the sender's own level would be read as |
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

_LEVELS = {f"s{level}": level for level in range(1, 6)}
_WORD = re.compile(r"\b(andon_(?:system|type|severity))\s*[:=]\s*([\w-]+)")


def system_in(labels: Mapping[str, str]) -> str:
    """The system that labels name; empty where they name none."""
    return labels.get("andon_system") or labels.get("system") or ""


def type_in(labels: Mapping[str, str]) -> str:
    """The incident type that labels name; empty where they name none."""
    return labels.get("andon_type", "")


def severity_in(labels: Mapping[str, str], otherwise: int | None) -> int | None:
    """The severity that labels give outright, else what the sender's own level reads as."""
    return _LEVELS.get(labels.get("andon_severity", "").strip().lower(), otherwise)


def tags(texts: Iterable[str]) -> dict[str, str]:
    """Tags of the form `name:value` as labels; one without a value is a label that says `true`."""
    pairs = (text.strip().partition(":") for text in texts if text.strip())
    return {name.strip(): value.strip() if colon else "true" for name, colon, value in pairs if name.strip()}


def words_in(text: str) -> dict[str, str]:
    """Words for Andon that people wrote into a text, such as `andon_system: credit-scorer`, as labels."""
    return dict(_WORD.findall(text))


def plain(value: Any) -> str:
    """A label's value as text: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def labels_of(**named: Any) -> dict[str, str]:
    """What a sender says beside, as labels; what it left empty is left out."""
    return {name: plain(value) for name, value in named.items() if value not in (None, "", [], {})}


def instant(text: str) -> datetime | None:
    """A time as ISO 8601 spells it, in UTC where it names no zone; None for what is none: no page is lost for that."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def change_at(at: datetime | None, *, ends: bool) -> str:
    """The episode of a change of state that has no name but its time, mostly in UTC; empty where it has none.

    Of one time an end and a beginning go by two spellings of it: which of them came first is in doubt, so the beginning
    must not be taken for a double of what has ended. In time they compare as equal.
    """
    if at is None:
        return ""
    spelt = at.isoformat()
    return spelt.replace("+00:00", "Z") if ends else spelt


def from_epoch(count: float | str, *, per_second: int = 1) -> datetime | None:
    """A Unix time in seconds, or in parts of them, as an instant; None for what is none, as `instant`."""
    try:
        return datetime.fromtimestamp((int(count) if isinstance(count, str) else count) / per_second, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None
