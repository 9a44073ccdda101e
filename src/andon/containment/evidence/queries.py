"""Reads: what was kept of an incident, and how it stands."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from andon.containment.evidence import store
from andon.containment.evidence.manifest import Manifest, read
from andon.containment.evidence.models import Erasure, Item, Preservation
from andon.incidents.models import Incident
from andon.kit.errors import Conflict


@dataclass(frozen=True, slots=True)
class Listed:
    """A preservation with what it holds and what could not be collected."""

    row: Preservation
    kept: list[Item]
    missing: list[Item]

    @property
    def size(self) -> int:
        """Bytes of everything kept."""
        return sum(item.size for item in self.kept)


def preservations(incident: Incident) -> QuerySet[Preservation]:
    """Every time that evidence of an incident was kept, in order."""
    return Preservation.objects.filter(incident=incident).select_related("by", "incident")


def listed(incident: Incident) -> list[Listed]:
    """The same, each with its items; a fixed number of queries."""
    rows = list(preservations(incident).prefetch_related("items"))
    return [of_row(row) for row in rows]


def of_row(row: Preservation) -> Listed:
    """One preservation with its items."""
    items = list(row.items.all())
    return Listed(row, [one for one in items if one.digest], [one for one in items if not one.digest])


def still_missing(incident: Incident) -> list[str]:
    """The names of what no preservation of the incident has collected."""
    rows = Item.objects.filter(preservation__incident=incident).order_by("created_at").values_list("name", "digest")
    kept = {name for name, digest in rows if digest}
    return [name for name in dict.fromkeys(name for name, _ in rows) if name not in kept]


def erased(digests: Iterable[str]) -> dict[str, Erasure]:
    """Which of these were erased by right, each with the last erasure of it: one that left nothing, or a remainder."""
    found: dict[str, Erasure] = {row.digest: row for row in Erasure.objects.filter(digest__in=set(digests))}
    further = {row.remainder for row in found.values()} - {""}
    later = erased(further) if further else {}
    return {digest: later.get(row.remainder, row) for digest, row in found.items()}


def manifest_of(row: Preservation) -> Manifest:
    """The sealed list of a preservation. Raises `Conflict` in words while there is none, or when it is damaged."""
    if row.finished_at is None:
        raise Conflict(f"{row} is still being collected, or what collected it died. Its items stand in the list.")
    found = store.get(row.manifest)
    if found.body is None:
        raise Conflict(f"The manifest of {row} cannot be read: {found.problem}. `andon evidence verify` says more.")
    try:
        return read(found.body)
    except ValueError as error:
        raise Conflict(f"The manifest of {row} cannot be read: {error}") from error
