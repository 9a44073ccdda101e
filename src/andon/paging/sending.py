"""Pages that are due: claimed under a lease, sent outside any transaction, settled by compare-and-set.

The order of things is what makes a page survive a crash. The claim is on disk before the first byte leaves, the
outcome after the last; a process that dies in between leaves a lease that expires, and the page is claimed and sent
again under the same key.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from django.db import Error as DatabaseTrouble
from django.db import transaction
from django.db.models import Max, Q

from andon.kit import clock, db
from andon.paging import adapters, compose, outcomes
from andon.paging.channel import Channel, Destination, Receipt
from andon.paging.message import Message
from andon.paging.models import Page
from andon.paging.providers.queries import destination

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


@dataclass(frozen=True)
class Letter:
    """A claimed page made ready: all that a sender needs, so that it asks the database nothing."""

    page: Page
    channel: Channel
    message: Message
    destination: Destination


def prepare(page: Page, find: Find = adapters.find) -> Letter | Receipt | None:
    """Make a claimed page ready to be sent.

    None when it is no longer to be sent, because somebody acknowledged meanwhile. A receipt when it cannot be: what
    is wrong with one page is its outcome, and must not hold up the others. Trouble with the database is raised.
    """
    if not Page.objects.filter(pk=page.pk, state=Page.State.SENDING, leased_by=page.leased_by).exists():
        return None
    point = page.contact_point
    if point.removed_at or not page.person.is_active:
        return Receipt.unable("The contact point was removed, or the person is no longer active.")
    try:
        there = destination(point)
        return there if isinstance(there, Receipt) else Letter(page, find(page.channel), compose.page(page), there)
    except DatabaseTrouble:
        raise
    except Exception as error:  # noqa: BLE001  as the docstring says
        return _failed(page, error)


def post(letter: Letter) -> Receipt:
    """Send. Touches no database, so it may run in any thread; whatever a channel does wrong is the receipt."""
    try:
        receipt = letter.channel.send(letter.message, letter.destination)
    except Exception as error:  # noqa: BLE001  a fault in a channel is an outcome: the page is tried again
        return _failed(letter.page, error)
    return replace(receipt, reason=_without_address(receipt.reason, letter.destination.address))


def _without_address(reason: str, address: str) -> str:
    """The other side's words without the address they repeat: they go onto the timeline, which outlives a person."""
    host = urlsplit(address).hostname or ""
    hidden = [part for part in (address, host) if part]
    pattern = "|".join(re.escape(part) for part in hidden)
    return re.sub(pattern, "[address]", reason, flags=re.IGNORECASE) if pattern else reason


def attempt(page: Page, find: Find = adapters.find) -> None:
    """Prepare, send and settle a claimed page, one after the other."""
    ready = prepare(page, find)
    if ready is not None:
        receipt = post(ready) if isinstance(ready, Letter) else ready
        outcomes.settle([(page, receipt)], clock.now())


def _failed(page: Page, error: Exception) -> Receipt:
    _log.exception("a page could not be sent", channel=page.channel, page=str(page.pk), exc_info=error)
    return Receipt.retry(f"Andon's own {page.channel} channel failed: {type(error).__name__}. The log has details.")


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
