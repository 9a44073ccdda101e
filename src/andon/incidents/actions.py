"""What may be done to an incident at any time: notes, roles, links, protocol steps, restriction.

What happens when (opening, acknowledging, containing, resolving) is in `andon.response`.
"""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F

from andon.incidents.models import Incident, Link, ProtocolStep, RoleAssignment, Sequence, TimelineEntry
from andon.incidents.policy import must_respond
from andon.incidents.timeline import hold, record
from andon.kit import clock, db
from andon.kit.errors import Conflict, Invalid, Missing
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import OrgRole, Phase

NOTE_LIMIT = 20_000


def next_number(name: str) -> int:
    """The next number of a sequence. The row stays locked until the transaction ends, so that no number is skipped."""
    return next_numbers(name, 1)[0]


def next_numbers(name: str, count: int) -> range:
    """As `next_number`, for so many at once."""
    hold_numbers(name)
    Sequence.objects.filter(name=name).update(value=F("value") + count)
    last = Sequence.objects.get(name=name).value
    return range(last - count + 1, last + 1)


def hold_numbers(name: str) -> None:
    """Hold a sequence until the transaction ends: whoever numbers something takes turns, and sees what came before."""
    Sequence.objects.get_or_create(name=name)
    db.lock(Sequence.objects.filter(name=name)).get()


@transaction.atomic
def add_note(incident: Incident, *, text: str, by: Actor, at: datetime | None = None) -> TimelineEntry:
    """Put a note on the timeline; `at` is when it happened, when that was earlier."""
    must_respond(by, incident, "write notes on incidents")
    text = text.strip()
    if not text:
        raise Invalid("The note is empty. Write what happened or what was decided.", field="text")
    if len(text) > NOTE_LIMIT:
        raise Invalid(f"The note is longer than {NOTE_LIMIT:,} characters. Link to a document.", field="text")
    if at is not None and at > clock.now():
        raise Invalid("A note cannot be about a time to come.", field="at")
    return record(hold(incident.pk), "note", {"text": text}, by=by, at=at)


@transaction.atomic
def assign_role(incident: Incident, *, role: str, person: Person, by: Actor) -> RoleAssignment:
    """Give a role in the incident; the lead's passes from whoever had it."""
    must_respond(by, incident, "assign roles")
    if role not in RoleAssignment.Role.values:
        raise Invalid(f"There is no role {role!r} in an incident.", field="role")
    if not person.is_active:
        raise Invalid(f"{person} is no longer active.", field="person")
    held = hold(incident.pk)
    current = held.roles.filter(role=role, ended_at__isnull=True)
    if present := current.filter(person=person).first():
        return present
    if role == RoleAssignment.Role.LEAD:
        current.update(ended_at=clock.now())
    assignment = RoleAssignment.objects.create(incident=held, role=role, person=person)
    record(held, "role_assigned", {"role": role, "person": str(person.pk)}, by=by)
    return assignment


@transaction.atomic
def end_role(assignment: RoleAssignment, *, by: Actor) -> None:
    """Take a role back."""
    incident = hold(assignment.incident_id)
    must_respond(by, incident, "assign roles")
    ended = RoleAssignment.objects.filter(pk=assignment.pk, ended_at__isnull=True).update(ended_at=clock.now())
    if ended != 1:
        raise Conflict("That role had already ended.")
    record(incident, "role_ended", {"role": assignment.role, "person": str(assignment.person_id)}, by=by)


@transaction.atomic
def add_link(incident: Incident, *, title: str, url: str, by: Actor) -> Link:
    """Tie something elsewhere to the incident."""
    must_respond(by, incident, "add links")
    if not url.lower().startswith(("https://", "http://")):
        raise Invalid("A link begins with https:// or http://.", field="url")
    held = hold(incident.pk)
    link = Link.objects.create(incident=held, title=title.strip() or url, url=url, by=by.person)
    record(held, "link_added", {"title": link.title, "url": url}, by=by)
    return link


@transaction.atomic
def remove_link(link: Link, *, by: Actor) -> None:
    """Take a link off the page; the timeline keeps that it was there."""
    incident = hold(link.incident_id)
    must_respond(by, incident, "remove links")
    if Link.objects.filter(pk=link.pk, removed_at__isnull=True).update(removed_at=clock.now()) != 1:
        raise Conflict("That link was removed already.")
    record(incident, "link_removed", {"title": link.title, "url": link.url}, by=by)


@transaction.atomic
def finish_step(incident: Incident, *, key: str, by: Actor, waive_reason: str = "") -> ProtocolStep:
    """Mark a step of the protocol done, or waive it with a reason.

    Diagnosis waits: its steps are refused until containment is done or waived.
    """
    must_respond(by, incident, "work through the protocol")
    held = hold(incident.pk)
    step = held.steps.filter(key=key).first()
    if step is None:
        raise Missing(f"The protocol of {held.ref} has no step {key!r}.")
    if step.phase == Phase.DIAGNOSE and held.held is None:
        raise Conflict("Containment comes first. Contain, or waive containment with a reason; then diagnose.")
    if step.state == ProtocolStep.State.NOT_ASKED:
        raise Conflict(f"The step “{step.title}” is no longer asked for. Write what you did as a note.")
    state = ProtocolStep.State.WAIVED if waive_reason.strip() else ProtocolStep.State.DONE
    moved = ProtocolStep.objects.filter(pk=step.pk, state=ProtocolStep.State.TODO).update(
        state=state, by=by.person, at=clock.now(), reason=waive_reason.strip()
    )
    if moved != 1:
        raise Conflict(f"The step “{step.title}” was finished already.")
    kind = "step_waived" if waive_reason.strip() else "step_done"
    record(held, kind, {"step": key, "title": step.title, "reason": waive_reason.strip()}, by=by)
    step.refresh_from_db()
    return step


@transaction.atomic
def reopen_step(incident: Incident, *, key: str, by: Actor) -> ProtocolStep:
    """Undo `finish_step`: the step is to do again, and the timeline says so."""
    must_respond(by, incident, "work through the protocol")
    held = hold(incident.pk)
    step = held.steps.filter(key=key).first()
    if step is None:
        raise Missing(f"The protocol of {held.ref} has no step {key!r}.")
    moved = (
        ProtocolStep.objects.filter(pk=step.pk)
        .filter(state__in=[ProtocolStep.State.DONE, ProtocolStep.State.WAIVED])
        .update(state=ProtocolStep.State.TODO, by=None, at=None, reason="")
    )
    if moved != 1:
        raise Conflict(f"The step “{step.title}” is still to do.")
    record(held, "step_reopened", {"step": key, "title": step.title}, by=by)
    step.refresh_from_db()
    return step


@transaction.atomic
def restrict(incident: Incident, *, restricted: bool, by: Actor) -> Incident:
    """Show the incident only to those involved, or to everyone again. Leads and administrators decide."""
    by.must_be(OrgRole.LEAD, "restrict incidents")
    held = hold(incident.pk)
    if Incident.objects.filter(pk=held.pk, restricted=not restricted).update(restricted=restricted) != 1:
        return held
    person = by.person
    if restricted and person is not None and not by.may(OrgRole.ADMIN):
        # Whoever restricts stays inside; else their own page would vanish under them.
        try:
            with transaction.atomic():
                RoleAssignment.objects.create(incident=held, role=RoleAssignment.Role.RESPONDER, person=person)
        except IntegrityError:
            held.refresh_from_db()  # they hold that role already, which is what we wanted
    record(held, "restricted" if restricted else "unrestricted", {}, by=by)
    held.restricted = restricted
    return held
