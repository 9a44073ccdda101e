"""A contact point broke: its owner hears of it by their other ones, and every administrator by theirs.

What is to be told is a column of the contact point, `tell_at`, written with `broken_at`. As with a page, the claim is
on disk before the first byte leaves and the outcome after the last: it is told at least once, and again after a crash
under the same key. Nobody is woken by it: no telephone rings.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import Error as DatabaseTrouble
from django.db import transaction
from django.db.models import F, Q

from andon.kit import db, fence
from andon.paging import adapters, compose
from andon.paging.channel import Channel, Destination, Outcome, Receipt
from andon.paging.message import Message
from andon.paging.providers.queries import destination
from andon.paging.sending import Find
from andon.people.models import ChannelKind, ContactPoint
from andon.practice.words import OrgRole

LEASE = timedelta(minutes=15)
"""Longer than telling a few administrators takes, even if every channel is as slow as it may be."""
BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))
"""Waits between attempts. After the last one nobody is told any more; the home page goes on saying it."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Word:
    """One message about a contact point that broke; `to_owner` or else to an administrator."""

    to_owner: bool
    channel: Channel
    message: Message
    destination: Destination


@dataclass(frozen=True)
class News:
    """A contact point that was claimed, and the messages about it. Nothing to send counts as told."""

    point: ContactPoint
    words: tuple[Word, ...]


@transaction.atomic
def claim(now: datetime, limit: int, name: str) -> list[ContactPoint]:
    """Take up to `limit` contact points whose owners are to be told that they broke, on disk."""
    fence.hold()
    lease = f"{name[:40]}/{uuid.uuid4().hex}"
    due = ContactPoint.objects.filter(tell_at__lte=now, broken_at__isnull=False, removed_at=None)
    found = list(db.lock_free(due.select_related("person").order_by("tell_at"))[:limit])
    for point in found:
        point.tell_at, point.told_by = now + LEASE, lease
        point.tellings += 1
    db.update_rows(found, ["tell_at", "told_by", "tellings"])
    return found


def of_another_clock(now: datetime, skew: timedelta) -> int:
    """Make due what a clock that was set back has put off; how many contact points that were.

    What broke in the future was timed by that clock, for a time after it broke; and nothing waits for longer than the
    longest wait. The time at which it broke stays: the messages about it have their keys from it.
    """
    ahead = Q(broken_at__gt=now + skew, tell_at__gte=F("broken_at")) | Q(tell_at__gt=now + max(LEASE, *BACKOFF) + skew)
    return ContactPoint.objects.filter(ahead, broken_at__isnull=False, removed_at=None).update(tell_at=now)


def prepare(point: ContactPoint, find: Find = adapters.find) -> News:
    """The messages about a contact point, ready to be sent. Trouble with the database is raised."""
    others = ContactPoint.objects.filter(
        Q(person=point.person_id) | Q(person__role=OrgRole.ADMIN),
        person__is_active=True,
        verified_at__isnull=False,
        broken_at=None,
        removed_at=None,
    ).exclude(kind=ChannelKind.VOICE)
    words = [
        word
        for other in others.select_related("person").order_by("person__name", "delay_minutes", "created_at")
        if (word := _word(point, other, find, to_owner=other.person_id == point.person_id)) is not None
    ]
    return News(point, tuple(words))


def _word(point: ContactPoint, other: ContactPoint, find: Find, *, to_owner: bool) -> Word | None:
    """One message; None where it cannot be made, which the log says."""
    try:
        there = destination(other)
        if isinstance(there, Receipt):
            return None
        return Word(to_owner, find(other.kind), compose.broken(point, other), there)
    except DatabaseTrouble:
        raise
    except Exception:  # noqa: BLE001  what is wrong with one channel must not keep the others from being used
        _log.exception("a channel failed", channel=other.kind)
        return None


def send(words: Sequence[Word]) -> set[bool]:
    """Send them all; which audiences were reached (True: the owner). Touches no database."""
    reached = set()
    for word in words:
        try:
            receipt = word.channel.send(word.message, word.destination)
        except Exception:  # noqa: BLE001  a fault in a channel is an outcome
            _log.exception("a contact point that broke could not be told of", to_owner=word.to_owner)
            continue
        if receipt.outcome is Outcome.SENT:
            reached.add(word.to_owner)
    return reached


def settle(news: News, reached: set[bool], now: datetime) -> None:
    """Done when everybody who can be reached was; else again later, and in the end no more."""
    point = news.point
    missed = {word.to_owner for word in news.words} - reached
    over = not missed or point.tellings > len(BACKOFF)
    again = None if over else now + BACKOFF[point.tellings - 1]
    mine = ContactPoint.objects.filter(pk=point.pk, told_by=point.told_by, tell_at__isnull=False)
    if mine.update(tell_at=again, told_by="") and missed and over:
        _log.error("nobody could be told that a contact point broke", contact_point=str(point.pk), channel=point.kind)
