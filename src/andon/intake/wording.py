"""Why a signal is as it is, in words for a person."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse

from andon.intake.models import Signal
from andon.practice.grouping import DedupReason, RouteDecision, RouteReason, SignalStatus
from andon.practice.severity import Severity
from andon.practice.words import IncidentType

_NAME: Final = 120  # characters of a rule's name


def why_this_signal(signal: Signal) -> str:
    """Why the last event that changed it did what it did."""
    return _reason(signal.dedup_reason)


def why_nowhere(signal: Signal) -> str:
    """Why the newest of what was heard of it and changed nothing did so; empty where nothing was."""
    return _reason(signal.echo_reason or "")


def _reason(stored: str) -> str:
    return DedupReason(stored).words if stored in set(DedupReason) else stored


_WHAT_IT_DID = {
    RouteReason.INCIDENT_OPEN: "it joined this incident, which was the open one of its system and type",
    RouteReason.NO_INCIDENT_YET: "it opened this incident: none of its system and type was open",
    RouteReason.ONSETS_OVERLAP: "it joined this incident: both may have begun at the same time",
    RouteReason.ONSETS_APART: "it opened this incident: what was open of its system began at another time",
    RouteReason.UNROUTED: "it opened this incident: it names no known system, and its severity asks for a person",
}


_WHAT_IT_WOULD_DO = {
    RouteReason.INCIDENT_OPEN: "It would join the open incident of its system and type.",
    RouteReason.NO_INCIDENT_YET: "It would open an incident, and page.",
    RouteReason.UNROUTED: "It would open an incident that belongs to no system, and page the fallback.",
    RouteReason.UNROUTED_MINOR: "It would be kept, and open nothing: no known system, and a mild severity.",
    RouteReason.HAZARD: "It would be kept, and open nothing: a hazard or near miss (S5).",
    RouteReason.ENDED: "It would be kept as ended, and open nothing.",
}


def would(decision: RouteDecision) -> str:
    """What a signal would have done."""
    return _WHAT_IT_WOULD_DO[decision.reason]


def why_there(signal: Signal) -> str:
    """Why it joined its incident, opened one, or none; empty while that is still to be decided."""
    if signal.reason_joined not in set(RouteReason):
        return signal.reason_joined
    reason = RouteReason(signal.reason_joined)
    return _WHAT_IT_DID.get(reason, reason.words)


@dataclass(frozen=True)
class ByRule:
    """What a rule did to a signal.

    Attributes:
        ref: The number people say, as RULE-7.
        name: What the rule was called then.
        says: What it did, as the rest of a sentence that begins with the rule, without its full stop.
        until: When the signal is looked at again, if the rule holds it.
        url: The rule's page, at the version that did it.
        source: The page of the signal that explains it; empty where nothing does.
    """

    ref: str
    number: int
    version: int
    name: str
    says: str
    until: datetime | None
    url: str
    source: str


def by_rules(signal: Signal) -> list[ByRule]:
    """What rules did to a signal when it was last routed, in their order."""
    return [_by_rule(signal, told) for told in signal.rules or ()]


def _by_rule(signal: Signal, told: Mapping[str, Any]) -> ByRule:
    goes_on = signal.status == SignalStatus.FIRING and signal.route_at is not None
    return ByRule(
        ref=f"RULE-{told['rule']}",
        number=told["rule"],
        version=told["version"],
        name=told["name"],
        says=_what_it_did(told, goes_on=goes_on),
        until=signal.route_at if told["effect"] == "held" and goes_on else None,
        url=f"{reverse('rule', args=[told['rule']])}#version-{told['version']}",
        source=reverse("signal", args=[told["source"]]) if "source" in told else "",
    )


def _what_it_did(told: Mapping[str, Any], *, goes_on: bool) -> str:
    match told["effect"]:
        case "mapped":
            return f"lets it count as {_counts_as(told['set'])}"
        case "let_through":
            return "would keep it quiet, and lets S1 and S2 through"
        case "not_read":
            return f"could not be asked about it: {told['error'].removesuffix('.')}"
        case _:
            return f"{'keeps' if goes_on else 'kept'} it from opening an incident{_because(told)}"


def _because(told: Mapping[str, Any]) -> str:
    """What the kind of rule does not say already."""
    match told["reason"]:
        case RouteReason.INHIBITED:
            return ": something else fires that explains it"
        case RouteReason.TOO_FEW:
            return f", for it takes {told['needed']} of them, and {told['seen']} had come"
        case RouteReason.SIGN_OF_LIFE:
            return ": it is a heartbeat, and says that all is well"
        case _:
            return ""


def _counts_as(given: Mapping[str, Any]) -> str:
    words = {
        "system": lambda value: f"about the system {value}",
        "type": lambda value: IncidentType(value).words,
        "severity": lambda value: Severity(value).name,
    }
    return " and ".join(words[name](value) for name, value in given.items())


def silencing(signal: Signal) -> str:
    """The page on which a silence of signals like this one is made, filled in as far as it can be."""
    given = {
        "name": signal.title[:_NAME],
        "expression": f"signal.title == {json.dumps(signal.title, ensure_ascii=False)}",
    }
    if signal.system:
        given["system"] = signal.system.slug
    return f"{reverse('rule_create', args=['silence'])}?{urlencode(given)}"
