"""Alertmanager's webhook, version 4 (also what other senders of that format post).

Labels that Andon reads; everything stays a label as well:

| label | meaning |
|---|---|
| `severity` | critical = S2, error = S3, warning = S4, info = S5, or `S1` to `S5` outright |
| `andon_system`, else `system` | the system's short name in the register |
| `andon_type` | one of the five types |

Annotations: `summary` is the title (else the alert's name), `description` (else `message`) the text; others, such as
`runbook_url`, are kept beside the labels. The episode is `startsAt`: Alertmanager keeps it for one firing.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

import msgspec

from andon.intake.decoding import decode
from andon.intake.events import Event, Request, Said, Sender, event
from andon.practice.grouping import SignalStatus

SEVERITIES = {
    "critical": 2, "error": 3, "warning": 4, "info": 5,
    "s1": 1, "s2": 2, "s3": 3, "s4": 4, "s5": 5,
}  # fmt: skip
SHORT = 2_048  # bytes of an alert
REMEMBERED = 8_192  # alerts that are short: 3 KB each, mostly
_SHOWN = {"summary", "description", "message"}
_STATUSES = {status.value: status for status in SignalStatus}


class Alert(msgspec.Struct, gc=False):
    """One alert of a webhook body."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: datetime | None = None  # noqa: N815  the sender's spelling
    generatorURL: str = ""  # noqa: N815  as above
    fingerprint: str = ""


class Body(msgspec.Struct, gc=False):
    """The webhook body; what Andon does not use is not looked at."""

    alerts: list[Alert]


class Pieces(msgspec.Struct, gc=False):
    """The same, with each alert as it is spelt."""

    alerts: list[msgspec.Raw]


_whole = msgspec.json.Decoder(Body)
_pieces = msgspec.json.Decoder(Pieces)
_one = msgspec.json.Decoder(Alert)


class Adapter(Sender):
    """Alertmanager webhooks."""

    kind = "alertmanager"
    title = "Prometheus Alertmanager"
    line = "Alerts that fire and end, by its webhook."
    group = "Alerts"

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One event an alert."""
        pieces = decode(_pieces, request.body).alerts
        try:
            return Said([_remembered(bytes(one)) if len(one) <= SHORT else _read(one) for one in pieces])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # read as a whole, it says where
            return Said([event_of(alert) for alert in decode(_whole, request.body).alerts])


def _read(alert: bytes | msgspec.Raw) -> Event:
    return event_of(_one.decode(alert))


_remembered = lru_cache(REMEMBERED)(_read)
"""What fires on is sent again and again in the same bytes, by each of many groups and every few minutes."""


def event_of(alert: Alert, *, url: str = "", more: Mapping[str, str] | None = None) -> Event:
    """One alert; `url` where there is a better place to look than the rule, `more` what else stands beside labels."""
    labels, notes = alert.labels, alert.annotations
    extra = {name: text for name, text in notes.items() if name not in _SHOWN}
    if more:
        extra |= more
    return event(
        fingerprint=alert.fingerprint or _of_labels(labels),
        status=_STATUSES[alert.status],
        title=notes.get("summary") or labels.get("alertname") or "Alert without a name",
        description=notes.get("description") or notes.get("message") or "",
        url=url or alert.generatorURL,
        labels={**extra, **labels} if extra else labels,
        system_hint=labels.get("andon_system") or labels.get("system") or "",
        type_hint=labels.get("andon_type", ""),
        severity_hint=SEVERITIES.get(labels.get("severity", "").strip().lower()),
        starts_at=alert.startsAt,
    )


def _of_labels(labels: Mapping[str, str]) -> str:
    """What stands in for the fingerprint that some senders of this format leave out."""
    return sha256(msgspec.json.encode(sorted(labels.items()))).hexdigest()[:32]
