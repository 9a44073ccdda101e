"""Somebody must come: the next step of the chain is paged, until a person acknowledges. No open incident is silent.

The engine calls `escalate_due`. Each incident is a transaction of its own: the step, its pages and the time of the
next one are on disk together or not at all. A step that reaches nobody is said on the timeline and passed at once.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, transaction

from andon.incidents.models import Incident
from andon.incidents.timeline import hold, record
from andon.kit import db
from andon.oncall import queries as oncall
from andon.oncall.queries import Reached
from andon.paging import actions as paging
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice import escalation
from andon.practice.escalation import Chain, ChainStep, Progress, StepDecision
from andon.practice.lifecycle import State, awaits_person
from andon.practice.words import OrgRole

log = structlog.get_logger(__name__)


def escalate_due(now: datetime, limit: int) -> int:
    """Take the next step of up to `limit` incidents whose time has come; returns how many."""
    due = Incident.objects.filter(next_page_at__lte=now).order_by("next_page_at").values_list("pk", flat=True)[:limit]
    return sum(_take_step_whatever_happens(pk, now) for pk in due)


def _take_step_whatever_happens(pk: UUID, now: datetime) -> bool:
    """Take the step of one incident; what is wrong with it must neither silence it nor hold up the others.

    Trouble with the database is raised: what is due stays due. Anything else is a fault in the chain, a schedule or
    Andon, which would come again at the next look; administrators are paged in place of the step.
    """
    try:
        return take_step(pk, now)
    except (OperationalError, InterfaceError, IntegrityError) as error:
        if not db.of_these_rows(error):
            raise
        log.warning("a step lost a race and stays due", incident=str(pk), reason=str(error))
        return False
    except Exception as error:
        log.exception("a step of a chain could not be taken", incident=str(pk))
        return _page_in_place_of_the_step(pk, type(error).__name__, now)


@transaction.atomic
def _page_in_place_of_the_step(pk: UUID, fault: str, now: datetime) -> bool:
    """The last resort for an incident whose step cannot be taken; the step itself is tried again after it."""
    incident = hold(pk)
    if incident.next_page_at is None or incident.next_page_at > now:
        return False
    record(incident, "step_failed", {"fault": fault}, by=Actor.engine())
    incident.next_page_at = _page_administrators(incident, first=not incident.pages.exists(), now=now)
    incident.save(update_fields=["next_page_at"])
    return True


@transaction.atomic
def take_step(pk: UUID, now: datetime) -> bool:
    """Page the next step of one incident, if it is still due; returns whether it was."""
    incident = hold(pk)
    if incident.next_page_at is None or incident.next_page_at > now:
        return False  # another replica took it, or somebody acknowledged, between the look and the lock
    if not awaits_person(State(incident.state), acknowledged=incident.acknowledged_at is not None):
        Incident.objects.filter(pk=pk).update(next_page_at=None)
        return False
    chain, fallback = thaw(incident.chain)
    progress = Progress(incident.chain_step, incident.chain_round, incident.on_fallback)
    first = not incident.pages.exists()
    passed: list[str] = []
    for _ in range(len(chain.steps) + len(fallback.steps if fallback else ()) + 1):
        decision = escalation.next_step(chain, fallback, progress, now)
        progress = decision.progress
        if decision.nobody or _page(incident, decision, first=first, now=now):
            break
        passed.append(_place(decision.paged_at))
    else:
        decision = None
    if passed:
        record(incident, "step_reached_nobody", {"steps": passed}, by=Actor.engine())
    if decision is None or decision.nobody:
        next_at = _page_administrators(incident, first=first, now=now)
    else:
        next_at = decision.next_at
    incident.chain_step, incident.chain_round = progress.step_index, progress.round
    incident.on_fallback, incident.next_page_at = progress.on_fallback, next_at
    incident.save(update_fields=["chain_step", "chain_round", "on_fallback", "next_page_at"])
    return True


def thaw(frozen: dict[str, Any]) -> tuple[Chain, Chain | None]:
    """The chain and fallback that were frozen onto an incident, as values of the practice."""

    def chain_of(data: dict[str, Any]) -> Chain:
        return Chain(
            steps=tuple(
                ChainStep(position, timedelta(minutes=step["wait_minutes"]), tuple(step["targets"]))
                for position, step in enumerate(data["steps"], start=1)
            ),
            repeats=data["repeats"],
        )

    fallback = frozen.get("fallback")
    return chain_of(frozen), chain_of(fallback) if fallback else None


def _page(incident: Incident, decision: StepDecision, *, first: bool, now: datetime) -> bool:
    """Queue the pages of a decision; returns whether anybody is reached."""
    reached = oncall.people_reached([dict(target) for target in decision.targets], now)  # type: ignore[call-overload]
    return _queue(incident, reached, decision.paged_at, str(decision.reason), first=first, now=now)


def _queue(
    incident: Incident, reached: list[Reached], place: Progress, reason: str, *, first: bool, now: datetime
) -> bool:
    pages = paging.queue(
        incident,
        people=reached,
        step=place.step_index + 1,
        round=place.round + 1,
        on_fallback=place.on_fallback,
        first=first,
        now=now,
    )
    if not pages:
        return False
    body = {
        "people": sorted({str(page.person_id) for page in pages}),
        "channels": sorted({page.channel for page in pages}),
        "place": _place(place),
        "reason": reason,
    }
    record(incident, "paged", body, by=Actor.engine())
    return True


def _page_administrators(incident: Incident, *, first: bool, now: datetime) -> datetime:
    """The last resort: chain and fallback reach nobody, so every administrator is paged, again and again."""
    admins = Person.objects.filter(role=OrgRole.ADMIN, is_active=True)
    reached = [Reached(person, "administrator; neither chain nor fallback reaches anybody") for person in admins]
    place = Progress(0, incident.chain_round, on_fallback=True)
    if not _queue(incident, reached, place, "nobody", first=first, now=now):
        record(incident, "nobody_reachable", {}, by=Actor.engine())
    return now + escalation.NOBODY_RETRY


def _place(place: Progress) -> str:
    """A place in the chain as people say it."""
    again = f", round {place.round + 1}" if place.round and not place.on_fallback else ""
    return f"{'fallback ' if place.on_fallback else ''}step {place.step_index + 1}{again}"
