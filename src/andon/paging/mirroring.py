"""Services that keep an incident of their own (PagerDuty) are told when ours is acknowledged or resolved.

What is due was noted by `following`; here it is claimed under a lease, told outside any transaction, and settled by
compare-and-set, as pages are.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import Error as DatabaseTrouble
from django.db import transaction

from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.kit import db, fence
from andon.paging import adapters, compose
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.mirrored import Mirrors, Stands, stands
from andon.paging.models import Mirror
from andon.paging.providers.queries import destination
from andon.paging.sending import LEASE, Find
from andon.people.policy import Actor

WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800))
"""Waits between attempts; after the last one the other side is not told, and the timeline says so."""
_log = structlog.get_logger(__name__)


def claim(now: datetime, limit: int, name: str) -> list[Mirror]:
    """Take up to `limit` due rows for `name`, on disk; nobody else tells them until the lease ends."""
    due = Mirror.objects.filter(due_at__lte=now).order_by("due_at")
    keys = list(due.values_list("pk", flat=True)[:limit])
    return _take(keys, now, name) if keys else []


@transaction.atomic
def _take(keys: list[UUID], now: datetime, name: str) -> list[Mirror]:
    """Lease those of the rows that are still due and that no other replica is taking at this moment."""
    fence.hold()
    rows = db.lock_free(Mirror.objects.filter(pk__in=keys, due_at__lte=now))
    taken = list(rows.select_related("incident", "contact_point__person"))
    lease = f"{name[:40]}/{uuid.uuid4().hex}"
    for row in taken:
        row.leased_by, row.due_at, row.attempts = lease, now + LEASE, row.attempts + 1
    db.update_rows(taken, ["leased_by", "due_at", "attempts"])
    return taken


@dataclass(frozen=True)
class Telling:
    """A claimed row made ready: what is told where, so that telling asks the database nothing."""

    row: Mirror
    channel: Mirrors
    url: str
    stands: Stands
    destination: Destination


def prepare(row: Mirror, find: Find = adapters.find) -> Telling | Receipt | None:
    """Make a claimed row ready; None when there is nothing to tell, a receipt when it cannot be."""
    point, how = row.contact_point, _stands(row.incident)
    if how is Stands.WAITING or point.removed_at or not point.person.is_active:
        return None
    try:
        channel, there = find(point.kind), destination(point)
    except DatabaseTrouble:
        raise
    except Exception as error:  # noqa: BLE001  what is wrong with one row must not hold up the others
        return _fault(row, error)
    if isinstance(there, Receipt):
        return there
    return (
        Telling(row, channel, compose.incident_url(row.incident), how, there) if isinstance(channel, Mirrors) else None
    )


def tell(telling: Telling) -> Receipt:
    """Tell. Touches no database, so it may run in any thread; whatever a channel does wrong is the receipt."""
    try:
        return telling.channel.mirror(telling.url, telling.stands, telling.destination)
    except Exception as error:  # noqa: BLE001  a fault in a channel is an outcome
        return _fault(telling.row, error)


@transaction.atomic
def settle(row: Mirror, receipt: Receipt | None, now: datetime) -> bool:
    """Write what became of a telling; False when the row is no longer this claim's, and so is told again."""
    fence.hold()
    mine = Mirror.objects.filter(pk=row.pk, leased_by=row.leased_by)
    if receipt is None or receipt.outcome is Outcome.SENT:
        return bool(mine.update(due_at=None, attempts=0, last_error=""))
    if receipt.outcome is Outcome.RETRY and row.attempts <= len(WAITS):
        wait = max(WAITS[row.attempts - 1], receipt.after)
        return bool(mine.update(due_at=now + wait, last_error=receipt.reason[:500]))
    return _given_up(row, receipt, now)


def _given_up(row: Mirror, receipt: Receipt, now: datetime) -> bool:
    incident = timeline.hold(row.incident_id)
    mine = Mirror.objects.filter(pk=row.pk, leased_by=row.leased_by)
    if not mine.update(due_at=None, last_error=receipt.reason[:500]):
        return False
    body = {
        "person": str(row.contact_point.person_id),
        "channel": row.contact_point.kind,
        "stands": _stands(incident),
        "reason": receipt.reason,
    }
    timeline.record(incident, "mirror_failed", body, by=Actor.engine(), at=now)
    _log.error("a service was not told how an incident stands", incident=incident.ref, reason=receipt.reason)
    return True


def _stands(incident: Incident) -> Stands:
    return stands(acknowledged_at=incident.acknowledged_at, resolved_at=incident.resolved_at)


def _fault(row: Mirror, error: Exception) -> Receipt:
    kind = row.contact_point.kind
    _log.exception("a service could not be told how an incident stands", channel=kind, exc_info=error)
    return Receipt.retry(f"Andon's own {kind} channel failed: {type(error).__name__}. The log has details.")
