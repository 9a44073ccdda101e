"""What the engine does for rules: heartbeats that did not come, and signals that have gone quiet.

Everything due stands in a column. A crash before the commit leaves it due; two engines take turns by the row.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from andon.intake import own
from andon.intake.events import Event, event
from andon.intake.models import Signal
from andon.kit import db, fence
from andon.kit.spans import span
from andon.kit.together import one_by_one
from andon.practice import rules as practice
from andon.practice.grouping import SignalStatus
from andon.practice.rules import Beat, BeatAction, RuleKind
from andon.rules import queries
from andon.rules.book import Book, Read
from andon.rules.models import Heartbeat, Rule
from andon.rules.settings import HeartbeatSettings, shaped

LOOK_EVERY: Final = timedelta(minutes=1)
SKEW: Final = timedelta(minutes=1)


def heartbeats_due(now: datetime, limit: int) -> int:
    """Look at the heartbeats whose time has come, or at which nobody has looked for a while; how many raised or ended.

    Once a minute it is noted of all of them that somebody looked: a longer break means that Andon was away.
    """
    in_force = Heartbeat.objects.filter(rule__ended_at=None)
    unseen = Q(looked_at__lt=now - practice.AWAY) | Q(looked_at__gt=now + SKEW)
    due = list(in_force.filter(Q(next_due_at__lte=now) | unseen).values_list("pk", flat=True)[:limit])
    resting = now + LOOK_EVERY
    try:
        return one_by_one(
            due, lambda key: _look(key, now), lambda key: in_force.filter(pk=key).update(next_due_at=resting)
        )
    finally:
        _note_looked(in_force, now)


def _note_looked(in_force: QuerySet[Heartbeat], now: datetime) -> None:
    if in_force.filter(looked_at__lte=now - LOOK_EVERY).exists():
        in_force.filter(looked_at__lte=now - LOOK_EVERY, looked_at__gte=now - practice.AWAY).update(looked_at=now)


@transaction.atomic
def _look(key: UUID, now: datetime) -> int:
    """Decide about one heartbeat, and write the decision with its consequence."""
    fence.hold()
    row = db.lock(Heartbeat.objects.filter(pk=key).select_related("rule__system")).first()
    if row is None or row.rule.ended_at is not None:
        return 0
    settings: HeartbeatSettings = shaped(RuleKind.HEARTBEAT, row.rule.settings)
    heard_at = queries.last_heard(row.rule)
    beat = Beat(row.expected_since, settings.waits, heard_at, row.missing_since is not None, row.spared_at)
    decision = practice.heartbeat(now, beat, looked_at=row.looked_at)
    match decision.action:
        case BeatAction.RAISE:
            own.say(_missing(row.rule, settings, heard_at, now))
            row.missing_since = now
        case BeatAction.END:
            own.say(_back(row.rule, now))
            row.missing_since = None
        case BeatAction.SPARE:
            row.spared_at = now
    row.heard_at, row.next_due_at, row.looked_at = heard_at, decision.next_at, now
    row.save(update_fields=["missing_since", "spared_at", "heard_at", "next_due_at", "looked_at"])
    return int(decision.action in {BeatAction.RAISE, BeatAction.END})


@transaction.atomic
def withdraw(rule: Rule, now: datetime) -> None:
    """Expect a heartbeat no longer: a signal that says that it is missing ends."""
    missing = Heartbeat.objects.filter(rule=rule, missing_since__isnull=False)
    if missing.update(missing_since=None):
        own.say(_back(rule, now))


def fingerprint(rule: Rule) -> str:
    """What makes the signals about a missing heartbeat the same thing again."""
    return f"heartbeat:{rule.number}"


def _missing(rule: Rule, settings: HeartbeatSettings, heard_at: datetime | None, now: datetime) -> Event:
    since = f"was last heard {span(now - heard_at)} ago" if heard_at else "was never heard"
    return event(
        fingerprint=fingerprint(rule),
        status=SignalStatus.FIRING,
        title=f"Heartbeat missing: {rule.name}",
        description=(
            f"It {since} and is expected every {settings.every_minutes} min"
            f"{f', {settings.grace_minutes} min late at most' if settings.grace_minutes else ''} ({rule.ref}). "
            "Whatever sends it, or the way from there to Andon, may be down; what it watches is not watched meanwhile."
        ),
        episode="",
        labels={"rule": rule.ref},
        system_hint=rule.system.slug if rule.system else "",
        type_hint=settings.type,
        severity_hint=settings.severity,
        starts_at=heard_at,
    )


def _back(rule: Rule, now: datetime) -> Event:
    return event(
        fingerprint=fingerprint(rule),
        status=SignalStatus.RESOLVED,
        title=f"Heartbeat missing: {rule.name}",
        episode="",
        starts_at=now,
    )


def quiet_due(now: datetime, limit: int) -> int:
    """Count as ended what has gone quiet, by the rules as they stand now; how many were asked.

    A repeat moves no column but the last time, so that a storm of repeats costs nothing here: who was heard meanwhile
    is asked again later.
    """
    rows = Signal.objects.filter(close_at__lte=now).select_related("integration__system", "system", "incident")
    due = list(rows.order_by("close_at")[:limit])
    if not due:
        return 0
    book = Book.at(now)
    reader = book.reader(due)
    return one_by_one(
        due,
        lambda signal: _ask_whether_quiet(book, reader(signal), now),
        lambda signal: own.ask_later(signal, now + LOOK_EVERY),
    )


@transaction.atomic
def _ask_whether_quiet(book: Book, read: Read, now: datetime) -> int:
    fence.hold()
    after = book.closes_after(read) if read.fires else None
    later = practice.quiet_since(now, read.signal.last_at, after) if after is not None else None
    if after is None or later is not None:
        own.ask_later(read.signal, later)
    elif not own.end_quiet(read.signal, now):
        own.ask_later(read.signal, now + after)
    return 1
