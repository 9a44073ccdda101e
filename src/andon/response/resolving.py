"""The end of an incident: resolved, reviewed, closed; or reopened, because it was not over."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from andon.incidents.models import Incident
from andon.incidents.policy import must_respond
from andon.incidents.timeline import hold, record
from andon.intake import own
from andon.intake.models import Integration, Signal
from andon.kit import clock, fence
from andon.kit.errors import Conflict, Invalid
from andon.kit.together import one_by_one
from andon.paging import actions as paging
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State, Step
from andon.practice.words import OrgRole
from andon.response import duties
from andon.response.acknowledging import take_up
from andon.response.promising import office_of, prescription_of
from andon.response.steps import permitted
from andon.reviews import drafting
from andon.reviews.models import Review

REST = timedelta(minutes=1)
"""How long an incident is left alone that could not be resolved by a rule."""


@transaction.atomic
def resolve(incident: Incident, *, summary: str, by: Actor) -> Incident:
    """It is over, and somebody has seen that it is: `summary` says how that was verified.

    Needs containment, done or waived. Where its protocol asks for a review, a draft is filled from the timeline.
    What fires on of it pages nobody until its sender begins it anew; where none can tell that, it ends (`own.let_go`).
    """
    must_respond(by, incident, "resolve incidents")
    summary = summary.strip()
    if not summary:
        raise Invalid("Say how it was resolved and how that was verified.", field="summary")
    firing = own.hold_firing(incident.pk)
    held = hold(incident.pk)
    transition = permitted(held, Step.RESOLVE, by)
    if transition.acknowledges and by.person is not None:
        take_up(held, by.person, transition.to)
        record(held, "acknowledged", {"via": "resolution"}, by=by)
    _end(held, {"summary": summary, "still_firing": sum(still_firing(held))}, by)
    own.let_go(firing, clock.now())
    return held


def still_firing(incident: Incident) -> tuple[int, int]:
    """How many of its signals go on: those whose sender marks each firing, and the others.

    Resolving does not end the former: they page nobody again until another firing begins. The latter end with it.
    """
    unmarked = own.firing_of(incident.pk).filter(episode="").count()
    return incident.signals.filter(status=Signal.Status.FIRING).count() - unmarked, unmarked


@transaction.atomic
def resolve_by_rule(incident: Incident, *, integration: Integration, waits: timedelta | None = None) -> bool:
    """Resolve an incident whose signals have all ended, if its integration's rule says so.

    Containment that nobody needed is waived with that as its reason. An incident that people declared, or that
    joined signals of an integration without the rule, is theirs to resolve. Returns whether it was resolved.

    With `waits` it is held open for so long after this end, in case they come again (see `resolve_due`).
    """
    held = hold(incident.pk)
    if not _has_ended(held):
        return False
    by = Actor.integration(integration.slug)
    if waits is not None:
        if held.resolve_at is None:
            record(held, "held_open", {"minutes": waits // timedelta(minutes=1)}, by=by)
        held.resolve_at = clock.now() + waits
        held.save(update_fields=["resolve_at"])
        return False
    reason = "Every signal of this incident has ended."
    if held.held is None:
        held.containment_waived_at = clock.now()
        held.containment_waived_reason = reason
        held.save(update_fields=["containment_waived_at", "containment_waived_reason"])
        record(held, "containment_waived", {"reason": reason}, by=by)
    permitted(held, Step.RESOLVE, by)
    _end(held, {"summary": reason, "rule": "signals ended"}, by)
    return True


def _has_ended(held: Incident) -> bool:
    """Whether an incident is for a rule to resolve: only signals made it, and all of them have ended."""
    if held.declared_by_id is not None or State(held.state) not in UNRESOLVED:
        return False
    ended = Q(status=Signal.Status.RESOLVED, integration__resolves_incidents=True)
    return held.signals.exists() and not held.signals.exclude(ended).exists()


def resolve_due(now: datetime, limit: int) -> int:
    """Resolve incidents that were held open long enough, unless something fires again; how many were looked at."""
    due = list(Incident.objects.filter(resolve_at__lte=now).order_by("resolve_at").values_list("pk", flat=True)[:limit])
    rest = now + REST
    return one_by_one(
        due,
        lambda key: _resolve_held_open(key, now),
        lambda key: Incident.objects.filter(pk=key, resolve_at__lte=now).update(resolve_at=rest),
    )


@transaction.atomic
def _resolve_held_open(key: UUID, now: datetime) -> int:
    fence.hold()
    held = hold(key)
    if held.resolve_at is None or held.resolve_at > now:
        return 1  # another engine was quicker, or it fired and ended once more
    held.resolve_at = None
    held.save(update_fields=["resolve_at"])
    last = held.signals.select_related("integration").order_by("-resolved_at").first()
    if last is not None:
        resolve_by_rule(held, integration=last.integration)
    return 1


def _end(held: Incident, body: dict[str, str | int], by: Actor) -> None:
    """What resolving does, by whomever: the time, no more pages, a review draft where one is due."""
    now = clock.now()
    held.state = State.RESOLVED
    held.resolved_at = now
    held.next_page_at = held.resolve_at = None
    held.save(update_fields=["state", "resolved_at", "next_page_at", "resolve_at"])
    paging.cancel(held, reason="resolved", now=now)
    record(held, "resolved", body, by=by)
    asked = prescription_of(held).asks.review
    if asked is not None:
        drafting.draft(held, by=Actor.engine(), due_at=office_of(held.edition_id).due(asked.within, now))


@transaction.atomic
def reopen(incident: Incident, *, reason: str, by: Actor) -> Incident:
    """It goes on after all: what was contained or waived no longer counts, and the chain is paged from its start."""
    must_respond(by, incident, "reopen incidents")
    reason = reason.strip()
    if not reason:
        raise Invalid("Say what shows that it goes on.", field="reason")
    firing = own.hold_firing(incident.pk)
    held = hold(incident.pk)
    transition = permitted(held, Step.REOPEN, by)
    if Incident.objects.filter(group_key=held.group_key, state__in=UNRESOLVED).exists():
        held.group_key = _own_key(held)
    now = clock.now()
    held.state = transition.to
    held.acknowledged_at = held.contained_at = held.containment_waived_at = None
    held.acknowledged_by = None
    held.containment_kind = held.containment_note = held.containment_waived_reason = ""
    held.resolved_at = held.closed_at = None
    held.chain_step = held.chain_round = 0
    held.on_fallback = False
    held.next_page_at = now
    try:
        with transaction.atomic():
            held.save()
    except IntegrityError:
        # A signal opened an incident of the group between the look and the write.
        held.group_key = _own_key(held)
        held.save()
    own.take_back(firing)
    record(held, "reopened", {"reason": reason}, by=by)
    return held


def _own_key(held: Incident) -> str:
    """The key of a reopened incident that collects no signals, because a newer one of its group does."""
    return f"reopened:{held.pk}"


@transaction.atomic
def close(incident: Incident, *, by: Actor, reason: str = "") -> Incident:
    """Put it to rest: every duty is decided on, and its review is published, or a lead says why there will be none."""
    by.must_be(OrgRole.LEAD, "close incidents")
    held = hold(incident.pk)
    permitted(held, Step.CLOSE, by)
    duties.must_be_decided(held)
    review = Review.objects.filter(incident=held).first()
    reviewed = review is not None and review.state == Review.State.PUBLISHED
    due = prescription_of(held).asks.review is not None
    if (due or review is not None) and not reviewed and not reason.strip():
        raise Conflict("Its review is not published yet. Publish it, or say why it closes without one.")
    if not reviewed:
        duties.go_without_review(held, reason.strip(), by)
    held.state = State.CLOSED
    held.closed_at = clock.now()
    held.save(update_fields=["state", "closed_at"])
    record(held, "closed", {"reason": reason.strip()}, by=by)
    return held
