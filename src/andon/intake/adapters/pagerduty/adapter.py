"""What PagerDuty's Events API v2 takes: alert events at `/v2/enqueue`, change events at `/v2/change/enqueue`.

| of the event | becomes |
|---|---|
| `routing_key` | the integration's token; or the token in a header |
| `dedup_key` | the fingerprint; without one it is made, and said in the answer |
| `event_action` | trigger = firing, resolve = resolved, acknowledge = a note at the signal |
| `payload.severity` | critical = S2, error = S3, warning = S4, info = S5 |
| `payload.custom_details` | labels; `andon_system` (or `system`) and `andon_type` are read as hints |

There is no episode: as at PagerDuty, a trigger after the end opens anew, and an end that nothing is open for is noted
and ends nothing. An acknowledgement is somebody's over there; here it stops nobody's page.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

import msgspec

from andon.intake.adapters.alertmanager.adapter import SEVERITIES
from andon.intake.decoding import decode, plain
from andon.intake.events import HIDDEN, Malformed, Request, Said, Sender, change, event, note
from andon.intake.forgiving import read
from andon.practice.grouping import SignalStatus
from andon.practice.words import ChangeKind

DEDUP_KEY = 255  # characters, as the API says


class Link(msgspec.Struct):
    """A link of an event."""

    href: str = ""
    text: str = ""


class Image(msgspec.Struct):
    """A picture of an event."""

    src: str = ""


class Payload(msgspec.Struct):
    """What happened."""

    summary: str = ""
    source: str | None = None
    severity: str | None = None
    timestamp: Any = None
    component: str | None = None
    group: str | None = None
    class_: str | None = msgspec.field(name="class", default=None)
    custom_details: Any = None


class Body(msgspec.Struct):
    """An alert event."""

    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: str | None = None
    payload: Payload | None = None
    client: str | None = None
    client_url: str | None = None
    links: list[Link] | None = None
    images: list[Image] | None = None


class ChangeBody(msgspec.Struct):
    """A change event."""

    payload: Payload
    links: list[Link] | None = None


class Key(msgspec.Struct):
    """The one field by which the sender is known."""

    routing_key: str = ""


_events = msgspec.json.Decoder(Body)
_changes = msgspec.json.Decoder(ChangeBody)
_keys = msgspec.json.Decoder(Key)

_ROUTING_KEY = re.compile(rb"""("routing_key"\s*:\s*")(?:(?:[^"\\]|\\.){16,}|(?:[^"\\]|\\.)*\\?\Z)""", re.DOTALL)
"""A key, whole or broken off; a shorter word fills a field that may not be empty."""


class Adapter(Sender):
    """Whatever speaks PagerDuty's Events API v2."""

    kind = "pagerduty"
    title = "PagerDuty events"
    line = "Anything that pages PagerDuty and lets you set the address: /v2/enqueue is taken here."
    group = "Alerts"
    takes_paths = True
    addresses = ("/v2/enqueue", "/v2/change/enqueue")
    token_in_body = True
    short_token = True
    most_bytes = 512 * 1024

    def token_in(self, body: bytes) -> str:
        """The routing key."""
        try:
            return decode(_keys, body).routing_key
        except Malformed:
            return ""

    def hide(self, shown: bytes) -> bytes:
        """Any routing key, PagerDuty's own as well: the token may have come in a header."""
        return _ROUTING_KEY.sub(rb"\1" + HIDDEN, shown)

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One event, one note, or one change."""
        if request.path == "v2/change/enqueue":
            return _change(request)
        if request.path not in {"", "v2/enqueue"}:
            raise Malformed(
                f"There is no {request.path!r} here: events go to v2/enqueue, changes to v2/change/enqueue."
            )
        body = read(_events, request.body)
        key = (body.dedup_key or "").strip()
        if len(key) > DEDUP_KEY:
            raise Malformed(f"A dedup_key has at most {DEDUP_KEY} characters.", field="dedup_key")
        if body.event_action == "trigger":
            return _trigger(body, key or str(request.delivery))
        if not key:
            raise Malformed(f"To {body.event_action} say which: give its dedup_key.", field="dedup_key")
        if body.event_action == "acknowledge":
            return Said(notes=[note(fingerprint=key, text="Acknowledged at the sender.", by=body.client or "")])
        title = body.payload.summary if body.payload else ""
        return Said([event(fingerprint=key, episode="", status=SignalStatus.RESOLVED, title=title or key)])

    def answer(self, said: Said, delivery: UUID) -> tuple[int, object]:  # noqa: ARG002  the adapters' common form
        """202, with the key of what was taken."""
        if said.changes:
            return 202, {"status": "success", "message": "Change event processed"}
        (about,) = said.events or said.notes
        return 202, {"status": "success", "message": "Event processed", "dedup_key": about.fingerprint}

    def refuse(self, problem: dict[str, Any]) -> dict[str, Any]:
        """As the API says it: what is wrong stands in `errors`."""
        what = f"{problem['field']}: {problem['detail']}" if "field" in problem else problem["detail"]
        return {**problem, "status": "invalid event", "message": problem["title"], "errors": [what]}


def _trigger(body: Body, key: str) -> Said:
    said = body.payload
    if said is None or not said.summary.strip():
        raise Malformed("Say in a line what happened.", field="payload.summary")
    labels = _labels(said)
    links = [link.href for link in body.links or [] if link.href]
    if pictures := [image.src for image in body.images or [] if image.src]:
        labels["image"] = pictures[0]
    if body.client:
        labels["client"] = body.client
    return Said([
        event(
            fingerprint=key,
            episode="",
            status=SignalStatus.FIRING,
            title=said.summary,
            description=said.summary if len(said.summary) > 300 else "",  # noqa: PLR2004  what a title holds
            url=links[0] if links else body.client_url or "",
            labels=labels,
            system_hint=labels.get("andon_system") or labels.get("system") or "",
            type_hint=labels.get("andon_type", ""),
            severity_hint=SEVERITIES.get((said.severity or "").strip().lower()),
            starts_at=_time(said.timestamp),
        )
    ])  # fmt: skip


def _change(request: Request) -> Said:
    body = read(_changes, request.body)
    said = body.payload
    if not said.summary.strip():
        raise Malformed("Say in a line what changed.", field="payload.summary")
    labels = _labels(said)
    kind = labels.get("andon_change", "")
    links = [link.href for link in body.links or [] if link.href]
    return Said(changes=[
        change(
            title=said.summary,
            kind=ChangeKind(kind) if kind in set(ChangeKind) else ChangeKind.OTHER,
            # The API knows no key; with its time in it the same body is the same change.
            key=sha256(request.body).hexdigest() if said.timestamp else "",
            at=_time(said.timestamp),
            url=links[0] if links else "",
            labels=labels,
            system_hint=labels.get("andon_system") or labels.get("system") or "",
        )
    ])  # fmt: skip


def _labels(said: Payload) -> dict[str, str]:
    """The payload's own marks, and its details: an object's fields one by one, anything else as it is."""
    marks = {"source": said.source, "component": said.component, "group": said.group, "class": said.class_}
    details = said.custom_details
    if details and not isinstance(details, dict):
        details = {"details": details}
    return {name: plain(value) for name, value in (details or {}).items()} | {
        name: text for name, text in marks.items() if text
    }


def _time(text: Any) -> datetime | None:
    """A time that is none is left out: for that no page is lost."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
