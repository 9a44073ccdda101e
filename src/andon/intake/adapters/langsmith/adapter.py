"""LangSmith: alerts on a project's runs. Documentation: docs.langchain.com, alert webhooks.

LangSmith appends its fields to the body template that people write, never says that an alert is over, and signs
nothing: it can send headers of your choice, so the token goes into `Authorization`. The rule is the fingerprint;
a signal that is not heard of again within `auto_close` counts as ended. Whatever else the template holds is kept as
labels, `andon_system`, `andon_type` and `andon_severity` among them.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from andon.intake.decoding import Key, decode
from andon.intake.events import Request, Said, Sender, event
from andon.intake.forgiving import fit
from andon.intake.naming import instant, plain, severity_in, system_in, type_in
from andon.practice.grouping import SignalStatus

Figure = str | int | float | None


class Alert(msgspec.Struct):
    """One alert."""

    alert_rule_id: Key
    alert_rule_name: str = ""
    project_name: str = ""
    alert_rule_type: str = ""
    alert_rule_attribute: str = ""
    triggered_metric_value: Figure = None
    triggered_threshold: Figure = None
    timestamp: str = ""


_SAID_ALREADY = {"alert_rule_id", "alert_rule_name", "timestamp"}
_decoder = msgspec.json.Decoder(dict[str, Any])


class Adapter(Sender):
    """LangSmith's alert webhooks."""

    kind = "langsmith"
    title = "LangSmith"
    line = "Alerts on errors, latency, cost and feedback scores of a project."
    group = "AI platforms"
    auto_close = timedelta(hours=1)

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One alert that fires."""
        body = decode(_decoder, request.body)
        said = fit(body, Alert)
        labels = {name: plain(value) for name, value in body.items() if name not in _SAID_ALREADY and value is not None}
        at = instant(said.timestamp)
        return Said([
            event(
                fingerprint=said.alert_rule_id,
                status=SignalStatus.FIRING,
                title=_title(said),
                labels=labels,
                system_hint=system_in(labels),
                type_hint=type_in(labels),
                severity_hint=severity_in(labels, None),
                starts_at=at,
            )
        ])  # fmt: skip


def _title(said: Alert) -> str:
    name = said.alert_rule_name or "An alert without a name"
    where = f" in {said.project_name}" if said.project_name else ""
    if said.triggered_metric_value is None:
        return f"{name}{where}"
    limit = f" (threshold {plain(said.triggered_threshold)})" if said.triggered_threshold is not None else ""
    return f"{name}{where}: {said.alert_rule_attribute or 'value'} is {plain(said.triggered_metric_value)}{limit}"
