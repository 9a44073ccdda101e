"""Everything that changes levers and pulls, and what the clockwork does with them."""

from andon.containment.actions.levers import LeverFacts, change_lever, create_lever, end_lever
from andon.containment.actions.pulls import approve, decline, pull, undo, withdraw
from andon.containment.actions.rehearsing import Trial, dry_run, rehearse
from andon.containment.actions.running import Claim, Outcome, claim, fault_of, run_pull, settle, trouble, work

__all__ = [
    "Claim",
    "LeverFacts",
    "Outcome",
    "Trial",
    "approve",
    "change_lever",
    "claim",
    "create_lever",
    "decline",
    "dry_run",
    "end_lever",
    "fault_of",
    "pull",
    "rehearse",
    "run_pull",
    "settle",
    "trouble",
    "undo",
    "withdraw",
    "work",
]
