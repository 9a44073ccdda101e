"""Everything that changes switches, their tokens, and what is known of replicas."""

from andon.switch.actions.replicas import Heard, forget_ended, forget_replica, hear
from andon.switch.actions.switching import Setting, change_staleness, set_mode
from andon.switch.actions.tokens import Minted, make_token, revoke_token

__all__ = [
    "Heard",
    "Minted",
    "Setting",
    "change_staleness",
    "forget_ended",
    "forget_replica",
    "hear",
    "make_token",
    "revoke_token",
    "set_mode",
]
