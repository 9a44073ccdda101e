"""What becomes of a page after an attempt: sent, tried again, or given up, which is said and makes the chain go on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.kit import db, fence, wake
from andon.paging import adapters, following
from andon.paging.channel import Outcome, Receipt
from andon.paging.models import Page
from andon.people.models import ContactPoint
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State, awaits_person

BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 120, 300))
"""Waits between attempts; after the last one the page is given up, and the timeline says so."""
ATTEMPTS = len(BACKOFF) + 1
REFUSALS_THAT_BREAK = 2
"""Pages in a row that a contact point refused for good before it is marked broken."""
PROVED_EVERY = timedelta(days=1)
_LOOKED_BACK = 50
_ERROR_LENGTH = 500  # as the column
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
def settle(done: Iterable[tuple[Page, Receipt]], now: datetime) -> int:
    """Write what became of attempts, all in one transaction; returns how many were still their claim's to write.

    A page that was cancelled while on the wire and did go out is written as sent, because it was. The pages that
    travel in one message have one fate.
    """
    fence.hold()
    done = [(one, receipt) for page, receipt in done for one in (page, *page.others)]
    wanted = {page.incident_id for page, _ in done}
    # Always in the same order, so that two engines that settle at once never wait for each other in a ring.
    incidents = Incident.objects.filter(pk__in=wanted).defer(*Incident.LONG).order_by("pk")
    held = {one.pk: one for one in db.lock(incidents)}
    rows = db.lock(Page.objects.filter(pk__in={page.pk for page, _ in done}).order_by("pk"))
    looked = list(rows.values_list("pk", "state", "leased_by", "early_report"))
    found = {pk: (Page.State(state), lease) for pk, state, lease, _ in looked}
    early = {pk: report for pk, _, _, report in looked}
    _prove([page.contact_point for page, receipt in done if receipt.outcome is Outcome.SENT], now)
    fates: list[Fate] = []
    for page, receipt in done:
        fate = _settle(page, receipt, *found[page.pk])
        if fate is not None:
            found[page.pk] = (fate.state, page.leased_by)
            fates.append(fate)
    _write(fates, now)
    timeline.record_all([_went_out(fate, held, now) for fate in fates if fate.state is Page.State.SENT])
    for fate in fates:
        if fate.state is Page.State.FAILED:
            _given_up(fate.page, held[fate.page.incident_id], fate.receipt, now)
        elif fate.state is Page.State.SENT:
            _heed(fate, held[fate.page.incident_id], early[fate.page.pk], now)
    return len(fates)


@dataclass(frozen=True)
class Fate:
    """What becomes of a page: its state from now on, the one it was found in, and the wait before another attempt."""

    page: Page
    receipt: Receipt
    state: Page.State
    before: Page.State
    wait: timedelta = timedelta(0)


def _settle(page: Page, receipt: Receipt, state: Page.State, lease: str) -> Fate | None:
    """Decide on one attempt, by the state and lease that the page has now; None if it is not this attempt's to say.

    A page that is out is sent, whoever has it claimed by now, and also if it was cancelled or given up meanwhile. A
    channel that was slower than its lease still tells the truth; were it not believed, the page would be claimed and
    sent again without end by a channel that is always that slow.
    """
    decision = decide(receipt, page.attempts)
    if decision.what is Next.SENT:
        return None if state is Page.State.SENT else Fate(page, receipt, Page.State.SENT, state)
    if state is not Page.State.SENDING or lease != page.leased_by:
        return None
    if decision.what is Next.RETRY:
        _log.warning("a page will be tried again", page=str(page.pk), channel=page.channel, reason=receipt.reason)
        return Fate(page, receipt, Page.State.PENDING, state, decision.wait)
    return Fate(page, receipt, Page.State.FAILED, state)


def _write(fates: Sequence[Fate], now: datetime) -> None:
    """Write the fates of held pages."""
    change = ["state", "sent_at", "due_at", "last_error", "refused", "provider_ref"]
    rows = []
    for fate in fates:
        sent, again = fate.state is Page.State.SENT, fate.state is Page.State.PENDING
        rows.append(
            (
                fate.state,
                now if sent else None,
                now + fate.wait if again else None,
                "" if sent else fate.receipt.reason[:_ERROR_LENGTH],
                fate.state is Page.State.FAILED and fate.receipt.outcome is Outcome.BROKEN,
                fate.receipt.ref[:200] if sent else "",
                fate.page.pk,
            )
        )
    db.update_each(Page, change, rows)


def _went_out(fate: Fate, held: Mapping[UUID, Incident], now: datetime) -> timeline.News:
    """What the timeline says of a page that went out."""
    body = _entry(fate.page) | {"after_cancel": fate.before is Page.State.CANCELLED}
    return timeline.News(held[fate.page.incident_id], "page_sent", body, Actor.engine(), now)


def _heed(fate: Fate, incident: Incident, early: dict[str, Any] | None, now: datetime) -> None:
    """Some channels need more than to be sent: an incident of their own, a report that was faster than we."""
    if fate.page.channel not in adapters.kinds():
        return
    setup = adapters.setup(fate.page.channel)
    if setup.mirrors and fate.before is Page.State.CANCELLED:
        following.follow_over(incident, {fate.page.contact_point_id}, now)
    if setup.reports and early and early["ref"] == fate.receipt.ref:
        _returned(fate.page, incident, Report(**early), now)


@dataclass(frozen=True)
class Report:
    """What a provider says later of an attempt that it had taken: that the message did not arrive.

    Attributes:
        ref: The provider's mark of the attempt (`Receipt.ref`).
        reason: Why, in words.
        outcome: As in `Receipt`; by default another attempt may arrive.
        gone: As in `Receipt`.
        most: Attempts after which the page is given up.
    """

    ref: str
    reason: str
    outcome: Outcome = Outcome.RETRY
    gone: bool = False
    most: int = ATTEMPTS

    @property
    def receipt(self) -> Receipt:
        """The same as the outcome of an attempt."""
        return Receipt(Outcome(self.outcome), reason=self.reason, gone=self.gone)


@transaction.atomic
def came_back(key: str, report: Report, now: datetime) -> int:
    """A message that its provider had taken did not arrive: its pages are sent again, or given up; how many were.

    `key` is the message's. A report about an earlier attempt, or a second one about the same, changes nothing. One
    that overtakes the writing of its attempt is kept, and heeded as soon as that is written.
    """
    rows = Page.objects.filter(Q(key=key) | Q(bundle=key))
    incidents = Incident.objects.filter(pk__in=rows.values("incident")).order_by("pk")
    held = {one.pk: one for one in db.lock(incidents)}
    rows.filter(state=Page.State.SENDING).update(early_report=asdict(report))
    sent = rows.filter(state=Page.State.SENT, provider_ref=report.ref).select_related("contact_point")
    return sum(_returned(page, held[page.incident_id], report, now) for page in list(sent))


def _returned(page: Page, incident: Incident, report: Report, now: datetime) -> bool:
    """Settle a page anew. Where somebody has the incident by now, it is not sent again."""
    decision = decide(report.receipt, page.attempts if page.attempts < report.most else ATTEMPTS)
    mine = Page.objects.filter(pk=page.pk, state=Page.State.SENT)
    error = report.reason[:_ERROR_LENGTH]
    if decision.what is Next.RETRY:
        if not awaits_person(State(incident.state), acknowledged=incident.acknowledged_at is not None):
            return False
        again = now + decision.wait
        mine.update(state=Page.State.PENDING, due_at=again, sent_at=None, provider_ref="", last_error=error)
        timeline.record(incident, "page_returned", _entry(page) | {"reason": report.reason}, by=Actor.engine(), at=now)
        return True
    mine.update(
        state=Page.State.FAILED, due_at=None, last_error=error, refused=report.receipt.outcome is Outcome.BROKEN
    )
    _given_up(page, incident, report.receipt, now)
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
        latest = settled.order_by("-created_at").values_list("bundle", "key", "refused")[:_LOOKED_BACK]
        messages = {bundle or key: refused for bundle, key, refused in latest}  # pages in one message: one refusal
        if list(messages.values())[:REFUSALS_THAT_BREAK] != [True] * REFUSALS_THAT_BREAK:
            return False
    return bool(
        ContactPoint.objects.filter(pk=page.contact_point_id, broken_at=None).update(
            broken_at=now, broken_reason=receipt.reason[:300], tell_at=now, tellings=0, told_by=""
        )
    )


def _prove(points: Iterable[ContactPoint], now: datetime) -> None:
    """Note, once a day, that messages get out over these contact points."""
    stale = {point.pk for point in points if point.proved_at is None or now - point.proved_at > PROVED_EVERY}
    if stale:
        ContactPoint.objects.filter(pk__in=stale).update(proved_at=now)


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
    } | _waited(page)


def _waited(page: Page) -> dict[str, Any]:
    """That a page waited and why, and that it travelled with others; nothing of most pages."""
    held = {"held": page.held, "due_at": page.send_after.isoformat()} if page.held else {}
    return held | ({"bundle": page.bundle} if page.bundle else {})
