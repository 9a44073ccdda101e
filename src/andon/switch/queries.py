"""Reads: a switch, its replicas and how they stand, its revisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from andon.incidents.policy import visible
from andon.people.policy import Actor
from andon.practice.switching import GONE_AFTER, ReplicaFacts, Tally, standing, tally
from andon.practice.words import ReplicaStanding
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
        """“3 of 4 replicas contained, 1 silent”."""
        return self.tally.says(self.switch.what_mode)


def switch_of(system: System) -> Switch | None:
    """The system's switch, if it has one."""
    return Switch.objects.select_related("system").filter(system=system).first()


def seen(switch: Switch, now: datetime) -> Seen:
    """A switch as it stands."""
    rows = Replica.objects.filter(system=switch.system_id, ended_at=None, heard_at__gt=now - GONE_AFTER)
    replicas = [Standing(row, standing(facts(row), switch.wanted, now)) for row in rows]
    newest = revisions(switch).get(number=switch.number)
    return Seen(switch, newest, replicas, tally(one.stands for one in replicas))


def facts(row: Replica) -> ReplicaFacts:
    """What a replica said, as the rules know it."""
    return ReplicaFacts(row.revision, row.mark, row.mode, row.heard_at, row.ended_at is not None)


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
