"""Plain JSON: one object or a list of objects, for anything that can send an HTTP request.

| field | meaning |
|---|---|
| `title` | one line for a person; required unless `id` is given |
| `id` or `fingerprint` | what makes it the same thing again; made from system and title when absent |
| `status` | `firing` (the default), `resolved`, or `ok` |
| `severity` | `S1` to `S5` |
| `type` | one of the five types |
| `system` | the system's short name in the register |
| `description`, `url`, `labels` | text, a link back, names with text, numbers or true/false |
| `starts_at` | ISO 8601; also tells one firing from the next, so send the same one until it ends |

`ok` is what a check says with every run that finds nothing wrong: it ends what fires under the same id, and is not kept
where nothing does. A heartbeat rule that is about it hears it each time.

Other fields are kept as labels, so that a sender's own words are not lost. A wrong value in a field above is refused
and named: a misspelt severity must be seen when it is set up, not in the night it matters. Of a list the other objects
are taken. A field that is null is one that is not there, and a time that is none is left out: it differs with each
signal, so it may be wrong on that night for the first time.
"""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

import msgspec

from andon.intake.decoding import convert, decode, plain
from andon.intake.events import Event, Malformed, Request, Said, Sender, event
from andon.intake.forgiving import LeftOut
from andon.practice.grouping import SignalStatus

Scalar = str | int | float | bool | None
Type = Literal["technical_failure", "performance_degradation", "fairness_violation", "safety", "ethical"]


class Item(msgspec.Struct):
    """One signal as a sender puts it."""

    title: str = ""
    id: str | int = ""
    fingerprint: str = ""
    status: Literal["firing", "resolved", "ok"] = "firing"
    severity: Literal["S1", "S2", "S3", "S4", "S5"] | None = None
    type: Type | None = None
    system: str | None = None
    description: str | None = None
    url: str | None = None
    labels: dict[str, Scalar] | None = None
    starts_at: datetime | None = None


_known = frozenset(Item.__struct_fields__)
_decoder = msgspec.json.Decoder(dict[str, Any] | list[Any])


class Adapter(Sender):
    """Documented JSON."""

    kind = "generic"
    title = "Plain JSON"
    line = "One object or a list of them, from a script or anything that can send an HTTP request."

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One event an object."""
        decoded = decode(_decoder, request.body)
        if isinstance(decoded, dict):
            return Said([event_of(decoded, "")])
        said, left_out = Said(), LeftOut("object")
        for position, item in enumerate(decoded):
            try:
                said.events.append(event_of(object_at(item, f"[{position}]"), f"[{position}]"))
            except Malformed as error:
                left_out.add(error)
        return left_out.tell(said, of=len(decoded))


def object_at(item: Any, at: str) -> dict[str, Any]:
    """What stands in a list, if it is an object. Raises `Malformed`."""
    return item if isinstance(item, dict) else convert(item, dict[str, Any], at=at)


def item_of(raw: Mapping[str, Any], at: str) -> Item:
    """The documented fields of an object, `at` where in the body it stands. Raises `Malformed`."""
    given = {name: value for name, value in raw.items() if value is not None and name in _known}
    try:
        return convert(given, Item, at=at)
    except Malformed as error:
        if "starts_at" not in given or error.field.rpartition(".")[2] != "starts_at":
            raise
    del given["starts_at"]
    return convert(given, Item, at=at)


def event_of(raw: dict[str, Any], at: str) -> Event:
    """One object as an event; `at` is where in the body it stands. Raises `Malformed`."""
    item = item_of(raw, at)
    key = str(item.id) or item.fingerprint
    if not key and not item.title.strip():
        raise Malformed("Give a `title`, or the `id` of what this is about.", field=f"{at}.title" if at else "title")
    system = item.system or ""
    labels = {name: plain(value) for name, value in (item.labels or {}).items()}
    labels |= {name: plain(value) for name, value in raw.items() if name not in _known}
    return event(
        fingerprint=key or sha256(f"{system}\n{' '.join(item.title.split())}".encode()).hexdigest()[:32],
        status=SignalStatus.FIRING if item.status == "firing" else SignalStatus.RESOLVED,
        passing=item.status == "ok",
        title=item.title or key,
        description=item.description or "",
        url=item.url or "",
        labels=labels,
        system_hint=system,
        type_hint=item.type or "",
        severity_hint=int(item.severity[1]) if item.severity else None,
        starts_at=item.starts_at,
    )
