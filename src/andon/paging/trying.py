"""Trying a contact point: a test message goes out at once, and its link says that it arrived.

Not an action: it writes nothing. The confirmation that follows is `people.actions.verify_contact_point`.
"""

from uuid import UUID

import structlog
from django.conf import settings
from django.core.cache import cache
from django.urls import reverse

from andon.kit.errors import Conflict, Missing
from andon.paging import adapters, compose
from andon.paging.channel import Receipt
from andon.paging.providers.queries import destination
from andon.paging.sending import Find
from andon.people.actions.contacts import contact_point_token
from andon.people.models import ContactPoint
from andon.people.policy import Actor
from andon.practice.words import OrgRole

PAUSE = 15
"""Seconds between two tests of one contact point: nobody's address is to be flooded from here."""
_log = structlog.get_logger(__name__)


def try_contact_point(pk: UUID, *, by: Actor, find: Find = adapters.find) -> Receipt:
    """Send a test message now and return what the channel says of it.

    One's own contact points; an administrator, anybody's. Raises `Missing` for others, and does not say whether
    they exist, and `Conflict` right after another test. Blocks for as long as the channel takes, which is bounded.
    """
    point = ContactPoint.objects.select_related("person").filter(pk=pk, removed_at=None).first()
    theirs = point is not None and by.person is not None and point.person_id == by.person.pk
    if point is None or not (theirs or by.may(OrgRole.ADMIN)):
        raise Missing("There is no such contact point, or it is not yours to try.")
    if not cache.add(f"contact-point-test:{pk}", 1, timeout=PAUSE):
        raise Conflict(f"A test message went there a moment ago. Wait {PAUSE} seconds before the next one.")
    link = settings.BASE_URL + reverse("contact_point_confirm", args=[contact_point_token(point)])
    try:
        there = destination(point)
        return there if isinstance(there, Receipt) else find(point.kind).send(compose.test(point, link), there)
    except Exception as error:  # noqa: BLE001  a fault in a channel is the answer that this was asked for
        _log.exception("a channel failed", channel=point.kind)
        return Receipt.retry(f"Andon's own {point.kind} channel failed: {type(error).__name__}. The log has details.")
