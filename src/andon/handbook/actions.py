"""Putting a handbook in force: one transaction, append-only, and the same one twice changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from andon.handbook.book import check, digest_of, read_handbook, shipped_handbook
from andon.handbook.differences import Difference, differences
from andon.handbook.models import Application, Edition
from andon.handbook.policy import must_apply
from andon.handbook.queries import newest_application, shipped_texts, texts_in_force
from andon.handbook.source import HandbookError, Kept
from andon.kit import db
from andon.kit.errors import Conflict, Invalid
from andon.people.policy import Actor
from andon.practice.words import IncidentType

NOTE_LIMIT: Final = 200
MOST: Final = 8_000_000
"""Characters of a whole handbook: more is no handbook, but something that lay in its folder."""

StepsThatRan = Callable[[IncidentType, frozenset[str]], Mapping[str, int]]
steps_that_ran: Final[list[StepsThatRan]] = []
"""Asked with a type and keys of steps of its protocol; each answers in how many incidents a step was done or waived."""


@dataclass(frozen=True)
class Applied:
    """What came of applying a handbook: the row in force, what changed, and whether anything was written at all."""

    application: Application
    changes: tuple[Difference, ...]
    new: bool


class Unusable(Invalid):
    """A handbook has mistakes: `mistakes` are all that were found."""

    def __init__(self, mistakes: list[HandbookError]) -> None:
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        super().__init__(f"{mistakes[0]}{more}")
        self.mistakes = mistakes


@transaction.atomic
def apply(texts: Mapping[str, str], *, by: Actor, note: str = "") -> Applied:
    """Put a handbook in force, for every replica at once. Incidents that are open keep the one they opened with.

    Raises `Unusable` for one with mistakes and `Conflict` for one in which a step that somebody did is missing.
    Administrators only. Two who apply at once take turns; the same texts again change nothing.
    """
    must_apply(by)
    if len(note) > NOTE_LIMIT:
        raise Invalid(f"The note is longer than {NOTE_LIMIT} characters. Name the commit, and say the rest there.")
    if sum(map(len, texts.values())) > MOST:
        raise Invalid(f"The folder holds more than {MOST:,} characters. Leave out of it what is not the handbook.")
    if mistakes := check(Kept(texts)):
        raise Unusable(mistakes)
    db.hold_name("handbook", alone=True)
    newest = newest_application()
    if newest is not None and newest.edition.digest == digest_of(texts):
        return Applied(newest, (), new=False)
    before = texts_in_force()
    _refuse_lost_steps(before, texts)
    changes = differences(before, texts)
    row = Application.objects.create(
        number=newest.number + 1 if newest else 1,
        edition=edition_of(texts),
        actor=by.name,
        by=by.person,
        note=note.strip(),
        changes=[str(change) for change in changes],
    )
    return Applied(row, tuple(changes), new=True)


def edition_of(texts: Mapping[str, str]) -> Edition:
    """The edition of these texts; made if there is none yet, whoever else is making it at this moment."""
    digest = digest_of(texts)
    found = Edition.objects.defer("texts").filter(digest=digest).first()
    if found is None:
        Edition.objects.bulk_create([Edition(digest=digest, texts=dict(texts))], ignore_conflicts=True)
        found = Edition.objects.defer("texts").get(digest=digest)
    return found


def edition_in_force() -> Edition:
    """The edition that an incident which opens now is to keep."""
    newest = newest_application()
    if newest is not None:
        return newest.edition
    known = Edition.objects.defer("texts").filter(digest=shipped_handbook().digest).first()
    return known or edition_of(shipped_texts())


def _refuse_lost_steps(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Refuse what takes out a step that somebody did: its record stands under that key."""
    was, becomes = read_handbook(Kept(before), instead=Kept(shipped_texts())), read_handbook(Kept(after))
    for type_, protocol in was.protocols.items():
        keys = frozenset(step.key for step in protocol.steps)
        lost = keys - {step.key for step in becomes.protocols[type_].steps}
        ran = {key: count for ask in steps_that_ran for key, count in ask(type_, lost).items()} if lost else {}
        if ran:
            named = ", ".join(f"{key} (in {count} incident{'s' if count > 1 else ''})" for key, count in ran.items())
            raise Conflict(
                f"protocols/{type_}.yaml lacks steps that were done or waived: {named}. What was done is recorded "
                "under their keys. Keep each, with `retired: true` if it is to be prescribed no more."
            )
