"""What is written to the outbox: pages are queued with the step they belong to, cancelled when in hand."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.kit import clock, db, wake
from andon.kit.errors import Conflict, Invalid
from andon.paging import following
from andon.paging.models import ChannelPace, Page
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from andon.practice.pacing import Reason
from andon.practice.words import OrgRole

MOST_A_MINUTE = 1000
"""The quickest pace worth setting; what is to be quicker has no limit."""
_REASON_LENGTH = 200  # as the column
_ANY = Q()


class Reached(Protocol):
    """Somebody whom a step reaches, and how: "on call in Credit models"."""

    @property
    def person(self) -> Person:
        """Who."""

    @property
    def via(self) -> str:
        """Why they: the words after "step 1: "."""


@dataclass(frozen=True)
class Reach:
    """The plainest `Reached`, for callers that have no type of their own."""

    person: Person
    via: str


@dataclass(frozen=True)
class Call:
    """A step of a chain as it is taken: whom it calls, for which incident, and from which place in the chain.

    Attributes:
        step: The step, counted from 1.
        round: The round, counted from 1.
        first: Whether these are the first pages of the incident, which go ahead of all others.
    """

    incident: Incident
    people: Sequence[Reached]
    step: int
    round: int
    on_fallback: bool
    first: bool


@transaction.atomic
def queue(calls: Sequence[Call], now: datetime) -> list[list[Page]]:
    """Put one page into the outbox for every working contact point of everyone called, and wake the engine.

    Called inside the transaction that takes the steps, so that a step and its pages are on disk together or not at
    all. Returns the pages of each call, in order. Somebody reached in two ways is paged once. A call without pages
    has reached nobody with a working contact point: the caller must then go on to the next step at once, for nothing
    will be sent.
    """
    points: dict[UUID, list[ContactPoint]] = defaultdict(list)
    called = {reached.person.pk for call in calls for reached in call.people}
    for point in ContactPoint.objects.filter(
        person__in=called, person__is_active=True, verified_at__isnull=False, broken_at=None, removed_at=None
    ):
        points[point.person_id].append(point)
    pages = [_pages(call, points, now) for call in calls]
    db.insert_rows([page for of_call in pages for page in of_call])
    if any(pages):
        wake.after_commit()
    return pages


def _pages(call: Call, points: Mapping[UUID, Sequence[ContactPoint]], now: datetime) -> list[Page]:
    """The pages of one call, unsaved."""
    prefix = "fallback, " if call.on_fallback else ""
    # Rounds are counted through from the chain before, so on the fallback the figure would mislead.
    again = f", round {call.round}" if call.round > 1 and not call.on_fallback else ""
    return [
        Page(
            incident=call.incident,
            person_id=person,
            contact_point=point,
            channel=point.kind,
            step=call.step,
            round=call.round,
            on_fallback=call.on_fallback,
            reason=f"{prefix}step {call.step}{again}: {why}"[:_REASON_LENGTH],
            first=call.first,
            key=uuid.uuid4().hex,
            send_after=now + timedelta(minutes=point.delay_minutes),
            due_at=now + timedelta(minutes=point.delay_minutes),
        )
        for person, why in _why(call.people).items()
        for point in points.get(person, ())
    ]


@transaction.atomic
def cancel(incident: Incident, reason: str, now: datetime, *, by: Actor | None = None, which: Q = _ANY) -> int:
    """Cancel every page of the incident that has not been sent; say so once on its timeline; return how many.

    With `which` only those that it fits.

    What keeps an incident of its own is told how this one stands now (see `mirroring`).

    The caller holds the incident. A page that is on the wire at this moment cannot be called back: its
    sender finds it cancelled and writes the truth, that it was sent (see `outcomes.settle`).
    """
    waiting = Page.objects.filter(which, incident=incident, state__in=[Page.State.PENDING, Page.State.SENDING])
    # One compare-and-set a page: what the engine settles in between stays as the engine wrote it. The lease
    # is left in place, by which the sender of a page that is on the wire recognises it as its own.
    cancelled = [
        page
        for page in waiting
        if waiting.filter(pk=page.pk).update(state=Page.State.CANCELLED, due_at=None, last_error=reason[:500])
    ]
    if cancelled:
        body = {
            "reason": reason,
            "pages": [{"page": str(p.pk), "person": str(p.person_id), "channel": p.channel} for p in cancelled],
        }
        timeline.record(incident, "page_cancelled", body, by=by or Actor.engine(), at=now)
    following.follow(incident, now)
    return len(cancelled)


@transaction.atomic
def release(pages: Q, now: datetime) -> int:
    """Let pages that wait be decided on anew, because what held them has changed; return how many.

    `pages` says which: of an incident whose severity rose, of a person whose quiet hours are others now.
    """
    held = Page.objects.filter(pages, state=Page.State.PENDING, attempts=0, due_at__gt=now).exclude(held="")
    released = held.update(due_at=now)
    if released:
        wake.after_commit()
    return released


@transaction.atomic
def set_pace(channel: ChannelKind, *, person: int | None, everybody: int | None, by: Actor) -> None:
    """How many messages a minute a channel takes, to one person and to everybody; None is without limit.

    Administrators only. Raises `Invalid` naming the field.
    """
    by.must_be(OrgRole.ADMIN, "change the pace of pages")
    for field, most in (("person_a_minute", person), ("channel_a_minute", everybody)):
        if most is not None and not 1 <= most <= MOST_A_MINUTE:
            raise Invalid(f"From 1 to {MOST_A_MINUTE} messages a minute, or nothing for no limit.", field=field)
    now = clock.now()
    facts = {"person_a_minute": person, "channel_a_minute": everybody, "changed_at": now, "changed_by": by.person}
    ChannelPace.objects.update_or_create(channel=channel, defaults=facts)
    _let_paced_go(channel, now)


@transaction.atomic
def reset_pace(channel: ChannelKind, *, by: Actor) -> None:
    """Go back to the pace that Andon brings; changes nothing where that holds already. Administrators only."""
    by.must_be(OrgRole.ADMIN, "change the pace of pages")
    if ChannelPace.objects.filter(channel=channel).delete()[0]:
        _let_paced_go(channel, clock.now())


def _let_paced_go(channel: ChannelKind, now: datetime) -> None:
    """What waits by the former pace is decided on by the new one."""
    release(Q(channel=channel, held__in=[Reason.PERSON_PACE, Reason.CHANNEL_PACE]), now)


@transaction.atomic
def use_link(page: Page, now: datetime) -> None:
    """Note that the link of a page was used; raises `Conflict` when it was before, so that it works once."""
    used = Page.objects.filter(pk=page.pk, acknowledged_at=None).exclude(state=Page.State.CANCELLED)
    if used.update(acknowledged_at=now) != 1:
        raise Conflict("This link has been used already, or its page was cancelled. It works once.")


def _why(people: Iterable[Reached]) -> dict[UUID, str]:
    """Each person's key, with every way that led to them."""
    ways: dict[UUID, list[str]] = {}
    for reached in people:
        found = ways.setdefault(reached.person.pk, [])
        if reached.via not in found:
            found.append(reached.via)
    return {pk: "; ".join(via) for pk, via in ways.items()}
