"""The runbooks that there are now: those of the handbook in force, and those written here.

A runbook of the handbook is read from there and has no row until something is known of it here, so that applying a
handbook or upgrading Andon never leaves an old text on the shelf. While no handbook was applied, what a person of this
organisation wrote goes before what ships; a file that was applied goes before both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from uuid import UUID

import structlog

from andon.handbook.models import Edition
from andon.handbook.queries import newest_application
from andon.handbook.runbook_file import RunbookError, digest, plain, read, texts
from andon.handbook.source import Kept, shipped
from andon.kit.errors import Missing
from andon.practice import runbook as practice
from andon.runbooks.models import Runbook, Version

_log = structlog.get_logger(__name__)
Source = Version.Source


@dataclass(frozen=True)
class Shelved:
    """A runbook as it stands now.

    Attributes:
        runbook: What it says.
        text: Its text, in Markdown with front matter.
        source: Where that comes from.
        row: What is known of it here; None for one that was never touched.
        version: The newest version that is kept; its text may be older than `text`.
        shipped: The text that comes with Andon under this key; empty if none does.
        gone: Whether neither a file nor a person provides it any more.
        frozen: Whether it is gone, and this is what it said in the handbook that an incident opened with.
    """

    runbook: practice.Runbook
    text: str
    source: Version.Source
    row: Runbook | None = None
    version: Version | None = None
    shipped: str = ""
    gone: bool = False
    frozen: bool = False

    @property
    def key(self) -> str:
        """Its name for ever."""
        return self.runbook.key

    @property
    def is_kept(self) -> bool:
        """Whether the newest version that is kept says what the runbook says now."""
        return self.version is not None and self.version.digest == digest(self.text)

    @property
    def from_file(self) -> bool:
        """Whether a file of the organisation's handbook provides it: then it is read-only here."""
        return self.source is Source.FILE

    @property
    def is_lost(self) -> bool:
        """Whether nobody provides it any more, and no incident's handbook says what it said."""
        return self.gone and not self.frozen

    @property
    def is_off(self) -> bool:
        """Whether it is off the shelf."""
        return (self.gone and not self.frozen) or (
            self.row is not None and self.row.retired_at is not None and not self.from_file
        )


@lru_cache(maxsize=512)
def parsed(text: str) -> practice.Runbook:
    """What a text says; texts that are kept were checked when they came."""
    return read(text, "")


@cache
def shipped_texts() -> Mapping[str, str]:
    """The texts that come with Andon, by key."""
    return {parsed(plain(text)).key: plain(text) for text in texts(shipped()).values()}


def provided() -> tuple[Mapping[str, str], Version.Source]:
    """The texts of the handbook in force by key, and whether they are files of the organisation or ship with Andon."""
    newest = newest_application()
    applied = _applied(newest.edition_id) if newest is not None else {}
    return (applied, Source.FILE) if applied else (shipped_texts(), Source.SHIPPED)


@lru_cache(maxsize=16)
def _applied(edition: UUID) -> Mapping[str, str]:
    """The runbooks of an edition, which never changes; without those that this version of Andon cannot run."""
    found = {}
    for file, text in texts(Kept(Edition.objects.get(pk=edition).texts)).items():
        try:
            found[parsed(plain(text)).key] = plain(text)
        except RunbookError as error:
            _log.error("a runbook of the handbook cannot be run, and is left out", file=file, why=str(error))
    return found


def shelf(*, off: bool = False) -> dict[str, Shelved]:
    """The runbooks on the shelf by key, in order of their titles; or those that are `off` it."""
    given, source = provided()
    kept: dict[str, list[Version]] = {}
    for version in Version.objects.select_related("runbook", "runbook__owner").order_by("number"):
        kept.setdefault(version.runbook.key, []).append(version)
    found = [_shelved(kept.get(key, []), given.get(key, ""), source) for key in {*given, *kept}]
    shown = sorted((one for one in found if one.is_off == off), key=lambda one: (one.runbook.title, one.key))
    return {one.key: one for one in shown}


def one(key: str, *, opened: UUID | None = None) -> Shelved:
    """The runbook of that key as `known` has it. Raises `Missing`."""
    found = known(key, opened=opened)
    if found is None:
        raise Missing(f"There is no runbook {key!r}.")
    return found


def known(key: str, *, opened: UUID | None = None) -> Shelved | None:
    """The runbook of that key, on the shelf or off it; None if nothing is known of it.

    Args:
        key: Its name for ever.
        opened: The edition that an incident opened with: a runbook that is gone says what it said in it.
    """
    given, source = provided()
    rows = Version.objects.select_related("runbook", "runbook__owner").filter(runbook__key=key)
    versions = list(rows.order_by("number"))
    found = _shelved(versions, given.get(key, ""), source) if versions or key in given else None
    gone = found is None or found.gone
    if not gone or opened is None or key not in (then := _applied(opened)):
        return found
    text = then[key]
    frozen = _shelved(versions, text, Source.SHIPPED if text == shipped_texts().get(key) else Source.FILE)
    same = next((one for one in reversed(versions) if one.digest == digest(text)), frozen.version)
    return replace(frozen, version=same, gone=True, frozen=True)


def _shelved(versions: list[Version], given: str, source: Version.Source) -> Shelved:
    """A runbook by its versions, oldest first, and what the handbook in force says under its key; one may be empty."""
    newest = versions[-1] if versions else None
    row = newest.runbook if newest else None
    own = next((one for one in reversed(versions) if one.source == Source.OWN), None) if row and row.own else None
    if given and (source is Source.FILE or own is None):
        text = given
    elif own is not None:
        text, source = own.text, Source.OWN
    else:
        assert newest is not None  # noqa: S101  there is one or the other
        text, source = newest.text, Source(newest.source)
    book = parsed(text)
    gone = not given and own is None
    return Shelved(book, text, source, row, newest, shipped_texts().get(book.key, ""), gone)
