"""Kept bytes on their way out, the same for pages, API and command line: checked, written on the timeline, given."""

import tempfile
from collections.abc import Sequence
from typing import IO, Final

from andon.containment.evidence import actions, archive, queries, store
from andon.containment.evidence.models import Item, Preservation
from andon.containment.evidence.policy import must_take
from andon.incidents.models import Incident
from andon.kit.errors import Conflict, Missing
from andon.people.policy import Actor

_IN_MEMORY: Final = 8_000_000
_TAKING: Final = "take evidence along"


def archive_of(incident: Incident, *, by: Actor) -> IO[bytes]:
    """The archive of everything that is kept of an incident, at its beginning; the caller closes it.

    Raises `Missing` where nothing is kept, `Conflict` where the list of it cannot be read.
    """
    must_take(by, incident, _TAKING)
    rows = list(queries.preservations(incident).exclude(finished_at=None))
    if not rows:
        raise Missing(f"Nothing is kept of {incident.ref} yet. Preserve evidence first.")
    made: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  given to the caller
    try:
        archive.write(made, incident, rows)
        actions.exported(incident, which=rows, by=by)
    except BaseException:
        made.close()
        raise
    made.seek(0)
    return made


def bytes_of(item: Item, *, by: Actor) -> bytes:
    """One kept thing. Raises `Conflict` in words where its bytes are not there, or not as they were kept."""
    incident = item.preservation.incident
    must_take(by, incident, _TAKING)
    if not item.digest:
        raise Missing(f"{item.name} could not be collected: {item.why_missing}")
    found = store.left_of(item.digest)
    if found.body is None:
        raise Conflict(f"{item.name} cannot be given out: {found.problem}.")
    actions.exported(incident, which=_one(item.preservation), item=item.name, by=by)
    return found.body


def _one(row: Preservation) -> Sequence[Preservation]:
    return [row]
