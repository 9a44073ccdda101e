"""What this server process knows of the switches that somebody listens to, and since when it is true.

A look at the database is shared by all who wait for one. There is one when a switch is set (told by the database, in
any process), one a second while streams are open, and one whenever somebody asks who needs to know what is so now.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID

import structlog
from django.db import Error as DatabaseProblem
from django.db import connections

from andon.kit import clock, db, ids
from andon.kit.crypto import Undecryptable
from andon.kit.listening import Listener
from andon.sdk.guard.sealing import Snapshot
from andon.sdk.guard.words import Mode
from andon.switch.actions import Heard, hear
from andon.switch.actions.switching import CHANNEL
from andon.switch.models import GuardToken, Switch

P = ParamSpec("P")
R = TypeVar("R")

MOST_AT_ONCE: Final = 2_000
"""Replicas whose words go into one transaction."""
LOOK_SECONDS: Final = 10.0
APART: Final = 0.02
"""Seconds between two looks at least."""
_log = structlog.get_logger(__name__)


class Unavailable(Exception):  # noqa: N818  reads as what it is
    """The database cannot say now what is so."""


@dataclass(frozen=True)
class Door:
    """Who knocks: a token, the system that it is for, and what is sealed with."""

    token: UUID
    digest: str
    system: UUID
    slug: str
    key: bytes


@dataclass(frozen=True)
class Look:
    """What one look at the database saw.

    Attributes:
        at: When it began, on this process's clock: it is true since then.
        switches: What each switch that was asked about says, by the system's key.
        revoked: Digests of those tokens, of the ones that were asked about, that work no more.
    """

    at: float
    switches: Mapping[UUID, Snapshot] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()


def look(systems: Iterable[UUID], tokens: Iterable[str]) -> Look:
    """See what is so."""
    at = clock.monotonic()
    rows = Switch.objects.filter(system__in=list(systems)).select_related("system")
    asked = frozenset(tokens)
    works = GuardToken.objects.filter(digest__in=asked, revoked_at=None).values_list("digest", flat=True)
    return Look(at, {row.system_id: said(row) for row in rows}, asked.difference(works))


def said(row: Switch) -> Snapshot:
    """What a switch says, as its processes are told."""
    return Snapshot(
        row.system.slug, row.number, row.mark, Mode(row.mode), row.limit, float(row.max_stale_seconds),
        Mode(row.on_stale),
    )  # fmt: skip


def door(digest: str) -> Door | None:
    """The token with this digest, if it works."""
    row = GuardToken.objects.select_related("system").filter(digest=digest, revoked_at=None).first()
    return Door(row.pk, digest, row.system_id, row.system.slug, row.key.encode()) if row else None


class Board:
    """The looks, the tokens and what replicas say, for one server process.

    Args:
        changed: Called on the event loop after each look, with it.
        wanted: Which systems somebody listens to, and the digests of which tokens are taken to work.
        every: Seconds between looks while anybody listens.
    """

    def __init__(
        self,
        changed: Callable[[Look], None],
        wanted: Callable[[], tuple[set[UUID], set[str]]],
        *,
        every: float = 1.0,
    ) -> None:
        self._changed, self._wanted, self._every = changed, wanted, every
        self._looks, self._asks = ThreadPoolExecutor(1, "switch-looks"), ThreadPoolExecutor(1, "switch-asks")
        self._writes = ThreadPoolExecutor(1, "switch-writes")
        self._stir = asyncio.Event()
        self._extra: set[UUID] = set()
        self._turn: asyncio.Future[Look] | None = None
        self._heard: list[tuple[Heard, asyncio.Future[None]]] = []
        self._words = asyncio.Event()
        self.last: Look | None = None
        loop = asyncio.get_running_loop()
        self._listener = Listener(CHANNEL, lambda: _on(loop, self._stir.set))
        self._tasks = [
            asyncio.create_task(self._looking(), name="switch-looking"),
            asyncio.create_task(self._writing(), name="switch-writing"),
        ]
        self._listener.start()

    async def close(self) -> None:
        """End once what is being done is done."""
        self._listener.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, answer in self._heard:
            answer.cancel()
        for pool in (self._looks, self._asks, self._writes):
            pool.submit(connections.close_all)
            await asyncio.to_thread(pool.shutdown)

    async def who(self, token: str) -> Door | None:
        """Who knocks, or None. Raises `Unavailable`."""
        return await _well(_in(self._asks, door, ids.digest(token)))

    async def since(self, moment: float, system: UUID) -> Look:
        """A look that began no earlier than a moment, with this system in it. Raises `Unavailable`."""
        seen = self.last
        if seen is None or seen.at < moment or system not in seen.switches:
            self._extra.add(system)
            if self._turn is None:
                self._turn = asyncio.get_running_loop().create_future()
            self._stir.set()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    seen = await asyncio.shield(self._turn)
            except TimeoutError as error:
                raise Unavailable("The database is busy.") from error
        if system not in seen.switches:
            raise Unavailable("This system has no switch.")
        return seen

    async def hear(self, one: Heard) -> None:
        """Return once it is on disk what a replica said. Raises `Unavailable`."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard.append((one, answer))
        self._words.set()
        await answer

    async def _looking(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._every):
                    await self._stir.wait()
            except TimeoutError:
                if not self._wanted()[0]:
                    continue
            if self.last is not None:  # a storm of news is one look every few milliseconds
                await asyncio.sleep(max(0.0, self.last.at + APART - clock.monotonic()))
            self._stir.clear()
            turn, self._turn = self._turn, None
            systems, tokens = self._wanted()
            extra, self._extra = self._extra, set()
            if not systems and not extra and not tokens:
                continue
            try:
                self.last = await _in(self._looks, look, systems | extra, tokens)
            except Exception as problem:  # noqa: BLE001  every stream of the process depends on this loop: it goes on
                _log.warning("switch.looking", error=str(problem), exc_info=not isinstance(problem, DatabaseProblem))
                if turn is not None:
                    turn.set_exception(Unavailable("The database cannot be reached."))
                    turn.exception()
                await asyncio.sleep(0.1)
                continue
            self._changed(self.last)
            if turn is not None and not turn.done():
                turn.set_result(self.last)

    async def _writing(self) -> None:
        """Write what many replicas said in one transaction, and answer each once it is on disk."""
        while True:
            await self._words.wait()
            self._words.clear()
            while batch := self._heard[:MOST_AT_ONCE]:
                del self._heard[: len(batch)]
                problem: Unavailable | None = None
                try:
                    await _in(self._writes, hear, [one for one, _ in batch])
                except Exception as error:  # noqa: BLE001  each of them must get an answer, whatever went wrong
                    known = isinstance(error, DatabaseProblem)
                    _log.warning("switch.hearing", replicas=len(batch), error=str(error), exc_info=not known)
                    problem = Unavailable("What was said could not be written.")
                for _, answer in batch:
                    if not answer.done() and problem is not None:
                        answer.set_exception(problem)
                    elif not answer.done():
                        answer.set_result(None)


async def _well(asked: Awaitable[R]) -> R:
    try:
        return await asked
    except (DatabaseProblem, Undecryptable) as error:
        raise Unavailable(str(error)) from error


async def _in(pool: ThreadPoolExecutor, ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    def asked() -> R:
        with db.at_work():
            return ask(*args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(pool, asked)


def _on(loop: asyncio.AbstractEventLoop, call: Callable[[], Any]) -> None:
    """Call it there, unless the loop has ended with its server."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
