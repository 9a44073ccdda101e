"""The hash chain of an incident's timeline: any change to what was written is found.

Each entry's hash covers every field of it, the digest of its body, and the hash of the entry before; the
incident keeps the head (the last hash) and the count. The body itself is not in the chain, only its digest:
erasing a person empties bodies, and the chain still holds.

What this finds: a field edited, a body edited or swapped, entries deleted, inserted or put in another order,
and a tail cut off. What it cannot find by itself: that somebody with the right to write to the database made
a whole new chain with its head and count; against that, keep a copy of the head elsewhere. And a body emptied
by force is not told from one erased by right: an erasure by right leaves an entry of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from andon.practice.words import Word

GENESIS = ""
"""The ``prev_hash`` of the first entry, and the head of a timeline that has none."""

_FORMAT = "andon.timeline.1"
# Beyond this, whole floats and integers are not told apart the same way by every database and JSON library.
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is found now, in the table or in an export.

    Attributes:
        incident_id: Id of the incident; counts by its text.
        seq: Its number in the incident, from 1.
        at: When it happened.
        recorded_at: When it was written down.
        actor: Who or what did it.
        kind: What sort of thing happened.
        body: The particulars; None if erased.
        body_digest: `body_digest` of the body as it was written.
        prev_hash: Hash of the entry before; `GENESIS` for the first.
        hash: `entry_hash` of this entry.
    """

    incident_id: object
    seq: int
    at: datetime
    recorded_at: datetime
    actor: str
    kind: str
    body: object
    body_digest: str
    prev_hash: str
    hash: str


class ProblemCode(Word):
    """What is wrong with a timeline."""

    OUT_OF_SEQUENCE = "out_of_sequence", "an entry is missing, added or out of order"
    FOREIGN = "foreign", "the entry belongs to another incident"
    CHAIN_BROKEN = "chain_broken", "the entry does not follow the one before it"
    ENTRY_CHANGED = "entry_changed", "the entry was changed after it was written"
    BODY_CHANGED = "body_changed", "the body was changed after it was written"
    COUNT_WRONG = "count_wrong", "the incident counts another number of entries"
    HEAD_WRONG = "head_wrong", "the timeline does not end where the incident says"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: at which entry (0 for the timeline as a whole), and a sentence."""

    code: ProblemCode
    seq: int
    text: str


def canonical(value: object) -> bytes:
    """JSON in the one form that is hashed: keys sorted, no white space, UTF-8, whole numbers without a point.

    Raises ValueError or TypeError, naming the place, for what JSON or a database cannot give back unchanged:
    keys that are no strings, NaN and infinities, floats of 2**53 and more, bytes, dates. Write those as text.
    """
    plain = _plain(value, "body")
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def body_digest(body: object) -> str:
    """SHA-256 of the canonical JSON of a body, in hexadecimal."""
    return sha256(canonical(body)).hexdigest()


def entry_hash(
    *,
    incident_id: object,
    seq: int,
    at: datetime,
    recorded_at: datetime,
    actor: str,
    kind: str,
    body_digest: str,
    prev_hash: str,
) -> str:
    """SHA-256 over every field of an entry, in hexadecimal.

    Times count by their instant, to the microsecond, whatever zone they are given in; raises ValueError for
    one without a zone.
    """
    fields = [
        _FORMAT,
        str(incident_id),
        seq,
        _instant(at),
        _instant(recorded_at),
        actor,
        kind,
        body_digest,
        prev_hash,
    ]
    return sha256(canonical(fields)).hexdigest()


def verify(entries: Iterable[Entry], head: str, count: int) -> list[Problem]:
    """Everything that is wrong with a timeline; an empty list means that it is as it was written.

    Args:
        entries: The entries in the order of ``seq``, as they are now.
        head: The last hash that the incident keeps; `GENESIS` for none.
        count: The number of entries that the incident keeps.
    """
    problems: list[Problem] = []
    previous, number, incident = GENESIS, 0, None
    for number, entry in enumerate(entries, 1):
        incident = entry.incident_id if incident is None else incident
        codes = _wrong_with(entry, number, previous, incident)
        problems += [Problem(code, entry.seq, f"Entry {entry.seq}: {code.words}.") for code in codes]
        previous = entry.hash
    if number != count:
        text = f"The incident counts {count} entries, but {number} are here: some were removed or added."
        problems.append(Problem(ProblemCode.COUNT_WRONG, 0, text))
    if previous != head:
        text = "The last entry is not the one that the incident says: the end was cut off, changed or added to."
        problems.append(Problem(ProblemCode.HEAD_WRONG, 0, text))
    return problems


def _wrong_with(entry: Entry, number: int, previous: str, incident: object) -> list[ProblemCode]:
    """What is wrong with one entry, at its place."""
    checks = {
        ProblemCode.OUT_OF_SEQUENCE: entry.seq == number,
        ProblemCode.FOREIGN: str(entry.incident_id) == str(incident),
        ProblemCode.CHAIN_BROKEN: entry.prev_hash == previous,
        ProblemCode.ENTRY_CHANGED: _hash_holds(entry),
        ProblemCode.BODY_CHANGED: entry.body is None or _digest_holds(entry),
    }
    return [code for code, holds in checks.items() if not holds]


def _hash_holds(entry: Entry) -> bool:
    try:
        expected = entry_hash(
            incident_id=entry.incident_id,
            seq=entry.seq,
            at=entry.at,
            recorded_at=entry.recorded_at,
            actor=entry.actor,
            kind=entry.kind,
            body_digest=entry.body_digest,
            prev_hash=entry.prev_hash,
        )
    except (TypeError, ValueError, AttributeError):
        return False  # a field that cannot be hashed was never written by us
    return expected == entry.hash


def _digest_holds(entry: Entry) -> bool:
    try:
        return body_digest(entry.body) == entry.body_digest
    except (TypeError, ValueError):
        return False  # as above


def _instant(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone, so it is no instant that could be hashed.")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _plain(value: object, where: str) -> object:
    """The value with every number in its one form, or an error that says where it is not plain JSON."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _number(value, where)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}, which is no text; JSON keys are.")
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{where} is a {type(value).__name__}, which JSON cannot hold. Write it as text.")


def _number(value: float, where: str) -> float:
    if value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if abs(value) < _EXACT:
        return value
    raise ValueError(f"{where} is {value!r}, which not every store gives back unchanged. Write it as text.")
