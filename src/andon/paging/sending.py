"""Pages that are due: claimed under a lease, sent outside any transaction, settled by compare-and-set.

The order of things is what makes a page survive a crash. The claim is on disk before the first byte leaves, the
outcome after the last; a process that dies in between leaves a lease that expires, and the page is claimed and sent
again under the same key. Which pages travel in one message is part of the claim, so it too is sent again as it was.

Which page goes when is decided by `practice.pacing`; a pace is a courtesy to people and providers, and two replicas
that look at the same instant may each use the room that there is for one.
"""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

import structlog
from django.db import Error as DatabaseTrouble
from django.db import transaction

from andon.incidents.models import Incident
from andon.kit import clock, db, fence
from andon.paging import adapters, compose, order, outcomes
from andon.paging.channel import Channel, Destination, Receipt
from andon.paging.message import Message
from andon.paging.models import Page
from andon.paging.order import Look, due, look
from andon.paging.providers.queries import destination
from andon.paging.wire import Room
from andon.practice.pacing import Going

LEASE = order.LEASE
_RELATED = ("incident__system", "person", "contact_point")
_TO_SEND = (
    *(field.name for field in Page._meta.concrete_fields),  # noqa: SLF001  Django's documented way
    *(f"incident__{name}" for name in ("number", "title", "severity", "type", "kind", "created_at", "system")),
    *("incident__system__name", "person__name", "person__is_active", "person__time_zone"),
    *(f"contact_point__{name}" for name in ("kind", "address", "secret", "removed_at", "proved_at")),
)
"""What a message is made of: a storm claims hundreds, and reads no more of their incidents and people than that."""
_log = structlog.get_logger(__name__)

Find = Callable[[str], Channel]


def claim(now: datetime, limit: int, name: str, room: Room | None = None) -> list[Page]:
    """Take up to `limit` messages for the sender `name`, on disk; nobody else sends them until the lease ends.

    One page for each message, its `others` those that travel in it. What is to wait gets its time and its reason; what
    `room` has no sender for stays due as it is.
    """
    room = room or Room()
    found = look(now, room)
    if found.plan.held:
        _hold(found, now)
    going = found.plan.going
    claimed: list[Page] = []
    for start in range(0, len(going), limit):
        some = [message for message in going[start : start + limit - len(claimed)] if found.fits(message, room)]
        claimed += _take(some, now, name, room) if some else []
        if len(claimed) >= limit:
            break
    return claimed


@dataclass(frozen=True)
class Letter:
    """A claimed page made ready, with those in its message: all that a sender needs, so that it asks no database."""

    page: Page
    channel: Channel
    message: Message
    destination: Destination


Ready = Letter | Receipt | None


def prepare(pages: Sequence[Page], find: Find = adapters.find) -> list[Ready]:
    """Make claimed pages ready to be sent, each with the others of its message.

    Those that somebody acknowledged meanwhile are left out; None where none is left. A receipt for what cannot be
    sent: what is wrong with one page is its outcome, and must not hold up the others. Trouble with the database is
    raised.
    """
    claimed = [one for page in pages for one in (page, *page.others)]
    leases = dict(
        Page.objects.filter(pk__in={one.pk for one in claimed}, state=Page.State.SENDING).values_list("pk", "leased_by")
    )
    steps = compose.first_steps(one.incident_id for one in claimed)
    return [_prepare(page, leases, steps, find) for page in pages]


def _prepare(
    page: Page, leases: Mapping[uuid.UUID, str], steps: Mapping[uuid.UUID, Sequence[str]], find: Find
) -> Ready:
    left = [one for one in dict.fromkeys((page, *page.others)) if leases.get(one.pk) == page.leased_by]
    if not left:
        return None
    page, page.others = left[0], tuple(left[1:])
    point = page.contact_point
    if point.removed_at or not page.person.is_active:
        return Receipt.unable("The contact point was removed, or the person is no longer active.")
    try:
        there = destination(point)
        if isinstance(there, Receipt):
            return there
        return Letter(page, find(page.channel), compose.page(page, steps), there)
    except DatabaseTrouble:
        raise
    except Exception as error:  # noqa: BLE001  as `prepare` says
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
    hidden = [part for part in (address, _host(address)) if part]
    pattern = "|".join(re.escape(part) for part in hidden)
    return re.sub(pattern, "[address]", reason, flags=re.IGNORECASE) if pattern else reason


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:  # an address of another form
        return ""


def attempt(page: Page, find: Find = adapters.find) -> None:
    """Prepare, send and settle a claimed page, one after the other."""
    (ready,) = prepare([page], find)
    if ready is not None:
        done = (ready.page, post(ready)) if isinstance(ready, Letter) else (page, ready)
        outcomes.settle([done], clock.now())


def _failed(page: Page, error: Exception) -> Receipt:
    _log.exception("a page could not be sent", channel=page.channel, page=str(page.pk), exc_info=error)
    return Receipt.retry(f"Andon's own {page.channel} channel failed: {type(error).__name__}. The log has details.")


@transaction.atomic
def _hold(found: Look, now: datetime) -> None:
    """Give what is to wait its time and its reason, unless its incident's severity has changed since the look.

    The incidents are held first, as wherever pages are written: who raises the severity of one either comes before,
    and is seen here, or finds its pages held, and releases them (`actions.release`).
    """
    fence.hold()
    held = {one.page: one for one in found.plan.held}
    pages = Page.objects.filter(pk__in=held)
    rows = Incident.objects.filter(pk__in=pages.values("incident")).order_by("pk")
    severity = {incident.pk: incident.severity for incident in db.lock(rows)}
    waiting = list(db.lock(pages.filter(due(now), state=Page.State.PENDING).order_by("pk")))
    waiting = [page for page in waiting if severity.get(page.incident_id) == found.severity[page.pk]]
    for page in waiting:
        page.due_at, page.held = held[page.pk].until, str(held[page.pk].reason)
    db.update_rows(waiting, ["due_at", "held"])


@transaction.atomic
def _take(going: Sequence[Going], now: datetime, name: str, room: Room) -> list[Page]:
    """Lease those of the pages that are still due and that no other replica is taking at this moment."""
    fence.hold()
    lease = f"{name[:40]}/{uuid.uuid4().hex}"  # of this claim alone: an older attempt of ours must not settle it
    keys = [pk for message in going for pk in message.pages]
    rows = db.lock_free(Page.objects.filter(due(now), pk__in=keys))
    free = {page.pk: page for page in rows.select_related(*_RELATED).only(*_TO_SEND)}
    claimed: list[Page] = []
    taken: list[Page] = []
    for message in going:
        pages = [free[pk] for pk in message.pages if pk in free]
        if not pages or (pages[0].bundle and len(pages) < len(message.pages)):
            continue  # gone; or a message whose pages another replica is taking: one of us sends it whole
        if not room.take(pages[0]):
            continue
        lead, *others = pages
        lead.others = tuple(others)
        for page in pages:
            page.state, page.leased_by, page.due_at = Page.State.SENDING, lease, now + LEASE
            page.attempts += 1
            if others and not page.bundle:
                page.bundle = lead.key
        claimed.append(lead)
        taken += pages
    change = ["state", "leased_by", "due_at", "attempts", "bundle"]
    db.update_each(Page, change, [(p.state, p.leased_by, p.due_at, p.attempts, p.bundle, p.pk) for p in taken])
    return claimed
