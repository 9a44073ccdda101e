"""An administrator tries a channel on themselves."""

from django.db.models import QuerySet

from andon.kit.errors import Conflict
from andon.paging import adapters, trying
from andon.paging.channel import Receipt
from andon.paging.sending import Find
from andon.people.models import ChannelKind, ContactPoint
from andon.people.policy import Actor
from andon.practice.words import OrgRole


def own_contact_points(kind: ChannelKind, by: Actor) -> QuerySet[ContactPoint]:
    """The contact points of a kind that are the actor's own, the oldest first."""
    return ContactPoint.objects.filter(person=by.person, kind=kind, removed_at=None).order_by("created_at")


def try_channel(kind: ChannelKind, *, by: Actor, find: Find = adapters.find) -> Receipt:
    """Send a test message to the first contact point of this kind that is one's own.

    Raises `Conflict` when there is none, or right after another test.
    """
    by.must_be(OrgRole.ADMIN, "try channels")
    own = own_contact_points(kind, by).first()
    if own is None:
        raise Conflict(f"You have no contact point for {kind.label}. Add one on your account page, then try it.")
    return trying.try_contact_point(own.pk, by=by, find=find)
