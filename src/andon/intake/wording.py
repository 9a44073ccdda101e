"""Why a signal is as it is, in words for a person."""

from andon.intake.models import Signal
from andon.practice.grouping import DedupReason, RouteReason


def why_this_signal(signal: Signal) -> str:
    """Why the last event that changed it did what it did."""
    return DedupReason(signal.dedup_reason).words if signal.dedup_reason in set(DedupReason) else signal.dedup_reason


def why_there(signal: Signal) -> str:
    """Why it joined its incident, opened one, or none; empty while that is still to be decided."""
    reason = signal.reason_joined
    return RouteReason(reason).words if reason in set(RouteReason) else reason
