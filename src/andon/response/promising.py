"""What an incident's protocol promises, kept up to date: frozen when it opens, grown when it changes, kept when it is.

The rules are `andon.practice.promises`; here they meet rows. Whoever calls holds the incident, so that a promise is
kept or found missed, and never both at once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from andon.handbook.queries import handbook_at
from andon.incidents.models import Incident, Promise
from andon.incidents.policy import must_respond
from andon.incidents.timeline import hold, record
from andon.kit import clock, db, ids
from andon.kit.errors import Conflict, Missing
from andon.paging import actions as paging
from andon.people.models import Organisation
from andon.people.policy import Actor
from andon.practice import promises as rules
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.promises import Asked, PromiseKind
from andon.practice.protocol import Prescription
from andon.practice.targets import Office, Within
from andon.practice.words import ClockEvent
from andon.reviews.models import Review

COLUMNS: Final = (
    *("id", "created_at", "incident", "position", "key", "kind", "what"),
    *("clock", "within", "applies", "due_at", "look_at", "not_owed"),
)
_LIVES: Final = ("applies", "since", "due_at", "look_at", "kept_at", "missed_at", "not_owed")
_SAID: Final = ("kind", "what", "clock", "within", "position")
MISSED: Final = "missed: "
"""How the reason of a page begins that is sent because something promised was not done in time."""
SAID_BY_HAND: Final = frozenset({PromiseKind.FIRST_WORD, PromiseKind.DUTY})
"""What a person says was done; the rest Andon sees by itself."""


def office_of(edition: UUID | None) -> Office:
    """When the organisation works: in its zone, by the holidays of the handbook that an incident opened with."""
    zone = Organisation.objects.values_list("time_zone", flat=True).first()
    return Office(ZoneInfo(zone or "UTC"), handbook_at(edition).holidays)


def prescription_of(incident: Incident) -> Prescription:
    """What is prescribed for an incident as it stands, by the handbook that it opened with."""
    return handbook_at(incident.edition_id).prescription(incident.incident_type, incident.level)


def rows_of(incident: Incident, prescribed: Prescription, office: Office) -> list[tuple[Any, ...]]:
    """The promises of an incident that opens, as rows of `COLUMNS`: a storm writes thousands of them."""
    clocks, rows = _clocks(incident), []
    for position, asked in enumerate(prescribed.asked, start=1):
        promise = rules.Promise(asked)
        due = promise.due(clocks, office)
        within = asked.within.text if asked.within else ""
        said = (asked.key, asked.kind, asked.what, asked.clock, within)
        look = promise.look_at(due, office, resolved=False, closed=False)
        rows.append((ids.new(), incident.created_at, incident.pk, position, *said, True, due, look, ""))
    return rows


def grow(held: Incident) -> None:
    """Ask of the incident what its type and severity ask for now; what ran stays, what is asked no more says so."""
    follow(held, prescription_of(held).asked)


def follow(
    held: Incident, asked: Iterable[Asked] | None = None, *, anew: Collection[PromiseKind] = frozenset()
) -> None:
    """Bring the promises in line with the incident: what it kept, from when each counts, when to look again.

    Args:
        held: The incident, held and written.
        asked: What is asked of it now; left out, what was asked of it before.
        anew: What counts anew from now on: all of it, where it has just been reopened.
    """
    rows = {row.key: row for row in held.promises.all()}
    have = [promise_of(row) for row in rows.values()]
    if asked is not None:
        have = list(rules.grow(have, asked))
    now, clocks, office = clock.now(), _clocks(held), office_of(held.edition_id)
    state = State(held.state)
    kept = _kept(held)
    new: list[Promise] = []
    was_missed = {row.key for row in rows.values() if row.missed_at is not None and row.kept_at is None}
    changed: list[Promise] = []
    for position, one in enumerate(have, start=1):
        promise = rules.again(one, now) if one.asked.kind in anew else one
        at = promise.kept_at if promise.not_owed else kept.get(promise.asked.kind, promise.kept_at)
        row = rows.get(promise.asked.key) or Promise(incident=held, key=promise.asked.key)
        (changed if promise.asked.key in rows else new).append(row)
        row.kind, row.what, row.clock = promise.asked.kind, promise.asked.what, promise.asked.clock
        row.within = promise.asked.within.text if promise.asked.within else ""
        row.position, row.applies, row.since = position, promise.applies, promise.since
        row.kept_at, row.missed_at = at, promise.missed_at
        row.not_owed = row.not_owed if promise.not_owed else ""
        row.due_at = promise.due(clocks, office)
        row.look_at = looked_at(row, office, state)
    Promise.objects.bulk_create(new)
    db.update_rows(changed, [*_SAID, *_LIVES])
    if was_missed:
        call_off(held)


def looked_at(row: Promise, office: Office, state: State) -> datetime | None:
    """When the engine looks whether a promise was missed, as its incident stands."""
    resolved, closed = state not in UNRESOLVED, state is State.CLOSED
    return promise_of(row).look_at(row.due_at, office, resolved=resolved, closed=closed)


@transaction.atomic
def keep(incident: Incident, *, key: str, note: str, by: Actor, at: datetime | None = None) -> Promise:
    """Say that an audience was told, or a duty done: how (`note`), and when (`at`, else now).

    Andon sends no notice here: it keeps the word of whoever did. Raises `Missing`, `Conflict`.
    """
    must_respond(by, incident, "say what was promised and done")
    held = hold(incident.pk)
    title_of(held, key)
    row = held.promises.get(key=key)
    now = clock.now()
    since = at or now
    if since > now:
        raise Conflict("It cannot have been done in the future.")
    moved = Promise.objects.filter(pk=row.pk, kept_at=None).update(kept_at=since, kept_by=by.person, look_at=None)
    if moved != 1:
        said = "not to apply" if row.not_owed else "to be done"
        raise Conflict(f"“{row.what}” was said {said} already.")
    record(held, "promise_kept", {"promise": row.key, "what": row.what, "note": note.strip()}, by=by, at=since)
    call_off(held)
    row.refresh_from_db()
    return row


def title_of(incident: Incident, key: str) -> str:
    """What is promised under a key that a person keeps by hand. Raises `Missing` where nothing is."""
    row = incident.promises.filter(key=key, kind__in=SAID_BY_HAND).first()
    if row is None:
        raise Missing(f"The protocol of {incident.ref} promises nothing under {key!r} that a person keeps by hand.")
    return row.what


def call_off(held: Incident) -> None:
    """Once all that was missed is done: who has not been paged for it yet need not come."""
    if held.promises.filter(missed_at__isnull=False, kept_at=None, applies=True).exists():
        return
    paging.cancel(held, reason="done meanwhile", now=clock.now(), which=Q(reason__contains=MISSED))


def promise_of(row: Promise) -> rules.Promise:
    """A row as a value of the practice."""
    asked = Asked(
        row.key,
        PromiseKind(row.kind),
        row.what,
        ClockEvent(row.clock),
        Within.parse(row.within) if row.within else None,
    )
    return rules.Promise(asked, row.applies, row.since, row.kept_at, row.missed_at, bool(row.not_owed))


def _clocks(incident: Incident) -> Mapping[ClockEvent, datetime]:
    """When each event happened that starts a clock. Awareness counts from the first signal: never later than it was."""
    known = {
        ClockEvent.FIRST_SIGNAL: incident.detected_at,
        ClockEvent.AWARENESS: incident.detected_at,
        ClockEvent.RESOLVED: incident.resolved_at,
    }
    return {event: at for event, at in known.items() if at is not None}


def _kept(incident: Incident) -> Mapping[PromiseKind, datetime | None]:
    """When what Andon sees by itself was done; None as long as it was not."""
    published = Review.objects.filter(incident=incident).values_list("published_at", flat=True).first()
    return {
        PromiseKind.ACKNOWLEDGE: incident.acknowledged_at,
        PromiseKind.CONTAIN: incident.held,
        PromiseKind.REVIEW: published,
    }


def promises_of(incident: Incident) -> list[Promise]:
    """Its promises in order; for an older incident that has none written, what it would have, unsaved."""
    rows = list(incident.promises.select_related("kept_by"))
    if rows:
        return rows
    names = [name if name != "incident" else "incident_id" for name in COLUMNS]
    made = rows_of(incident, prescription_of(incident), office_of(incident.edition_id))
    kept = _kept(incident)
    found = [Promise(**dict(zip(names, row, strict=True))) for row in made]
    for one in found:
        one.kept_at = kept.get(PromiseKind(one.kind))
    return found


def standing_of(rows: Sequence[Promise], now: datetime) -> list[rules.Standing]:
    """How each promise stands."""
    return [promise_of(row).standing(row.due_at, now) for row in rows]
