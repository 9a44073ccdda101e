"""`POST /intake/<kind>/<integration>`: signals come in here, in front of Django.

A 2xx is sent only after the commit. What is not understood is kept all the same, so that a person can see it. While
nothing can be written the answer is 503, which senders take as "try again": never 429, on which Alertmanager drops.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec
import structlog

from andon.intake.adapters import adapters
from andon.intake.doors import Door, Doors, token_of
from andon.intake.events import Event, Malformed
from andon.intake.queries import find_door
from andon.intake.recording import Heard
from andon.intake.writer import Unavailable, Unstorable, Writer
from andon.kit import ids

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)

MAX_BODY = 1024 * 1024
MAX_HELD = 64 * 1024 * 1024  # bytes of bodies that are on their way in, all requests together
BODY_SECONDS = 30.0
WRITE_SECONDS = 10.0
RETRY_AFTER_SECONDS = 2
GC_YOUNG = 20_000  # new objects between two collections; Python's own 700 suits short scripts

_encode = msgspec.json.Encoder().encode


class Refusal(Exception):  # noqa: N818  reads as what it is
    """A request that is not taken, as the answer it gets."""

    def __init__(self, status: int, title: str, detail: str, **more: str) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
        self.headers: list[tuple[bytes, bytes]] = []


class Gone(Exception):  # noqa: N818  as above
    """The sender hung up before its body was complete: nobody is there to answer."""


class IntakeApp:
    """The intake as an ASGI application."""

    def __init__(self, writer: Writer | None = None) -> None:
        self._first_writer = writer
        self._writer: Writer | None = None
        self._doors: Doors | None = None
        self._held = 0

    async def start(self) -> None:
        """Begin to take signals."""
        self._writer, self._first_writer = self._first_writer or Writer(), None
        self._doors = Doors(find_door)
        self._writer.start()
        # Everything loaded by now stays for good: the collector need not walk through it again and again while a
        # storm makes and drops objects by the hundred thousand (measured: a sixth of the time).
        gc.freeze()
        gc.set_threshold(GC_YOUNG, 20, 20)

    async def stop(self) -> None:
        """Write what was taken, and end."""
        if self._writer is not None:
            await self._writer.stop()
        if self._doors is not None:
            await asyncio.to_thread(self._doors.close)
        self._writer = self._doors = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            answer = await self._take(scope, headers, receive)
        except Refusal as refusal:
            await _send(send, refusal.status, _encode(refusal.problem), refusal.headers, b"application/problem+json")
        except Gone:
            log.info("intake.sender_gone", path=scope["path"])
        else:
            await _send(send, 200, answer)

    async def _take(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Take one delivery; the body of the answer once it is on disk."""
        kind, slug = _address(scope)
        door = await self._admit(kind, slug, token_of(headers, scope.get("query_string", b"")))
        heard = Heard(ids.new(), door.id, b"", headers.get("content-type", ""), [])
        try:
            heard.body = await self._body(headers, receive)
            heard.events = _understand(door, heard.body, headers)
        except Refusal as refusal:
            if refusal.status in {400, 413}:  # the sender's own doing: it will not be sent again as it is
                heard.error = _in_words(refusal)
                await self._keep(heard)
                refusal.problem["delivery"] = str(heard.delivery)
            raise
        await self._keep(heard)
        return _encode({"status": "accepted", "signals": len(heard.events), "delivery": str(heard.delivery)})

    async def _admit(self, kind: str, slug: str, token: str) -> Door:
        """The integration that is meant, if the token is its own; a wrong token and a wrong name get one answer."""
        if self._doors is None:
            raise _unavailable("Andon is starting or stopping.")
        try:
            door = await self._doors.open(kind, slug, token)
        except Unavailable as error:
            raise _unavailable(str(error)) from error
        if door is None:
            refusal = Refusal(
                401,
                "Unknown integration or token",
                "There is no such integration, it is disabled, or the token is not its own. Compare address and "
                "token with the integration's page in Andon.",
            )
            refusal.headers = [(b"www-authenticate", b'Bearer realm="andon"')]
            raise refusal
        return door

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """The whole body, bounded in size, time, and in what all requests together hold."""
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            raise _too_large()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._pieces(receive)
        except TimeoutError as error:
            raise _closing(
                Refusal(408, "Too slow", f"The body did not arrive within {BODY_SECONDS:.0f} seconds.")
            ) from error

    async def _pieces(self, receive: Receive) -> bytes:
        """The pieces of a body put together; most come in one."""
        body: bytes = b""
        held = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    raise _too_large()
                if not message.get("more_body"):
                    return body
                if self._held + len(body) - held > MAX_HELD:
                    raise _unavailable("More signals are coming in than can be held.")
                self._held += len(body) - held
                held = len(body)
        finally:
            self._held -= held

    async def _keep(self, heard: Heard) -> None:
        """Return once it is on disk."""
        if self._writer is None:
            raise _unavailable("Andon is stopping.")
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._writer.write(heard)
        except (Unavailable, TimeoutError) as error:
            raise _unavailable(str(error) or "The database is busy.") from error
        except Unstorable as error:
            refusal = Refusal(400, "Cannot be stored", f"The database does not take this delivery: {error}")
            await self._keep_what_cannot_be_stored(heard, refusal)
            raise refusal from error

    async def _keep_what_cannot_be_stored(self, heard: Heard, refusal: Refusal) -> None:
        """One more try, with the raw body alone: what was heard should be seen by a person."""
        if self._writer is None or not heard.events:
            return
        raw = Heard(heard.delivery, heard.integration, heard.body, "", [], error=_in_words(refusal))
        try:
            await self._writer.write(raw)
        except (Unavailable, Unstorable):
            log.exception("intake.lost", delivery=str(heard.delivery))


def _address(scope: Scope) -> tuple[str, str]:
    """Kind and integration from the path."""
    match scope["path"].split("/"):
        case ["", "intake", kind, slug] if kind in adapters() and slug:
            if scope["method"] == "POST":
                return kind, slug
            refusal = Refusal(405, "Use POST", "Signals are sent to this address with POST.")
            refusal.headers = [(b"allow", b"POST")]
            raise refusal
        case _:
            raise Refusal(
                404, "No such intake", "The address is /intake/<kind>/<integration>; see the integration's page."
            )


def _understand(door: Door, body: bytes, headers: Mapping[str, str]) -> list[Event]:
    try:
        return adapters()[door.kind].parse(body, headers, door.settings)
    except Malformed as error:
        more = {"field": error.field} if error.field else {}
        raise Refusal(400, "Not understood", error.what, **more) from error


def _in_words(refusal: Refusal) -> str:
    field = refusal.problem.get("field")
    return f"{field}: {refusal}" if field else str(refusal)


def _too_large() -> Refusal:
    return _closing(Refusal(413, "Too large", f"A body may have at most {MAX_BODY} bytes; send fewer alerts at once."))


def _closing(refusal: Refusal) -> Refusal:
    """The rest of the body is not read: the connection is of no further use."""
    refusal.headers = [(b"connection", b"close")]
    return refusal


def _unavailable(why: str) -> Refusal:
    refusal = Refusal(
        503, "Try again", f"{why} Send it again; what was taken already is recognised and not taken twice."
    )
    refusal.headers = [(b"retry-after", str(RETRY_AFTER_SECONDS).encode())]
    return refusal


async def _send(
    send: Send,
    status: int,
    body: bytes,
    headers: list[tuple[bytes, bytes]] | None = None,
    content_type: bytes = b"application/json",
) -> None:
    head = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
