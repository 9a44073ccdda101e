"""Why a signal is as it is, in words for a person."""

from andon.intake.models import Signal
from andon.practice.grouping import DedupReason, RouteDecision, RouteReason


def why_this_signal(signal: Signal) -> str:
    """Why the last event that changed it did what it did."""
    return DedupReason(signal.dedup_reason).words if signal.dedup_reason in set(DedupReason) else signal.dedup_reason


_WHAT_IT_DID = {
    RouteReason.INCIDENT_OPEN: "it joined this incident, which was the open one of its system and type",
    RouteReason.NO_INCIDENT_YET: "it opened this incident: none of its system and type was open",
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
