"""What is written to the outbox: pages are queued with the step they belong to, cancelled when in hand."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.db import transaction

from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.kit import wake
from andon.kit.errors import Conflict
from andon.paging.models import Page
from andon.people.models import ContactPoint, Person
from andon.people.policy import Actor

_REASON_LENGTH = 200  # as the column


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


@transaction.atomic
def queue(
    incident: Incident,
    *,
    people: Iterable[Reached],
    step: int,
    round: int,  # noqa: A002  the word of the practice: a chain goes round
    on_fallback: bool,
    first: bool,
    now: datetime,
) -> list[Page]:
    """Put one page into the outbox for every working contact point of everyone reached, and wake the engine.

    Called inside the transaction that takes the step, so that the step and its pages are on disk together or
    not at all. `step` and `round` count from 1. `first` marks the first pages of an incident, which go ahead of
    all others. Somebody reached in two ways is paged once. The list is empty when nobody reached has a working
    contact point: the caller must then go on to the next step at once, for nothing will be sent.
    """
    why = _why(people)
    points = ContactPoint.objects.filter(
        person__in=why, person__is_active=True, verified_at__isnull=False, broken_at=None, removed_at=None
    )
    prefix = "fallback, " if on_fallback else ""
    # Rounds are counted through from the chain before, so on the fallback the figure would mislead.
    again = f", round {round}" if round > 1 and not on_fallback else ""
    pages = [
        Page(
            incident=incident,
            person_id=point.person_id,
            contact_point=point,
            channel=point.kind,
            step=step,
            round=round,
            on_fallback=on_fallback,
            reason=f"{prefix}step {step}{again}: {why[point.person_id]}"[:_REASON_LENGTH],
            first=first,
            key=uuid.uuid4().hex,
            send_after=now + timedelta(minutes=point.delay_minutes),
            due_at=now + timedelta(minutes=point.delay_minutes),
        )
        for point in points
    ]
    Page.objects.bulk_create(pages)
    if pages:
        wake.after_commit()
    return pages


@transaction.atomic
def cancel(incident: Incident, reason: str, now: datetime, *, by: Actor | None = None) -> int:
    """Cancel every page of the incident that has not been sent; say so once on its timeline; return how many.

    The caller holds the incident. A page that is on the wire at this moment cannot be called back: its
    sender finds it cancelled and writes the truth, that it was sent (see `outcomes.settle`).
    """
    waiting = Page.objects.filter(incident=incident, state__in=[Page.State.PENDING, Page.State.SENDING])
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
    return len(cancelled)


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
