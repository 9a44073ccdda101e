"""What becomes of a page after an attempt: sent, tried again, or given up, which is said and makes the chain go on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from django.db import transaction

from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.kit import wake
from andon.paging.channel import Outcome, Receipt
from andon.paging.models import Page
from andon.people.models import ContactPoint
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED

BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 120, 300))
"""Waits between attempts; after the last one the page is given up, and the timeline says so."""
ATTEMPTS = len(BACKOFF) + 1
REFUSALS_THAT_BREAK = 2
"""Pages in a row that a contact point refused for good before it is marked broken."""
_log = structlog.get_logger(__name__)


class Next(StrEnum):
    """What is done with a page after an attempt."""

    SENT = "sent"
    RETRY = "retry"
    GIVE_UP = "give_up"


@dataclass(frozen=True)
class Decision:
    """What to do, and the wait before the next attempt."""

    what: Next
    wait: timedelta = timedelta(0)


def decide(receipt: Receipt, attempts: int) -> Decision:
    """What follows from a receipt, `attempts` having been made with this one. Pure."""
    if receipt.outcome is Outcome.SENT:
        return Decision(Next.SENT)
    if receipt.outcome is not Outcome.RETRY or attempts >= ATTEMPTS:
        return Decision(Next.GIVE_UP)
    return Decision(Next.RETRY, max(BACKOFF[attempts - 1], receipt.after))


@transaction.atomic
def settle(page: Page, receipt: Receipt, now: datetime) -> bool:
    """Write what became of an attempt, if the page is still this claim's; returns whether it was.

    A page that was cancelled while on the wire and did go out is written as sent, because it was.
    """
    decision = decide(receipt, page.attempts)
    incident = timeline.hold(page.incident_id)
    mine = Page.objects.filter(pk=page.pk, leased_by=page.leased_by)
    if decision.what is Next.SENT:
        return _sent(mine.filter(state__in=[Page.State.SENDING, Page.State.CANCELLED]), page, incident, receipt, now)
    mine = mine.filter(state=Page.State.SENDING)
    if decision.what is Next.RETRY:
        _log.warning("a page will be tried again", page=str(page.pk), channel=page.channel, reason=receipt.reason)
        return bool(
            mine.update(
                state=Page.State.PENDING,
                send_after=now + decision.wait,
                due_at=now + decision.wait,
                last_error=receipt.reason[:500],
            )
        )
    refused = receipt.outcome is Outcome.BROKEN
    if not mine.update(state=Page.State.FAILED, due_at=None, last_error=receipt.reason[:500], refused=refused):
        return False
    _given_up(page, incident, receipt, now)
    return True


def _sent(mine: Any, page: Page, incident: Incident, receipt: Receipt, now: datetime) -> bool:
    """The page is out."""
    late = mine.filter(state=Page.State.CANCELLED).exists()
    if not mine.update(state=Page.State.SENT, sent_at=now, due_at=None, last_error="", provider_ref=receipt.ref[:200]):
        return False
    timeline.record(incident, "page_sent", _entry(page) | {"after_cancel": late}, by=Actor.engine(), at=now)
    return True


def _given_up(page: Page, incident: Incident, receipt: Receipt, now: datetime) -> None:
    """The page will not be sent: say so, judge the contact point, and do not let the chain wait for it in vain."""
    broken = receipt.outcome is Outcome.BROKEN and _break(page, receipt, now)
    forward = _bring_forward(page, incident, now)
    body = _entry(page) | {"reason": receipt.reason, "brought_forward": forward, "contact_point_broken": broken}
    timeline.record(incident, "page_failed", body, by=Actor.engine(), at=now)
    _log.error(
        "a page was given up", page=str(page.pk), incident=incident.ref, channel=page.channel, reason=receipt.reason
    )


def _break(page: Page, receipt: Receipt, now: datetime) -> bool:
    """Mark the contact point broken when it is gone, or has now refused for good often enough in a row.

    Only refusals count: a mail server that is down for an hour must not take everybody's address away.
    """
    if not receipt.gone:
        settled = Page.objects.filter(
            contact_point=page.contact_point_id, state__in=[Page.State.SENT, Page.State.FAILED]
        )
        recent = settled.order_by("-created_at").values_list("refused", flat=True)[:REFUSALS_THAT_BREAK]
        if list(recent) != [True] * REFUSALS_THAT_BREAK:
            return False
    return bool(
        ContactPoint.objects.filter(pk=page.contact_point_id, broken_at=None).update(
            broken_at=now, broken_reason=receipt.reason[:300]
        )
    )


def _bring_forward(page: Page, incident: Incident, now: datetime) -> bool:
    """Make the next step due now, if this was the present step's last chance to reach anybody."""
    others = Page.objects.filter(incident=incident).exclude(pk=page.pk)
    step = {"step": page.step, "round": page.round, "on_fallback": page.on_fallback}
    alive = [Page.State.PENDING, Page.State.SENDING, Page.State.SENT]
    if others.filter(**step, state__in=alive).exists():
        return False
    if others.filter(created_at__gt=page.created_at).exclude(**step).exists():
        return False  # the chain has gone on already
    moved = Incident.objects.filter(
        pk=incident.pk, state__in=UNRESOLVED, acknowledged_at=None, next_page_at__gt=now
    ).update(next_page_at=now)
    if moved:
        wake.after_commit()
    return bool(moved)


def _entry(page: Page) -> dict[str, Any]:
    """What the timeline keeps of a page: whom and why, never the address."""
    return {
        "page": str(page.pk),
        "person": str(page.person_id),
        "channel": page.channel,
        "because": page.reason,
        "step": page.step,
        "round": page.round,
        "on_fallback": page.on_fallback,
        "attempts": page.attempts,
        "key": page.key,
    }
