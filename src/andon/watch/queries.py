"""Reads of watches, of what they saw, and of how far they are."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Case, Exists, OuterRef, QuerySet, When

from andon.people.policy import Actor
from andon.practice.words import Criticality, Stage
from andon.registry.models import System
from andon.watch import shares
from andon.watch.judging import Phase
from andon.watch.models import EVERYTHING, Alarm, AlarmBudget, Log, Watch, WindowState
from andon.watch.policy import must_view, visible_alarms

MOST_WINDOWS: Final = 2_000


@dataclass(frozen=True)
class WatchFilter:
    """What a list of watches is narrowed to; empty means all that have not ended."""

    system: str = ""
    kind: str = ""
    ended: bool = False
    alarmed: bool = False
    stale: bool = False


def watches(by: Actor, wanted: WatchFilter | None = None) -> QuerySet[Watch]:
    """Watches, narrowed. Those in alarm are those with an alarm that goes on and that the actor may know of."""
    must_view(by)
    wanted = wanted or WatchFilter()
    rows = Watch.objects.filter(ended_at__isnull=not wanted.ended).select_related("system", "log")
    if wanted.system:
        rows = rows.filter(system__slug=wanted.system)
    if wanted.kind:
        rows = rows.filter(kind=wanted.kind)
    if wanted.stale:
        rows = rows.filter(stale_since__isnull=False)
    if wanted.alarmed:
        rows = rows.filter(pk__in=visible_alarms(by).filter(recovered_at=None).values("watch"))
    return rows.order_by("number")


def logs(by: Actor, system: System | None = None) -> QuerySet[Log]:
    """Decision logs that are connected, of one system if given."""
    must_view(by)
    rows = Log.objects.filter(ended_at=None).select_related("system")
    return rows if system is None else rows.filter(system=system)


def windows(
    by: Actor, watch: Watch, *, segment: str = EVERYTHING, since: datetime | None = None, limit: int = MOST_WINDOWS
) -> Sequence[WindowState]:
    """The newest windows of a watch, oldest first: of everything, or of one segment."""
    must_view(by)
    rows = WindowState.objects.filter(watch=watch, segment=segment)
    if since is not None:
        rows = rows.filter(window_start__gte=since)
    return list(rows.order_by("-window_start")[:limit])[::-1]


def segments(by: Actor, watch: Watch, *, since: datetime | None = None) -> dict[str, list[str | None]]:
    """The segments that had rows since a time, most rows first: their key, and their values by column in order."""
    must_view(by)
    rows = WindowState.objects.filter(watch=watch).exclude(segment=EVERYTHING)
    if since is not None:
        rows = rows.filter(window_start__gte=since)
    from django.db.models import Sum

    counted = rows.values_list("segment").annotate(rows=Sum("n")).order_by("-rows", "segment")
    return {key: json.loads(key) for key, _ in counted}


def alarms(
    by: Actor, *, watch: Watch | None = None, system: System | None = None, open_only: bool = False
) -> QuerySet[Alarm]:
    """Alarms that the actor may know of, newest first."""
    rows = visible_alarms(by)
    if watch is not None:
        rows = rows.filter(watch=watch)
    if system is not None:
        rows = rows.filter(watch__system=system)
    return rows.filter(recovered_at=None) if open_only else rows


def progress(watch: Watch, now: datetime) -> float | None:
    """How much of a watch's history it has read, between 0 and 1; None before it has begun."""
    if watch.began_at is None or watch.read_until is None:
        return None
    whole = watch.window_of(now - watch.waits) - watch.began_at
    return min(1.0, (watch.read_until - watch.began_at) / whole) if whole else 1.0


def alarms_of(signals: Sequence[UUID]) -> dict[UUID, Alarm]:
    """By signal, the newest alarm that it speaks of: for the engine, which asks on nobody's behalf."""
    rows = Alarm.objects.filter(signal__in=signals).select_related("watch").order_by("number")
    return {alarm.signal_id: alarm for alarm in rows if alarm.signal_id is not None}


def alarms_in(incidents: Sequence[UUID]) -> dict[UUID, list[Alarm]]:
    """By incident, the alarms in it, oldest first: for the engine, and for whoever may see the incidents."""
    found: dict[UUID, list[Alarm]] = {pk: [] for pk in incidents}
    rows = Alarm.objects.filter(signal__incident__in=incidents).select_related("watch__system", "signal")
    for alarm in rows.order_by("number"):
        if alarm.signal is not None and alarm.signal.incident_id is not None:
            found[alarm.signal.incident_id].append(alarm)
    return found


def alarms_with_news(now: datetime, limit: int) -> list[UUID]:
    """Alarms of which their incidents are to hear something, longest waiting first: for the engine."""
    rows = Alarm.objects.filter(news_at__lte=now).order_by("news_at")
    return list(rows.values_list("pk", flat=True)[:limit])


def unwatched(by: Actor) -> QuerySet[System]:
    """Systems in production that nothing watches, the most critical first: no watch runs and has a verdict to give.

    `blind` says that there are watches, of which none sees: no log can be read, or labels contradict their scores.
    """
    must_view(by)
    running = Watch.objects.filter(ended_at=None, enabled=True)
    seeing = running.filter(stale_since=None).exclude(detector__phase=Phase.REFUSED.value)
    rows = System.objects.filter(stage=Stage.PRODUCTION).exclude(pk__in=seeing.values("system"))
    rows = rows.annotate(blind=Exists(running.filter(system=OuterRef("pk"))))
    order = Case(*(When(criticality=one, then=one.rank) for one in Criticality), default=0)
    return rows.order_by(order.desc(), "name")


def going(by: Actor, watches: Iterable[Watch]) -> dict[UUID, Alarm]:
    """By watch, the alarm that goes on, of those that the actor may know of."""
    rows = alarms(by, open_only=True).filter(watch__in=[watch.pk for watch in watches])
    return {alarm.watch_id: alarm for alarm in rows}


@dataclass(frozen=True)
class Budget:
    """What is promised about false alarms.

    Attributes:
        days: At least so many days pass between two, over all watches, on average: what a lead has set.
        watches: How many watches share that.
        promised: What their budgets come to, which is no less; None if there are none.
    """

    days: float
    watches: int
    promised: float | None


def alarm_days() -> float:
    """Days between false alarms over all watches."""
    found = AlarmBudget.objects.values_list("days", flat=True).first()
    return float(shares.DAYS) if found is None else found


def budget_of(watch: Watch) -> int:
    """How many windows pass between false alarms of a watch, on average and at least: its share, or more if it asks."""
    sharing = Watch.objects.filter(enabled=True, ended_at=None).exclude(pk=watch.pk).count() + 1
    return max(watch.budget, shares.share(alarm_days(), sharing, watch.window_minutes))


def alarm_budget(by: Actor) -> Budget:
    """The promise about false alarms, and what it comes to."""
    must_view(by)
    days = alarm_days()
    found = list(Watch.objects.filter(enabled=True, ended_at=None).values_list("budget", "window_minutes"))
    budgets = [(max(own, shares.share(days, len(found), minutes)), minutes) for own, minutes in found]
    return Budget(days, len(found), shares.promise(budgets))
