"""The lamps as a viewer may see them: open incidents by severity, clocks due, uncovered systems, overdue actions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Exists, OuterRef

from andon.engine import beats
from andon.incidents.models import Incident
from andon.incidents.policy import visible
from andon.kit import clock
from andon.kit.memo import Memo
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.severity import Severity
from andon.practice.words import IncidentKind, OrgRole
from andon.registry import queries as registry
from andon.response.clocks import DUE_SOON, Clock, running, waiting
from andon.reviews import queries as reviews
from andon.rules import queries as rules

CLOCKS_LOOKED_AT: Final = 1000
"""In a storm of more incidents than this whose clocks run, those that opened first are counted."""

_counted: Final[Memo["Lamps"]] = Memo(timedelta(seconds=1))
_notice: Final[Memo[str]] = Memo(timedelta(seconds=1))
_uncovered: Final[Memo[int]] = Memo(timedelta(seconds=15))  # looks at thirty days of every chain: the costly one


@dataclass(frozen=True)
class SeverityLamp:
    """How many incidents of one severity go on."""

    level: int
    count: int


@dataclass(frozen=True)
class ClockLamp:
    """Clocks that are due within a day or over, how many of these are over, and when the next one runs out."""

    count: int
    over: int
    next_at: datetime | None


@dataclass(frozen=True)
class Lamps:
    """What the bar on top of every page shows."""

    severities: tuple[SeverityLamp, ...]
    clocks: ClockLamp
    uncovered: int
    overdue: int
    quiet: int = 0  # silences and maintenance windows that are on


def lamps(by: Actor) -> Lamps:
    """The viewer's lamps, at most a second old."""
    return _counted.get(_viewer(by), lambda: _count(by))


def lamps_now(by: Actor) -> Lamps:
    """The viewer's lamps as they stand."""
    return _counted.renew(_viewer(by), lambda: _count(by))


def notice() -> str:
    """What stands above every page while the engine cannot be relied on; empty while it can."""
    return _notice.get("engine", lambda: beats.status(clock.now()).sentence)


def forget() -> None:
    """Drop what is kept: this process wrote something."""
    for kept in (_counted, _notice, _uncovered):
        kept.clear()


def uncovered_counted(count: int) -> None:
    """Somebody has looked in full: keep what they found."""
    _uncovered.renew("systems", lambda: count)


def _viewer(by: Actor) -> tuple[object, ...]:
    """What the lamps depend on besides the facts."""
    return (by.name, by.person.role if by.person else "")


def _count(by: Actor) -> Lamps:
    going_on = visible(by).filter(state__in=UNRESOLVED, kind=IncidentKind.REAL)
    by_severity = dict(going_on.order_by().values_list("severity").annotate(Count("pk")))
    return Lamps(
        severities=tuple(SeverityLamp(level.value, by_severity.get(level.value, 0)) for level in Severity),
        clocks=count_clocks(running(with_clocks(by)), clock.now()),
        uncovered=_uncovered.get("systems", _count_uncovered) if by.may(OrgRole.VIEWER) else 0,
        overdue=reviews.overdue(by).count(),
        quiet=len(rules.quiet_now(clock.now())) if by.may(OrgRole.VIEWER) else 0,
    )


def with_clocks(by: Actor) -> Iterable[Incident]:
    """The incidents of which a clock may run, no more of each than a clock asks for."""
    waits = Exists(waiting().filter(incident=OuterRef("pk")))
    rows = visible(by).filter(waits, kind=IncidentKind.REAL).select_related(None)
    return rows.only("number", "state", "detected_at").order_by("detected_at")[:CLOCKS_LOOKED_AT]


def _count_uncovered() -> int:
    return len(registry.uncovered(clock.now()))


def count_clocks(clocks: Iterable[Clock], now: datetime) -> ClockLamp:
    """What the lamp says of the clocks that run."""
    due = sorted(found.due_at for found in clocks if found.due_at <= now + DUE_SOON)
    ahead = [at for at in due if at > now]
    return ClockLamp(count=len(due), over=len(due) - len(ahead), next_at=ahead[0] if ahead else None)
