"""Contact points: how a person can be reached, and whether that was tried."""

import base64
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.core import signing
from django.db import transaction

from andon.kit import clock, ids
from andon.kit.errors import Conflict, Forbidden, Invalid, Missing
from andon.people import ways
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from andon.practice.words import OrgRole

MOST_MINUTES: Final = 24 * 60
CONFIRM_WITHIN: Final = timedelta(days=7)
_SALT: Final = "andon.people.contact-point"


@dataclass(frozen=True)
class Reach:
    """A new contact point. `secret` is what its messages are signed with; empty for kinds that sign nothing."""

    contact_point: ContactPoint
    secret: str


@transaction.atomic
def add_contact_point(
    person: Person, *, kind: ChannelKind, address: str, label: str = "", delay_minutes: int = 0, by: Actor
) -> Reach:
    """A further way to reach a person. It counts once its test message was confirmed; the log needs no such test.

    Raises `Invalid` naming the field; of `kind` while the channel is not set up.
    """
    _must_be_theirs(person, by)
    way = ways.usable(kind)
    secret = _signing_secret() if way.signs else ""
    made = ContactPoint.objects.create(
        person=person,
        kind=kind,
        address=_usable(way, address, person),
        secret=secret,
        label=label.strip()[:60],
        delay_minutes=_usable_delay(delay_minutes),
        verified_at=clock.now() if way.trusted else None,
    )
    return Reach(made, secret)


@transaction.atomic
def change_contact_point(contact_point: ContactPoint, *, label: str, delay_minutes: int, by: Actor) -> ContactPoint:
    """Its name, and how long after a page is due it is tried. For another address, add another contact point."""
    _must_be_theirs(contact_point.person, by)
    label, delay = label.strip()[:60], _usable_delay(delay_minutes)
    changed = ContactPoint.objects.filter(pk=contact_point.pk, removed_at=None).update(label=label, delay_minutes=delay)
    if changed != 1:
        raise Conflict("This contact point was removed in the meantime.")
    contact_point.label, contact_point.delay_minutes = label, delay
    return contact_point


@transaction.atomic
def remove_contact_point(contact_point: ContactPoint, *, by: Actor) -> None:
    """Stop using it. The row stays, because pages point at it."""
    _must_be_theirs(contact_point.person, by)
    removed = ContactPoint.objects.filter(pk=contact_point.pk, removed_at=None).update(
        removed_at=clock.now(), tell_at=None
    )
    if removed != 1:
        raise Conflict("This contact point was removed in the meantime.")


def contact_point_token(contact_point: ContactPoint) -> str:
    """What the link in a test message carries: it confirms this contact point, with this address, for seven days."""
    return signing.dumps({"id": str(contact_point.pk), "of": ids.digest(contact_point.address)}, salt=_SALT)


def contact_point_of(token: str) -> ContactPoint:
    """The contact point that a test message was sent to; raises `Missing` for a link that does not work."""
    try:
        told = signing.loads(token, salt=_SALT, max_age=CONFIRM_WITHIN)
    except signing.BadSignature:
        raise _no_such_link() from None
    found = ContactPoint.objects.select_related("person").filter(pk=told["id"], removed_at=None).first()
    if found is None or ids.digest(found.address) != told["of"]:
        raise _no_such_link()
    return found


@transaction.atomic
def verify_contact_point(token: str) -> ContactPoint:
    """The message arrived: whoever holds its link says so. Doing it again changes nothing."""
    found = contact_point_of(token)
    now = clock.now()
    verified = ContactPoint.objects.filter(pk=found.pk, removed_at=None).update(
        verified_at=found.verified_at or now, proved_at=now, broken_at=None, broken_reason="", tell_at=None
    )
    if verified != 1:
        raise _no_such_link()
    found.verified_at, found.broken_at, found.broken_reason = found.verified_at or now, None, ""
    return found


def _no_such_link() -> Missing:
    return Missing("This link does not work any more. Send a new test from your account page.")


def _must_be_theirs(person: Person, by: Actor) -> None:
    """A way to reach somebody is theirs to change; an administrator helps out."""
    if by.person is not None and by.person.pk == person.pk:
        return
    if not by.may(OrgRole.ADMIN):
        raise Forbidden("You can only change your own contact points.")


def _usable(way: ways.Way, address: str, person: Person) -> str:
    if not address.strip():
        if way.needed:
            raise Invalid("Give the address.", field="address")
        return person.email
    try:
        return way.check(address)
    except Invalid as refused:
        raise Invalid(refused.what, field="address") from None


def _usable_delay(minutes: int) -> int:
    if not 0 <= minutes <= MOST_MINUTES:
        raise Invalid(f"The delay is between 0 and {MOST_MINUTES} minutes.", field="delay_minutes")
    return minutes


def _signing_secret() -> str:
    """As the Standard Webhooks specification writes symmetric secrets."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
