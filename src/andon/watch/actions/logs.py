"""Decision logs are connected, changed and let go. Each is looked at before it is kept."""

from typing import Any

from django.db import transaction

from andon.kit import clock, db
from andon.kit.crypto import opened
from andon.kit.errors import Conflict, Invalid
from andon.people.policy import Actor
from andon.watch.facts import LogFacts, fitted
from andon.watch.models import Log
from andon.watch.policy import must_manage
from andon.watch.reading import Place, Unreadable, looking
from andon.watch.reading.places import LogEngine


def create_log(facts: LogFacts, *, by: Actor) -> Log:
    """Connect a decision log. It is opened once, for its columns, outside of any transaction.

    Raises:
        Invalid: It cannot be read, or lacks a column that the facts name.
        Conflict: The system has a log of that name.
    """
    must_manage(by, "connect a decision log")
    said, found = _seen(facts)
    with transaction.atomic():
        _free(said)
        return Log.objects.create(**said, columns=found, checked_at=clock.now(), made_by=by.person)


def change_log(log: Log, facts: LogFacts, *, by: Actor) -> Log:
    """Let a log lie elsewhere, or name its columns otherwise. Watches go on where they were.

    An empty `source` leaves the one that is kept, which is never shown, in place.
    """
    must_manage(by, "change a decision log")
    if not facts.source.strip() and log.source:
        facts = LogFacts(**{**vars(facts), "source": opened(log.source)})
    said, found = _seen(facts)
    with transaction.atomic():
        held = db.lock(Log.objects.filter(pk=log.pk)).get()
        if held.ended_at is not None:
            raise Conflict(f"The log “{held.name}” was let go. Connect it anew.")
        if said["system"].pk != held.system_id:
            raise Conflict("A log stays with its system. Connect it to the other one as a log of its own.")
        _free(said, but=held)
        if not said["label_time_column"]:
            _still_read(held)
        before = held.rows
        for name, value in said.items():
            setattr(held, name, value)
        if held.rows != before:
            held.odd, held.looked_at = {}, None
        held.columns, held.checked_at, held.error = found, clock.now(), ""
        held.save()
        return held


def _still_read(held: Log) -> None:
    """Refuse to forget when labels came, while watches go by it."""
    rows = held.watches.filter(ended_at=None, by_arrival=True).order_by("number")
    if rows:
        raise Conflict(
            f"{', '.join(one.ref for one in rows)} count labels by when they came. Name the column of their time, or "
            "let these watches count labels with their decision first."
        )


@transaction.atomic
def end_log(log: Log, *, by: Actor) -> Log:
    """Let a log go, with its connection string. Watches on it have to be ended first."""
    must_manage(by, "let a decision log go")
    held = db.lock(Log.objects.filter(pk=log.pk)).get()
    if held.ended_at is not None:
        raise Conflict(f"The log “{held.name}” was let go already.")
    running = list(held.watches.filter(ended_at=None).order_by("number"))
    if running:
        raise Conflict(f"{', '.join(one.ref for one in running)} still read it. End them first.")
    held.ended_at, held.source = clock.now(), ""
    held.save(update_fields=["ended_at", "source"])
    return held


def place_of(log: Log) -> Place:
    """Where a log lies, as the readers take it."""
    return Place(log.name, LogEngine(log.engine), log.table, log.source, log.time_zone)


def _seen(facts: LogFacts) -> tuple[dict[str, Any], dict[str, str]]:
    said = facts.columns()
    place = Place(said["name"], LogEngine(said["engine"]), said["table"], said["source"], said["time_zone"])
    try:
        found = looking.columns(place)
    except Unreadable as error:
        raise Invalid(str(error), field="table") from error
    return fitted(said, found), found


def _free(said: dict[str, Any], but: Log | None = None) -> None:
    others = Log.objects.filter(system=said["system"], name=said["name"], ended_at=None)
    if (others if but is None else others.exclude(pk=but.pk)).exists():
        raise Conflict(f"{said['system']} has a log called “{said['name']}” already.")
