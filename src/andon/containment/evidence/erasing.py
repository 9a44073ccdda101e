"""Writes: what must not be kept any longer is emptied by right, all of a thing or the rows about one person.

The digests and sizes stay, so every manifest still verifies; what is left of a thing stands under a digest of its own,
which the timeline names. The value by which a person's rows are found is written nowhere.
"""

import json
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from andon.containment.evidence import store
from andon.containment.evidence.models import Blob, Erasure, Item
from andon.containment.evidence.policy import must_erase
from andon.incidents.models import Incident
from andon.incidents.timeline import hold, record
from andon.kit.errors import Conflict, Invalid, Missing
from andon.people.policy import Actor

DECISIONS = "decisions"
"""The kind of the things that hold rows."""


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
    left = store.put(remainder) if remainder else ""
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
