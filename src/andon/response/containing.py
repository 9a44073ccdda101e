"""Containment before diagnosis: the harm is stopped by rolling back, disabling or constraining, or that is waived."""

from datetime import datetime

from django.db import transaction

from andon.incidents.models import Incident
from andon.incidents.policy import must_respond
from andon.incidents.timeline import hold, record
from andon.kit import clock
from andon.kit.errors import Invalid
from andon.people.policy import Actor
from andon.practice.lifecycle import Step, Transition
from andon.practice.words import ContainmentKind
from andon.response.acknowledging import take_up
from andon.response.steps import permitted


@transaction.atomic
def contain(incident: Incident, *, kind: ContainmentKind, note: str, by: Actor, at: datetime | None = None) -> Incident:
    """Record that the harm is stopped: how (`kind`), by what exactly (`note`), and since when (`at`, else now)."""
    must_respond(by, incident, "contain incidents")
    note = note.strip()
    if not note:
        raise Invalid("Say what was done, as “rolled back to v6” or “requests go to review”.", field="note")
    held = hold(incident.pk)
    now = clock.now()
    since = at or now
    if since > now:
        raise Invalid("Containment cannot lie in the future.", field="at")
    contained_by(held, kind, note, by, since)
    return held


def contained_by(held: Incident, kind: ContainmentKind, note: str, by: Actor, since: datetime | None = None) -> None:
    """Write that the incident, which the caller holds, is contained; raises Conflict where it cannot be."""
    transition = permitted(held, Step.CONTAIN, by)
    _attend(held, transition, by)
    held.state = transition.to
    held.contained_at = since or clock.now()
    held.containment_kind = kind
    held.containment_note = note
    held.save(update_fields=["state", "contained_at", "containment_kind", "containment_note"])
    record(held, "contained", {"containment": kind, "note": note}, by=by, at=held.contained_at)


def let_go(held: Incident, why: str) -> None:
    """Write that what contained the incident, which the caller holds, does so no more; the timeline keeps its times."""
    by = Actor.engine()
    transition = permitted(held, Step.LET_GO, by)
    body = {
        "containment": held.containment_kind,
        "note": held.containment_note,
        "since": held.contained_at.isoformat() if held.contained_at else "",
        "why": why,
    }
    held.state, held.contained_at = transition.to, None
    held.containment_kind = held.containment_note = ""
    held.save(update_fields=["state", "contained_at", "containment_kind", "containment_note"])
    record(held, "containment_ended", body, by=by)


@transaction.atomic
def waive_containment(incident: Incident, *, reason: str, by: Actor) -> Incident:
    """Say, with a reason, that there is nothing to contain; diagnosis unfolds."""
    must_respond(by, incident, "waive containment")
    reason = reason.strip()
    if not reason:
        raise Invalid("Say why there is nothing to contain; the review will ask.", field="reason")
    held = hold(incident.pk)
    transition = permitted(held, Step.WAIVE_CONTAINMENT, by)
    _attend(held, transition, by)
    held.state = transition.to
    held.containment_waived_at = clock.now()
    held.containment_waived_reason = reason
    held.save(update_fields=["state", "containment_waived_at", "containment_waived_reason"])
    record(held, "containment_waived", {"reason": reason}, by=by)
    return held


def _attend(held: Incident, transition: Transition, by: Actor) -> None:
    """Whoever contains is plainly attending: it acknowledges as well."""
    if transition.acknowledges and by.person is not None:
        take_up(held, by.person, transition.to)
        record(held, "acknowledged", {"via": "containment"}, by=by)
