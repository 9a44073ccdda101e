"""Datadog monitors, by the webhook whose payload is the template on the integration's page.

Datadog has no payload of its own: people write it out of variables (docs.datadoghq.com, webhooks). One alert, from its
beginning to its recovery, is `$ALERT_CYCLE_KEY`: it is fingerprint and episode. `$ALERT_TRANSITION` says what happened.
Datadog tries again after 5xx answers and broken connections, and waits 15 s. A variable that it does not know for an
alert stays as it is written or is empty; both are taken for "says nothing".
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from andon.intake.events import Malformed, Request, Said, Sender, event
from andon.intake.forgiving import read
from andon.intake.naming import from_epoch, labels_of, severity_in, system_in, tags, type_in
from andon.practice.grouping import SignalStatus

_PRIORITIES = {"P1": 1, "P2": 2, "P3": 3, "P4": 4, "P5": 5}
_FIRES = {
    "triggered": 3, "re-triggered": 3, "renotify": 3, "warn": 4, "re-warn": 4, "no data": 4, "re-no data": 4,
}  # fmt: skip
_ENDS = {"recovered"}
_MARKDOWN = "%%%"  # encloses Markdown in Datadog's texts


class Alert(msgspec.Struct):
    """The template, filled in."""

    cycle_key: str
    transition: str
    title: str = ""
    body: str = ""
    alert_id: str = ""
    priority: str = ""
    scope: str = ""
    query: str = ""
    tags: str = ""
    url: str = ""
    org: str = ""
    at: str | int = ""


_decoder = msgspec.json.Decoder(Alert)


class Adapter(Sender):
    """Datadog's webhooks, with the template on the integration's page."""

    kind = "datadog"
    title = "Datadog"
    line = "Monitors, through a webhook with a payload to paste."
    group = "Alerts"

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One alert."""
        said = read(_decoder, request.body)
        cycle = _filled(said.cycle_key)
        if not cycle:
            raise Malformed(
                "Datadog fills in $ALERT_CYCLE_KEY for monitors only: mention the webhook in a monitor's message.",
                field="cycle_key",
            )
        transition = said.transition.strip().lower()
        if transition not in _FIRES and transition not in _ENDS:
            raise Malformed(
                f"{said.transition!r} is no transition that Andon knows; use $ALERT_TRANSITION.", field="transition"
            )
        tagged = tags(_filled(said.tags).split(","))
        own = labels_of(
            monitor=_filled(said.alert_id), scope=_filled(said.scope), query=_filled(said.query),
            transition=said.transition, priority=_filled(said.priority), org=_filled(said.org),
        )  # fmt: skip
        level = _PRIORITIES.get(_filled(said.priority).upper(), _FIRES.get(transition))
        return Said([
            event(
                fingerprint=cycle,
                episode=cycle,
                status=SignalStatus.RESOLVED if transition in _ENDS else SignalStatus.FIRING,
                title=_filled(said.title) or f"Monitor {_filled(said.alert_id)}",
                description=_filled(said.body).replace(_MARKDOWN, "").strip(),
                url=_filled(said.url),
                labels={**tagged, **own},
                system_hint=system_in(tagged),
                type_hint=type_in(tagged),
                severity_hint=severity_in(tagged, level),
                starts_at=_at(said.at) if transition in {"triggered", "warn", "no data"} else None,
            )
        ])  # fmt: skip


def _filled(text: str) -> str:
    """The value of a variable; empty where Datadog left its name standing."""
    clean = text.strip()
    return "" if clean.startswith("$") and clean[1:].replace("_", "").isalpha() and clean.isupper() else clean


def _at(milliseconds: str | int) -> Any:
    """`$DATE` is a Unix time in milliseconds."""
    text = _filled(str(milliseconds))
    if not text:
        return None
    return from_epoch(text, per_second=1_000)
