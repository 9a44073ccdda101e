"""What is due, and what becomes of it now: read in a fixed number of queries, decided by `practice.pacing`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, Subquery

from andon.paging.models import ChannelPace, Page
from andon.paging.wire import Room
from andon.people.models import Person, quiet_hours
from andon.practice import pacing
from andon.practice.pacing import Due, Going, Known, Pace, Plan, QuietHours, Sent
from andon.practice.severity import Severity

LEASE = timedelta(seconds=30)
"""Longer than any channel takes; how long a page may wait that a crash has cut off."""
WINDOW = 200
"""Pages looked at together, from the front of the queue."""
LATELY = 2000
"""Messages of the last minute that are counted; no pace that is worth setting is greater."""
_COLUMNS = (
    "pk", "incident", "incident__severity", "incident__kind", "person", "person__quiet_from", "person__quiet_until",
    "person__time_zone", "channel", "contact_point", "send_after", "first", "attempts", "key", "bundle",
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What was found due, and the plan for it.

    Attributes:
        severity: What each page's plan rests on.
        sort: The channel of each page, and whether it is a first one.
    """

    plan: Plan
    severity: dict[UUID, int]
    sort: dict[UUID, tuple[str, bool]]

    def fits(self, message: Going, room: Room) -> bool:
        """Whether a sender is left for a message."""
        channel, first = self.sort[message.pages[0]]
        return room.has(channel, first=first)


def due(now: datetime) -> Q:
    """What is to be sent: its time has come, or a crash cut it off in mid-sending and its lease has ended."""
    return Q(due_at__lte=now)


def look(now: datetime, room: Room | None = None) -> Look:
    """Look at the front of the queue and decide on all of it, leaving out what finds no sender anyway."""
    queue = Page.objects.filter(due(now))
    room = room or Room()
    if room.full:
        queue = queue.exclude(channel__in=room.full)
    if room.firsts_alone:
        queue = queue.filter(first=True)
    rows = list(queue.order_by("-first", "due_at").values(*_COLUMNS)[:WINDOW])
    bundles = {row["bundle"] for row in rows if row["bundle"]}
    if bundles:  # a message that was tried goes out again whole, or it would not be the same
        seen = {row["pk"] for row in rows}
        whole = queue.filter(first=False, bundle__in=bundles).values(*_COLUMNS)
        rows += [row for row in whole if row["pk"] not in seen]
    found = [_due(row) for row in rows]
    plan = pacing.plan(found, _known(rows, found, now), now)
    return Look(
        plan,
        {row["pk"]: row["incident__severity"] for row in rows},
        {row["pk"]: (row["channel"], row["first"]) for row in rows},
    )


def paces() -> dict[str, Pace]:
    """The paces that an administrator set."""
    return {row.channel: Pace(row.person_a_minute, row.channel_a_minute) for row in ChannelPace.objects.all()}


def _due(row: dict[str, Any]) -> Due:
    return Due(
        page=row["pk"],
        incident=row["incident"],
        person=row["person"],
        channel=row["channel"],
        address=(row["contact_point"], row["incident__kind"]),  # a drill shares no message with what is real
        severity=Severity(row["incident__severity"]),
        due_at=row["send_after"],
        first=row["first"],
        message=(row["bundle"] or row["key"]) if row["attempts"] else None,
    )


def _known(rows: list[dict[str, Any]], found: list[Due], now: datetime) -> Known:
    """What the plan rests on. Where nothing may be held, nothing of it is read but the order."""
    paged = _paged({one.person for one in found})
    waiting = [row for row, one in zip(rows, found, strict=True) if not one.first and one.message is None]
    if not waiting:
        return Known(paged=paged)
    known = Known(paged=paged, quiet=_quiet(waiting), paces=paces())
    return replace(known, lately=_lately(waiting, known, now))


def _paged(people: Iterable[Any]) -> dict[Any, datetime]:
    """When each of these people was last paged: one look into the index for each, however many pages they had."""
    newest = Page.objects.filter(person=OuterRef("pk"), sent_at__isnull=False).order_by("-sent_at").values("sent_at")
    rows = Person.objects.filter(pk__in=set(people)).annotate(latest=Subquery(newest[:1]))
    return {person: latest for person, latest in rows.values_list("pk", "latest") if latest is not None}


def _lately(waiting: Iterable[dict[str, Any]], known: Known, now: datetime) -> list[Sent]:
    """The messages of the last minute and those on the wire; several pages in one message are one.

    Only those that a pace counts which one of the waiting pages keeps: by its channel, and where that has no pace of
    its own, to its person. In a burst by a channel without any there would be thousands, read again for each claim.
    """
    paced = {row["channel"]: known.pace(row["channel"]) for row in waiting}
    whole = [channel for channel, pace in paced.items() if pace.channel is not None]
    of_person = [channel for channel, pace in paced.items() if pace.channel is None and pace.person is not None]
    if not whole and not of_person:
        return []
    people = {row["person"] for row in waiting}
    counted = Page.objects.filter(Q(channel__in=whole) | Q(channel__in=of_person, person__in=people))
    columns = ("person", "channel", "bundle", "key", "sent_at")
    gone = counted.filter(sent_at__gt=now - pacing.WINDOW).order_by("-sent_at").values_list(*columns)[:LATELY]
    leased = counted.filter(first__in=[True, False], due_at__gt=now, due_at__lte=now + LEASE)  # by the index
    wire = leased.filter(state=Page.State.SENDING).values_list(*columns)
    messages = {bundle or key: (person, channel, at or now) for person, channel, bundle, key, at in [*wire, *gone]}
    return [Sent(*message) for message in messages.values()]


def _quiet(rows: Iterable[dict[str, Any]]) -> dict[Any, QuietHours]:
    """The quiet hours of those who have any."""
    hours = {
        row["person"]: quiet_hours(row["person__quiet_from"], row["person__quiet_until"], row["person__time_zone"])
        for row in rows
    }
    return {person: found for person, found in hours.items() if found is not None}
