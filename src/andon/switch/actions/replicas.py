"""What replicas say: written many at once, and each first word about a revision kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from andon.kit import clock, db
from andon.kit.errors import Conflict
from andon.people.policy import Actor
from andon.practice.switching import FORGOTTEN_AFTER, MOST_AHEAD, Wanted, standing
from andon.practice.words import ReplicaStanding
from andon.switch.models import Acknowledgement, Replica, Switch
from andon.switch.policy import must_switch
from andon.switch.queries import facts


@dataclass(frozen=True)
class Heard:
    """What a replica said, and by which token: which revision it applies, for how long, and how it acts."""

    system: UUID
    token: UUID
    instance: str
    host: str
    version: str
    runtime: str
    revision: int
    mark: str
    mode: str
    state: str
    applied_ago: float
    refused: int | None = None
    ended: bool = False


@transaction.atomic
def hear(said: Sequence[Heard]) -> int:
    """Write what replicas said, the later word of one replica over the earlier; how many were written.

    A replica is no actor of Andon: what it may say was settled by its token, when it was taken in.
    """
    now = clock.now()
    latest = {(one.system, one.instance): one for one in said}
    rows = [_row(latest[key], now) for key in sorted(latest, key=str)]
    before = _known(rows)
    Replica.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["system", "instance"],
        update_fields=[
            "token", "host", "version", "runtime", "revision", "mark", "mode", "state", "applied_at", "heard_at",
            "refused", "ended_at",
        ],
    )  # fmt: skip
    _acknowledge([row for row in rows if row.revision and before.get(_key(row)) != (row.revision, row.mark)])
    _see(rows)
    return len(rows)


def forget_replica(replica: Replica, *, by: Actor) -> None:
    """Count a replica no more, of which a person knows that it is gone. If it speaks again it is there again."""
    must_switch(by, replica.system)
    if standing(facts(replica, {}), _wanted(replica), clock.now()) is not ReplicaStanding.SILENT:
        raise Conflict("Only a silent replica can be taken off the list; this one speaks, or has ended.")
    if Replica.objects.filter(pk=replica.pk, ended_at=None).update(ended_at=clock.now()) != 1:
        raise Conflict("This replica was taken off the list already.")


@transaction.atomic
def forget_ended(now: datetime, limit: int) -> int:
    """Forget processes of which nothing was heard for `FORGOTTEN_AFTER`, at most so many; how many.

    They are counted nowhere since long. What pulls saw of them stays with the pulls, and on the timelines.
    """
    rows = Replica.objects.filter(heard_at__lt=now - FORGOTTEN_AFTER)
    old = list(db.lock_free(rows).values_list("pk", flat=True)[:limit])  # one that speaks at this moment is left
    if old:
        Replica.objects.filter(pk__in=old).delete()
    return len(old)


def _row(said: Heard, now: datetime) -> Replica:
    return Replica(
        system_id=said.system,
        token_id=said.token,
        instance=said.instance,
        host=said.host,
        version=said.version,
        runtime=said.runtime,
        revision=said.revision,
        mark=said.mark,
        mode=said.mode,
        state=said.state,
        applied_at=now - timedelta(seconds=said.applied_ago),
        heard_at=now,
        refused=said.refused,
        ended_at=now if said.ended else None,
    )


def _key(row: Replica) -> tuple[UUID, str]:
    return row.system_id, row.instance


def _known(rows: Sequence[Replica]) -> dict[tuple[UUID, str], tuple[int, str]]:
    """Which revision each replica applied when it spoke before."""
    names = Replica.objects.filter(
        system__in={row.system_id for row in rows}, instance__in=[row.instance for row in rows]
    )
    return {(row.system_id, row.instance): (row.revision, row.mark) for row in names}


def _acknowledge(rows: Sequence[Replica]) -> None:
    """Keep the first word about a revision; the rows' keys are looked up, for many of them were there before."""
    if not rows:
        return
    names = Replica.objects.filter(
        system__in={row.system_id for row in rows}, instance__in=[row.instance for row in rows]
    )
    keys = {(row.system_id, row.instance): row.pk for row in names}
    Acknowledgement.objects.bulk_create(
        [
            Acknowledgement(replica_id=keys[_key(row)], number=row.revision, mark=row.mark, applied_at=row.applied_at)
            for row in rows
        ],
        ignore_conflicts=True,
    )


def _see(rows: Sequence[Replica]) -> None:
    """Remember the latest revision that any of them has heard, if it is beyond the switch's own."""
    latest: dict[UUID, int] = {}
    for row in rows:
        latest[row.system_id] = max(row.revision, latest.get(row.system_id, 0))
    for switch in Switch.objects.filter(system__in=latest):
        beyond = min(latest[switch.system_id], switch.number + MOST_AHEAD)
        if beyond > switch.number:
            Switch.objects.filter(pk=switch.pk, seen__lt=beyond).update(seen=beyond)


def _wanted(replica: Replica) -> Wanted:
    return Switch.objects.get(system=replica.system_id).wanted
