"""The auditor asks, every minute, whether anything that must happen has no time at which it will.

Each check is one query that an index answers. What can be repaired is repaired at once and said on the incident's
timeline; anything found at all fails the audit, and the outside heartbeat then stays silent until one passes.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q

from andon.containment.actions import turns
from andon.containment.actions.running import FAULT_RESTS
from andon.containment.models import Pull
from andon.incidents.models import Incident, Promise
from andon.incidents.timeline import hold, record
from andon.intake.models import Signal
from andon.kit import fence, wake
from andon.paging import mirroring, sending, telling
from andon.paging.models import Mirror, Page
from andon.people.policy import Actor
from andon.practice.grouping import RouteReason
from andon.practice.lifecycle import UNRESOLVED, State, awaits_person
from andon.practice.promises import LASTS
from andon.practice.rules import LOOK_AGAIN
from andon.response import alarms, missing, routing
from andon.rules.models import Heartbeat
from andon.slack import actions as slack
from andon.slack import queries as slack_queries
from andon.slack.models import Job
from andon.watch.actions.running import LEASE
from andon.watch.models import Alarm, Watch

SIGNAL_PATIENCE = timedelta(minutes=1)
STEP_PATIENCE = timedelta(minutes=2)
PAGE_PATIENCE = timedelta(minutes=2)
SLACK_PATIENCE = timedelta(minutes=10)
WATCH_PATIENCE = timedelta(minutes=10)
SKEW = timedelta(minutes=1)
"""How far the clocks of two machines may differ before a time in the future is taken for a clock that was set back."""
LEASE_PATIENCE = timedelta(minutes=2)
"""A lease that ended this long ago should have been claimed again many times over."""
_REPAIRED_AT_ONCE = 500
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Finding:
    """One check that failed. `says` is for people: what is wrong and what it means."""

    check: str
    says: str
    count: int
    repaired: int = 0


@dataclass(frozen=True)
class Audit:
    """What one audit found; it passed when that is nothing."""

    at: datetime
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether every check held."""
        return not self.findings

    def rows(self) -> list[dict[str, Any]]:
        """The findings as they are stored."""
        return [asdict(finding) for finding in self.findings]


def audit(now: datetime) -> Audit:
    """Run every check, repair what can be, say it in the log, and return what was found."""
    checks = (
        _times_of_another_clock(now),
        _silent_incidents(now),
        _unwatched_promises(now),
        _late_steps(now),
        _abandoned_pages(now),
        _unrouted_signals(now),
        _late_pages(now),
        _late_mirrors(now),
        _signals_held_for_ever(now),
        _late_by_rule(now),
        _slack_falls_behind(now),
        _watches_that_stand_still(now),
        _late_watches(now),
        _late_pulls(now),
        _stuck_pulls(),
    )
    found = Audit(now, tuple(finding for finding in checks if finding is not None))
    for finding in found.findings:
        _log.error("the audit found something", **asdict(finding))
    return found


def _times_of_another_clock(now: datetime) -> Finding | None:
    """A clock that was set back leaves times that lie hours ahead: who waits for them is served now.

    An incident whose last change lies in the future has its next page too far ahead by as much; a lease longer than
    any lease is one of a process that a crash has ended, or will be taken up twice under the same key.
    """
    incidents = Incident.objects.filter(changed_at__gt=now + SKEW, next_page_at__gt=now).update(
        next_page_at=now, changed_at=now
    )
    pages = Page.objects.filter(due_at__gt=now + sending.LEASE + SKEW)
    early = pages.filter(Q(state=Page.State.SENDING) | Q(created_at__gt=now + SKEW)).update(due_at=now)
    due = Signal.objects.filter(route_at__isnull=False)
    early += due.filter(leased_until__gt=now + routing.REST + SKEW).update(leased_until=None)
    explained = Q(reason_joined=RouteReason.INHIBITED, route_at__gt=now + LOOK_AGAIN + SKEW)
    ahead = Q(route_at__gt=now + SKEW) & (Q(held_by=None) | Q(last_at__gt=now + SKEW))
    early += due.filter(explained | ahead).update(route_at=now)
    longest = max(*mirroring.WAITS, sending.LEASE)
    early += Mirror.objects.filter(due_at__gt=now + longest + SKEW).update(due_at=now)
    early += _watches_of_another_clock(now)
    early += turns.of_another_clock(now, SKEW)
    early += telling.of_another_clock(now, SKEW)
    slack.let_go(now)
    count = incidents + early
    says = "The clock was set back: what is due waited for times that lay too far ahead, pages or steps. It is due now."
    return Finding("clock_set_back", says, count, count) if count else None


