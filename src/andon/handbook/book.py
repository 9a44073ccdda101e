"""A handbook as a whole: its texts, what they say, and what is wrong with them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cache, partial
from importlib.resources.abc import Traversable
from typing import Final, TypeVar

from andon.handbook.files import ABOUT_FILE, CALENDAR_FILE, REVIEW_FILE, SEVERITY_FILE, AboutFile
from andon.handbook.loader import RUNBOOKS, ReviewSection, load_holidays, load_protocol, load_review_sections
from andon.handbook.recipes import BOOKS, COLUMNS_FILE, FALLBACK, RecipeBook, Role, load_books, load_roles
from andon.handbook.recipes import FOLDER as WATCHES
from andon.handbook.source import HandbookError, convert, read, shipped, text_of
from andon.handbook.tables import SeverityTables, load_severity_tables
from andon.practice.protocol import Prescription, Protocol, prescribe
from andon.practice.severity import Severity
from andon.practice.words import IncidentType, SystemKind

T = TypeVar("T")
PROTOCOLS: Final = "protocols"
_FOLDERS: Final = {PROTOCOLS: ".yaml", WATCHES: ".yaml", RUNBOOKS: ".md"}
_FILES: Final = (ABOUT_FILE, SEVERITY_FILE, REVIEW_FILE, CALENDAR_FILE)
_WEB: Final = re.compile(r"https?://\S+")

Check = Callable[[Traversable], Iterable[HandbookError]]
checks: Final[list[Check]] = []
"""What higher slices check of a handbook: they add to it from their `ties.py`."""


@dataclass(frozen=True)
class Handbook:
    """What a handbook says.

    Attributes:
        digest: Of its texts: two handbooks with the same one are the same, to the comma.
        faults: What could not be used and was taken from the shipped handbook instead; empty but for one that was
            applied under another version of Andon.
    """

    digest: str
    about: AboutFile
    protocols: Mapping[IncidentType, Protocol]
    severity: SeverityTables
    sections: tuple[ReviewSection, ...]
    books: Mapping[str, RecipeBook]
    roles: tuple[Role, ...]
    holidays: frozenset[date] = frozenset()
    faults: tuple[HandbookError, ...] = ()

    def prescription(self, type: IncidentType, severity: Severity) -> Prescription:  # noqa: A002  the design's word for it
        """What is prescribed for an incident of this type at this severity."""
        return prescribe(self.protocols[type], severity, self.severity.targets[severity])

    def recipes_for(self, kind: SystemKind) -> RecipeBook:
        """What is worth watching on a kind of system; what is on classifiers where no book names it."""
        return next((book for book in self.books.values() if kind in book.systems), self.books[FALLBACK])


def texts_of(root: Traversable) -> dict[str, str]:
    """The texts of the handbook at `root`, by path: what is not of a handbook is left out. Raises HandbookError."""
    return {path: text_of(root, path) for path in _paths(root)}


def digest_of(texts: Mapping[str, str]) -> str:
    """The SHA-256 of a handbook's texts and their paths."""
    found = hashlib.sha256()
    for path, text in sorted(texts.items()):
        for part in (path.encode(), text.encode()):
            found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


def read_handbook(root: Traversable, *, instead: Traversable | None = None) -> Handbook:
    """What the handbook at `root` says. Raises HandbookError for the first mistake.

    Args:
        root: Its folder.
        instead: Where a part is taken from that cannot be used: for a handbook that was applied under another version
            of Andon, for an incident must open whatever stands in it.
    """
    faults: list[HandbookError] = []

    def part(load: Callable[[Traversable], T]) -> T:
        try:
            return load(root)
        except HandbookError as fault:
            if instead is None:
                raise
            faults.append(fault)
            return load(instead)

    return Handbook(
        digest=digest_of(texts_of(root)),
        about=part(load_about),
        protocols={type_: part(partial(_protocol, type_=type_)) for type_ in IncidentType},
        severity=part(load_severity_tables),
        sections=part(load_review_sections),
        books=part(load_books),
        roles=part(load_roles),
        holidays=part(load_holidays),
        faults=tuple(faults),
    )


@cache
def shipped_handbook() -> Handbook:
    """The handbook that comes with Andon, read once. Raises HandbookError."""
    return read_handbook(shipped())


def load_about(root: Traversable) -> AboutFile:
    """What a handbook says of itself. Raises HandbookError."""
    document = read(root, ABOUT_FILE)
    about = convert(document, AboutFile)
    if about.propose and not _WEB.fullmatch(about.propose):
        raise document.error("propose", "it is no address on the web. Begin with https://, or leave it empty.")
    if not about.title.strip():
        raise document.error("title", "it is empty. Say what this handbook is called.")
    return about


def check(root: Traversable) -> list[HandbookError]:
    """Everything that is wrong in the files of the handbook at `root`; nothing if it can be used."""
    loads: list[Callable[[Traversable], object]] = [
        load_about,
        *(partial(_protocol, type_=type_) for type_ in IncidentType),
        load_review_sections,
        load_severity_tables,
        load_holidays,
        load_books,
    ]
    mistakes = [*_strangers(root)]
    for load in loads:
        try:
            load(root)
        except HandbookError as mistake:
            mistakes += mistake.all
    for further in checks:
        mistakes += further(root)
    return sorted(mistakes, key=lambda mistake: (mistake.file, mistake.line or 0))


def _protocol(root: Traversable, *, type_: IncidentType) -> Protocol:
    return load_protocol(root, type_)


def _paths(root: Traversable) -> list[str]:
    """The paths of the files that make a handbook."""
    found = [file for file in _FILES if root.joinpath(file).is_file()]
    for folder, ending in _FOLDERS.items():
        inside = root.joinpath(folder)
        if inside.is_dir():
            found += sorted(f"{folder}/{one.name}" for one in inside.iterdir() if one.name.endswith(ending))
    return found


def _strangers(root: Traversable) -> Iterable[HandbookError]:
    """Protocols of no type, and files whose name is misspelt: they would be passed over without a word."""
    for path in _paths(root):
        folder, _, name = path.rpartition("/")
        if folder == PROTOCOLS and name.removesuffix(".yaml") not in set(IncidentType):
            types = ", ".join(IncidentType)
            yield HandbookError(path, "", f"there is no such type of incident. Name it for one of: {types}.")
        if folder == WATCHES and path != COLUMNS_FILE and name.removesuffix(".yaml") not in BOOKS:
            yield HandbookError(path, "", f"this file is read by nobody. Name it for one of: {', '.join(BOOKS)}.")
    names = [one.name for one in root.iterdir() if one.name.endswith((".yaml", ".yml")) and one.name not in _FILES]
    for name in sorted(names):
        if near := get_close_matches(name, _FILES, n=1, cutoff=0.75):
            yield HandbookError(name, "", f"this file is read by nobody. Do you mean {near[0]}?")
