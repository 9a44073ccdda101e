"""A browser in which somebody turns pages on: a contact point that no one types in."""

from django.db import transaction

from andon.kit.errors import Conflict
from andon.people import ways
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor


@transaction.atomic
def turn_on_browser(person: Person, *, endpoint: str, keys: str, label: str, by: Actor) -> ContactPoint:
    """Let pages reach a person in this browser, once its test notification was clicked.

    Turning it on again renews its keys and mends what was broken. `endpoint` and `keys` are what the browser gave
    out, checked by the caller. Only its owner sits before a browser, so only they turn it on; raises `Conflict` when
    the browser shows somebody else's pages, `Invalid` while the channel is not set up.
    """
    if by.person is None or by.person.pk != person.pk:
        raise Conflict("Pages in a browser are turned on by the person who uses it.")
    ways.usable(ChannelKind.PUSH)
    same = [point for point in _browsers() if point.address == endpoint]
    if any(point.person_id != person.pk for point in same):
        raise Conflict(
            "This browser already shows the pages of somebody else who uses Andon here. Let them turn it off under "
            "their account first, or use a browser profile of your own."
        )
    label = label.strip()[:60]
    if not same:
        return ContactPoint.objects.create(
            person=person, kind=ChannelKind.PUSH, address=endpoint, secret=keys, label=label
        )
    (point,) = same[:1]
    point.secret, point.broken_at, point.broken_reason = keys, None, ""
    point.save(update_fields=["secret", "broken_at", "broken_reason"])
    return point


def _browsers() -> list[ContactPoint]:
    """Every browser in use. Addresses are encrypted, so they are compared here; there are a few for each person."""
    return list(ContactPoint.objects.filter(kind=ChannelKind.PUSH, removed_at=None))
