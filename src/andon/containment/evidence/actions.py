"""Writes: keep evidence, say that it was taken along, erase what must not be kept.

`preserve` is no one transaction: each thing is kept the moment it is there, so that a process that dies has kept what
it had; the list is sealed at the end, in one transaction with its timeline entry.

Erasing empties all of a thing, or the rows about one person. The digests and sizes stay, so every manifest still
verifies; what is left stands under a digest of its own, which the timeline names. The value by which a person's rows
are found is written nowhere.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models import Max

from andon.containment.evidence import store
from andon.containment.evidence.case import Case
from andon.containment.evidence.collectors import COLLECTORS
from andon.containment.evidence.gathering import LONGEST_WORDS, Piece, Task, gather
from andon.containment.evidence.manifest import Entry, Manifest, digest, iso, written
from andon.containment.evidence.models import Blob, Erasure, Item, Preservation
from andon.containment.evidence.policy import must_erase, must_take
from andon.containment.evidence.queries import still_missing
from andon.incidents.models import Incident
from andon.incidents.timeline import hold, record
from andon.kit import clock
from andon.kit.errors import Conflict, Invalid, Missing
from andon.people.policy import Actor

SECONDS: Final = 10.0
"""Containment is never delayed by more than this."""
LARGEST: Final = 8_000_000
"""Bytes of one thing; collectors keep well below it."""
MOST_TOGETHER: Final = 32_000_000
"""Bytes of one preservation."""
DECISIONS: Final = "decisions"
"""The kind of the things that hold rows."""
_TOO_BIG: Final = "It is larger than may be kept ({size:,} bytes)."


def preserve(
    incident: Incident,
    *,
    why: Preservation.Why,
    by: Actor,
    what_for: str = "",
    key: str = "",
    only: Collection[str] | None = None,
    seconds: float = SECONDS,
) -> Preservation:
    """Keep what an act on the system would destroy; gives the sealed preservation.

    Call it outside of any transaction. With a `key` it is done once: called again, after a crash say, it takes up what
    was kept and collects the rest in the time that is left of `seconds` since it began; what is sealed is given back.

    `what_for` names the lever and its pull; with `only` nothing is collected but things of these names.
    """
    must_take(by, incident, "preserve evidence")
    row = _begin(incident, why, what_for[:300], key, by)
    if row.finished_at is not None:
        return row
    case = Case(row.incident, row.since, row.until)
    longest = min(seconds, SECONDS)
    left = min(longest, max(0.0, longest - (clock.now() - row.created_at).total_seconds()))
    have = dict(row.items.values_list("name", "size"))
    tasks, broken = _tasks(case)
    wanted = [one for one in tasks if one.name not in have and (only is None or one.name in only)]
    room = MOST_TOGETHER - sum(have.values())
    for name, problem in broken.items():
        if name not in have:
            _keep(row, Task(name, name, "Andon", _nothing), problem)
    for task, outcome in gather(wanted, left, monotonic=clock.monotonic):
        kept = outcome
        if isinstance(outcome, Piece) and len(outcome.body) > min(room, LARGEST):
            kept = _TOO_BIG.format(size=len(outcome.body))
        room -= len(kept.body) if isinstance(kept, Piece) else 0
        _keep(row, task, kept)
    return _seal(row, by)


def collect_missing(incident: Incident, *, by: Actor) -> Preservation:
    """Try again what no preservation of the incident could collect. Raises `Conflict` where nothing is missing."""
    must_take(by, incident, "preserve evidence")
    names = still_missing(incident)
    if not names:
        raise Conflict(f"Nothing is missing from the evidence of {incident.ref}.")
    return preserve(incident, why=Preservation.Why.AFTERWARDS, by=by, only=names)


@transaction.atomic
def exported(incident: Incident, *, which: Sequence[Preservation], item: str = "", by: Actor) -> None:
    """Put on the timeline that kept bytes go out to somebody: before they do."""
    must_take(by, incident, "take evidence along")
    body = {"evidence": [row.number for row in which], "item": item}
    record(hold(incident.pk), "evidence_exported", body, by=by)


@transaction.atomic
def erase(item: Item, *, reason: str, by: Actor) -> Erasure:
    """Empty kept bytes for good, with all that an earlier erasure left of them.

    The same bytes may be evidence of several incidents: they are gone from each of them.
    """
    must_erase(by)
    return _empty(item, _reason(reason), by)


@transaction.atomic
def erase_rows(item: Item, *, column: str, value: str, reason: str, by: Actor) -> Erasure:
    """Take the rows about one person out of kept decisions: those with `value` in `column`. The others stay.

    Raises `Invalid` where the thing holds no rows or no such column, `Missing` where no row has the value.
    """
    must_erase(by)
    reason = _reason(reason)
    if item.kind != DECISIONS:
        raise Invalid(f"{item.name} holds no rows. Erase all of it.", field="column")
    found = _there(item)
    lines = (found.body or b"").splitlines(keepends=True)
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    if not any(column in row for row in rows):
        raise Invalid(f"{item.name} has no column “{column}”.", field="column")
    left = [line for line, row in zip(lines, rows, strict=True) if not _about(row, column, value)]
    if len(left) == len(lines):
        raise Missing(f"{item.name} holds no row with this value in “{column}”.")
    facts = {"column": column, "rows": len(lines) - len(left), "left": len(left)}
    return _empty(item, reason, by, remainder=b"".join(left), facts=facts)


def forget(*, column: str, value: str, reason: str, by: Actor) -> list[Item]:
    """Take the rows about one person out of everything that is kept, of every incident; gives the things that held any.

    Each thing is a transaction of its own: called again, it goes on.
    """
    must_erase(by)
    reason = _reason(reason)
    held = []
    seen: set[str] = set()
    for item in Item.objects.filter(kind=DECISIONS).exclude(digest="").order_by("created_at", "pk"):
        found = store.left_of(item.digest)
        if found.body is None or found.digest in seen:
            continue
        seen.add(found.digest)
        if any(_about(json.loads(line), column, value) for line in found.body.splitlines()):
            erase_rows(item, column=column, value=value, reason=reason, by=by)
            held.append(item)
    return held


@transaction.atomic
def _begin(incident: Incident, why: Preservation.Why, what_for: str, key: str, by: Actor) -> Preservation:
    """The preservation to go on with: one that its key has already, or a new one."""
    held = hold(incident.pk)
    found = Preservation.objects.select_related("incident__system").filter(key=key).first() if key else None
    if found is not None:
        if found.incident_id != held.pk:
            raise Conflict(f"The key {key} belongs to evidence of another incident.")
        return found
    case = Case.of(held)
    last = held.preservations.aggregate(last=Max("number"))["last"] or 0
    return Preservation.objects.create(
        incident=held, number=last + 1, why=why, what_for=what_for, key=key or None, actor=by.name, by=by.person,
        since=case.since, until=case.until,
    )  # fmt: skip


def _tasks(case: Case) -> tuple[list[Task], dict[str, str]]:
    """What is to be collected; a collector that breaks is listed by its name, and the others go on."""
    found: dict[str, Task] = {}
    broken: dict[str, str] = {}
    for kind, collect in COLLECTORS.items():
        try:
            for task in collect(case):
                found.setdefault(task.name, task)
        except Exception as error:  # noqa: BLE001  one broken collector must not keep the others from collecting
            broken[kind] = f"{type(error).__name__}: {error}"[:LONGEST_WORDS]
    return list(found.values()), broken


def _nothing(_left: float) -> Piece:
    raise AssertionError("This task is never run: its outcome is known.")


@transaction.atomic
def _keep(row: Preservation, task: Task, outcome: Piece | str) -> None:
    """One outcome, at once: its bytes, or why there are none. What is there under this name stays."""
    item = Item(preservation=row, kind=task.kind, name=task.name, source=task.source[:300])
    if isinstance(outcome, Piece):
        item.digest, item.size = _put(outcome.body), len(outcome.body)
        item.media, item.rows, item.notes = outcome.media, outcome.rows, list(outcome.notes)
    else:
        item.why_missing = outcome or "No reason was given."
    Item.objects.bulk_create([item], ignore_conflicts=True)


def _put(body: bytes) -> str:
    """Keep bytes and give their digest. What is there already stays as it is, emptied ones too."""
    made = Blob(digest=digest(body), size=len(body), body=body)
    Blob.objects.bulk_create([made], ignore_conflicts=True)
    return made.digest


@transaction.atomic
def _seal(row: Preservation, by: Actor) -> Preservation:
    """Write the list, tie it into the timeline's hash chain, and be done; once, whoever comes first."""
    held = hold(row.incident_id)
    now = clock.now()
    manifest = _manifest(row, held)
    sealed = _put(written(manifest))
    moved = Preservation.objects.filter(pk=row.pk, finished_at=None).update(finished_at=now, manifest=sealed)
    if moved == 1:
        kept = manifest.kept
        body = {
            "evidence": row.number,
            "manifest": sealed,
            "why": row.why,
            "what_for": row.what_for,
            "items": len(kept),
            "bytes": sum(one.size for one in kept),
            "missing": [one.name for one in manifest.missing],
        }
        record(held, "evidence_kept", body, by=by)
    return Preservation.objects.select_related("incident__system").get(pk=row.pk)


