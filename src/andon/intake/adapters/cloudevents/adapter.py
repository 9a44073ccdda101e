"""CloudEvents 1.0 over HTTP (CNCF CloudEvents specification 1.0.2, HTTP protocol binding 3.1 to 3.3).

A structured event is one JSON object (`application/cloudevents+json`), a batch a list of them
(`application/cloudevents-batch+json`), and a binary one has its attributes in `ce-` headers and its data as the body.

| of the event | becomes |
|---|---|
| `subject` | what it is about: the fingerprint, within its `source`; required |
| `id` and `source` | the episode: the same event twice is one |
| `type` | a type whose last word is resolved, ok, closed, recovered or cleared ends it; everything else fires |
| `time` | when it began; and which of a beginning and an end came first, however they arrive |
| `data` | an object with any of the fields of plain JSON, such as title, status, severity, type and system |

A type that speaks of a change (its last word is deployed, changed, promoted, released or updated) becomes a change.

Of a batch in which some events cannot be read the others are taken.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from andon.intake.adapters.generic.adapter import Item, item_of, object_at
from andon.intake.decoding import decode, plain
from andon.intake.events import Change, Event, Malformed, Request, Said, Sender, change, event
from andon.intake.forgiving import LeftOut, fit
from andon.practice.grouping import SignalStatus
from andon.practice.words import ChangeKind

ENDS = frozenset({"resolved", "ok", "closed", "recovered", "cleared"})
CHANGES = {
    "deployed": ChangeKind.DEPLOYED, "released": ChangeKind.DEPLOYED, "promoted": ChangeKind.ALIAS_MOVED,
    "changed": ChangeKind.OTHER, "updated": ChangeKind.OTHER,
}  # fmt: skip
_SAID = frozenset(Item.__struct_fields__)
_LAST_WORD = re.compile(r"[^.\-_:/]*\Z")
_PREFIX = "ce-"


class Attributes(msgspec.Struct):
    """The context attributes that Andon uses; others are kept as labels."""

    id: str
    source: str
    specversion: str
    type: str
    subject: str = ""
    time: datetime | None = None


_known = frozenset({*Attributes.__struct_fields__, "data", "data_base64", "datacontenttype", "dataschema"})
_structured = msgspec.json.Decoder(dict[str, Any])
_batched = msgspec.json.Decoder(list[Any])
_any = msgspec.json.Decoder(Any)


class Adapter(Sender):
    """CloudEvents by HTTP."""

    kind = "cloudevents"
    title = "CloudEvents"
    line = "Events of the CNCF's common form: structured, batched or binary."

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One signal or one change an event; of a batch, those of the events that can be read."""
        said, left_out = Said(), LeftOut("event")
        found = _events(request)
        for raw, data, at in found:
            try:
                _add(said, object_at(raw, at), data, at)
            except Malformed as error:
                left_out.add(error)
        return left_out.tell(said, of=len(found))


def _events(request: Request) -> list[tuple[Any, Any, str]]:
    """Attributes, data and place of each event."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if "ce-specversion" in request.headers and not kind.startswith("application/cloudevents"):
        attributes = {
            name.removeprefix(_PREFIX): unquote(value)
            for name, value in request.headers.items()
            if name.startswith(_PREFIX)
        }
        return [(attributes, decode(_any, request.body) if request.body and "json" in kind else None, "")]
    if kind == "application/cloudevents-batch+json" or request.body.lstrip()[:1] == b"[":
        listed = decode(_batched, request.body)
        return [
            (raw, raw.get("data") if isinstance(raw, dict) else None, f"[{place}]") for place, raw in enumerate(listed)
        ]
    raw = decode(_structured, request.body)
    return [(raw, raw.get("data"), "")]


def _add(said: Said, raw: dict[str, Any], data: Any, at: str) -> None:
    about = fit({name: value for name, value in raw.items() if value is not None}, Attributes, at=at)
    if not about.specversion.startswith("1."):
        raise Malformed("Andon takes CloudEvents of version 1.0.", field=_at(at, "specversion"))
    for name in ("id", "source", "type"):
        if not getattr(about, name).strip():
            raise Malformed("It must not be empty.", field=_at(at, name))
    given = data if isinstance(data, dict) else {}
    item = item_of(given, _at(at, "data"))
    labels = {name: plain(value) for name, value in given.items() if name not in _SAID}
    labels |= {name: plain(value) for name, value in (item.labels or {}).items()}
    labels |= {name: plain(value) for name, value in raw.items() if name not in _known}
    labels |= {"source": about.source, "type": about.type}
    word = _last_word(about.type)
    if word in CHANGES:
        said.changes.append(_change(about, item, labels, CHANGES[word]))
    elif about.subject.strip():
        ends = word in ENDS if given.get("status") is None else item.status != "firing"
        said.events.append(_event(about, item, labels, ends=ends))
    else:
        raise Malformed("Say what the event is about, by which it is known again.", field=_at(at, "subject"))


def _event(about: Attributes, item: Item, labels: Mapping[str, str], *, ends: bool) -> Event:
    """Each event is an episode of its own, so that a late double of one is known, be it a beginning or an end."""
    return event(
        fingerprint=f"{about.source}\n{about.subject}",
        episode=f"{about.source}\n{about.id}",
        status=SignalStatus.RESOLVED if ends else SignalStatus.FIRING,
        passing=item.status == "ok",
        title=item.title or f"{about.subject}: {about.type}",
        description=item.description or "",
        url=item.url or "",
        labels=labels,
        system_hint=item.system or "",
        type_hint=item.type or "",
        severity_hint=int(item.severity[1]) if item.severity else None,
        starts_at=item.starts_at or about.time,
        at=about.time,  # the occurrence's, told alike by all of a source (specification, `time`), as fingerprints are
    )


def _change(about: Attributes, item: Item, labels: Mapping[str, str], kind: ChangeKind) -> Change:
    return change(
        title=item.title or f"{about.subject or about.source}: {about.type}",
        kind=kind,
        key=f"{about.source}\n{about.id}",
        at=about.time,
        url=item.url or "",
        labels=labels,
        system_hint=item.system or "",
    )


def _last_word(of: str) -> str:
    found = _LAST_WORD.search(of)
    return found[0].lower() if found else ""


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
