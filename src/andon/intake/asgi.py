"""`POST /intake/<kind>/<integration>`: signals come in here, in front of Django.

Also at addresses that some senders cannot be talked out of, such as `/v2/enqueue`; each adapter says which.

A 2xx is sent only after the commit. What is not understood is kept all the same, so that a person can see it. While
nothing can be written the answer is 503, which senders take as "try again": never 429, on which Alertmanager drops.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
import structlog

from andon.intake.adapters import adapters
from andon.intake.at_once import Asker, AtOnce, Patience, seconds_to_write
from andon.intake.decoding import to_look_at, token_inside, unpacked
from andon.intake.doors import Door, Doors, find_door, token_of
from andon.intake.events import PROBLEM, Malformed, Request, Said, Sender, Unsigned
from andon.intake.recording import BODY_KEPT, Heard
from andon.intake.writer import TOO_BUSY, Unavailable, Unstorable, Writer
from andon.kit import clock, garbage, ids, outbound

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)

MAX_HELD = 64 * 1024 * 1024  # bytes of bodies that are on their way in, all requests together
BODY_SECONDS = 30.0
MOST_DROPPED = 32 * 1024 * 1024  # bytes that are read and dropped of a body that is too large
DROP_SECONDS = 5.0
WRITE_SECONDS = 10.0
THINK_SECONDS = 15.0  # an adapter that waits for something else, such as a certificate
THINKERS = 4
RETRY_AFTER_SECONDS = 2
UNSIGNED_EVERY = timedelta(minutes=5)  # between two words on a page of requests whose signature does not fit

T = TypeVar("T")
_NOTHING: Mapping[str, str] = {}

_encode = msgspec.json.Encoder().encode


class Refusal(Exception):  # noqa: N818  reads as what it is
    """A request that is not taken, as the answer it gets.

    Attributes:
        begun: The beginning of a body of which not all was read.
        spoken: Content type and body of the answer as its sender expects them, once it is known who that is.
    """

    def __init__(self, status: int, title: str, detail: str, **more: str) -> None:
        super().__init__(detail)
        self.status = status
        self.problem: dict[str, Any] = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            **more,
        }
        self.headers: list[tuple[bytes, bytes]] = []
        self.begun = b""
        self.spoken: tuple[bytes, bytes] | None = None


class Gone(Exception):  # noqa: N818  as above
    """The sender hung up before its body was complete: nobody is there to answer."""


class IntakeApp:
    """The intake as an ASGI application."""

    def __init__(self, writer: Writer | None = None) -> None:
        self._first_writer = writer
        self._writer: Writer | None = None
        self._doors: Doors | None = None
        self._held = 0
        self._thinkers: ThreadPoolExecutor | None = None
        self._unsigned: dict[UUID, datetime] = {}
        self._sayings: set[asyncio.Task[None]] = set()
        self._patience = Patience()

    async def start(self) -> None:
        """Begin to take signals."""
        self._writer, self._first_writer = self._first_writer or Writer(), None
        self._doors = Doors(find_door)
        self._thinkers = ThreadPoolExecutor(THINKERS, thread_name_prefix="intake-thinker")
        self._writer.start()
        garbage.settle()

    async def stop(self) -> None:
        """Write what was taken, and end."""
        await asyncio.gather(*self._sayings)
        if self._writer is not None:
            await self._writer.stop()
        self._patience.end()
        if self._doors is not None:
            await asyncio.to_thread(self._doors.close)
        if self._thinkers is not None:
            await asyncio.to_thread(self._thinkers.shutdown)
        self._writer = self._doors = self._thinkers = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            status, (of_type, answer) = await self._take(scope, headers, receive)
        except Refusal as refusal:
            of_type, answer = refusal.spoken or (PROBLEM, _encode(refusal.problem))
            await _send(send, refusal.status, answer, of_type, refusal.headers)
        except Gone:
            log.info("intake.sender_gone", path=scope["path"])
        else:
            await _send(send, status, answer, of_type)

    def take_at_once(self, path: str, query: bytes, headers: Mapping[str, str], body: bytes, asker: Asker) -> bool:
        """Take a whole POST that only has to be written, and answer it once that is on disk: without a task for it.

        Must be called in the event loop, as the asker is. Returns False, and has done nothing, where it needs more: an
        integration to be looked up, a signature that takes long, a refusal in words. Then it is to be called for.
        """
        if self._writer is None or self._doors is None:
            return False
        try:
            adapter, slug, below = _address({"path": path, "method": "POST"})
            token = token_of(headers, query)
            door = self._doors.remembered(adapter.kind, slug, token)
            if door is None or adapter.blocking or len(body) > adapter.most_bytes:
                return False
            delivery = ids.new()
            request = Request(body, headers, _named(query), below, delivery=delivery)
            said = _read(adapter, door, request)
            kept = to_look_at(adapter, request, token, BODY_KEPT)
        except Exception:  # noqa: BLE001  the longer way goes through it again, and says what is wrong
            return False
        if said.confirm:
            return False
        of_type = headers.get("content-type", "")
        heard = Heard(delivery, door.id, kept, of_type, said.events, "", said.changes, said.notes, said.why)
        waiting = AtOnce(adapter, said, heard, asker, self._refused_at_once)
        try:
            self._writer.take(heard, waiting)
        except Unavailable as error:
            _refuse(waiting, _unavailable(str(error)))
        else:
            self._patience.waits(waiting, seconds_to_write(adapter, WRITE_SECONDS))
        return True

    def _refused_at_once(self, waiting: AtOnce, error: Exception) -> None:
        self._soon(self._answer_refused(waiting, error))

    async def _answer_refused(self, waiting: AtOnce, error: Exception) -> None:
        _refuse(waiting, await self._not_kept(waiting.heard, error))

    def _soon(self, doing: Coroutine[Any, Any, None]) -> None:
        """Do it beside; the intake does not stop before it is done."""
        saying = asyncio.get_running_loop().create_task(doing)
        self._sayings.add(saying)
        saying.add_done_callback(self._sayings.discard)

    async def _take(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive
    ) -> tuple[int, tuple[bytes, bytes]]:
        """Take one request; status, content type and body of the answer, a refusal in the sender's own words."""
        adapter, slug, below = _address(scope)
        of_type = headers.get("content-type", "")
        try:
            status, answer = await self._take_at(adapter, slug, below, scope, headers, receive)
        except Refusal as refusal:
            refusal.spoken = adapter.spoken(adapter.refuse(refusal.problem), of_type, refused=True)
            raise
        return status, adapter.spoken(answer, of_type)

    async def _take_at(
        self, adapter: Sender, slug: str, below: str, scope: Scope, headers: Mapping[str, str], receive: Receive
    ) -> tuple[int, object]:
        """Take one delivery; the answer once it is on disk."""
        query: bytes = scope.get("query_string", b"")
        token = token_of(headers, query)
        body: bytes | None = None
        if not token and adapter.token_in_body:
            body = await self._body(headers, receive, adapter.most_bytes)
            token = token_inside(adapter, Request(body, headers))
        door = await self.admit(adapter.kind, slug, token)
        if scope["method"] == "GET":
            return await self._show(adapter, door, below)
        heard = Heard(ids.new(), door.id, b"", headers.get("content-type", ""), [])
        try:
            heard.body = await self._body(headers, receive, adapter.most_bytes) if body is None else body
            request = Request(heard.body, headers, _named(query), below, scope["method"], heard.delivery)
            said = await self._understand(adapter, door, request)
        except Refusal as refusal:
            begun = Request(heard.body or refusal.begun, headers, path=below)
            heard.body = to_look_at(adapter, begun, token, BODY_KEPT)
            await self._keep_refused(heard, refusal, adapter)
            raise
        heard.body = to_look_at(adapter, request, token, BODY_KEPT)
        heard.events, heard.changes, heard.notes, heard.left_out = said.events, said.changes, said.notes, said.why
        await self._keep(heard, adapter)
        if said.confirm:
            await self._confirm(said.confirm)
        return adapter.answer(said, heard.delivery)

    async def accept(self, door: Door, body: bytes, *, content_type: str, kept: bytes) -> None:
        """Take what came whole and by another way than HTTP; returns once it is on disk. Raises `Refusal`.

        `kept` is the body as a person may look at it.
        """
        heard = Heard(ids.new(), door.id, kept, content_type, [])
        adapter = adapters()[door.kind]
        try:
            said = await self._understand(adapter, door, Request(body, delivery=heard.delivery))
        except Refusal as refusal:
            await self._keep_refused(heard, refusal, adapter)
            raise
        heard.events, heard.changes, heard.notes, heard.left_out = said.events, said.changes, said.notes, said.why
        await self._keep(heard, adapter)

    async def refused(self, door: Door, why: str, begun: bytes = b"", *, content_type: str = "") -> None:
        """Let an integration's page say what was refused before it was here as a whole. Raises `Refusal`."""
        await self._keep(Heard(ids.new(), door.id, begun, content_type, [], error=why), adapters()[door.kind])

    async def _keep_refused(self, heard: Heard, refusal: Refusal, adapter: Sender) -> None:
        """Keep what was not understood, for a person to see; what must be sent again (503) is not kept."""
        if refusal.status in {400, 408, 413, 500}:
            heard.error = _in_words(refusal)
            await self._keep(heard, adapter)
            refusal.problem["delivery"] = str(heard.delivery)

    async def _show(self, adapter: Sender, door: Door, below: str) -> tuple[int, object]:
        """What a sender that asks wants to know."""
        if self._doors is None:
            raise _unavailable("Andon is stopping.")
        try:
            shown = await self._doors.ask(adapter.show, door.id, below)
        except Unavailable as error:
            raise _unavailable(str(error)) from error
        if shown is None:
            raise Refusal(404, "No such request", "Nothing under this address is known here.")
        return 200, shown

    async def _understand(self, adapter: Sender, door: Door, request: Request) -> Said:
        """What the adapter makes of the request, once its signature, if it must have one, is seen to fit."""
        try:
            if not adapter.blocking:
                return _read(adapter, door, request)
            return await self._think(_read, adapter, door, request)
        except Malformed as error:
            more = {"field": error.field} if error.field else {}
            raise Refusal(400, "Not understood", error.what, **more) from error
        except outbound.Unreachable as error:
            raise _unavailable(f"What vouches for this could not be fetched: {error}") from error
        except Unsigned as error:
            log.warning("intake.unsigned", integration=str(door.id), why=str(error))
            await self._say_unsigned(door, str(error))
            raise _unknown() from error
        except Refusal:
            raise
        except Exception as error:  # what an adapter did not foresee must not lose what was said
            log.exception("intake.adapter_failed", integration=str(door.id), kind=adapter.kind)
            words = f"Andon's own reading of {adapter.title} failed ({type(error).__name__}). What came is kept."
            raise Refusal(500, "A fault of Andon's own", words) from error

    async def _say_unsigned(self, door: Door, why: str) -> None:
        """Let the integration's page say, now and then, why requests are refused. What a stranger sends is not kept."""
        now, last = clock.now(), self._unsigned.get(door.id)
        if last is not None and timedelta() <= now - last < UNSIGNED_EVERY:
            return
        self._unsigned[door.id] = now
        words = f"{why} It was refused, as is what comes like it; that is said here every 5 minutes."
        try:
            await self._keep(Heard(ids.new(), door.id, b"", "", [], error=words), adapters()[door.kind])
        except Refusal as refusal:
            log.warning("intake.unsigned_not_said", integration=str(door.id), why=str(refusal))

    async def _confirm(self, url: str) -> None:
        """Tell the sender that somebody listens; if that does not work now, it is asked to ask again."""
        try:
            answer = await self._think(outbound.get, url)
        except (outbound.Unreachable, outbound.TargetRefused) as error:
            raise _unavailable(f"The address that confirms the subscription could not be called: {error}") from error
        if not answer.ok:
            raise _unavailable(f"The address that confirms the subscription answered {answer.status}.")

    async def _think(self, do: Callable[..., T], *args: Any) -> T:
        """Do something that waits, in a thread, for so long and no longer."""
        if self._thinkers is None:
            raise _unavailable("Andon is stopping.")
        thought = asyncio.get_running_loop().run_in_executor(self._thinkers, do, *args)
        try:
            return await asyncio.wait_for(thought, THINK_SECONDS)
        except TimeoutError as error:
            raise _unavailable(f"What is needed to check this took more than {THINK_SECONDS:.0f} s.") from error

    async def admit(self, kind: str, slug: str, token: str) -> Door:
        """The integration that is meant, if the token is its own; a wrong token and a wrong name get one answer.

        Raises `Refusal`.
        """
        if self._doors is None:
            raise _unavailable("Andon is starting or stopping.")
        try:
            door = await self._doors.open(kind, slug, token)
        except Unavailable as error:
            raise _unavailable(str(error)) from error
        if door is None:
            self._say_refused(self._doors.meant(slug), kind)
            raise _unknown()
        return door

    def _say_refused(self, door: Door | None, kind: str) -> None:
        """Say it beside the answer, which takes as long for an integration that does not exist."""
        if door is not None:
            why = "A request came without the integration's token."
            if kind != door.kind:
                why = f"A request came to the address of another kind, /intake/{kind}/, and this is {door.kind}."
            self._soon(self._say_unsigned(door, why))

    async def _body(self, headers: Mapping[str, str], receive: Receive, most: int) -> bytes:
        """The whole body, bounded in size, time, and in what all requests together hold."""
        length = headers.get("content-length", "0")
        announced = not length.isdecimal() or int(length) > most
        if announced and "expect" in headers:  # it waits for a word before it sends anything
            raise _too_large(most)
        begun = bytearray()
        try:
            async with asyncio.timeout(DROP_SECONDS if announced else BODY_SECONDS):
                more = await self._pieces(receive, begun, BODY_KEPT if announced else most)
        except TimeoutError as error:
            if announced:
                raise _too_large(most, begun) from error
            slow = Refusal(408, "Too slow", f"The body did not arrive within {BODY_SECONDS:.0f} seconds.")
            raise _closing(slow, begun) from error
        if more:
            await _drop(receive)
        if more or announced or len(begun) > most:
            raise _too_large(most, begun)
        return bytes(begun)

    async def _pieces(self, receive: Receive, body: bytearray, most: int) -> bool:
        """Put the pieces of a body together until there are more than so many bytes; whether more is to come."""
        held = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                body += message.get("body", b"")
                if not message.get("more_body"):
                    return False
                if len(body) > most:
                    return True
                if self._held + len(body) - held > MAX_HELD:
                    raise _unavailable("More signals are coming in than can be held.")
                self._held += len(body) - held
                held = len(body)
        finally:
            self._held -= held

    async def _keep(self, heard: Heard, adapter: Sender) -> None:
        """Return once it is on disk; raises `Refusal` while its sender waits still. It stays in the queue then."""
        if self._writer is None:
            raise _unavailable("Andon is stopping.")
        try:
            async with asyncio.timeout(seconds_to_write(adapter, WRITE_SECONDS)):
                await self._writer.write(heard)
        except (Unavailable, Unstorable, TimeoutError) as error:
            raise await self._not_kept(heard, error) from error

    async def _not_kept(self, heard: Heard, error: Exception) -> Refusal:
        """What is said of a delivery that could not be written."""
        if not isinstance(error, Unstorable):
            return _unavailable(str(error) or TOO_BUSY)
        refusal = Refusal(400, "Cannot be stored", f"The database does not take this delivery: {error}")
        await self._keep_what_cannot_be_stored(heard, refusal)
        return refusal

    async def _keep_what_cannot_be_stored(self, heard: Heard, refusal: Refusal) -> None:
        """One more try, with the raw body alone: what was heard should be seen by a person."""
        if self._writer is None or heard.error:
            return
        raw = Heard(heard.delivery, heard.integration, heard.body, "", [], error=_in_words(refusal))
        try:
            await self._writer.write(raw)
        except (Unavailable, Unstorable):
            log.exception("intake.lost", delivery=str(heard.delivery))


