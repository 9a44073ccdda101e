"""The append-only, hash-chained timeline: how an entry is written, and how the whole is verified.

The chain: each entry's hash covers its fields, the digest of its body and the hash before it; the incident keeps
the count and the newest hash, so that a cut tail shows. The rules are `andon.practice.timeline`; the database
refuses updates and deletions by trigger (see the migration).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.dispatch import Signal

from andon.incidents.models import Incident, TimelineEntry
from andon.kit import clock, db, wake
from andon.kit.errors import Conflict
from andon.people.policy import Actor
from andon.practice import timeline as rules

recorded: Final = Signal()
"""Sent with the new `entries` in the transaction that writes them: what follows from them is written with them.

Each entry has its incident in hand, as it is after what the entry says. A higher slice receives it in its `ties`.
"""


def hold(pk: UUID) -> Incident:
    """The incident, locked until the transaction ends: whoever changes an incident begins here."""
    return db.lock(Incident.objects.filter(pk=pk)).get()


@dataclass(frozen=True)
class News:
    """Something to be put on a timeline; `at` is when it happened, if that was earlier than now."""

    incident: Incident
    kind: str
    body: Mapping[str, Any]
    by: Actor
    at: datetime | None = None


def record(
    incident: Incident, kind: str, body: Mapping[str, Any], *, by: Actor, at: datetime | None = None
) -> TimelineEntry:
    """Append one entry; the caller holds the incident. `at` is when it happened, if that was earlier than now."""
    return record_all([News(incident, kind, body, by, at)])[0]


@transaction.atomic
def record_all(news: Sequence[News], *, moved: Sequence[str] = ()) -> list[TimelineEntry]:
    """Append entries to any number of incidents, in the order given, by the same two statements however many.

    The caller holds the incidents. Raises Conflict, and has written nothing, when one of them changed all the same.

    Args:
        news: What happened.
        moved: Names of fields that what happened changed on the incidents in hand: they are written with it.
    """
    incidents = {item.incident.pk: item.incident for item in news}
    before = {pk: (incident.timeline_count, incident.timeline_head) for pk, incident in incidents.items()}
    entries = drafted(news)
    change = ["timeline_count", "timeline_head", "changed_at", *moved]
    heads = [(*(getattr(incident, name) for name in change), pk, before[pk][0]) for pk, incident in incidents.items()]
    if db.update_each(Incident, change, heads, where=["id", "timeline_count"]) != len(heads):
        for pk, incident in incidents.items():
            incident.timeline_count, incident.timeline_head = before[pk]
        refs = ", ".join(incident.ref for incident in incidents.values())
        raise Conflict(f"{refs} changed while this was being recorded. Nothing was written; try again.")
    write(entries)
    return entries


def drafted(news: Sequence[News]) -> list[TimelineEntry]:
    """The next entries of incidents in hand, whose heads move on with them; nothing is written."""
    incidents = {item.incident.pk: item.incident for item in news}
    return [_append(incidents[item.incident.pk], item) for item in news]


def write(entries: Sequence[TimelineEntry]) -> None:
    """Write drafted entries, in the transaction that writes the incidents with their heads, and tell of them."""
    db.insert_rows(entries)
    if entries:
        recorded.send(sender=TimelineEntry, entries=entries)
        wake.after_commit()


def _append(incident: Incident, item: News) -> TimelineEntry:
    """The next entry of an incident in hand, whose head moves on with it; neither is written."""
    now = clock.now()
    entry = TimelineEntry(
        incident=incident,
        seq=incident.timeline_count + 1,
        at=item.at or now,
        recorded_at=now,
        actor=item.by.name,
        person=item.by.person,
        kind=item.kind,
        body=dict(item.body),
        body_digest=rules.body_digest(dict(item.body)),
        prev_hash=incident.timeline_head,
    )
    entry.hash = rules.entry_hash(**_hashed(entry))
    # Never back: after a clock was set back, that it lies ahead is how the auditor finds what was timed by that clock.
    changed_at = max(incident.changed_at, now)
    incident.timeline_count, incident.timeline_head, incident.changed_at = entry.seq, entry.hash, changed_at
    return entry


def _hashed(entry: TimelineEntry) -> dict[str, Any]:
    """The fields that an entry's hash covers."""
    return {
        "incident_id": str(entry.incident_id),
        "seq": entry.seq,
        "at": entry.at,
        "recorded_at": entry.recorded_at,
        "actor": entry.actor,
        "kind": entry.kind,
        "body_digest": entry.body_digest,
        "prev_hash": entry.prev_hash,
    }


@dataclass(frozen=True)
class Broken:
    """A timeline that does not verify: which incident, where, and what is wrong."""

    ref: str
    seq: int
    problem: str


def verify(incident: Incident) -> list[Broken]:
    """Recompute the incident's chain from its first entry; an empty list means that nothing was changed.

    The count and the newest hash are read anew, at one instant with the entries: others may write meanwhile.
    """
    with db.at_one_instant():
        return _verified(Incident.objects.get(pk=incident.pk))


def _verified(incident: Incident) -> list[Broken]:
    """Of an incident that was read at one instant with what is read here."""
    entries = [
        rules.Entry(**_hashed(entry), hash=entry.hash, body=entry.body)
        for entry in incident.timeline.order_by("seq").iterator(chunk_size=2000)
    ]
    problems = rules.verify(entries, head=incident.timeline_head, count=incident.timeline_count)
    return [Broken(incident.ref, problem.seq, problem.text) for problem in problems]


def verify_all() -> Iterator[tuple[Incident, list[Broken]]]:
    """Verify every incident, oldest first, one at a time so that long work can show its progress.

    Each is read at an instant of its own, and no reading is open between two of them (see `db.at_one_instant`).
    """
    seen = 0
    while portion := list(
        Incident.objects.filter(number__gt=seen).order_by("number").values_list("pk", "number")[:200]
    ):
        for pk, _ in portion:
            with db.at_one_instant():
                incident = Incident.objects.get(pk=pk)
                problems = _verified(incident)
            yield incident, problems
        seen = portion[-1][1]
