"""Somebody more must come to an incident, though a person has it: the next step of its chain is paged, once.

Until it is acknowledged an incident pages by itself, and is only hurried on. Afterwards nothing pages any more; what
must not wait for somebody to look at a screen (a lever that did not take effect, a word that is missing) calls here.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import Q

from andon.incidents.models import Incident
from andon.incidents.timeline import record
from andon.oncall import queries as oncall
from andon.oncall.queries import Reached
from andon.paging import actions as paging
from andon.paging.actions import Call
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice import escalation
from andon.practice.escalation import Progress
from andon.practice.lifecycle import State, awaits_person
from andon.practice.words import OrgRole
from andon.response.escalating import thaw

WORKS: Final = Q(verified_at__isnull=False, broken_at=None, removed_at=None)
"""A contact point over which a page can be expected to arrive."""


def call_next(held: Incident, why: str, now: datetime, also: Iterable[Person] = ()) -> None:
    """Page the next step of the chain, and `also` these people; `why` stands in their message.

    The caller holds the incident. Steps that reach nobody are passed; where neither chain nor fallback reaches anybody,
    every administrator is called.
    """
    people = [Reached(person, why) for person in also if person.is_active]
    place = Progress(held.chain_step, held.chain_round, held.on_fallback)
    if awaits_person(State(held.state), acknowledged=held.acknowledged_at is not None):
        held.next_page_at = min(held.next_page_at or now, now)  # its chain goes on at once, by itself
    else:
        place, reached = next_that_reaches(held, place, now)
        people += [Reached(one.person, f"{why} ({one.via})") for one in reached]
        held.chain_step, held.chain_round, held.on_fallback = place.step_index + 1, place.round, place.on_fallback
    held.save(update_fields=["next_page_at", "chain_step", "chain_round", "on_fallback"])
    if people:
        _page(held, people, place, why, now, first=not held.pages.exists())


def call_beside(held: Incident, frozen: dict[str, Any], why: str, now: datetime) -> None:
    """Page the first step that reaches anybody of another chain than the incident's own, which goes on as it was.

    Nobody is called where whoever has the incident is among them. The caller holds the incident.

    Args:
        held: The incident.
        frozen: The other chain with its fallback, as `opening.frozen_chains` gives it.
        why: Why they are called, as it stands in their message.
        now: The present.
    """
    place, reached = _reaching(frozen, Progress(0, 0, on_fallback=False), now)
    if held.acknowledged_by_id in {one.person.pk for one in reached}:
        return
    people = [Reached(one.person, f"{why} ({one.via})") for one in reached]
    _page(held, people, place, why, now, first=False)  # the first pages are those of its own chain


def _page(held: Incident, people: Sequence[Reached], place: Progress, why: str, now: datetime, *, first: bool) -> None:
    """Queue the pages of one call, and say on the timeline whom it reaches."""
    call = Call(held, oncall.once(people), place.step_index + 1, place.round + 1, place.on_fallback, first=first)
    (pages,) = paging.queue([call], now)
    if not pages:
        record(held, "nobody_reachable", {}, by=Actor.engine())
        return
    body = {
        "people": sorted({str(page.person_id) for page in pages}),
        "channels": sorted({page.channel for page in pages}),
        "place": why,
        "reason": "called",
    }
    record(held, "paged", body, by=Actor.engine())


def next_that_reaches(held: Incident, place: Progress, now: datetime) -> tuple[Progress, list[Reached]]:
    """The next place in its chain at which somebody can be paged, and whom it reaches; else the administrators."""
    return _reaching(held.chain, place, now)


def _reaching(frozen: dict[str, Any], place: Progress, now: datetime) -> tuple[Progress, list[Reached]]:
    chain, fallback = thaw(frozen)
    for _ in range(len(chain.steps) + len(fallback.steps if fallback else ()) + 1):
        decision = escalation.next_step(chain, fallback, place, now)
        if decision.nobody:
            break
        targets = [dict(target) for target in decision.targets]  # type: ignore[call-overload]
        each = oncall.people_reached_each(targets, now)
        reached = oncall.once(one for target in targets for one in each[target["id"]])
        if any(one.person.contact_points.filter(WORKS).exists() for one in reached):
            return decision.paged_at, reached
        place = decision.progress
    admins = Person.objects.filter(role=OrgRole.ADMIN, is_active=True)
    return Progress(0, place.round, on_fallback=True), [Reached(one, "administrator") for one in admins]