def _watches_of_another_clock(now: datetime) -> int:
    """A watch that last ran in the future is due at once; its windows go on from where they were."""
    rows = Watch.objects.filter(enabled=True, ended_at=None)
    early = rows.filter(lease_until__gt=now + LEASE + SKEW).update(lease_until=None, lease_by="")
    early += rows.filter(ran_at__gt=now + SKEW, next_run_at__gt=now).update(next_run_at=now, ran_at=now)
    return early + Alarm.objects.filter(news_at__gt=now + alarms.REST + SKEW).update(news_at=now)


def _silent_incidents(now: datetime) -> Finding | None:
    """Promise 3: an incident that nobody has acknowledged has a next page."""
    silent = Incident.objects.filter(acknowledged_at=None, next_page_at=None, state__in=UNRESOLVED)
    keys = list(silent.values_list("pk", flat=True)[:_REPAIRED_AT_ONCE])
    if not keys:
        return None
    repaired = sum(_give_next_page(key, now) for key in keys)
    says = "Open incidents that nobody has acknowledged had no next page. They are paged now."
    return Finding("silent_incidents", says, len(keys), repaired)


@transaction.atomic
def _give_next_page(pk: Any, now: datetime) -> bool:
    """Make an incident's next page due now, unless somebody has acknowledged or repaired it meanwhile."""
    fence.hold()
    incident = hold(pk)
    waits = awaits_person(State(incident.state), acknowledged=incident.acknowledged_at is not None)
    if not waits or incident.next_page_at is not None:
        return False
    Incident.objects.filter(pk=pk).update(next_page_at=now)
    record(incident, "escalation_repaired", {"next_page_at": now.isoformat()}, by=Actor.engine(), at=now)
    wake.after_commit()
    return True


def _unwatched_promises(now: datetime) -> Finding | None:
    """What an open incident promised and has not done has a time at which somebody looks whether it was missed."""
    open_ = Promise.objects.filter(applies=True, kept_at=None, missed_at=None, look_at=None, due_at__isnull=False)
    outlasts = Q(incident__state=State.RESOLVED, kind__in=LASTS)
    rows = (
        open_.filter(Q(incident__state__in=UNRESOLVED) | outlasts)
        .order_by()
        .values_list("incident", flat=True)
        .distinct()
    )
    keys = list(rows[:_REPAIRED_AT_ONCE])
    if keys:
        repaired = sum(missing.watch_again(key) for key in keys)
        says = (
            "Promises of open incidents had no time at which anybody looks whether they are missed. They have one now."
        )
        return Finding("unwatched_promises", says, len(keys), repaired)
    count = Promise.objects.filter(look_at__lt=now - STEP_PATIENCE).count()
    says = "Promises have been due for more than two minutes and nobody looked: whoever is next is paged late."
    return Finding("late_promises", says, count) if count else None


def _late_steps(now: datetime) -> Finding | None:
    """A step of a chain is taken when it is due: a time that has long passed is silence by another name."""
    count = Incident.objects.filter(next_page_at__lt=now - STEP_PATIENCE).count()
    says = "Incidents have been due to page somebody for more than two minutes: people are paged late or not at all."
    return Finding("late_steps", says, count) if count else None


def _abandoned_pages(now: datetime) -> Finding | None:
    """Pages cut off in mid-sending are claimed again within a lease; one that is not shows that nobody sends."""
    count = Page.objects.filter(state=Page.State.SENDING, due_at__lt=now - LEASE_PATIENCE).count()
    says = "Pages were cut off while being sent and nobody has taken them up again: is delivery running?"
    return Finding("abandoned_pages", says, count) if count else None


