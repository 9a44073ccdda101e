"""Grafana Alerting's webhook: Alertmanager's form with links and values, and a signature.

Labels are read as Alertmanager's are. The fingerprint and start are Grafana's own, per alert. What is only Grafana's is
kept beside the labels: the values that fired, the rule's id, and the address that silences the alert. What cannot be
read, and what Grafana left out by its limit, is dealt with as Alertmanager's is.

Signed by HMAC-SHA256 in hex, in `X-Grafana-Alerting-Signature`: over the body, or, where the contact point names a
header for the time, over the time, a colon and the body (Grafana documentation, "Configure webhook notifications").
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from andon.intake import signing
from andon.intake.adapters.alertmanager import adapter as alertmanager
from andon.intake.events import Event, Request, Said, Sender

SIGNATURE = "x-grafana-alerting-signature"
TIMESTAMP = "x-grafana-alerting-timestamp"


class Alert(alertmanager.Alert):
    """One alert of a webhook body; null is sent for values that a rule without data does not have."""

    values: dict[str, float | None] | None = None
    valueString: str = ""  # noqa: N815  the sender's spelling
    silenceURL: str = ""  # noqa: N815  as above
    dashboardURL: str = ""  # noqa: N815  as above
    panelURL: str = ""  # noqa: N815  as above
    imageURL: str = ""  # noqa: N815  as above
    ruleUID: str = ""  # noqa: N815  as above


class Body(msgspec.Struct):
    """The webhook body; what Andon does not use is not looked at."""

    alerts: list[Alert]
    truncatedAlerts: Any = 0  # noqa: N815  as above


_decoder = msgspec.json.Decoder(Body)
_one = msgspec.json.Decoder(Alert)
_TRUNCATED = "Raise Max Alerts of Grafana's contact point (0 sends all), or split the groups of its policy by Group by."


class Adapter(Sender):
    """Grafana's webhook contact point."""

    kind = "grafana"
    title = "Grafana"
    line = "Alerts that fire and end, by a webhook contact point; signed if you like."
    group = "Alerts"
    signed_by = "HMAC secret"

    def verify(self, request: Request, secret: str) -> None:
        """The body's signature; with the time before it, and checked for its age, if the sender says the time."""
        at = request.headers.get(TIMESTAMP)
        signed = (request.body,) if at is None else (f"{at}:", request.body)
        signing.must_be(signing.hmac_sha256(secret, *signed), request.headers.get(SIGNATURE, ""))
        if at is not None:
            signing.must_be_recent(at)

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One event an alert."""
        return alertmanager.said_in(request.body, _decoder, _one, _event, truncated=_TRUNCATED)


def _event(alert: Alert) -> Event:
    values = ", ".join(f"{name}={value:g}" for name, value in (alert.values or {}).items() if value is not None)
    more = {"values": values, "rule": alert.ruleUID, "silence": alert.silenceURL, "image": alert.imageURL}
    shown = {name: text for name, text in more.items() if text}
    return alertmanager.event_of(alert, url=alert.panelURL or alert.dashboardURL, more=shown)