def _manifest(row: Preservation, incident: Incident) -> Manifest:
    return Manifest(
        incident=incident.ref,
        number=row.number,
        why=row.why,
        what_for=row.what_for,
        actor=row.actor,
        began_at=iso(row.created_at),
        since=iso(row.since),
        until=iso(row.until),
        entries=tuple(
            Entry(
                kind=one.kind,
                name=one.name,
                source=one.source,
                collected_at=iso(one.created_at),
                sha256=one.digest,
                size=one.size,
                media=one.media,
                rows=one.rows,
                notes=tuple(one.notes),
                why_missing=one.why_missing,
            )
            for one in row.items.order_by("name")
        ),
    )


def _reason(given: str) -> str:
    if not given.strip():
        raise Invalid("Say by which right it is erased, as “request of a data subject”.", field="reason")
    return given.strip()


def _about(row: dict[str, Any], column: str, value: str) -> bool:
    """Whether a row has the value, as somebody writes it: a number without quotes too."""
    return column in row and row[column] is not None and str(row[column]) == value


def _there(item: Item) -> store.Found:
    """What is left of a thing. Raises `Conflict` where nothing is."""
    if not item.digest:
        raise Conflict(f"{item.name} was never collected; there is nothing to erase.")
    found = store.left_of(item.digest)
    if found.erased:
        raise Conflict(f"{item.name} was erased already.")
    return found


def _empty(
    item: Item, reason: str, by: Actor, *, remainder: bytes = b"", facts: dict[str, Any] | None = None
) -> Erasure:
    """Empty what is there of a thing, in one transaction with an entry on every incident that held it."""
    gone = _there(item).digest
    left = _put(remainder) if remainder else ""
    if Blob.objects.filter(pk=gone, body__isnull=False).update(body=None) != 1:
        raise Conflict(f"{item.name} was erased already.")
    made = Erasure.objects.create(digest=gone, remainder=left, reason=reason, by=by.person)
    body = {"digest": gone, "remainder": left, "name": item.name, "reason": reason} | (facts or {})
    holders = Incident.objects.filter(preservations__items__digest__in=_leading_to(gone)).distinct().order_by("number")
    for pk in list(holders.values_list("pk", flat=True)):
        record(hold(pk), "evidence_erased", body, by=by)
    return made


def _leading_to(last: str) -> Sequence[str]:
    """Every digest of which this one is what is left."""
    found, fresh = [last], [last]
    while fresh:
        fresh = [
            one for one in Erasure.objects.filter(remainder__in=fresh).values_list("digest", flat=True)
            if one not in found
        ]  # fmt: skip
        found += fresh
    return found
