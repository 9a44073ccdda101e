"""Which incident the alarms of watches belong to: by when they began, and not by their type alone.

Asked while signals are grouped, so that the rest of routing need not know. Alarms of one system are decided on by one
engine at a time: the second one waits for what the first has written, and sees it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from andon.incidents.models import Incident
from andon.intake import own
from andon.kit import db
from andon.practice.grouping import RouteReason, group_key
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.onsets import Interval, Standing, place
from andon.practice.words import IncidentKind, IncidentType
from andon.registry.models import System
from andon.rules.book import Read
from andon.rules.onsets import Onsets
from andon.watch import queries as watches
from andon.watch.models import Alarm


@dataclass(frozen=True)
class Placed:
    """Where an alarm belongs: the key and type of its incident, open or about to be, and why."""

    key: str
    type: IncidentType
    system: System
    reason: RouteReason
    onset_low: datetime | None
    onset_high: datetime | None


def placed(reads: Iterable[Read]) -> Mapping[UUID, Placed]:
    """By signal, where those belong that speak of alarms and have no incident yet. Call it before anything is held."""
    fresh = [read for read in reads if _may_be_alarm(read)]
    if not fresh:
        return {}
    alarms = watches.alarms_of([read.signal.pk for read in fresh])
    told = sorted((read for read in fresh if read.signal.pk in alarms), key=lambda read: read.signal.first_at)
    systems = {read.system.pk: read.system for read in told if read.system}
    for key in sorted(systems):
        db.hold_name(f"alarms of {key}", alone=True)
    standing = _standing(systems)
    found: dict[UUID, Placed] = {}
    for read in told:
        if read.system is not None:
            alarm = alarms[read.signal.pk]
            found[read.signal.pk] = _place(read, read.system, alarm, standing[read.system.pk])
    return found


def _may_be_alarm(read: Read) -> bool:
    signal = read.signal
    return signal.integration.slug == own.WATCHES.slug and signal.incident_id is None and read.system is not None


def _place(read: Read, system: System, alarm: Alarm, standing: list[Standing]) -> Placed:
    """Decide on one alarm; one that opens an incident stands for those after it."""
    onset = interval(alarm)
    joined = place(onset, read.type, standing)
    if joined.key is not None:
        at = next(number for number, one in enumerate(standing) if one.key == joined.key)
        type_ = standing[at].type
        if onset is not None:
            standing[at] = Standing(joined.key, type_, (*standing[at].onsets, onset))
        return Placed(str(joined.key), type_, system, joined.reason, alarm.onset_low, alarm.onset_until)
    key = group_key(system.pk, read.type, read.signal.integration.slug)
    if any(one.key == key for one in standing):
        key = f"{key}:{alarm.ref}"
    standing.append(Standing(key, read.type, (onset,) if onset else ()))
    return Placed(key, read.type, system, joined.reason, alarm.onset_low, alarm.onset_until)


def interval(alarm: Alarm) -> Interval | None:
    """When what raised an alarm began: from the start of its first window to the end of its last one."""
    low, high = alarm.onset_low or alarm.onset_at, alarm.onset_high or alarm.onset_at
    return Interval(low, high + alarm.watch.length) if low and high else None


def _standing(systems: Iterable[UUID]) -> dict[UUID, list[Standing]]:
    """The unresolved incidents of systems, oldest first. What is restricted takes nothing in that others should see."""
    rows = Incident.objects.filter(
        system__in=list(systems), state__in=UNRESOLVED, kind=IncidentKind.REAL, restricted=False
    ).order_by("number")
    incidents = list(rows.only("pk", "number", "system_id", "type", "group_key", "onset_low", "onset_high"))
    inside = watches.alarms_in([incident.pk for incident in incidents])
    found: dict[UUID, list[Standing]] = defaultdict(list)
    for incident in incidents:
        if incident.system_id is not None:
            onsets = _onsets(incident, inside.get(incident.pk, ()))
            found[incident.system_id].append(Standing(incident.group_key, incident.incident_type, onsets))
    return found


def _onsets(incident: Incident, alarms: Sequence[Alarm]) -> tuple[Interval, ...]:
    """When what is in an incident began: by its alarms, and by what people say."""
    told = [interval(alarm) for alarm in alarms]
    if incident.onset_low is not None and incident.onset_high is not None:
        told.append(Interval(incident.onset_low, max(incident.onset_low, incident.onset_high)))
    return tuple(one for one in told if one is not None)


def onsets(signals: Sequence[UUID], incidents: Sequence[UUID]) -> Onsets:
    """When what raised the alarms of these signals began, and what is in these incidents: for a trial."""
    alarms = watches.alarms_of(signals)
    inside = watches.alarms_in(incidents)
    rows = Incident.objects.filter(pk__in=incidents).only("pk", "onset_low", "onset_high")
    return Onsets(
        {pk: interval(alarm) for pk, alarm in alarms.items()},
        {incident.pk: _onsets(incident, inside[incident.pk]) for incident in rows},
    )
