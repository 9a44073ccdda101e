"""How an account comes to be: the first start, an invitation, the operator's shell, the identity provider."""

import zoneinfo
from datetime import timedelta
from typing import Final

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q

from andon.kit import clock, ids
from andon.kit.errors import Conflict, Invalid
from andon.people import queries
from andon.people.models import ChannelKind, ContactPoint, Invitation, Membership, Organisation, Person
from andon.people.policy import Actor
from andon.practice.words import OrgRole

SETUP_WORKS_FOR: Final = timedelta(hours=24)


@transaction.atomic
def setup_link() -> str | None:
    """The one-time link that makes the first administrator; None once there is a person.

    Asking again while it is unused replaces it, so that only the link that was printed last works.
    """
    if Person.objects.exists():
        return None
    now = clock.now()
    Invitation.objects.filter(queries.IS_SETUP, accepted_at=None, withdrawn_at=None).update(withdrawn_at=now)
    token = ids.new_token("setup")
    Invitation.objects.create(role=OrgRole.ADMIN, token_digest=ids.digest(token), expires_at=now + SETUP_WORKS_FOR)
    return f"{settings.BASE_URL}/setup/{token}"


@transaction.atomic
def create_person(
    *,
    email: str,
    name: str,
    role: OrgRole = OrgRole.RESPONDER,
    password: str | None = None,
    time_zone: str = "UTC",
    by: Actor,
) -> Person:
    """An account without an invitation. Without a password its person signs in by single sign-on, or resets it.

    Raises `Invalid` naming the field, and `Conflict` when the address has an account.
    """
    by.must_be(OrgRole.ADMIN, "create accounts")
    person = _make(email=email, name=name, role=role, password=password, time_zone=time_zone)
    ContactPoint.objects.create(person=person, kind=ChannelKind.EMAIL, address=person.email)
    return person


@transaction.atomic
def take_invitation(
    invitation: Invitation,
    *,
    email: str,
    name: str,
    password: str,
    time_zone: str,
    organisation: str = "",
    came_by_mail: bool = False,
) -> Person:
    """Make the account that an invitation is for, once. Nobody acts but the holder of the link.

    Args:
        invitation: An open invitation, found by its token.
        email: Ignored where the invitation has an address.
        name: What to call the person.
        password: Checked against the rules for passwords.
        time_zone: IANA name.
        organisation: Its name; asked of the first administrator alone.
        came_by_mail: Whether the link was opened from the message, which shows that the address works.

    Raises:
        Conflict: The link was used, withdrawn or has expired, or the address has an account.
        Invalid: A value cannot be taken; `field` names it.
    """
    _take(invitation)
    is_setup = not invitation.email and invitation.invited_by_id is None
    if is_setup:
        if Person.objects.exists():
            raise Conflict("Andon has been set up already. Ask an administrator for an invitation.")
        if not organisation.strip():
            raise Invalid("Say what your organisation is called.", field="organisation")
        Organisation.objects.update_or_create(
            id=1, defaults={"name": organisation.strip(), "time_zone": known_zone(time_zone)}
        )
    if not password:
        raise Invalid("Choose a password.", field="password")
    person = _make(
        email=invitation.email or email,
        name=name,
        role=OrgRole(invitation.role),
        password=password,
        time_zone=time_zone,
    )
    _settle(invitation, person, address_works=came_by_mail)
    return person


@transaction.atomic
def take_invitation_by_identity(*, email: str, name: str) -> Person | None:
    """The account for someone whose identity provider vouches for `email`; None when nobody invited them."""
    invitation = queries.open_invitations().filter(email__iexact=email).first()
    if invitation is None:
        return None
    _take(invitation)
    person = _make(email=email, name=name or email, role=OrgRole(invitation.role), password=None, time_zone="UTC")
    _settle(invitation, person, address_works=True)
    return person


def _take(invitation: Invitation) -> None:
    """Use the link up, by compare-and-set: of two people who use it at once one is told."""
    now = clock.now()
    taken = Invitation.objects.filter(
        Q(expires_at__gt=now), pk=invitation.pk, accepted_at=None, withdrawn_at=None
    ).update(accepted_at=now)
    if taken != 1:
        raise Conflict("This link has been used, was withdrawn, or has expired. Ask for a new one.", code="link-used")


def _settle(invitation: Invitation, person: Person, *, address_works: bool) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(accepted_by=person)
    ContactPoint.objects.create(
        person=person,
        kind=ChannelKind.EMAIL,
        address=person.email,
        verified_at=clock.now() if address_works else None,
    )
    if invitation.team_id:
        Membership.objects.create(team_id=invitation.team_id, person=person)


def _make(*, email: str, name: str, role: OrgRole, password: str | None, time_zone: str) -> Person:
    email = usable_address(email)
    if not name.strip():
        raise Invalid("Say what to call you.", field="name")
    facts = {"name": name.strip()[:120], "role": role, "time_zone": known_zone(time_zone)}
    if password is not None:
        _must_be_strong(password, Person(email=email, name=name))
    try:
        with transaction.atomic():
            person = Person.objects.create_user(email, password, **facts)
    except IntegrityError:
        raise Conflict(f"There is an account for {email} already. Sign in with it.", field="email") from None
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return person


def usable_address(email: str) -> str:
    """An e-mail address, trimmed and in lower case; raises `Invalid` for what is none."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid("This is not an e-mail address.", field="email") from None
    return email


def known_zone(name: str) -> str:
    """An IANA time zone; raises `Invalid` for what is none."""
    if name not in zoneinfo.available_timezones():
        raise Invalid(f"{name!r} is not a time zone. Use an IANA name, like Europe/Berlin.", field="time_zone")
    return name


def _must_be_strong(password: str, person: Person) -> None:
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from None
