"""Reads of rules, of what they keep quiet, and of what they go by."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from andon.intake.models import Signal
from andon.intake.policy import visible_signals
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED
from andon.registry.models import System
from andon.rules.book import Book, Standing
from andon.rules.facts import TIMED
from andon.rules.models import Heartbeat, Match, Rule, RuleVersion
from andon.rules.policy import must_view

TRIED_ON: Final = 1000
"""Signals that a draft is tried on: the newest."""
MADE_KNOWN: Final = 20_000
"""Firing signals that a new rule is made known to: the newest."""


@dataclass(frozen=True)
class RuleFilter:
    """What a list of rules is narrowed to; empty means all."""

    kind: str = ""
    system: str = ""
    ended: bool = False


def rules(by: Actor, wanted: RuleFilter, now: datetime) -> QuerySet[Rule]:
    """Rules in force, or those that are over, narrowed; each with `holding`, how many firing signals it holds."""
    must_view(by)
    over = Q(ended_at__isnull=False) | Q(ends_at__lte=now)
    rows = Rule.objects.filter(over) if wanted.ended else Rule.objects.exclude(over)
    if wanted.kind:
        rows = rows.filter(kind=wanted.kind)
    if wanted.system:
        rows = rows.filter(system__slug=wanted.system)
    return rows.select_related("system", "made_by", "heartbeat")


def holding(numbers: Sequence[int]) -> dict[int, int]:
    """How many firing signals each of these rules keeps from opening an incident."""
    found: dict[int, int] = dict.fromkeys(numbers, 0)
    held = Signal.objects.filter(held_by__isnull=False, status=Signal.Status.FIRING).order_by()
    for by, count in held.values_list("held_by").annotate(Count("pk")):
        number = int(by.partition(":")[0])
        if number in found:
            found[number] += count
    return found


def held_by(by: Actor, rule: Rule, limit: int = 20) -> Sequence[Signal]:
    """The firing signals that a rule holds and the actor may know of, newest first."""
    rows = visible_signals(by).filter(held_by__startswith=f"{rule.number}:", status=Signal.Status.FIRING)
    return list(rows[:limit])


@dataclass(frozen=True)
class Quiet:
    """A silence or a maintenance window that is on, and until when."""

    rule: Rule
    ends: datetime


def quiet_now(now: datetime, system: System | None = None) -> list[Quiet]:
    """The silences and maintenance windows that are on, soonest over first; of one system, if given."""
    book = Book.at(now)
    found = [
        Quiet(one.rule, ends)
        for kind in TIMED
        for one in book.of(kind)
        if (ends := one.ends(now)) is not None and (system is None or one.rule.system_id == system.pk)
    ]
    return sorted(found, key=lambda quiet: quiet.ends)


def explaining(
    one: Standing, key: str, signal: Signal, *, held: Collection[UUID] = (), free: Collection[UUID] = ()
) -> Signal | None:
    """A firing signal that explains another under a rule and key, and that people were told of or are about to be.

    One explains nothing that is held itself, that opened no incident, or whose incident is over: nobody would hear of
    either. `held` and `free` are those of which that was decided a moment ago and is not written yet.
    """
    told = Q(signal__incident__state__in=UNRESOLVED)
    coming = Q(signal__incident=None, signal__held_by=None, signal__route_at__isnull=False)
    goes = told | coming | Q(signal__in=free)
    rows = Match.objects.filter(goes, rule=one.rule, key=key, signal__status=Signal.Status.FIRING)
    match = rows.exclude(signal__in=[signal.pk, *held]).select_related("signal").order_by("pk").first()
    return match.signal if match else None


def counted(one: Standing, key: str, since: datetime) -> int:
    """How many different things were heard under a threshold and key since a time, whether they go on or not."""
    rows = Match.objects.filter(rule=one.rule, key=key, signal__first_at__gt=since)
    return rows.order_by().values("signal__integration", "signal__fingerprint").distinct().count()


def last_heard(rule: Rule) -> datetime | None:
    """When a heartbeat was last heard: by its own note, or by a signal of it that fires on."""
    fires = Match.objects.filter(rule=rule, signal__status=Signal.Status.FIRING).order_by("-signal__last_at")
    newest = fires.values_list("signal__last_at", flat=True).first()
    noted = Heartbeat.objects.filter(rule=rule).values_list("heard_at", flat=True).first()
    return max((at for at in (newest, noted) if at is not None), default=None)


def stand_since(rules: Iterable[Rule]) -> dict[int, datetime]:
    """Since when rules say what they say now, by their numbers."""
    versions = {rule.pk: (rule.number, rule.version) for rule in rules}
    rows = RuleVersion.objects.filter(rule__in=list(versions)).order_by("version")
    found = {(row.rule_id, row.version): row.created_at for row in rows}
    return {number: found[pk, version] for pk, (number, version) in versions.items()}


def recent_signals(by: Actor) -> list[Signal]:
    """The newest signals that the actor may know of, as many as a draft is tried on; oldest first."""
    return list(visible_signals(by).order_by("-pk")[:TRIED_ON])[::-1]


def firing_signals() -> list[Signal]:
    """The newest firing signals, as many as a new rule is made known to."""
    rows = Signal.objects.filter(status=Signal.Status.FIRING).select_related("integration__system", "system")
    return list(rows.order_by("-pk")[:MADE_KNOWN])