def _unrouted_signals(now: datetime) -> Finding | None:
    """A signal finds its incident within a moment."""
    count = Signal.objects.filter(route_at__lt=now - SIGNAL_PATIENCE).count()
    says = "Signals have waited for more than a minute to be routed: incidents may open late."
    return Finding("unrouted_signals", says, count) if count else None


def _late_pages(now: datetime) -> Finding | None:
    """A page goes out when it is due."""
    count = Page.objects.filter(state=Page.State.PENDING, due_at__lt=now - PAGE_PATIENCE).count()
    says = "Pages have been due for more than two minutes and were not sent: people are paged late."
    return Finding("late_pages", says, count) if count else None


def _late_mirrors(now: datetime) -> Finding | None:
    """Services that keep an incident of their own are told when it is due."""
    count = Mirror.objects.filter(due_at__lt=now - PAGE_PATIENCE).count()
    says = "Services such as PagerDuty were not told for more than two minutes that incidents are taken or over."
    return Finding("late_mirrors", says, count) if count else None


def _signals_held_for_ever(now: datetime) -> Finding | None:
    """What a rule keeps from opening an incident has a time at which it is looked at again."""
    forgotten = Signal.objects.filter(held_by__isnull=False, status=Signal.Status.FIRING, route_at=None)
    count = forgotten.update(route_at=now)
    if count:
        wake.after_commit()
    says = "Signals that rules hold had no time at which they are looked at again. They are looked at now."
    return Finding("held_signals", says, count, count) if count else None


def _late_by_rule(now: datetime) -> Finding | None:
    """Heartbeats, quiet signals and incidents held open are looked at when they are due."""
    before = now - STEP_PATIENCE
    count = (
        Heartbeat.objects.filter(rule__ended_at=None, next_due_at__lt=before).count()
        + Signal.objects.filter(close_at__lt=before).count()
        + Incident.objects.filter(resolve_at__lt=before).count()
    )
    says = "Rules have been due for more than two minutes: missing heartbeats are found late, and ends are late."
    return Finding("late_rules", says, count) if count else None


def _slack_falls_behind(now: datetime) -> Finding | None:
    """What is owed to Slack is worked through beside the pages; where Slack is switched off it may wait."""
    if slack_queries.settings() is None:
        return None
    count = Job.objects.filter(due_at__lt=now - SLACK_PATIENCE).count()
    says = "Messages and channels in Slack have been due for more than ten minutes: what Slack shows is out of date."
    return Finding("slack_falls_behind", says, count) if count else None


def _watches_that_stand_still(now: datetime) -> Finding | None:
    """A watch that is on has a time at which it runs next: one without is blind, and says nothing of it."""
    forgotten = Watch.objects.filter(enabled=True, ended_at=None, next_run_at=None)
    count = forgotten.update(next_run_at=now)
    if count:
        wake.after_commit()
    says = "Watches that are on had no time at which they run next. They run now."
    return Finding("watches_stand_still", says, count, count) if count else None


def _late_watches(now: datetime) -> Finding | None:
    """Watches run, and incidents hear of their alarms, when it is due."""
    before = now - WATCH_PATIENCE
    late = Watch.objects.filter(next_run_at__lt=before).exclude(lease_until__gte=now - LEASE_PATIENCE).count()
    count = late + Alarm.objects.filter(news_at__lt=before).count()
    says = "Watches have been due for more than ten minutes: what they look for is found late."
    return Finding("late_watches", says, count) if count else None


def _late_pulls(now: datetime) -> Finding | None:
    """A pull that is under way has a time (the database holds that), and is looked at when it comes."""
    before = now - STEP_PATIENCE
    free = Q(lease_until=None) | Q(lease_until__lt=before)
    count = Pull.objects.filter(free, next_at__lt=before).count()
    says = (
        "Levers are being pulled, and nobody has looked at them for more than two minutes: is the engine's pulling on?"
    )
    return Finding("late_pulls", says, count) if count else None


def _stuck_pulls() -> Finding | None:
    """A pull that Andon cannot go on with is ended, and people are called; one that stays open is known to nobody."""
    count = Pull.objects.filter(next_at__isnull=False, faults__gte=len(FAULT_RESTS)).count()
    says = (
        "Levers were pulled, and Andon can neither write what came of it nor call anybody: the engine’s log says why."
    )
    return Finding("stuck_pulls", says, count) if count else None
