"""What Opsgenie's Alert API takes: create, close, acknowledge and note, at `/v2/alerts`, and the question after it.

| of the alert | becomes |
|---|---|
| `alias` | the fingerprint; without one it is made |
| `priority` | P1 to P5 = S1 to S5; without one, or with another word, the register's view of the system decides |
| `entity`, `source`, `tags`, `details` | labels; `andon_system` (or `system`) and `andon_type` in details are hints |

Which alert is meant stands in the address: `identifierType` is `alias`, or `id` (the default), which is what Andon
said as `alertId`. It is made from the alias, so that nothing need be looked up; there are no tiny ids. As at Opsgenie
a new alert under an alias that was closed opens anew. What somebody acknowledges there stops nobody's page here.
"""

from base64 import b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from andon.intake.decoding import plain
from andon.intake.events import Malformed, Request, Said, Sender, event, note
from andon.intake.forgiving import read
from andon.intake.queries import delivery_of
from andon.practice.grouping import SignalStatus

ALIAS = 512  # characters, as the API says
_PRIORITIES = {f"P{level}": level for level in range(1, 6)}
_MARKS = ("entity", "source", "user")
_ROOT = "v2/alerts"
_WORDS = frozenset({"message", "description"})
"""Updates that bring no news: who sends them (Alertmanager with `update_alerts`) sends the alert anew before them."""


class Body(msgspec.Struct):
    """A new alert."""

    message: str
    alias: str | None = None
    description: str | None = None
    priority: str | None = None
    entity: str | None = None
    source: str | None = None
    user: str | None = None
    note: str | None = None
    tags: list[str] | None = None
    details: dict[str, Any] | None = None


class Act(msgspec.Struct):
    """What is said with a close, an acknowledgement or a note."""

    user: str | None = None
    source: str | None = None
    note: str | None = None


_alerts = msgspec.json.Decoder(Body)
_acts = msgspec.json.Decoder(Act)


class Adapter(Sender):
    """Whatever speaks Opsgenie's Alert API."""

    kind = "opsgenie"
    title = "Opsgenie alerts"
    line = "Anything that calls Opsgenie and lets you set the address: /v2/alerts is taken here."
    group = "Alerts"
    takes_paths = True
    addresses = (f"/{_ROOT}",)
    methods = ("POST", "GET", "PUT")

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One alert, its end, or a note to it."""
        if request.path in {"", _ROOT}:
            return _create(request)
        alias, act = _which(request)
        if act in _WORDS:
            return Said()
        body = read(_acts, request.body or b"{}")
        by = body.user or body.source or ""
        notes = [note(fingerprint=alias, text=body.note, by=by)] if body.note else []
        match act:
            case "close":
                return Said(
                    [event(fingerprint=alias, episode="", status=SignalStatus.RESOLVED, title=alias)], notes=notes
                )
            case "acknowledge":
                return Said(notes=[note(fingerprint=alias, text="Acknowledged at the sender.", by=by), *notes])
            case "notes" if notes:
                return Said(notes=notes)
            case "notes":
                raise Malformed("A note has words.", field="note")
            case "priority":
                raise Malformed("To change the priority, send the alert again under its alias, with the new one.")
        raise Malformed(f"Andon takes create, close, acknowledge and notes, not {act!r}.")

    def answer(self, said: Said, delivery: UUID) -> tuple[int, object]:  # noqa: ARG002  the adapters' common form
        """202, with the id under which what became of it can be asked for."""
        return 202, {"result": "Request will be processed", "took": 0.0, "requestId": str(delivery)}

    def refuse(self, problem: dict[str, Any]) -> dict[str, Any]:
        """As the API says it: one `message`."""
        what = f"{problem['field']}: {problem['detail']}" if "field" in problem else problem["detail"]
        return {**problem, "message": what, "took": 0.0}

    def show(self, integration: UUID, path: str) -> dict[str, Any] | None:
        """What became of a request, as clients ask after each of theirs."""
        _, found, key = path.rpartition(f"{_ROOT}/requests/")
        heard = delivery_of(integration, key) if found else None
        if heard is None:
            return None
        alias = _alias_of(bytes(heard.body), heard.pk) if not heard.error else ""
        data = {
            "success": not heard.error,
            "isSuccess": not heard.error,
            "action": "Create" if alias else "Update",
            "processedAt": heard.created_at.isoformat(),
            "integrationId": str(integration),
            "status": heard.error or ("Created alert" if alias else "Updated alert"),
            "alertId": id_of(alias) if alias else "",
            "alias": alias,
        }
        return {"data": data, "took": 0.0, "requestId": str(heard.pk)}


def id_of(alias: str) -> str:
    """The id by which an alert is known: its alias in letters that an address can hold."""
    return urlsafe_b64encode(alias.encode()).decode().rstrip("=")


def _create(request: Request) -> Said:
    body = read(_alerts, request.body)
    if not body.message.strip():
        raise Malformed("Say in a line what happened.", field="message")
    alias = body.alias or str(request.delivery)
    if len(alias) > ALIAS:
        raise Malformed(f"An alias has at most {ALIAS} characters.", field="alias")
    labels = {name: plain(value) for name, value in (body.details or {}).items()}
    labels |= {name: text for name in _MARKS if (text := getattr(body, name))}
    severity = _PRIORITIES.get((body.priority or "").strip().upper())
    if body.priority and severity is None:  # a template's word: refused, Alertmanager would drop the alert for good
        labels["priority"] = body.priority
    if body.tags:
        labels["tags"] = ", ".join(body.tags)
    fires = event(
        fingerprint=alias,
        episode="",
        status=SignalStatus.FIRING,
        title=body.message,
        description=body.description or "",
        labels=labels,
        system_hint=labels.get("andon_system") or labels.get("system") or "",
        type_hint=labels.get("andon_type", ""),
        severity_hint=severity,
    )
    return Said([fires], notes=[note(fingerprint=alias, text=body.note, by=body.user or "")] if body.note else [])


def _which(request: Request) -> tuple[str, str]:
    """The alias that an address is about, and what is to be done; an alias may hold slashes."""
    identifier, _, act = request.path.removeprefix(_ROOT).strip("/").rpartition("/")
    if not identifier:
        raise Malformed(f"There is no {request.path!r} here; alerts go to {_ROOT}.")
    match request.query.get("identifierType", "id"):
        case "alias":
            return identifier, act
        case "id":
            try:
                return b64decode(identifier + "=" * (-len(identifier) % 4), altchars=b"-_", validate=True).decode(), act
            except (NotBase64, ValueError) as error:
                raise Malformed(
                    "There is no alert with this id. Name it by its alias: identifierType=alias."
                ) from error
    raise Malformed(
        "Alerts are known by identifierType=alias or id; there are no tiny ids here.", field="identifierType"
    )


def _alias_of(body: bytes, key: UUID) -> str:
    """The alias of a kept request; empty if it created nothing."""
    try:
        return read(_alerts, body).alias or str(key)
    except Malformed:
        return ""
