"""Sentry: issues, issue alerts and metric alerts of an internal integration (docs.sentry.io, integration platform).

| resource | fingerprint | fires | ends |
|---|---|---|---|
| `issue` | the issue | `created`, `unresolved` | `resolved`, `archived`, `ignored` |
| `event_alert` | the same issue | `triggered` | with the issue |
| `metric_alert` | the alert rule | `critical`, `warning`, `open` | `resolved` |

Other resources (comments, installations, single errors) are taken and say nothing: Sentry turns off a hook that is
refused too often. The body is signed (`Sentry-Hook-Signature`: HMAC-SHA256 in hex). Its time stands in a header that
the signature does not cover, so an old request cannot be told by it; a double is recognised by its content. That time
is of the request, too, and nothing in the hook says when its issue was resolved or came back: a hook that arrives after
its own end cannot be told from a regression, and fires. Sentry waits one second for the answer.

Tags of the event give the hints: `andon_system`, `andon_type`, `andon_severity`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from andon.intake import signing
from andon.intake.decoding import Key
from andon.intake.events import Event, Malformed, Request, Said, Sender, event
from andon.intake.forgiving import fit, read
from andon.intake.naming import change_at, from_epoch, instant, labels_of, severity_in, system_in, type_in
from andon.practice.grouping import SignalStatus

_LEVELS = {"fatal": 2, "critical": 2, "error": 3, "warning": 4, "info": 5, "debug": 5}
_ISSUE_FIRES = {"created", "unresolved"}
_ISSUE_ENDS = {"resolved", "archived", "ignored"}


class Project(msgspec.Struct):
    """The project of an issue."""

    slug: str = ""


class Issue(msgspec.Struct):
    """An issue: what Sentry groups errors into."""

    id: Key | int
    title: str = ""
    culprit: str | None = None
    level: str | None = None
    shortId: str | None = None  # noqa: N815  the sender's spelling
    web_url: str | None = None
    permalink: str | None = None
    project: Project | None = None


class Fault(msgspec.Struct):
    """The event that made an issue alert fire."""

    issue_id: Key | int
    title: str = ""
    message: str | None = None
    culprit: str | None = None
    level: str | None = None
    web_url: str | None = None
    environment: str | None = None
    tags: list[list[str | None]] | None = None


class Rule(msgspec.Struct):
    """The rule behind a metric alert."""

    id: Key | int
    name: str = ""


class Metric(msgspec.Struct):
    """A metric alert."""

    alert_rule: Rule
    title: str | None = None
    date_started: str | None = None
    projects: list[str] | None = None


class Body(msgspec.Struct):
    """What every hook sends."""

    action: str
    data: dict[str, Any]


class IssueData(msgspec.Struct):
    """The data of an issue hook."""

    issue: Issue


class FaultData(msgspec.Struct):
    """The data of an issue alert."""

    event: Fault
    triggered_rule: str | None = None


class MetricData(msgspec.Struct):
    """The data of a metric alert."""

    metric_alert: Metric
    description_title: str | None = None
    description_text: str | None = None
    web_url: str | None = None


_BY_DATA = {"issue": "issue", "event": "event_alert", "metric_alert": "metric_alert"}
_decoder = msgspec.json.Decoder(Body)


class Adapter(Sender):
    """Sentry's webhooks."""

    kind = "sentry"
    title = "Sentry"
    line = "Issues that are new or come back, issue alerts and metric alerts."
    group = "Alerts"
    signed_by = "Client secret"
    patience = 1.0

    def verify(self, request: Request, secret: str) -> None:
        """The signature over the body."""
        signing.must_be(signing.hmac_sha256(secret, request.body), request.headers.get("sentry-hook-signature", ""))

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """At most one event."""
        body = read(_decoder, request.body)
        sent = request.headers.get("sentry-hook-timestamp", "")
        made = from_epoch(sent) if sent else None
        match _resource(request, body):
            case "issue":
                said = _of_issue(body.action, fit(body.data, IssueData, at="data").issue, made)
            case "event_alert":
                said = _of_fault(fit(body.data, FaultData, at="data"), made)
            case "metric_alert":
                said = _of_metric(body.action, fit(body.data, MetricData, at="data"), made)
            case _:
                said = None
        return Said([said] if said else [])


def _resource(request: Request, body: Body) -> str:
    """What the hook speaks of: by its header, and where a proxy dropped that, by what the data hold."""
    named = request.headers.get("sentry-hook-resource", "")
    if named:
        return named
    found = next((resource for name, resource in _BY_DATA.items() if name in body.data), None)
    if found is None:
        raise Malformed("Neither an issue nor an alert; the header Sentry-Hook-Resource is missing, too.", field="data")
    return found


def _of_issue(action: str, said: Issue, made: datetime | None) -> Event | None:
    if action not in _ISSUE_FIRES | _ISSUE_ENDS:
        return None  # assigned, or something that Sentry adds later
    ends = action in _ISSUE_ENDS
    return event(
        fingerprint=f"issue:{said.id}",
        episode=change_at(made, ends=ends),
        status=SignalStatus.RESOLVED if ends else SignalStatus.FIRING,
        title=said.title,
        description=said.culprit or "",
        url=said.web_url or said.permalink or "",
        labels=labels_of(
            issue=said.shortId, project=said.project.slug if said.project else "", level=said.level, action=action
        ),
        severity_hint=_LEVELS.get(said.level or ""),
    )


def _of_fault(said: FaultData, made: datetime | None) -> Event:
    fault = said.event
    tagged = {pair[0]: pair[1] for pair in fault.tags or [] if len(pair) == 2 and pair[0] and pair[1]}  # noqa: PLR2004  name and value
    own = labels_of(rule=said.triggered_rule, level=fault.level, environment=fault.environment)
    return event(
        fingerprint=f"issue:{fault.issue_id}",
        episode=change_at(made, ends=False),
        status=SignalStatus.FIRING,
        title=fault.title or fault.message or said.triggered_rule or "",
        description="\n".join(text for text in (fault.message, fault.culprit) if text and text != fault.title),
        url=fault.web_url or "",
        labels={**tagged, **own},
        system_hint=system_in(tagged),
        type_hint=type_in(tagged),
        severity_hint=severity_in(tagged, _LEVELS.get(fault.level or "")),
    )


def _of_metric(action: str, said: MetricData, made: datetime | None) -> Event | None:
    alert = said.metric_alert
    if action not in {"critical", "warning", "open", "resolved"}:
        return None
    ends = action == "resolved"
    began = instant(alert.date_started or "")
    return event(
        fingerprint=f"metric:{alert.alert_rule.id}",
        episode=began.isoformat() if began else change_at(made, ends=ends),
        status=SignalStatus.RESOLVED if ends else SignalStatus.FIRING,
        title=said.description_title or alert.title or alert.alert_rule.name,
        description=said.description_text or "",
        url=said.web_url or "",
        labels=labels_of(rule=alert.alert_rule.name, level=action, projects=", ".join(alert.projects or [])),
        severity_hint=_LEVELS.get(action),
        starts_at=began,
    )
