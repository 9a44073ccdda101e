"""What incidents hear of the alarms in them: figures, onset, drivers, scale, and that a measure is back.

A watch goes on reading while people work. What it finds is written with a time at which the incident is to hear of it
(`Alarm.news_at`), and said here in a transaction that takes that time away again: a crash in between loses nothing and
says nothing twice. What is worth saying is decided in `andon.practice.unfolding`.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from andon.incidents.models import Incident
from andon.incidents.timeline import hold, record
from andon.intake import own
from andon.kit import fence
from andon.kit.together import one_by_one
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.unfolding import DRIVERS_NAMED, Told, news, scale_of
from andon.practice.words import HarmDimension
from andon.response.assessing import prefill_harm, refine_onset
from andon.watch import queries as watches
from andon.watch import wording
from andon.watch.actions import telling
from andon.watch.kinds import KINDS
from andon.watch.models import Alarm

REST = timedelta(minutes=1)
"""How long an alarm is left alone whose news could not be told."""


def alarms_due(now: datetime, limit: int) -> int:
    """Tell incidents what is new of the alarms in them; how many alarms that were."""
    return one_by_one(
        watches.alarms_with_news(now, limit),
        lambda key: _tell(key, now),
        lambda key: telling.rest(key, now + REST),
    )


@transaction.atomic
def _tell(key: UUID, now: datetime) -> int:
    fence.hold()
    alarm = telling.hold_news(key, now)
    if alarm is None:
        return 0  # another engine was quicker
    incident = hold(alarm.signal.incident_id) if alarm.signal and alarm.signal.incident_id else None
    says = incident is not None and State(incident.state) in UNRESOLVED
    said = _say(incident, alarm) if incident is not None and says else ()
    telling.told(alarm, incident if says else None, said)
    return 1


def _say(incident: Incident, alarm: Alarm) -> tuple[Told, ...]:
    """Say what is new, in the order in which it came about; what that was."""
    by = Actor.integration(own.WATCHES.slug)
    known = telling.known(alarm)
    said = news(telling.known_before(alarm, incident), known, window=alarm.watch.length)
    if Told.RAISED in said:
        _second_type(incident, alarm)
        record(incident, "alarm_raised", _body(alarm, wording.evidence(alarm)), by=by)
    if Told.MOVED in said or Told.RAISED in said:
        _refine_onset(incident, by)
    if Told.GREW in said or Told.DRIVERS in said:
        record(incident, "alarm_grew", _body(alarm, wording.evidence(alarm)), by=by)
    if {Told.RAISED, Told.GREW} & set(said):
        _prefill_scale(incident, by)
    if Told.RECOVERED in said:
        record(incident, "alarm_recovered", _body(alarm, wording.recovery(alarm)), by=by, at=alarm.recovered_at)
    if Told.GIVEN_UP in said:
        record(incident, "alarm_given_up", _body(alarm, wording.given_up(alarm)), by=by, at=alarm.recovered_at)
    return said


def _body(alarm: Alarm, says: str) -> dict[str, object]:
    """An entry of a timeline: figures, the denominators they rest on, and the segments that stand out."""
    return {
        "alarm": alarm.ref,
        "watch": f"{alarm.watch.ref} {alarm.watch.name}",
        "says": says,
        "figures": alarm.figures,
        "affected": alarm.affected,
        "drivers": alarm.drivers[:DRIVERS_NAMED],
        "text": wording.drivers(alarm),
    }


def _second_type(incident: Incident, alarm: Alarm) -> None:
    """What else it is, if the alarm speaks of another type than the incident's own."""
    type_ = KINDS[alarm.watch.what_kind].type
    if type_ != incident.type and type_ not in incident.secondary_types:
        incident.secondary_types = [*incident.secondary_types, str(type_)]
        incident.save(update_fields=["secondary_types"])


def _refine_onset(incident: Incident, by: Actor) -> None:
    """An incident began when the first of what it shows in began."""
    began = [one for one in watches.alarms_in([incident.pk])[incident.pk] if one.onset_at is not None]
    first = min(began, key=lambda one: one.onset_at or one.raised_at, default=None)
    if first is not None and first.onset_at is not None:
        why = wording.onset(first)
        refine_onset(incident, low=first.onset_low, onset=first.onset_at, high=first.onset_until, why=why, by=by)


def _prefill_scale(incident: Incident, by: Actor) -> None:
    """The scale from the largest count of any alarm: two watches may count the same decisions."""
    counted = [one for one in watches.alarms_in([incident.pk])[incident.pk] if one.affected is not None]
    most = max(counted, key=lambda one: one.affected or 0, default=None)
    value = scale_of(most.affected) if most is not None else None
    if most is None or value is None:
        return
    last = incident.harm_scores.filter(dimension=HarmDimension.SCALE).order_by("-created_at", "-pk").first()
    if last is None or last.value != value:
        prefill_harm(incident, dimension=HarmDimension.SCALE, value=value, evidence=wording.scale(most), by=by)
