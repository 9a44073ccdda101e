"""Reads of people, teams, invitations and tokens."""

from typing import Final
from uuid import UUID

from django.core import signing
from django.db.models import Count, Prefetch, Q, QuerySet

from andon.kit import clock, ids
from andon.kit.errors import Missing
from andon.people.models import ApiToken, ContactPoint, Invitation, Membership, Organisation, Person, Team
from andon.people.policy import Actor
from andon.practice.words import OrgRole

IS_SETUP: Final = Q(email="", invited_by=None)
_BY_MAIL: Final = "andon.people.invitation.by-mail"


def organisation() -> Organisation | None:
    """The organisation; None before the first administrator has named it."""
    return Organisation.objects.first()


def may_see_people(by: Actor) -> bool:
    """Whether the actor may see who there is; a reporter sees themselves alone."""
    return by.may(OrgRole.VIEWER)


def people(by: Actor) -> QuerySet[Person]:
    """The people the actor may see, with teams and ways to reach them; erased ones are left out."""
    rows = Person.objects.filter(erased_at=None).prefetch_related(
        Prefetch("contact_points", ContactPoint.objects.filter(removed_at=None)), "teams"
    )
    if may_see_people(by):
        return rows
    return rows.filter(pk=by.person.pk) if by.person else rows.none()


def person(by: Actor, pk: UUID) -> Person:
    """One person the actor may see; raises `Missing`."""
    found = people(by).filter(pk=pk).first()
    if found is None:
        raise Missing("There is no such person, or you may not see them.")
    return found


def teams(by: Actor) -> QuerySet[Team]:
    """The teams, counted; a reporter sees their own."""
    rows = Team.objects.annotate(size=Count("memberships", filter=Q(memberships__person__is_active=True)))
    return rows if may_see_people(by) else rows.filter(pk__in=_own_teams(by))


def _own_teams(by: Actor) -> QuerySet[Membership, UUID]:
    return Membership.objects.filter(person=by.person).values_list("team_id", flat=True)


def team(by: Actor, slug: str) -> Team:
    """One team the actor may see; raises `Missing`."""
    found = teams(by).filter(slug=slug).first()
    if found is None:
        raise Missing(f"There is no team {slug}, or you may not see it.")
    return found


def open_invitations() -> QuerySet[Invitation]:
    """The invitations whose link still works, newest first, without the one of the first start."""
    return (
        Invitation.objects.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=clock.now())
        .exclude(IS_SETUP)
        .select_related("invited_by", "team")
        .order_by("-pk")
    )


def invitation_by_token(token: str, *, setup: bool) -> Invitation:
    """The open invitation behind a link; raises `Missing` in the same words for every link that does not work."""
    rows = Invitation.objects.filter(token_digest=ids.digest(token))
    found = (rows.filter(IS_SETUP) if setup else rows.exclude(IS_SETUP)).first()
    if found is None or not found.open:
        again = (
            "Start Andon again to print a new one, unless it has been set up already."
            if setup
            else "Ask whoever invited you for a new one."
        )
        raise Missing(f"This link does not work: it was used, withdrawn, has expired or is mistyped. {again}")
    return found


def mail_proof(invitation: Invitation) -> str:
    """What the link in the message carries and the link on the screen does not: whoever has it reads that mailbox."""
    return signing.Signer(salt=_BY_MAIL).signature(f"{invitation.pk}:{invitation.email}")


def came_by_mail(invitation: Invitation, proof: str) -> bool:
    """Whether `proof` is the one that was sent to the invitation's address."""
    return bool(invitation.email) and ids.same(proof, mail_proof(invitation))


def own_tokens(who: Person) -> QuerySet[ApiToken]:
    """A person's tokens that were not revoked."""
    return who.api_tokens.filter(revoked_at=None)


def own_contact_points(who: Person) -> QuerySet[ContactPoint]:
    """The ways to reach a person, in the order in which they are tried."""
    return who.contact_points.filter(removed_at=None)


def broken_contact_points(by: Actor) -> QuerySet[ContactPoint]:
    """Contact points of active people that broke: the actor's own, and for an administrator everybody's."""
    rows = ContactPoint.objects.filter(broken_at__isnull=False, removed_at=None, person__is_active=True)
    if not by.may(OrgRole.ADMIN):
        rows = rows.filter(person=by.person) if by.person else rows.none()
    return rows.select_related("person").order_by("-broken_at")


def manages(by: Actor, which: Team) -> bool:
    """Whether the actor may change a team: leads and up, and its managers."""
    if by.may(OrgRole.LEAD):
        return True
    return Membership.objects.filter(team=which, person=by.person, role=Membership.Role.MANAGER).exists()
