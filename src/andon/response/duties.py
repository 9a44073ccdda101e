"""Duties of an incident, decided on by a person: one does not apply, its clock began, it applies after all.

Whether a duty is owed, Andon cannot know: the protocol says in which case, somebody decides and says why. Until then
the duty stands against closing the incident, also one whose clock began with nothing that Andon can see.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from andon.incidents.models import Incident, Promise
from andon.incidents.policy import must_respond
from andon.incidents.timeline import hold, record
from andon.kit import clock
from andon.kit.errors import Conflict, Invalid, Missing
from andon.people.policy import Actor
from andon.practice.promises import Became, PromiseKind
from andon.practice.words import ClockEvent
from andon.response.promising import call_off, follow, keep, prescription_of

_DOING: Final = "decide on duties"
NOTE_LIMIT: Final = 5_000
_SEEN: Final = frozenset({ClockEvent.FIRST_SIGNAL, ClockEvent.AWARENESS, ClockEvent.RESOLVED})
"""Events that Andon sees by itself: nobody says when such a clock began."""


def choices(incident: Incident, key: str) -> list[Became]:
    """What may be said of a duty as it stands; nothing of what is none."""
    row = incident.promises.filter(key=key, kind=PromiseKind.DUTY).first()
    if row is None:
        return []
    if row.not_owed:
        return [Became.OWED]
    return [Became.DONE, Became.NOT_OWED] if row.clock in _SEEN else [Became.DONE, Became.NOT_OWED, Became.BEGAN]


def intro(incident: Incident, key: str) -> str:
    """In which case the protocol holds a duty owed, and that a person decides."""
    duty = next((one for one in prescription_of(incident).asks.duties if f"duty:{one.key}" == key), None)
    when = f"Owed to: {duty.to}. {duty.when}" if duty else ""
    row = incident.promises.filter(key=key).first()
    said = f" It was found not to apply: {row.not_owed}" if row is not None and row.not_owed else ""
    if row is not None and row.due_at is not None and row.kept_at is None:
        when += f" Due by {timezone.localtime(row.due_at):%-d %B %Y %H:%M %Z}."
    return f"{when} You decide whether it is owed; Andon sends nothing, and gives no legal advice.{said}".strip()


def settle(incident: Incident, *, key: str, given: Mapping[str, Any], by: Actor) -> Promise:
    """Do what was chosen in the form of a duty."""
    note = given["note"]
    match Became(given["became"]):
        case Became.NOT_OWED:
            return does_not_apply(incident, key=key, reason=note, by=by)
        case Became.OWED:
            return applies_after_all(incident, key=key, reason=note, by=by)
        case Became.BEGAN:
            return clock_began(incident, key=key, at=given["at"], note=note, by=by)
        case Became.DONE:
            return keep(incident, key=key, note=note, at=given["at"], by=by)


def undecided(incident: Incident) -> QuerySet[Promise]:
    """The duties that are asked for and that nobody has decided on: neither done nor found not to apply."""
    return incident.promises.filter(kind=PromiseKind.DUTY, applies=True, kept_at=None)


def must_be_decided(held: Incident) -> None:
    """Raise `Conflict` naming the duties that nobody has decided on."""
    left = [row.what for row in undecided(held)]
    if left:
        raise Conflict(
            f"Not decided on: {'; '.join(left)}. Say of each that it was done, or why it does not apply.",
            code="duties-undecided",
        )


@transaction.atomic
def does_not_apply(incident: Incident, *, key: str, reason: str, by: Actor) -> Promise:
    """Decide that a duty is not owed here, and why. Raises `Missing`, `Conflict`, `Invalid`."""
    must_respond(by, incident, _DOING)
    reason = _said(reason, "Say why it does not apply: whoever asks later reads it.")
    held = hold(incident.pk)
    row = _duty(held, key)
    moved = Promise.objects.filter(pk=row.pk, kept_at=None).update(
        not_owed=reason, kept_at=clock.now(), kept_by=by.person, look_at=None
    )
    if moved != 1:
        raise Conflict(f"“{row.what}” was decided on already.")
    record(held, "duty_not_owed", _body(row) | {"note": reason}, by=by)
    call_off(held)
    row.refresh_from_db()
    return row


@transaction.atomic
def applies_after_all(incident: Incident, *, key: str, reason: str, by: Actor) -> Promise:
    """Take back that a duty does not apply: something came to light. It is watched again."""
    must_respond(by, incident, _DOING)
    reason = _said(reason, "Say what came to light.")
    held = hold(incident.pk)
    row = _duty(held, key)
    moved = Promise.objects.filter(pk=row.pk).exclude(not_owed="").update(not_owed="", kept_at=None, kept_by=None)
    if moved != 1:
        raise Conflict(f"Nobody decided that “{row.what}” does not apply.")
    record(held, "duty_owed", _body(row) | {"note": reason}, by=by)
    follow(held)
    row.refresh_from_db()
    return row


@transaction.atomic
def clock_began(incident: Incident, *, key: str, at: datetime | None, note: str, by: Actor) -> Promise:
    """Say when a duty's clock began with something that only people know: a classification, a determination.

    From then on its time is watched like any other; the later word counts, and the timeline keeps both.
    """
    must_respond(by, incident, _DOING)
    note = _bounded(note)
    held = hold(incident.pk)
    row = _duty(held, key)
    now = clock.now()
    since = at or now
    if row.clock in _SEEN:
        raise Conflict(f"The clock of “{row.what}” begins with {ClockEvent(row.clock).words}, which Andon knows.")
    if since > now:
        raise Conflict("Its clock cannot have begun in the future.")
    if Promise.objects.filter(pk=row.pk, kept_at=None).update(since=since, missed_at=None) != 1:
        raise Conflict(f"“{row.what}” was decided on already.")
    record(held, "duty_clock_began", _body(row) | {"since": since.isoformat(), "note": note}, by=by)
    follow(held)
    row.refresh_from_db()
    return row


def go_without_review(held: Incident, reason: str, by: Actor) -> None:
    """The incident is closed without its review: what was promised of it is decided on, by that reason."""
    held.promises.filter(kind=PromiseKind.REVIEW, kept_at=None).update(
        not_owed=reason or "Its protocol asks for none.", kept_at=clock.now(), kept_by=by.person, look_at=None
    )


def _duty(held: Incident, key: str) -> Promise:
    row = held.promises.filter(key=key, kind=PromiseKind.DUTY).first()
    if row is None:
        raise Missing(f"The protocol of {held.ref} asks for no duty {key!r}.")
    return row


def _said(text: str, asked: str) -> str:
    if not text.strip():
        raise Invalid(asked, field="note")
    return _bounded(text)


def _bounded(text: str) -> str:
    text = text.strip()
    if len(text) > NOTE_LIMIT:
        raise Invalid(f"That is longer than {NOTE_LIMIT:,} characters. Link to a document.", field="note")
    return text


def _body(row: Promise) -> dict[str, Any]:
    return {"promise": row.key, "what": row.what}
