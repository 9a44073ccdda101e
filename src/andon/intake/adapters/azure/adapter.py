"""Azure Monitor in its common alert schema (learn.microsoft.com, common alert schema definitions).

One firing has one `alertId`, from `Fired` to `Resolved`; the time it fired is the episode. Azure's five severities are
ours in the same order, `Sev0` = S1 to `Sev4` = S5. An action group can send no headers of its own, so the token stands
in the address. Custom properties of the alert rule give the hints: `andon_system`, `andon_type`, `andon_severity`.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from andon.intake.decoding import Key
from andon.intake.events import Request, Said, Sender, event
from andon.intake.forgiving import read
from andon.intake.naming import instant, labels_of, plain, severity_in, system_in, type_in
from andon.practice.grouping import SignalStatus

Severity = Literal["Sev0", "Sev1", "Sev2", "Sev3", "Sev4"]


class Essentials(msgspec.Struct, rename="camel"):
    """What every alert of the common schema has."""

    alert_id: Key
    monitor_condition: Literal["Fired", "Resolved"]
    alert_rule: str = ""
    severity: Severity | None = None
    signal_type: str = ""
    monitoring_service: str = ""
    alert_target_ids: list[str] | None = msgspec.field(default=None, name="alertTargetIDs")
    configuration_items: list[str] | None = None
    origin_alert_id: str = ""
    fired_date_time: str = ""
    description: str | None = None
    investigation_link: str | None = None


class Data(msgspec.Struct, rename="camel"):
    """The alert."""

    essentials: Essentials
    custom_properties: dict[str, Any] | None = None


class Body(msgspec.Struct, rename="camel"):
    """The body. A webhook without "common alert schema" switched on sends another `schemaId`."""

    schema_id: Literal["azureMonitorCommonAlertSchema"]
    data: Data


_decoder = msgspec.json.Decoder(Body)
_PORTAL = "https://portal.azure.com/#blade/Microsoft_Azure_Monitoring/AlertDetailsTemplateBlade/alertId/"


class Adapter(Sender):
    """Azure Monitor's action groups."""

    kind = "azure"
    title = "Azure Monitor"
    line = "Alerts of every kind, through an action group with the common alert schema."
    group = "Clouds"

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One alert."""
        data = read(_decoder, request.body).data
        said = data.essentials
        properties = {name: plain(value) for name, value in (data.custom_properties or {}).items()}
        own = labels_of(
            rule=said.alert_rule, level=said.severity, signal=said.signal_type, service=said.monitoring_service,
            targets=", ".join(said.alert_target_ids or []), items=", ".join(said.configuration_items or []),
        )  # fmt: skip
        level = int(said.severity[3:]) + 1 if said.severity else None
        return Said([
            event(
                fingerprint=said.alert_id,
                status=SignalStatus.FIRING if said.monitor_condition == "Fired" else SignalStatus.RESOLVED,
                title=said.alert_rule or "An Azure alert without a name",
                description=said.description or "",
                url=said.investigation_link or _link(said.alert_id),
                labels={**properties, **own},
                system_hint=system_in(properties),
                type_hint=type_in(properties),
                severity_hint=severity_in(properties, level),
                starts_at=instant(said.fired_date_time),
            )
        ])  # fmt: skip


def _link(alert_id: str) -> str:
    """The alert's page in the portal, if the id is a path of Azure's."""
    return _PORTAL + alert_id.replace("/", "%2F") if alert_id.startswith("/subscriptions/") else ""
