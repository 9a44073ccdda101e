"""Reads of the handbook: which is in force, which one an incident opened with, and how it came to be.

The database says which is in force, so that every process of every replica goes by the same one; a process only keeps
what an edition says once it was read, for an edition never changes.
"""

from functools import lru_cache
from uuid import UUID

import structlog
from django.db.models import QuerySet

from andon.handbook.book import Handbook, read_handbook, shipped_handbook, texts_of
from andon.handbook.models import Application, Edition
from andon.handbook.policy import must_view
from andon.handbook.source import Kept, shipped
from andon.people.policy import Actor

_KEPT = 16
_log = structlog.get_logger(__name__)


def in_force() -> Handbook:
    """The handbook in force: the one that was applied last, or the shipped one where none ever was."""
    newest = newest_application()
    return shipped_handbook() if newest is None else handbook_at(newest.edition_id)


def newest_application() -> Application | None:
    """Who put the handbook in force there, and when; None while it is the shipped one. Reads no text."""
    rows = Application.objects.select_related("edition", "by").defer("edition__texts", "changes")
    return rows.order_by("-number").first()


def handbook_at(edition: UUID | None) -> Handbook:
    """What the edition with this key says; the handbook in force for None, which is what older incidents have."""
    return in_force() if edition is None else _read(edition)


@lru_cache(maxsize=_KEPT)
def _read(edition: UUID) -> Handbook:
    """An edition, read once a process. What this version cannot use of it is taken from the shipped handbook."""
    digest, texts = Edition.objects.values_list("digest", "texts").get(pk=edition)
    if digest == shipped_handbook().digest:
        return shipped_handbook()
    found = read_handbook(Kept(texts), instead=shipped())
    for fault in found.faults:
        _log.error("a part of the handbook cannot be used; the shipped one stands in", edition=digest, why=str(fault))
    return found


def texts_in_force() -> dict[str, str]:
    """The texts of the handbook in force, by path."""
    newest = newest_application()
    return shipped_texts() if newest is None else dict(Edition.objects.get(pk=newest.edition_id).texts)


def shipped_texts() -> dict[str, str]:
    """The texts of the handbook that comes with Andon, by path."""
    return texts_of(shipped())


def history(by: Actor) -> QuerySet[Application]:
    """Every handbook that was applied, the newest first."""
    must_view(by)
    return Application.objects.select_related("edition", "by").defer("edition__texts").order_by("-number")
