"""Invitations: made, replaced, withdrawn."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction

from andon.kit import clock, ids
from andon.kit.errors import Conflict
from andon.people import queries
from andon.people.actions.accounts import usable_address
from andon.people.models import Invitation, Person, Team
from andon.people.policy import Actor
from andon.practice.words import OrgRole

WORKS_FOR: Final = timedelta(days=7)


@dataclass(frozen=True)
class Invited:
    """An invitation and its link, which is kept nowhere: show it once."""

    invitation: Invitation
    link: str

    @property
    def mail_link(self) -> str:
        """The link for the message, which also shows that the address works."""
        return f"{self.link}?mail={queries.mail_proof(self.invitation)}"


@transaction.atomic
def invite(*, email: str, role: OrgRole, team: Team | None = None, by: Actor) -> Invited:
    """Invite an address for seven days. An open invitation to the same address is replaced.

    Raises `Conflict` when the address has an account, `Invalid` when it is none.
    """
    by.must_be(OrgRole.ADMIN, "invite people")
    email = usable_address(email)
    if Person.objects.filter(email__iexact=email).exists():
        raise Conflict(f"There is an account for {email} already.", field="email")
    now = clock.now()
    queries.open_invitations().filter(email__iexact=email).select_related(None).order_by().update(withdrawn_at=now)
    token = ids.new_token("invite")
    invitation = Invitation.objects.create(
        email=email,
        role=role,
        team=team,
        token_digest=ids.digest(token),
        invited_by=by.person,
        expires_at=now + WORKS_FOR,
    )
    return Invited(invitation, f"{settings.BASE_URL}/invite/{token}")


def withdraw_invitation(invitation: Invitation, *, by: Actor) -> None:
    """Make its link stop working; raises `Conflict` when it has been used or withdrawn."""
    by.must_be(OrgRole.ADMIN, "withdraw invitations")
    withdrawn = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, withdrawn_at=None).update(
        withdrawn_at=clock.now()
    )
    if withdrawn != 1:
        raise Conflict("This invitation was used or withdrawn in the meantime.")