def _refuse(waiting: AtOnce, refusal: Refusal) -> None:
    """Say why what was to be taken at once was not."""
    adapter, of_type = waiting.adapter, waiting.heard.content_type
    as_type, problem = adapter.spoken(adapter.refuse(refusal.problem), of_type, refused=True)
    waiting.asker.answer(refusal.status, problem, refusal.headers, as_type)


def _named(query: bytes) -> Mapping[str, str]:
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else _NOTHING


def _address(scope: Scope) -> tuple[Sender, str, str]:
    """The kind, the integration's short name (empty: its token says which), and what follows, from the path."""
    path: str = scope["path"]
    match path.split("/", 4):
        case ["", "intake", kind, slug, *more] if (adapter := adapters().get(kind)) and slug:
            below = more[0].strip("/") if more else ""
            if not below or adapter.takes_paths:
                return _by_method(adapter, scope["method"]), slug, below
        case ["", "v2", *_]:
            for adapter in adapters().values():
                if any(path == begin or path.startswith(f"{begin}/") for begin in adapter.addresses):
                    return _by_method(adapter, scope["method"]), "", path.strip("/")
    raise Refusal(404, "No such intake", "The address is /intake/<kind>/<integration>; see the integration's page.")


def _by_method(adapter: Sender, method: str) -> Sender:
    """The adapter, if it is sent with this method."""
    if method not in adapter.methods:
        refusal = Refusal(405, "Use POST", f"Signals are sent to this address with {adapter.methods[0]}.")
        refusal.problem = adapter.refuse(refusal.problem)
        refusal.headers = [(b"allow", ", ".join(adapter.methods).encode())]
        raise refusal
    return adapter


