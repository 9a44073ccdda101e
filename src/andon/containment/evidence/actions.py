"""Writes: keep evidence, say that it was taken along.

`preserve` is no one transaction: each thing is kept the moment it is there, so that a process that dies has kept what
it had; the list is sealed at the end, in one transaction with its timeline entry.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from django.db import transaction
from django.db.models import Max

from andon.containment.evidence import store
from andon.containment.evidence.case import Case
from andon.containment.evidence.collectors import COLLECTORS
from andon.containment.evidence.gathering import LONGEST_WORDS, Piece, Task, gather
from andon.containment.evidence.manifest import Entry, Manifest, written
from andon.containment.evidence.models import Item, Preservation
from andon.containment.evidence.policy import must_take
from andon.containment.evidence.queries import still_missing
from andon.incidents.models import Incident
from andon.incidents.timeline import hold, record
from andon.kit import clock
from andon.kit.errors import Conflict
from andon.people.policy import Actor

SECONDS: Final = 10.0
"""Containment is never delayed by more than this."""
LARGEST: Final = 8_000_000
"""Bytes of one thing; collectors keep well below it."""
MOST_TOGETHER: Final = 32_000_000
"""Bytes of one preservation."""
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
        item.digest, item.size = store.put(outcome.body), len(outcome.body)
        item.media, item.rows, item.notes = outcome.media, outcome.rows, list(outcome.notes)
    else:
        item.why_missing = outcome or "No reason was given."
    Item.objects.bulk_create([item], ignore_conflicts=True)


@transaction.atomic
def _seal(row: Preservation, by: Actor) -> Preservation:
    """Write the list, tie it into the timeline's hash chain, and be done; once, whoever comes first."""
    held = hold(row.incident_id)
    now = clock.now()
    manifest = _manifest(row, held)
    sealed = store.put(written(manifest))
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
        began_at=_iso(row.created_at),
        since=_iso(row.since),
        until=_iso(row.until),
        entries=tuple(
            Entry(
                kind=one.kind,
                name=one.name,
                source=one.source,
                collected_at=_iso(one.created_at),
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


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
