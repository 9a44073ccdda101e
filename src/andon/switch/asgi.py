"""`/guard/<system>`: what guarded processes hear and say, in front of Django.

`GET /guard/<system>/stream?nonce=…` is a stream of sealed snapshots, one a second and one whenever the switch is set.
`GET /guard/<system>?nonce=…` is one of them. `POST /guard/<system>/replicas` is how a process says what it applies.
A snapshot says what the database said at a moment, and how long after the request that was; while the database cannot
be asked there is none, and processes know by that.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

import msgspec
import structlog

from andon.kit import clock, ids
from andon.kit.ending import Ending
from andon.sdk.guard.sealing import MOST_REVISION, PREFIX, seal
from andon.sdk.guard.words import Mode, State
from andon.switch import told
from andon.switch.actions import Heard
from andon.switch.board import Board, Door, Look, Unavailable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST: Final = 5_000
"""Streams of one process; whoever comes after them asks once a second instead."""
BEAT: Final = 1.0
LASTS: Final = 900.0
"""Seconds after which a stream ends, so that two clocks of slightly different pace do not drift apart."""
TOO_OLD: Final = 3.0
"""Seconds after which a look says nothing any more of what is so."""
REMEMBERED: Final = 4_096
REMEMBERED_SECONDS: Final = 2.0
MOST_BODY: Final = 8_192
NONCE: Final = 8, 64
_log = structlog.get_logger(__name__)


class Said(msgspec.Struct):
    """What a process says of itself."""

    instance: str
    host: str
    revision: int
    mode: str
    state: str
    mark: str = ""
    version: str = ""
    runtime: str = ""
    applied_ago: float = 0.0
    refused: int | None = None
    ended: bool = False


@dataclass(eq=False)
class Stream:
    """One process that listens."""

    door: Door
    nonce: str
    began: float
    stir: asyncio.Event = field(default_factory=asyncio.Event)
    revision: tuple[int, str] = (-1, "")
    over: bool = False

    def end(self) -> None:
        """Close."""
        self.over = True
        self.stir.set()


class Refusal(Exception):  # noqa: N818  reads as what it is
    """An answer that is none: its status, and why in words."""

    def __init__(self, status: int, says: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(says)
        self.status, self.headers = status, headers


class GuardApp:
    """The kill switch's side of the server, as an ASGI application.

    Args:
        beat: Seconds between two snapshots of a stream.
        lasts: Seconds after which a stream ends and is made anew.
        most: How many streams at once.
    """

    def __init__(self, *, beat: float = BEAT, lasts: float = LASTS, most: int = MOST) -> None:
        self._beat, self._lasts, self._most = beat, lasts, most
        self._streams: set[Stream] = set()
        self._board: Board | None = None
        self._doors: OrderedDict[str, tuple[float, Door | None]] = OrderedDict()
        self._ending = Ending(self.end_streams)

    async def start(self) -> None:
        """Begin to listen for what is set."""
        self._board = Board(self._changed, self._wanted, every=self._beat)
        self._ending.hear()

    async def stop(self) -> None:
        """End every stream, and stop."""
        self._ending.forget()
        board, self._board = self._board, None
        self.end_streams()
        if board is not None:
            await board.close()

    def end_streams(self) -> None:
        """Let every open stream close itself; call it on the event loop."""
        for stream in self._streams:
            stream.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._answer(scope, receive, send)
        except Refusal as refusal:
            await answer(send, refusal.status, f"{refusal}\n".encode(), *refusal.headers)
        except Unavailable as problem:
            says = f"{problem} Ask again; until then what was heard last holds.\n"
            await answer(send, 503, says.encode(), (b"retry-after", b"1"))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["path"].split("/"):
            case ["", "guard", slug] if slug:
                _must_be(scope, "GET")
                await self._tell(await self.door(scope, slug), _nonce(scope), send)
            case ["", "guard", slug, "stream"]:
                _must_be(scope, "GET")
                await self._open(await self.door(scope, slug), _nonce(scope), receive, send)
            case ["", "guard", slug, "replicas"]:
                _must_be(scope, "POST")
                await self._hear(await self.door(scope, slug), await body(receive, MOST_BODY), send)
            case _:
                raise Refusal(404, "Nothing is guarded at this address; it is /guard/<system>.")

    @property
    def board(self) -> Board:
        """What is known; raises `Unavailable` while the server starts or stops."""
        if self._board is None:
            raise Unavailable("Andon is starting or stopping.")
        return self._board

    async def door(self, scope: Scope, slug: str = "") -> Door:
        """Who knocks, if their token is for this system (any, if none is named)."""
        token = _bearer(scope)
        digest, now = ids.digest(token), clock.monotonic()
        until, found = self._doors.get(digest, (0.0, None))
        if until <= now:
            found = await self.board.who(token) if token else None
            self._doors[digest] = (now + REMEMBERED_SECONDS, found)
            while len(self._doors) > REMEMBERED:
                self._doors.popitem(last=False)
        if found is None:
            raise Refusal(
                401, "No guard token that works came with this. Make one on the system's page in Andon.",
                (b"www-authenticate", b'Bearer realm="andon-guard"'),
            )  # fmt: skip
        if slug and found.slug != slug:
            raise Refusal(403, f"This guard token is for {found.slug} alone.")
        return found

    async def _tell(self, door: Door, nonce: str, send: Send) -> None:
        """One snapshot, of now."""
        began = clock.monotonic()
        look = await self.board.since(began, door.system)
        line = _sealed(door, look, nonce, began)
        await answer(send, 200, f"{line}\n".encode(), (b"cache-control", b"no-store"))

    async def _hear(self, door: Door, given: bytes, send: Send) -> None:
        """What a replica says of itself."""
        try:
            said = msgspec.json.decode(given, type=Said)
            mode, state = Mode(said.mode).value, State(said.state).value
        except (msgspec.DecodeError, ValueError) as error:
            raise Refusal(400, f"This cannot be read: {error}") from error
        instance = _plain(said.instance, 121)
        if not 0 < len(instance) <= 120 or not 0 <= said.revision <= MOST_REVISION or not said.applied_ago >= 0:  # noqa: PLR2004
            raise Refusal(400, "An instance has a name of 1 to 120 characters, and a revision is 0 or more.")
        await self.board.hear(
            Heard(
                door.system, door.token, instance, _plain(said.host, 200), _plain(said.version, 80),
                _plain(said.runtime, 80), said.revision, _plain(said.mark, 16), mode, state,
                min(said.applied_ago, 10 * 365 * 86_400.0),
                said.refused if said.refused is not None and 0 <= said.refused <= MOST_REVISION else None, said.ended,
            )
        )  # fmt: skip
        await answer(send, 204, b"")

    # Streams

    async def _open(self, door: Door, nonce: str, receive: Receive, send: Send) -> None:
        if len(self._streams) >= self._most:
            raise Refusal(503, "Too many streams are open here. Ask once a second instead.", (b"retry-after", b"5"))
        stream = Stream(door, nonce, clock.monotonic())
        look = await self.board.since(stream.began, door.system)
        self._streams.add(stream)
        told.here.opened(door.system)
        gone = asyncio.create_task(_hung_up(receive, stream))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
            await self._speak(stream, look, send)
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            _log.debug("switch.connection_lost", exc_info=True)
        finally:
            self._streams.discard(stream)
            told.here.closed(door.system)
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _speak(self, stream: Stream, look: Look | None, send: Send) -> None:
        """Snapshots, until the process hangs up, its token ends, or it has been long enough."""
        ends = stream.began + self._lasts * random.uniform(0.8, 1.2)  # noqa: S311  so that not all end at one moment
        while not stream.over and clock.monotonic() < ends:
            snapshot = look.switches.get(stream.door.system) if look else None
            if look is not None and snapshot is not None and clock.monotonic() - look.at < TOO_OLD:
                stream.revision = (snapshot.revision, snapshot.mark)
                line = _sealed(stream.door, look, stream.nonce, stream.began)
                await send({"type": "http.response.body", "body": f"data: {line}\n\n".encode(), "more_body": True})
            with suppress(TimeoutError):
                async with asyncio.timeout(self._beat):
                    await stream.stir.wait()
            stream.stir.clear()
            look = self._board.last if self._board else None

    def _wanted(self) -> tuple[set[UUID], set[str]]:
        known = {digest for digest, (_, found) in self._doors.items() if found is not None}
        return {one.door.system for one in self._streams}, {one.door.digest for one in self._streams} | known

    def _changed(self, look: Look) -> None:
        """After a look: tell those whose switch was set, and have done with those whose token was revoked."""
        for digest in look.revoked:
            self._doors.pop(digest, None)
        for stream in self._streams:
            snapshot = look.switches.get(stream.door.system)
            if stream.door.digest in look.revoked:
                stream.end()
            elif snapshot is not None and (snapshot.revision, snapshot.mark) != stream.revision:
                stream.stir.set()
        # Whoever was stirred speaks in this turn of the loop, each before what is asked for here.
        asyncio.get_running_loop().call_soon(
            told.here.have_told, {one: said.revision for one, said in look.switches.items()}
        )


_STREAM_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


def _sealed(door: Door, look: Look, nonce: str, began: float) -> str:
    snapshot = replace(look.switches[door.system], nonce=nonce, elapsed=max(0.0, look.at - began))
    return seal(door.key, snapshot)


def _must_be(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        raise Refusal(405, f"This address takes {method}.", (b"allow", method.encode()))


def _nonce(scope: Scope) -> str:
    """What the process made up for this request; else anybody could play an old answer again."""
    given: str = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("nonce", [""])[0]
    if not NONCE[0] <= len(given) <= NONCE[1] or not given.isascii() or not given.isprintable():
        raise Refusal(400, f"Send ?nonce=, {NONCE[0]} to {NONCE[1]} characters made up for this request.")
    return given


def _bearer(scope: Scope) -> str:
    """The token that came with it. Whoever sends the whole of it has given away what it seals with."""
    headers: Mapping[bytes, bytes] = {name.lower(): value for name, value in scope["headers"]}
    kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    token = token.strip() if kind.lower() == "bearer" else headers.get(b"x-api-key", b"").decode("latin-1").strip()
    if token.startswith(f"{PREFIX}.") and token.count(".") > 2:  # noqa: PLR2004  its parts
        raise Refusal(400, "Send the token without what stands after its last dot: that part never leaves you.")
    return token


def _plain(text: str, most: int) -> str:
    """What a process calls itself, as a page can show it and a database keep it."""
    return "".join(sign for sign in text[:most] if sign.isprintable())


async def _hung_up(receive: Receive, stream: Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end()


async def body(receive: Receive, most: int) -> bytes:
    """A request's body; raises `Refusal` when it is longer."""
    given = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "The request ended before its body did.")
        given += bytes(message.get("body", b""))
        if len(given) > most:
            raise Refusal(413, f"A body has at most {most} bytes here.", (b"connection", b"close"))
        if not message.get("more_body"):
            return given


async def answer(
    send: Send, status: int, given: bytes, *headers: tuple[bytes, bytes], kind: bytes = b"text/plain; charset=utf-8"
) -> None:
    """One answer, whole."""
    head = [(b"content-type", kind), (b"content-length", str(len(given)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": given})
