"""What the live streams ask of the database: who watches, what they may see, and what changed.

Django's ORM is asked in two threads of its own, one for the looks that serve everybody and one for the rest, so that
a rush of new streams does not hold up the looks.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from typing import Final, ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.db import connections
from django.db.models import QuerySet
from django.http import HttpRequest, parse_cookie

from andon.engine import beats
from andon.incidents.models import Incident
from andon.incidents.policy import visible
from andon.kit import clock, db
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import OrgRole

P = ParamSpec("P")
R = TypeVar("R")

OVERLAP: Final = timedelta(seconds=30)
"""How far back each look goes: a transaction may become visible this long after the time it wrote."""

MOST_CHANGES: Final = 2000


@dataclass(frozen=True)
class Viewer:
    """Whose page is open. A change of role ends the stream, so that nothing here goes stale."""

    key: UUID
    session: str = field(repr=False)
    role: str


@dataclass(frozen=True)
class Change:
    """An incident that changed: when last, how many timeline entries it has now, and whether it is restricted."""

    at: datetime
    count: int
    restricted: bool


@dataclass(frozen=True)
class Look:
    """What one look at the database saw.

    Attributes:
        mark: The newest change of any incident.
        known: The incidents that changed lately, by number.
        changes: Those that changed since the look before.
        notice: What stands above every page.
        notice_changed: Whether that is new.
    """

    mark: datetime
    known: Mapping[int, Change]
    changes: Mapping[int, Change] = field(default_factory=dict)
    notice: str = ""
    notice_changed: bool = False


def look(before: Look | None) -> Look:
    """What changed since the look before; the first one only learns how things stand. Two indexed queries."""
    mark = before.mark if before else clock.now()
    rows = (
        Incident.objects.filter(changed_at__gte=mark - OVERLAP)
        .order_by("-changed_at")
        .values_list("number", "changed_at", "timeline_count", "restricted")[:MOST_CHANGES]
    )
    known = {number: Change(at, count, restricted) for number, at, count, restricted in rows}
    mark = max([mark, *(change.at for change in known.values())])
    changes = {n: change for n, change in known.items() if before is not None and before.known.get(n) != change}
    notice = beats.status(clock.now()).sentence
    return Look(mark, known, changes, notice, before is not None and notice != before.notice)


def who(session_key: str) -> Viewer | None:
    """The signed-in, active person of a session; None when it has ended in any way."""
    if not session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    person = get_user(request)
    if not isinstance(person, Person) or not person.is_active:
        return None
    return Viewer(person.pk, session_key, person.role)


def count(viewer: Viewer, number: int) -> int | None:
    """How many timeline entries the incident has; None if there is none that the viewer may know of."""
    found = _seen_by(viewer).filter(number=number)
    return found.values_list("timeline_count", flat=True).first()


def still(viewer: Viewer, number: int | None) -> bool:
    """Whether the viewer may go on watching: same session, same role, and the incident still theirs to see."""
    return who(viewer.session) == viewer and (number is None or count(viewer, number) is not None)


def may_hear(viewers: Iterable[Viewer], changes: Mapping[int, Change]) -> set[Viewer]:
    """Those who may know of at least one of the changed incidents. That there was a change says something, too."""
    anybody = any(not change.restricted for change in changes.values())
    return {
        viewer
        for viewer in viewers
        if (anybody and OrgRole(viewer.role).at_least(OrgRole.VIEWER))
        or _seen_by(viewer).filter(number__in=list(changes)).exists()
    }


def _seen_by(viewer: Viewer) -> QuerySet[Incident]:
    person = Person.objects.filter(pk=viewer.key).first()
    return visible(Actor.of(person)) if person else Incident.objects.none()


class Desk:
    """The functions above, awaited."""

    def __init__(self) -> None:
        self._looks = ThreadPoolExecutor(1, "live-looks")
        self._asks = ThreadPoolExecutor(1, "live-asks")

    async def look(self, before: Look | None) -> Look:
        """See `look`."""
        return await _in(self._looks, look, before)

    async def who(self, cookies: str) -> Viewer | None:
        """The viewer behind a Cookie header."""
        session_key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, "")
        return await _in(self._asks, who, session_key)

    async def count(self, viewer: Viewer, number: int) -> int | None:
        """See `count`."""
        return await _in(self._asks, count, viewer, number)

    async def still(self, viewer: Viewer, number: int | None) -> bool:
        """See `still`."""
        return await _in(self._asks, still, viewer, number)

    async def may_hear(self, viewers: Iterable[Viewer], changes: Mapping[int, Change]) -> set[Viewer]:
        """See `may_hear`."""
        return await _in(self._looks, may_hear, set(viewers), changes)

    async def close(self) -> None:
        """End the threads once what they do is done, and their connections with them."""
        for pool in (self._looks, self._asks):
            pool.submit(connections.close_all)
            await asyncio.to_thread(pool.shutdown)


async def _in(pool: ThreadPoolExecutor, ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    def asked() -> R:
        with db.at_work():
            return ask(*args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(pool, asked)
