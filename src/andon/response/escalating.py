"""Somebody must come: the next step of the chain is paged, until a person acknowledges. No open incident is silent.

The engine calls `escalate_due`. The step of an incident, its pages and the time of the next one are on disk together
or not at all. Many incidents go together; where that fails, in halves (`andon.kit.together`). A step that reaches
nobody is said on the timeline and passed at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Exists, OuterRef

from andon.incidents.models import Incident
from andon.incidents.timeline import News, hold, record, record_all
from andon.kit import db, fence
from andon.kit.together import together
from andon.oncall import queries as oncall
from andon.oncall.queries import Reached
from andon.paging import actions as paging
from andon.paging.actions import Call
from andon.paging.models import Page
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice import escalation
from andon.practice.escalation import Chain, ChainStep, Progress, StepDecision, StepReason
from andon.practice.lifecycle import State, awaits_person
from andon.practice.words import OrgRole

_NOBODY = StepReason.NOBODY.value
log = structlog.get_logger(__name__)


def escalate_due(now: datetime, limit: int) -> int:
    """Take the next step of up to `limit` incidents whose time has come; returns how many.

    All in one transaction. Incidents that another replica or a person holds at this moment are left to them, and are
    due as before if they leave them so.
    """
    with transaction.atomic():
        fence.hold()
        due = db.lock_free(Incident.objects.filter(next_page_at__lte=now).order_by("next_page_at"))
        keys = list(due.values_list("pk", flat=True)[:limit])
        return together(keys, partial(take_steps, now=now), partial(_take_step_whatever_happens, now=now))


def _take_step_whatever_happens(pk: UUID, now: datetime) -> int:
    """Take the step of one incident; what is wrong with it must neither silence it nor hold up the others.

    Trouble with the database is raised: what is due stays due. Anything else is a fault in the chain, a schedule or
    Andon, which would come again at the next look; administrators are paged in place of the step.
    """
    try:
        return take_steps([pk], now)
    except (OperationalError, InterfaceError, IntegrityError) as error:
        if not db.of_these_rows(error):
            raise
        log.warning("a step lost a race and stays due", incident=str(pk), reason=str(error))
        return 0
    except Exception as error:
        log.exception("a step of a chain could not be taken", incident=str(pk))
        return _page_in_place_of_the_step(pk, type(error).__name__, now)


@transaction.atomic
def _page_in_place_of_the_step(pk: UUID, fault: str, now: datetime) -> int:
    """The last resort for an incident whose step cannot be taken; the step itself is tried again after it."""
    incident = hold(pk)
    if incident.next_page_at is None or incident.next_page_at > now:
        return 0
    record(incident, "step_failed", {"fault": fault}, by=Actor.engine())
    first = not incident.pages.exists()
    call = _administrators(incident, Progress(0, incident.chain_round, on_fallback=True), first=first)
    record_all([_paged(call, pages, _NOBODY) for pages in paging.queue([call], now)])
    incident.next_page_at = now + escalation.NOBODY_RETRY
    incident.save(update_fields=["next_page_at"])
    return 1


@dataclass
class Walk:
    """An incident on its way to the next step that reaches somebody.

    Attributes:
        progress: Where in the chain it stands.
        left: How many more steps may be tried before nobody is taken to be reachable.
        passed: Places of the steps that reached nobody.
        next_at: When the step after is due; None as long as nobody is called.
    """

    incident: Incident
    chain: Chain
    fallback: Chain | None
    first: bool
    progress: Progress
    left: int
    passed: list[str] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    next_at: datetime | None = None

    def move(self) -> None:
        """The incident in hand stands where the walk ended; it is not written."""
        incident, place = self.incident, self.progress
        incident.chain_step, incident.chain_round = place.step_index, place.round
        incident.on_fallback, incident.next_page_at = place.on_fallback, self.next_at


@transaction.atomic
def take_steps(keys: Sequence[UUID], now: datetime) -> int:
    """Page the next step of each incident that is still due; returns how many were.

    The steps, their pages, the times of the next ones and what the timelines say are on disk together or not at all;
    a handful of statements, however many incidents there are.
    """
    walks = _walks(keys, now)
    waiting = list(walks)
    while waiting:
        waiting = _try_next_step(waiting, now)
    for walk in walks:
        if walk.passed:
            walk.news.insert(0, News(walk.incident, "step_reached_nobody", {"steps": walk.passed}, Actor.engine()))
        walk.move()
    # Each has news: the step it took, or that nobody is left.
    record_all(
        [news for walk in walks for news in walk.news],
        moved=["chain_step", "chain_round", "on_fallback", "next_page_at"],
    )
    return len(walks)


def _walks(keys: Sequence[UUID], now: datetime) -> list[Walk]:
    """The incidents that are still due, held. Somebody may have acknowledged between the look and the lock."""
    rows = Incident.objects.filter(pk__in=keys, next_page_at__lte=now).order_by("pk")
    paged = Exists(Page.objects.filter(incident=OuterRef("pk")))
    walks: list[Walk] = []
    over: list[UUID] = []
    for incident in db.lock(rows.annotate(paged=paged)):
        if not awaits_person(State(incident.state), acknowledged=incident.acknowledged_at is not None):
            over.append(incident.pk)
            continue
        chain, fallback = thaw(incident.chain)
        progress = Progress(incident.chain_step, incident.chain_round, incident.on_fallback)
        steps = len(chain.steps) + len(fallback.steps if fallback else ())
        walks.append(Walk(incident, chain, fallback, not incident.paged, progress, steps + 1))
    Incident.objects.filter(pk__in=over).update(next_page_at=None)
    return walks


def _try_next_step(walks: Sequence[Walk], now: datetime) -> list[Walk]:
    """Go one step on with each; returns those whose step reached nobody, and who must go on."""
    decided = [(walk, escalation.next_step(walk.chain, walk.fallback, walk.progress, now)) for walk in walks]
    targets = [dict(target) for _, decision in decided for target in decision.targets]  # type: ignore[call-overload]
    reached = oncall.people_reached_each(targets, now)
    calls: list[tuple[Walk, Call, StepDecision | None]] = []
    for walk, decision in decided:
        if walk.left <= 0 or decision.nobody:
            place = Progress(0, walk.incident.chain_round, on_fallback=True)
            calls.append((walk, _administrators(walk.incident, place, first=walk.first), None))
            continue
        walk.left -= 1
        walk.progress = decision.progress
        people = oncall.once(one for target in decision.targets for one in reached[target["id"]])  # type: ignore[index]
        calls.append((walk, _call(walk.incident, people, decision.paged_at, first=walk.first), decision))
    queued = paging.queue([call for _, call, _ in calls], now)
    on: list[Walk] = []
    for (walk, call, step), pages in zip(calls, queued, strict=True):
        if step is None:
            walk.news.append(_paged(call, pages, _NOBODY))
            walk.next_at = now + escalation.NOBODY_RETRY
        elif pages:
            walk.news.append(_paged(call, pages, step.reason.value))
            walk.next_at = step.next_at
        else:
            walk.passed.append(_place(step.paged_at))
            on.append(walk)
    return on


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


def _call(incident: Incident, people: Sequence[Reached], place: Progress, *, first: bool) -> Call:
    """A step at a place in the chain, as it is queued: people count from one."""
    return Call(incident, people, place.step_index + 1, place.round + 1, place.on_fallback, first)


def _administrators(incident: Incident, place: Progress, *, first: bool) -> Call:
    """The last resort: chain and fallback reach nobody, so every administrator is paged, again and again."""
    admins = Person.objects.filter(role=OrgRole.ADMIN, is_active=True)
    reached = [Reached(person, "administrator; neither chain nor fallback reaches anybody") for person in admins]
    return _call(incident, reached, place, first=first)


def _paged(call: Call, pages: Sequence[Page], reason: str) -> News:
    """What the timeline says of a step that was taken."""
    if not pages:
        return News(call.incident, "nobody_reachable", {}, Actor.engine())
    body = {
        "people": sorted({str(page.person_id) for page in pages}),
        "channels": sorted({page.channel for page in pages}),
        "place": _place(Progress(call.step - 1, call.round - 1, call.on_fallback)),
        "reason": reason,
    }
    return News(call.incident, "paged", body, Actor.engine())


def _place(place: Progress) -> str:
    """A place in the chain as people say it."""
    again = f", round {place.round + 1}" if place.round and not place.on_fallback else ""
    return f"{'fallback ' if place.on_fallback else ''}step {place.step_index + 1}{again}"
