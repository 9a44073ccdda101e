"""What an incident promised and did not do in time: the next in its chain is paged, once for each promise.

A promise that is kept at the last instant is not missed: whoever keeps it and whoever misses it hold the incident, and
the second one finds what the first one wrote.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from andon.handbook.actions import edition_in_force
from andon.incidents.models import Incident, Promise
from andon.incidents.timeline import hold, record
from andon.kit import clock, fence
from andon.kit.together import one_by_one
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State
from andon.response.calling import call_next
from andon.response.promising import MISSED, follow, grow, looked_at, office_of

REST: Final = timedelta(minutes=1)
"""How long a promise is left alone that could not be looked at."""


def missed_due(now: datetime, limit: int) -> int:
    """Look at the promises of up to `limit` incidents whose time has come; returns how many incidents that was."""
    due = Promise.objects.filter(look_at__lte=now)
    keys = list(dict.fromkeys(due.order_by("look_at").values_list("incident", flat=True)[: 4 * limit]))[:limit]
    return one_by_one(
        keys,
        lambda key: _look(key, now),
        lambda key: due.filter(incident=key).update(look_at=now + REST),
    )


@transaction.atomic
def _look(incident: UUID, now: datetime) -> int:
    """Find what the incident has missed, write it down and page for it, together or not at all."""
    fence.hold()
    held = hold(incident)
    rows = held.promises.filter(look_at__lte=now)
    state, office = State(held.state), office_of(held.edition_id)
    for row in rows:
        if looked_at(row, office, state) is None:  # nothing that the state of now asks for
            Promise.objects.filter(pk=row.pk).update(look_at=None)
    missed = list(rows.filter(kept_at=None, missed_at=None, applies=True))
    if not missed:  # another engine was quicker
        return 1
    Promise.objects.filter(pk__in=[row.pk for row in missed]).update(missed_at=now, look_at=None)
    body: dict[str, Any] = {
        "promises": [{"promise": row.key, "what": _said(row), "due_at": str(row.due_at)} for row in missed]
    }
    record(held, "promise_missed", body, by=Actor.engine(), at=now)
    call_next(held, MISSED + "; ".join(_said(row) for row in missed), now)
    return 1


def _said(row: Promise) -> str:
    """A promise with its time, as it stands in a message."""
    return f"{row.what} within {row.within}"


def adopt_due(limit: int) -> int:
    """Write the promises of incidents that an older version opened, which kept none; returns how many there were.

    What was past already pages nobody: it was not promised then.
    """
    old = Incident.objects.filter(edition=None, state__in=UNRESOLVED).values_list("pk", flat=True)
    return sum(_adopt(key) for key in list(old[:limit]))


@transaction.atomic
def _adopt(incident: UUID) -> int:
    fence.hold()
    held = hold(incident)
    if held.edition_id is not None:
        return 1
    held.edition = edition_in_force()
    held.save(update_fields=["edition"])
    grow(held)
    now = clock.now()
    held.promises.filter(look_at__lte=now).update(look_at=None, missed_at=now)
    return 1


@transaction.atomic
def watch_again(incident: UUID) -> bool:
    """Give the promises of an incident the times at which they are looked at, where they have none; for the auditor."""
    fence.hold()
    held = hold(incident)
    if State(held.state) is State.CLOSED:
        return False
    follow(held)
    record(held, "promises_repaired", {}, by=Actor.engine())
    return True