def _read(adapter: Sender, door: Door, request: Request) -> Said:
    if door.secret:
        adapter.verify(request, door.secret)
    return adapter.parse(unpacked(request, adapter.most_unpacked), door.settings)  # a signature is of what was sent


def _unknown() -> Refusal:
    """One answer, whatever does not fit, so that a stranger learns nothing."""
    refusal = Refusal(
        401,
        "Unknown integration, token or signature",
        "There is no such integration, it is disabled, or the token or signature is not its own. Compare address, "
        "token and secret with the integration's page in Andon.",
    )
    refusal.headers = [(b"www-authenticate", b'Bearer realm="andon"')]
    return refusal


def _in_words(refusal: Refusal) -> str:
    return f"{field}: {refusal}" if (field := refusal.problem.get("field")) else str(refusal)


def _too_large(most: int, begun: bytes | bytearray = b"") -> Refusal:
    words = f"A body may have at most {most} bytes; send fewer alerts at once."
    return _closing(Refusal(413, "Too large", words), begun)


def _closing(refusal: Refusal, begun: bytes | bytearray) -> Refusal:
    """The rest of the body is not read: the connection is of no further use."""
    refusal.headers = [(b"connection", b"close")]
    refusal.begun = bytes(begun[:BODY_KEPT])
    return refusal


async def _drop(receive: Receive) -> None:
    """Read the rest of a body and forget it, within bounds, before the connection is closed.

    A connection that is closed while its sender still sends is reset, and the answer lost on the way (RFC 9112, 9.6).
    """
    dropped = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DROP_SECONDS):
            while dropped < MOST_DROPPED:
                message = await receive()
                if not message.get("more_body"):
                    return
                dropped += len(message.get("body", b""))


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
    content_type: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    head = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
