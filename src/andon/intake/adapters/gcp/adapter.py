"""Google Cloud Monitoring's webhooks, version 1.2; Vertex AI's model monitoring alerts through it, too.

One incident of an alerting policy is the fingerprint, its start the episode, `state` says whether it goes on
(cloud.google.com, notification channels). The token stands in the address or, for a webhook with basic
authentication, is its password. User labels of the policy give the hints: `andon_system`, `andon_type`,
`andon_severity`; label values take no capitals, so `s2` is read as S2.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from andon.intake.decoding import Key
from andon.intake.events import Event, Request, Said, Sender, event
from andon.intake.forgiving import read
from andon.intake.naming import from_epoch, labels_of, plain, severity_in, system_in, type_in
from andon.practice.grouping import SignalStatus

_LEVELS = {"critical": 2, "error": 3, "warning": 4}


class Documentation(msgspec.Struct):
    """What the policy's author wrote for whoever is paged."""

    content: str | None = None
    subject: str | None = None


class Thing(msgspec.Struct):
    """A resource or metric."""

    type: str = ""
    labels: dict[str, Any] | None = None


class Incident(msgspec.Struct):
    """One incident in Cloud Monitoring's sense: a condition that is met."""

    incident_id: Key
    state: Literal["open", "closed", "acknowledged"]
    policy_name: str | None = None
    condition_name: str | None = None
    summary: str | None = None
    url: str | None = None
    started_at: float | None = None
    severity: str | None = None
    scoping_project_id: str | None = None
    resource_name: str | None = None
    resource: Thing | None = None
    metric: Thing | None = None
    observed_value: str | float | None = None
    threshold_value: str | float | None = None
    policy_user_labels: dict[str, Any] | None = None
    documentation: Documentation | str | None = None


class Body(msgspec.Struct):
    """The body; `version` is 1.2, and `test` when a channel is being tried out."""

    incident: Incident
    version: str | float = ""


_decoder = msgspec.json.Decoder(Body)


class Adapter(Sender):
    """Cloud Monitoring's webhook channels."""

    kind = "gcp"
    title = "Google Cloud Monitoring"
    line = "Alerting policies, those of Vertex AI's model monitoring included."
    group = "Clouds"

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One event; an acknowledgement over there says nothing about whether it goes on."""
        said = read(_decoder, request.body).incident
        return Said([] if said.state == "acknowledged" else [_event(said)])


def _event(said: Incident) -> Event:
    named = {name: plain(value) for name, value in (said.policy_user_labels or {}).items()}
    resource = said.resource.labels if said.resource and said.resource.labels else {}
    own = labels_of(
        policy=said.policy_name, condition=said.condition_name, project=said.scoping_project_id,
        resource=said.resource_name, metric=said.metric.type if said.metric else None,
        observed=said.observed_value, threshold=said.threshold_value, level=said.severity,
    )  # fmt: skip
    notes = said.documentation
    return event(
        fingerprint=said.incident_id,
        status=SignalStatus.RESOLVED if said.state == "closed" else SignalStatus.FIRING,
        title=said.policy_name or said.condition_name or said.summary or "",
        description="\n\n".join(part for part in (said.summary, _text(notes)) if part),
        url=said.url or "",
        labels={**{name: plain(value) for name, value in resource.items()}, **named, **own},
        system_hint=system_in(named),
        type_hint=type_in(named),
        severity_hint=severity_in(named, _LEVELS.get((said.severity or "").lower())),
        starts_at=from_epoch(said.started_at) if said.started_at else None,
    )


def _text(notes: Documentation | str | None) -> str:
    return notes if isinstance(notes, str) else (notes.content or "") if notes else ""
