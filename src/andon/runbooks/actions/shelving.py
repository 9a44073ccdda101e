"""What stands on the shelf, and who answers for it."""

from uuid import UUID

from django.db import IntegrityError, transaction

from andon.handbook.runbook_file import digest
from andon.kit import clock, db
from andon.kit.errors import Conflict, Invalid
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from andon.reviews.queries import today
from andon.runbooks import checking, shelf
from andon.runbooks.models import Runbook, Version
from andon.runbooks.policy import must_decide
from andon.runbooks.shelf import Shelved

WHY_LIMIT = 500


_WHENCE = {Version.Source.SHIPPED: "As Andon ships it", Version.Source.FILE: "As the handbook's file says"}


def hold(found: Shelved) -> Runbook:
    """The row of a runbook, locked until the transaction ends; made where nothing was known of it yet."""
    row, _ = Runbook.objects.get_or_create(key=found.key, defaults={"owner": owner_in(found.text)})
    return db.lock(Runbook.objects.filter(pk=row.pk)).get()


def kept(key: str, *, by: Actor, opened: UUID | None = None) -> tuple[Runbook, Version]:
    """The row of a runbook, held, and a version that says what it says now. The caller is in a transaction.

    Of one that is gone: what it said in the handbook that an incident `opened` with.
    """
    found = shelf.one(key, opened=opened)
    row = hold(found)
    found = shelf.one(key, opened=opened)  # as it is now that nobody else can change it
    if found.is_kept and found.version is not None:
        return row, found.version
    return row, add_version(row, found.text, source=found.source, why=_WHENCE.get(found.source, ""), by=by)


def add_version(row: Runbook, text: str, *, source: Version.Source, why: str, by: Actor) -> Version:
    """The next version of a runbook that is held."""
    newest = row.versions.order_by("-number").values_list("number", flat=True).first() or 0
    return Version.objects.create(
        runbook=row,
        number=newest + 1,
        title=shelf.parsed(text).title,
        text=text,
        digest=digest(text),
        source=source,
        why=why[:WHY_LIMIT],
        by=by.person,
    )


@transaction.atomic
def write(text: str, *, by: Actor) -> Version:
    """Put a runbook of the organisation's own on the shelf. Leads do this; what it says later comes by proposals."""
    by.must_be(OrgRole.LEAD, "write a runbook")
    text = checking.must_read(text)
    key = shelf.parsed(text).key
    taken = Conflict(f"There is a runbook {key!r} already. Propose a change to it, or choose another key.")
    if key in shelf.provided()[0] or Runbook.objects.filter(key=key).exists():
        raise taken
    try:
        with transaction.atomic():
            row = Runbook.objects.create(key=key, own=True, owner=owner_in(text))
    except IntegrityError as error:
        raise taken from error
    return add_version(row, text, source=Version.Source.OWN, why="Written here", by=by)


def owner_in(text: str) -> Person | None:
    """The person whose e-mail address a text names as its owner."""
    named = shelf.parsed(text).owner
    return Person.objects.filter(email__iexact=named, is_active=True).first() if "@" in named else None


@transaction.atomic
def give_owner(key: str, *, person: Person | None, by: Actor) -> Runbook:
    """Name who answers for a runbook here; None leaves it to the role that its text names."""
    by.must_be(OrgRole.LEAD, "name the owner of a runbook")
    if person is not None and not person.is_active:
        raise Invalid(f"{person} is no longer active.", field="owner")
    row, version = kept(key, by=by)
    if version.source == Version.Source.FILE and "@" in shelf.parsed(version.text).owner:
        raise Conflict("Its file names its owner. Change it there, and apply the handbook.")
    row.owner = person
    row.save(update_fields=["owner"])
    return row


@transaction.atomic
def mark_reviewed(key: str, *, by: Actor) -> Runbook:
    """Say that it was read through today and is right. A file says so itself, by its date."""
    found = shelf.one(key)
    must_decide(by, found.row, "mark a runbook as reviewed")
    person = by.must_be_person("mark a runbook as reviewed")
    if found.from_file:
        raise Conflict("A file provides this runbook. Set its date `reviewed` there, and apply the handbook.")
    row, _ = kept(key, by=by)
    row.reviewed_on, row.reviewed_by = today(), person
    row.save(update_fields=["reviewed_on", "reviewed_by"])
    return row


@transaction.atomic
def retire(key: str, *, by: Actor) -> Runbook:
    """Take a runbook off the shelf. Its runs and versions stay, and it can be put back."""
    by.must_be(OrgRole.LEAD, "take a runbook off the shelf")
    if shelf.one(key).from_file:
        raise Conflict("A file provides this runbook. Take the file out of the handbook, and apply it.")
    row, _ = kept(key, by=by)
    if Runbook.objects.filter(pk=row.pk, retired_at=None).update(retired_at=clock.now()) != 1:
        raise Conflict("It is off the shelf already.")
    row.refresh_from_db()
    return row


@transaction.atomic
def put_back(key: str, *, by: Actor) -> Runbook:
    """Put a runbook that was taken off the shelf back on it."""
    by.must_be(OrgRole.LEAD, "put a runbook back")
    row, _ = kept(key, by=by)
    if Runbook.objects.filter(pk=row.pk, retired_at__isnull=False).update(retired_at=None) != 1:
        raise Conflict("It is on the shelf.")
    row.refresh_from_db()
    return row
