"""Reads: a switch, its replicas and how they stand, its revisions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from andon.incidents.policy import visible
from andon.people.policy import Actor
from andon.practice.switching import GONE_AFTER, SILENT_AFTER, ReplicaFacts, Tally, gone_after, standing, tally
from andon.practice.words import ReplicaStanding, SwitchMode
from andon.registry.models import System
from andon.switch.models import GuardToken, Replica, Revision, Switch


@dataclass(frozen=True, slots=True)
class Standing:
    """A replica, and how it stands to the newest revision."""

    row: Replica
    stands: ReplicaStanding


@dataclass(frozen=True, slots=True)
class Seen:
    """A switch with its replicas that have not ended, and how many of them stand how."""

    switch: Switch
    newest: Revision
    replicas: list[Standing]
    tally: Tally

    @property
    def says(self) -> str:
        """“3 of 4 replicas contained, 1 silent since 02:14 UTC”."""
        return self.tally.says(self.switch.what_mode)

    @property
    def says_here(self) -> str:
        """The same in the time of whoever looks at a page."""
        return self.tally.says(self.switch.what_mode, timezone.get_current_timezone())


def switch_of(system: System) -> Switch | None:
    """The system's switch, if it has one."""
    return Switch.objects.select_related("system").filter(system=system).first()


def seen(switch: Switch, now: datetime) -> Seen:
    """A switch as it stands."""
    rows = list(Replica.objects.filter(system=switch.system_id, ended_at=None, heard_at__gt=now - GONE_AFTER))
    newest = revisions(switch).get(number=switch.number)
    applied = _applied(switch, rows, now)
    replicas = [
        Standing(row, stands)
        for row in rows
        if (stands := standing(facts(row, applied), switch.wanted, now)) is not ReplicaStanding.ENDED
    ]
    return Seen(switch, newest, replicas, tally((one.stands, one.row.heard_at) for one in replicas))


def facts(row: Replica, applied: Mapping[tuple[int, str], Revision]) -> ReplicaFacts:
    """What a replica said, as the rules know it; `applied` has the revisions by number and mark, where they matter."""
    found = applied.get((row.revision, row.mark))
    goes = gone_after(row.mode, found.max_stale, SwitchMode(found.on_stale)) if found else GONE_AFTER
    return ReplicaFacts(row.revision, row.mark, row.mode, row.heard_at, row.ended_at is not None, goes)


def _applied(switch: Switch, rows: Iterable[Replica], now: datetime) -> dict[tuple[int, str], Revision]:
    """The revisions that replicas apply which say nothing any more: how long these go on unheard stands there."""
    numbers = {row.revision for row in rows if now - row.heard_at > SILENT_AFTER}
    found = Revision.objects.filter(switch=switch, number__in=numbers) if numbers else []
    return {(one.number, one.mark): one for one in found}


def revisions(switch: Switch) -> QuerySet[Revision]:
    """What the switch was set to, newest first."""
    return Revision.objects.filter(switch=switch).select_related("by", "incident")


def shown_incidents(by: Actor, rows: Iterable[Revision]) -> dict[object, str]:
    """Of the incidents that revisions are for, those that the actor may know of: their names by key."""
    keys = {row.incident_id for row in rows if row.incident_id}
    return {incident.pk: incident.ref for incident in visible(by).filter(pk__in=keys)}


def tokens(system: System) -> QuerySet[GuardToken]:
    """The system's tokens, newest first."""
    return GuardToken.objects.filter(system=system).select_related("made_by").order_by("-created_at", "-pk")
