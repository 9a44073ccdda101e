"""Pages that are due: claimed under a lease, sent outside any transaction, settled by compare-and-set.

The order of things is what makes a page survive a crash. The claim is on disk before the first byte leaves, the
outcome after the last; a process that dies in between leaves a lease that expires, and the page is claimed and sent
again under the same key.
"""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Max, Q

from andon.kit import clock, db
from andon.paging import adapters, compose, outcomes
from andon.paging.channel import Channel, Destination, Receipt
from andon.paging.models import Page

LEASE = timedelta(seconds=30)
"""Longer than any channel takes; how long a page may wait that a crash has cut off."""
_WINDOW = 200
_log = structlog.get_logger(__name__)

Find = Callable[[str], Channel]


def due(now: datetime) -> Q:
    """What is to be sent: its time has come, or a crash cut it off in mid-sending and its lease has ended."""
    return Q(due_at__lte=now)


def claim(now: datetime, limit: int, name: str) -> list[Page]:
    """Take up to `limit` due pages for the sender `name`, on disk; nobody else sends them until the lease ends.

    First pages of an incident go before repeats; among equals, whoever was paged least recently goes first.
    """
    ordered = _in_order(now)
    claimed: list[Page] = []
    for start in range(0, len(ordered), limit):
        claimed += _take(ordered[start : start + limit - len(claimed)], now, name)
        if len(claimed) >= limit:
            break
    return claimed


def attempt(page: Page, find: Find = adapters.find) -> None:
    """Send a claimed page and settle what became of it. Never raises for what a channel or a message does wrong."""
    if not _still_mine(page):
        return
    outcomes.settle(page, _send(page, find), clock.now())


def _in_order(now: datetime) -> list[uuid.UUID]:
    """Keys of the due pages at the front of the queue, in the order of sending."""
    rows = list(
        Page.objects.filter(due(now))
        .order_by("-first", "due_at")
        .values_list("pk", "first", "person", "due_at")[:_WINDOW]
    )
    if not rows:
        return []
    people = {person for _, _, person, _ in rows}
    paged = dict(
        Page.objects.filter(person__in=people, sent_at__isnull=False)
        .values("person")
        .annotate(latest=Max("sent_at"))
        .values_list("person", "latest")
    )
    never = datetime.min.replace(tzinfo=now.tzinfo)
    rows.sort(key=lambda row: (not row[1], paged.get(row[2], never), row[3]))
    return [row[0] for row in rows]


@transaction.atomic
def _take(keys: list[uuid.UUID], now: datetime, name: str) -> list[Page]:
    """Lease those of the pages that are still due and that no other replica is taking at this moment."""
    lease = f"{name[:40]}/{uuid.uuid4().hex}"  # of this claim alone: an older attempt of ours must not settle it
    rows = db.lock_free(Page.objects.filter(due(now), pk__in=keys))
    taken = {page.pk: page for page in rows.select_related("incident__system", "person", "contact_point")}
    for page in taken.values():
        page.state, page.leased_by, page.due_at = Page.State.SENDING, lease, now + LEASE
        page.attempts += 1
    Page.objects.bulk_update(taken.values(), ["state", "leased_by", "due_at", "attempts"])
    return [taken[key] for key in keys if key in taken]


def _still_mine(page: Page) -> bool:
    """Whether the page is still to be sent by this claim: it may have been acknowledged while it waited here."""
    return Page.objects.filter(pk=page.pk, state=Page.State.SENDING, leased_by=page.leased_by).exists()


def _send(page: Page, find: Find) -> Receipt:
    """One attempt; whatever goes wrong in it is the answer, not an error."""
    point = page.contact_point
    if point.removed_at or not page.person.is_active:
        return Receipt.unable("The contact point was removed, or the person is no longer active.")
    try:
        channel = find(page.channel)
        return channel.send(compose.page(page), Destination(point.address, point.secret))
    except Exception as error:  # noqa: BLE001  a fault in a channel is an outcome: the page is tried again
        _log.exception("a channel failed", channel=page.channel, page=str(page.pk))
        return Receipt.retry(f"Andon's own {page.channel} channel failed: {type(error).__name__}. The log has details.")
