"""Whether the rows of pulls say what the timeline says of them: which lever, asked by whom, agreed to by whom, its end.

The entries are sealed by their hash chain (`incidents.timeline.verify`); the rows beside them, which pages and metrics
go by, are not. Rehearsals belong to no incident, so that nothing seals their rows.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from andon.containment.models import Pull
from andon.incidents.models import Incident, TimelineEntry
from andon.incidents.timeline import Broken
from andon.kit import db
from andon.practice.containment import PullState

TOLERANCE: Final = timedelta(minutes=5)
"""How far a time of a row may lie from its entry's: they are written together, by a clock that is read twice."""
_BEGUN: Final = frozenset({PullState.APPROVED, PullState.PRESERVED, PullState.PREPARED})
_FIRST: Final = frozenset({"lever_asked", "lever_pulled"})
_STATES: Final[Mapping[str, frozenset[PullState]]] = {
    "lever_asked": frozenset({PullState.ASKED}),
    "lever_pulled": _BEGUN,
    "lever_acting": frozenset({PullState.ACTING}),
    "lever_acted": frozenset({PullState.ACTED}),
    "lever_in_doubt": frozenset({PullState.ACTED}),
    "lever_verified": frozenset({PullState.VERIFIED}),
    "lever_unverified": frozenset({PullState.UNVERIFIED}),
    "lever_failed": frozenset({PullState.FAILED}),
    "lever_declined": frozenset({PullState.WITHDRAWN}),
    "lever_withdrawn": frozenset({PullState.WITHDRAWN}),
}
"""In which states a pull can be after an entry of this kind."""
_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "lever_acting": ("says", "says"),
    "lever_verified": ("says", "seen"),
    "lever_unverified": ("says", "seen"),
    "lever_failed": ("says", "outcome"),
    "lever_declined": ("reason", "outcome"),
    "lever_withdrawn": ("reason", "outcome"),
}
"""Which word of an entry stands in which column of the row."""
_ENDS: Final = frozenset(_TEXTS) - {"lever_acting"}


def verify(incident: Incident) -> list[Broken]:
    """Every pull of an incident whose rows say otherwise than its timeline; an empty list means that none does.

    Pulls go on meanwhile, so rows and timeline are read at one instant.
    """
    with db.at_one_instant():
        return _compared(incident)


def _compared(incident: Incident) -> list[Broken]:
    told: dict[str, list[TimelineEntry]] = defaultdict(list)
    for entry in incident.timeline.filter(kind__startswith="lever_", body__isnull=False).order_by("seq"):
        told[str((entry.body or {}).get("pull"))].append(entry)
    rows = {pull.ref: pull for pull in incident.pulls.select_related("lever").prefetch_related("approvals")}
    found: list[Broken] = []
    for ref, pull in rows.items():
        entries = told.get(ref, [])
        seq = entries[-1].seq if entries else 0
        found += [Broken(incident.ref, seq, f"{ref}: {problem}") for problem in _of_pull(pull, entries)]
    for ref in sorted(told.keys() - rows.keys()):
        text = f"{ref}: the timeline names it, and it is among the pulls of the incident no more."
        found.append(Broken(incident.ref, told[ref][0].seq, text))
    return found


def _of_pull(pull: Pull, entries: Sequence[TimelineEntry]) -> Iterator[str]:
    if not entries:
        yield "no entry of the timeline names it, so it was added or exchanged."
        return
    bodies: list[Mapping[str, Any]] = [entry.body or {} for entry in entries]
    first, last = entries[0], entries[-1]
    sealed = {(body.get("lever"), body.get("undo"), body.get("target")) for body in bodies}
    if sealed != {(pull.lever.ref, pull.undoes_id is not None, pull.target)}:
        yield "it is listed for another lever or target than the timeline says, or as an undo where it is none."
    if first.kind in _FIRST:  # else its words were erased with a person
        if pull.asked_by_id is not None and first.person_id != pull.asked_by_id:
            yield "it is listed as asked for by somebody else than the timeline says."
        if bodies[0].get("why") != pull.why:
            yield "why it was asked for is listed in other words than the timeline has."
    if pull.phase not in _states(last):
        yield f"it is listed as {pull.phase.words}, which is not what the timeline says."
    for entry, body in zip(entries, bodies, strict=True):
        said, column = _TEXTS.get(entry.kind, ("", ""))
        if column and body.get(said) != getattr(pull, column):
            yield f"what it {'would change' if column == 'says' else 'came to'} is not what the timeline says."
    yield from _times(pull, entries)
    yield from _words(pull, entries)


def _states(entry: TimelineEntry) -> frozenset[PullState]:
    """The states that a pull can be in after this entry, the newest about it."""
    if entry.kind == "lever_agreed":
        return _BEGUN if (entry.body or {}).get("enough") else frozenset({PullState.ASKED})
    return _STATES.get(entry.kind, frozenset())


def _times(pull: Pull, entries: Sequence[TimelineEntry]) -> Iterator[str]:
    """Where a time of the row lies elsewhere than its entry."""
    agreed = [e for e in entries if e.kind == "lever_pulled" or (e.kind == "lever_agreed" and (e.body or {})["enough"])]
    acting = [entry for entry in entries if entry.kind == "lever_acting"]
    ended = [entry for entry in entries if entry.kind in _ENDS]
    for name, at, of in (
        ("agreed to", pull.approved_at, agreed),
        ("acting", pull.acting_at, acting),
        ("ended", pull.ended_at, ended),
    ):
        if (at is None) is bool(of) or (at is not None and abs(at - of[-1].recorded_at) > TOLERANCE):
            yield f"when it was {name} is not what the timeline says."


def _words(pull: Pull, entries: Sequence[TimelineEntry]) -> Iterator[str]:
    """Where other people are listed as having agreed or refused; who was erased since is named in neither."""
    said = {
        entry.person_id: entry.kind == "lever_agreed"
        for entry in entries
        if entry.kind in {"lever_agreed", "lever_declined"} and entry.person_id != pull.asked_by_id
    }
    listed = {one.person_id: one.agreed for one in pull.approvals.all() if one.person_id is not None}
    if any(said.get(person) is not agreed for person, agreed in listed.items()):
        yield "somebody is listed as having agreed or refused of whom the timeline says otherwise."
    if len(said) != pull.approvals.count():
        yield "more or fewer people are listed as having agreed or refused than the timeline says."
