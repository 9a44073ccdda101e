"""Changes to a person: what they say about themselves, their role, leaving, being forgotten."""

from datetime import time
from typing import Final

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.hashers import make_password
from django.db import transaction

from andon.kit import clock, db
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.people import ties
from andon.people.actions.accounts import known_zone
from andon.people.models import ApiToken, ContactPoint, Invitation, Membership, Person
from andon.people.policy import Actor
from andon.practice.pacing import QuietHours
from andon.practice.words import OrgRole

ERASED_NAME: Final = "Erased person"


@transaction.atomic
def change_profile(person: Person, *, name: str, time_zone: str, by: Actor) -> Person:
    """A person's name and time zone; theirs to change, and an administrator's."""
    if by.person is None or by.person.pk != person.pk:
        by.must_be(OrgRole.ADMIN, "change somebody else's account")
    if not name.strip():
        raise Invalid("Say what to call you.", field="name")
    person.name, person.time_zone = name.strip()[:120], known_zone(time_zone)
    person.save(update_fields=["name", "time_zone"])
    ties.quiet_hours_changed.send(sender=Person, person=person)
    return person


@transaction.atomic
def set_quiet_hours(person: Person, *, starts: time | None, ends: time | None, by: Actor) -> Person:
    """When pages of S4 and S5 are to wait, by the clock in the person's zone; without both, never.

    Theirs to set, and an administrator's. Raises `Invalid` for hours that do not end, or are too long.
    """
    if by.person is None or by.person.pk != person.pk:
        by.must_be(OrgRole.ADMIN, "set somebody else's quiet hours")
    if (starts is None) != (ends is None):
        raise Invalid("Say from when until when.", field="starts" if starts is None else "ends")
    if starts is not None and ends is not None:
        starts, ends = (at.replace(second=0, microsecond=0, tzinfo=None) for at in (starts, ends))
        try:
            QuietHours(starts, ends, person.time_zone)
        except ValueError as error:
            raise Invalid(str(error), field="ends") from None
    person.quiet_from, person.quiet_until = starts, ends
    person.save(update_fields=["quiet_from", "quiet_until"])
    ties.quiet_hours_changed.send(sender=Person, person=person)
    return person


@transaction.atomic
def change_role(person: Person, role: OrgRole, *, by: Actor) -> Person:
    """Give a person another role; raises `Conflict` where that would leave no administrator."""
    by.must_be(OrgRole.ADMIN, "change roles")
    if role is not OrgRole.ADMIN:
        _must_leave_an_administrator(person, "give up the role")
    _change(person, role=role)
    return person


@transaction.atomic
def deactivate(person: Person, *, by: Actor) -> list[str]:
    """End a person's access: sign-in, sessions and tokens stop at once. What they did stays.

    Returns what they leave uncovered, one sentence each. Raises `Conflict` for the last active administrator.
    """
    by.must_be(OrgRole.ADMIN, "deactivate people")
    _must_leave_an_administrator(person, "be deactivated")
    uncovered = ties.losses(person)
    _change(person, is_active=False, sessions_ended_at=clock.now())
    return uncovered


@transaction.atomic
def reactivate(person: Person, *, by: Actor) -> Person:
    """Let a person sign in again; earlier sessions stay ended."""
    by.must_be(OrgRole.ADMIN, "reactivate people")
    if person.erased_at:
        raise Conflict("An erased person cannot come back. Invite them again.")
    _change(person, is_active=True)
    return person


@transaction.atomic
def sign_out_everywhere(person: Person, *, by: Actor) -> None:
    """End all of a person's sessions; theirs to do, and an administrator's."""
    if by.person is None or by.person.pk != person.pk:
        by.must_be(OrgRole.ADMIN, "sign somebody else out")
    _change(person, sessions_ended_at=clock.now())


@transaction.atomic
def erase(person: Person, *, by: Actor) -> list[str]:
    """Erase who a person is, for good. Timelines keep what was done, by "Erased person"; counts stay.

    Returns what they leave uncovered. Raises `Forbidden` for oneself, `Conflict` for the last active administrator.
    """
    by.must_be(OrgRole.ADMIN, "erase people")
    if by.person is not None and by.person.pk == person.pk:
        raise Forbidden("You cannot erase yourself. Ask another administrator.")
    if person.erased_at:
        raise Conflict("This person has been erased already.")
    _must_leave_an_administrator(person, "be erased")
    uncovered = ties.losses(person)
    _forget_keys(person)
    now = clock.now()
    # Pages point at contact points, so these rows stay and say nothing.
    ContactPoint.objects.filter(person=person).update(
        address="", secret="", label="", broken_reason="", removed_at=now, verified_at=None
    )
    Invitation.objects.filter(email__iexact=person.email).update(email=_tombstone(person), withdrawn_at=now)
    Membership.objects.filter(person=person).delete()
    _change(
        person,
        name=ERASED_NAME,
        email=_tombstone(person),
        password=make_password(None),
        time_zone="UTC",
        quiet_from=None,
        quiet_until=None,
        calendar_token_digest="",
        last_login=None,
        is_active=False,
        sessions_ended_at=now,
        erased_at=now,
    )
    ties.person_erased.send(sender=Person, person=person)
    return uncovered


def _forget_keys(person: Person) -> None:
    """Everything that opens the door for them, ours and allauth's."""
    ApiToken.objects.filter(person=person).delete()
    EmailAddress.objects.filter(user=person).delete()
    Authenticator.objects.filter(user=person).delete()
    SocialAccount.objects.filter(user=person).delete()


def _tombstone(person: Person) -> str:
    """An address that reaches nobody and is nobody else's (RFC 2606)."""
    return f"erased-{person.pk}@erased.invalid"


def _change(person: Person, **fields: object) -> None:
    for name, value in fields.items():
        setattr(person, name, value)
    person.save(update_fields=list(fields))


def _must_leave_an_administrator(person: Person, doing: str) -> None:
    """Refuse what would leave nobody who can administer. Holds all administrators, so that two cannot go at once."""
    if person.org_role is not OrgRole.ADMIN or not person.is_active:
        return
    held = db.lock(Person.objects.filter(role=OrgRole.ADMIN, is_active=True).order_by("pk"))
    if not [one for one in held if one.pk != person.pk]:
        raise Conflict(f"{person} is the last active administrator and cannot {doing}. Make somebody else one first.")
