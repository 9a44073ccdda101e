"""Langfuse: alerts of its monitors become signals, new and moved versions of its prompts become changes.

A monitor is the fingerprint. Each alert carries its own time, which is the episode: a delivery that is sent again is
recognised by it and counts as nothing new. The time in the payload is made with the alert, when the monitor has
measured, and stays the same when it is sent again: by it an alert is known that its own end has overtaken. The
envelope's time is not gone by for that, since it may be that of the sending. Langfuse signs `time.body` (header
`x-langfuse-signature`: `t=<Unix time>,v1=<HMAC-SHA256 in hex>`); documentation: langfuse.com, webhooks and monitors.

| severity | read as |
|---|---|
| `alert` | S3, fires |
| `warning`, `no-data` | S4, fires |
| `ok` | ends |
| `unknown` | nothing: the monitor has not measured yet |

A monitor has no labels that it sends; `andon_system: credit-scorer` in its message names the system.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from andon.intake import signing
from andon.intake.decoding import Key
from andon.intake.events import Change, Event, Request, Said, Sender, change, event
from andon.intake.forgiving import read
from andon.intake.naming import change_at, labels_of, severity_in, system_in, tags, type_in, words_in
from andon.practice.grouping import SignalStatus
from andon.practice.words import ChangeKind

_FIRES = {"alert": 3, "warning": 4, "no-data": 4}
_PRODUCTION = "production"
"""The label that Langfuse serves by default."""


class Message(msgspec.Struct):
    """What a monitor says to people."""

    title: str = ""
    body: str = ""


class Monitor(msgspec.Struct, rename="camel"):
    """One alert of a monitor."""

    monitor_id: Key
    severity: Literal["unknown", "ok", "warning", "alert", "no-data"]
    message: Message = msgspec.field(default_factory=Message)
    project_id: str = ""
    permalink: str = ""
    view: str = ""
    window: str | int = ""
    timestamp: datetime | None = None


class Alert(msgspec.Struct, rename="camel", tag_field="type", tag="monitor-alert"):
    """A delivery that speaks of a monitor."""

    payload: Monitor
    id: str = ""
    timestamp: datetime | None = None


class Prompt(msgspec.Struct, rename="camel"):
    """A version of a prompt."""

    id: str
    name: str
    version: int
    project_id: str = ""
    labels: list[str] = []
    tags: list[str] = []
    commit_message: str | None = None


class PromptVersion(msgspec.Struct, rename="camel", tag_field="type", tag="prompt-version"):
    """A delivery that speaks of a prompt."""

    id: str
    action: Literal["created", "updated", "deleted"]
    prompt: Prompt
    timestamp: datetime | None = None


_decoder = msgspec.json.Decoder(Alert | PromptVersion)


class Adapter(Sender):
    """Langfuse's webhooks."""

    kind = "langfuse"
    title = "Langfuse"
    line = "Alerts of its monitors; new and moved prompt versions as changes."
    group = "AI platforms"
    signed_by = "Signing secret"

    def verify(self, request: Request, secret: str) -> None:
        """The signature over time and body, and the time itself."""
        given = dict(
            part.strip().partition("=")[::2] for part in request.headers.get("x-langfuse-signature", "").split(",")
        )
        stamp = given.get("t", "")
        signing.must_be(signing.hmac_sha256(secret, stamp, ".", request.body), given.get("v1", ""))
        signing.must_be_recent(stamp)

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One alert, or one change of a prompt."""
        heard = read(_decoder, request.body)
        if isinstance(heard, PromptVersion):
            return Said(changes=[_change(heard)])
        return Said([] if heard.payload.severity == "unknown" else [_event(heard)])


def _event(heard: Alert) -> Event:
    said = heard.payload
    at = said.timestamp or heard.timestamp
    named = words_in(said.message.body)
    ends = said.severity == "ok"
    return event(
        fingerprint=said.monitor_id,
        episode=change_at(at, ends=ends) or heard.id,
        status=SignalStatus.RESOLVED if ends else SignalStatus.FIRING,
        title=said.message.title,
        description=said.message.body,
        url=said.permalink,
        labels=labels_of(
            monitor=said.monitor_id, project=said.project_id, level=said.severity, view=said.view, window=said.window
        ),
        system_hint=system_in(named),
        type_hint=type_in(named),
        severity_hint=severity_in(named, _FIRES.get(said.severity)),
        starts_at=None if ends else at,
        at=said.timestamp,
    )


def _change(heard: PromptVersion) -> Change:
    said = heard.prompt
    where = f", labelled {', '.join(said.labels)}" if said.labels else ""
    kind = ChangeKind.VERSION_CREATED if heard.action == "created" else ChangeKind.CONFIG
    if heard.action != "deleted" and _PRODUCTION in said.labels:
        kind = ChangeKind.DEPLOYED
    return change(
        title=f"Prompt {said.name}, version {said.version}, was {heard.action}{where}",
        kind=kind,
        key=heard.id,
        at=heard.timestamp,
        labels=labels_of(
            prompt=said.name,
            version=said.version,
            project=said.project_id,
            message=said.commit_message,
            labels=said.labels,
        ),
        system_hint=system_in(tags(said.tags)),
    )
