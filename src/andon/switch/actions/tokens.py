"""Guard tokens: made, shown once, revoked. Each is for one system, and for nothing but its switch."""

from dataclasses import dataclass

from django.db import transaction

from andon.kit import clock, db, ids
from andon.kit.errors import Conflict, Invalid
from andon.people.policy import Actor
from andon.registry.models import System
from andon.sdk.guard.sealing import PREFIX
from andon.switch.actions.switching import CHANNEL, hold_switch
from andon.switch.models import GuardToken
from andon.switch.policy import must_manage


@dataclass(frozen=True)
class Minted:
    """A token's row and the token, which is shown once.

    Attributes:
        token: The whole, for the SDK.
        sent: The part that is sent: all that a client of OFREP needs, and may know.
    """

    row: GuardToken
    token: str
    sent: str


@transaction.atomic
def make_token(system: System, *, name: str, by: Actor) -> Minted:
    """A token for processes of a system; the system gets its switch with the first one."""
    must_manage(by, "make guard tokens")
    if not name.strip():
        raise Invalid("Say where the token is used, as “production”.", field="name")
    hold_switch(system, by=by)
    sent, key = f"{PREFIX}.{system.slug}.{ids.new_short_token()}", ids.new_token("k")
    row = GuardToken.objects.create(
        system=system, name=name.strip()[:80], digest=ids.digest(sent), key=key, made_by=by.person
    )
    return Minted(row, f"{sent}.{key}", sent)


@transaction.atomic
def revoke_token(token: GuardToken, *, by: Actor) -> None:
    """Make a token stop working at once. Processes that hold it keep their mode, and `on` goes stale."""
    must_manage(by, "revoke guard tokens")
    if GuardToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.now()) != 1:
        raise Conflict("This token was revoked already.")
    db.notify(CHANNEL)
