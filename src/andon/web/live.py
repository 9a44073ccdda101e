"""`GET /live/` and `GET /live/incidents/<number>`: tells open pages that something changed, as server-sent events.

A stream carries no content, only "look again": the page then fetches itself with the viewer's own rights. One
look at the database a second serves every stream of the process; each stream's right to be there is checked again
every few seconds, and the stream ends with it. Browsers come back by themselves.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from django.db import Error as DatabaseProblem

from andon.kit.ending import Ending
from andon.web.watching import Desk, Look, Viewer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST: Final = 256
MOST_OF_ONE: Final = 24
"""Streams of one process, and of one person: each is a page that stands open."""

_RETRY_MILLISECONDS = 3000
_ADDRESS = re.compile(r"/live/(?:incidents/(\d{1,18}))?")
_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Stream:
    """One open page. `pending` holds each kind of event once, however often it happened since it was sent."""

    viewer: Viewer
    number: int | None
    count: int = 0
    pending: dict[str, str] = field(default_factory=dict)
    stir: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    def tell(self, event: str, data: str) -> None:
        """Send this soon."""
        self.pending[event] = data
        self.stir.set()

    def end(self) -> None:
        """Send nothing more and close."""
        self.over = True
        self.stir.set()

    def take(self) -> bytes:
        """What is to be sent, as it goes over the wire."""
        self.stir.clear()
        sent = "".join(f"event: {event}\n{data}\n\n" for event, data in self.pending.items())
        self.pending.clear()
        return sent.encode()

    def tell_lamps(self, look: Look) -> None:
        """The lamps may stand otherwise."""
        self.tell("lamps", f"data: {look.mark.isoformat()}")

    def tell_incident(self, count: int) -> None:
        """The incident has this many timeline entries; a browser that comes back says how many it has heard of."""
        self.count = count
        self.tell("incident", f"id: {count}\ndata: {count}")


class LiveApp:
    """The live streams as an ASGI application.

    Args:
        look_every: Seconds between looks at the database.
        check_every: Seconds between checks of a stream's right to be there.
        heartbeat: Seconds of silence after which a comment is sent, so that nobody in between hangs up.
        most: How many streams at once; beyond it the answer is 503.
    """

    def __init__(
        self, *, look_every: float = 1.0, check_every: float = 8.0, heartbeat: float = 15.0, most: int = MOST
    ) -> None:
        self._look_every = look_every
        self._check_every = check_every
        self._heartbeat = heartbeat
        self._most = most
        self._streams: set[Stream] = set()
        self._desk: Desk | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._look: Look | None = None
        self._ending = Ending(self.end_streams)

    async def start(self) -> None:
        """Begin to look."""
        self._desk = Desk()
        self._tasks = [
            asyncio.create_task(self._looking(self._desk), name="live-looking"),
            asyncio.create_task(self._checking(self._desk), name="live-checking"),
        ]
        self._ending.hear()

    async def stop(self) -> None:
        """End every stream and stop looking."""
        self.end_streams()
        self._ending.forget()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        desk, self._desk, self._look = self._desk, None, None
        if desk is not None:
            await desk.close()

    def end_streams(self) -> None:
        """Let every open stream close itself; call it on the event loop."""
        for stream in self._streams:
            stream.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        address = _ADDRESS.fullmatch(scope["path"])
        if address is None:
            await _refuse(send, 404, "There is nothing live at this address.")
        elif scope["method"] != "GET":
            await _refuse(send, 405, "This address takes GET.", [(b"allow", b"GET")])
        else:
            await self._answer(scope, receive, send, int(address[1]) if address[1] else None)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, number: int | None) -> None:
        desk = self._desk
        headers = {name.lower(): value for name, value in scope["headers"]}
        if desk is None or len(self._streams) >= self._most:
            await _busy(send)
            return
        try:
            viewer = await desk.who(headers.get(b"cookie", b"").decode("latin-1"))
            count = await desk.count(viewer, number) if viewer and number is not None else 0
            self._look = self._look or await desk.look(None)
        except DatabaseProblem:
            await _busy(send)
            return
        if viewer is None:
            await _refuse(send, 401, "Nobody is signed in here any more. Sign in and open the page again.")
        elif count is None:
            await _refuse(send, 404, f"There is no incident INC-{number}, or you may not see it.")
        elif not self._has_room_for(viewer):
            await _busy(send)
        else:
            await self._stream(Stream(viewer, number, count), _seen(scope, headers), receive, send)

    def _has_room_for(self, viewer: Viewer) -> bool:
        own = sum(stream.viewer.key == viewer.key for stream in self._streams)
        return self._desk is not None and len(self._streams) < self._most and own < MOST_OF_ONE

    async def _stream(self, stream: Stream, seen: int | None, receive: Receive, send: Send) -> None:
        """Send until the browser hangs up, the right to see ends, or the process does."""
        if stream.number is not None and seen is not None and seen != stream.count:
            stream.tell_incident(stream.count)  # something happened between the page and its stream
        self._streams.add(stream)
        gone = asyncio.create_task(_hung_up(receive, stream))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
            await _piece(send, f"retry: {_RETRY_MILLISECONDS}\n\n".encode())
            while not stream.over:
                if not stream.pending:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stream.stir.wait(), self._heartbeat)
                if not stream.over:
                    await _piece(send, stream.take() or b": still here\n\n")
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            _log.debug("live.connection_lost", exc_info=True)
        finally:
            self._streams.discard(stream)
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _looking(self, desk: Desk) -> None:
        """One look a second for all streams; none while nobody watches."""
        while True:
            await asyncio.sleep(self._look_every)
            if not self._streams:
                continue
            try:
                self._look = await desk.look(self._look)
                await self._tell(desk, self._look)
            except DatabaseProblem as problem:
                _log.warning("live.database", error=str(problem))
            except Exception:  # noqa: BLE001  every stream of the process depends on this loop: it goes on
                _log.exception("live.looking")

    async def _tell(self, desk: Desk, look: Look) -> None:
        """Pass on what a look found, to those who may know of it."""
        told: set[Viewer] = set()
        if look.changes:
            told = await desk.may_hear({stream.viewer for stream in self._streams}, look.changes)
        for stream in list(self._streams):
            if look.notice_changed or stream.viewer in told:
                stream.tell_lamps(look)
            if stream.number is None or stream.number not in look.known:
                continue
            change = look.changes.get(stream.number)
            if change and change.restricted and not await desk.still(stream.viewer, stream.number):
                stream.end()
            elif look.known[stream.number].count > stream.count:
                stream.tell_incident(look.known[stream.number].count)

    async def _checking(self, desk: Desk) -> None:
        """Look again whether each stream may still be there."""
        while True:
            await asyncio.sleep(self._check_every)
            for stream in list(self._streams):
                try:
                    if not await desk.still(stream.viewer, stream.number):
                        stream.end()
                except DatabaseProblem as problem:
                    _log.warning("live.database", error=str(problem))
                    break
                except Exception:  # noqa: BLE001  as above; who cannot be checked does not stay
                    _log.exception("live.checking")
                    stream.end()


_STREAM_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


async def _hung_up(receive: Receive, stream: Stream) -> None:
    """Wait until the browser is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end()


def _seen(scope: Scope, headers: Mapping[bytes, bytes]) -> int | None:
    """How many timeline entries the page shows: of the event heard last, else as the page itself said."""
    given = headers.get(b"last-event-id", b"").decode("latin-1")
    if not given.isdecimal():
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("seen", [""])[0]
    return int(given) if given.isdecimal() and len(given) < 10 else None  # noqa: PLR2004  more digits than entries


async def _piece(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _busy(send: Send) -> None:
    says = (
        "Too many pages are watching, or Andon is starting or stopping. This page still works; it only does not move."
    )
    await _refuse(send, 503, says, [(b"retry-after", b"10")])


async def _refuse(send: Send, status: int, says: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = f"{says}\n".encode()
    plain = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    sent = [*plain, (b"cache-control", b"no-store"), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
