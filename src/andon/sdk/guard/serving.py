"""The kill switch in front of a whole application: as ASGI and as WSGI middleware.

    app = GuardASGI(app, andon.guard("credit-scorer"), handles={"safe"}, exempt={"/healthz"})

A request that the system may not decide gets 503 in words that a program understands. A mode that the application
handles itself reaches it, with the reading at hand: `scope["andon.reading"]`, `environ["andon.reading"]`. Every answer
says the mode in `Andon-Mode` and `Andon-Revision`, so that whoever probes from outside sees what holds.

An answer that has begun goes on to its end. A WebSocket may stay open for days, so each message that comes in by it is
held against the mode anew; the first one that the system may not decide closes it. A limit counts connections.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any, Final

from andon.sdk.guard.switch import Guard
from andon.sdk.guard.words import Mode, Reading

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Key = Callable[[Any], "str | None"]

RETRY_AFTER: Final = 30
"""Seconds after which a caller that was refused may ask again."""
_TRY_LATER: Final = 1013
"""Close code of a WebSocket that is refused for now (IANA's registry)."""
_BEGINS: Final = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
"""Messages of an ASGI application that carry the headers of its answer."""
_OPEN: Final = frozenset({Mode.ON, Mode.LIMIT})
"""Modes in which a WebSocket that is open stays open."""


class _Front:
    """What both have in common.

    Args:
        app: The application.
        guard: Its switch.
        handles: Modes that the application handles itself: its requests come through in them.
        exempt: Paths that are never held back, as those of health checks.
        key: Whom a request is about, from its scope or environ: a limited share is then always the same people.
    """

    def __init__(
        self,
        app: Any,
        guard: Guard,
        *,
        handles: Collection[str] = (),
        exempt: Collection[str] = (),
        key: Key | None = None,
    ) -> None:
        self._app, self._guard, self._key = app, guard, key
        self._handles, self._exempt = frozenset(Mode(mode) for mode in handles), frozenset(exempt)

    def _decide(self, path: str, request: Any) -> tuple[Reading, bool]:
        """What holds, and whether the request reaches the application."""
        reading, key = self._guard.reading(), self._key
        if path in self._exempt or reading.mode in self._handles:
            return reading, True
        return reading, self._guard.admits_of((lambda: key(request)) if key else None, reading)

    def _refused(self, reading: Reading) -> tuple[bytes, list[tuple[str, str]]]:
        """Body and headers of a refusal (RFC 9457)."""
        problem = {
            "type": "urn:andon:problem:contained", "title": "Contained", "status": 503,
            "detail": f"{self._guard.system} does not decide this at the moment.", "mode": reading.mode.value,
        }  # fmt: skip
        body = json.dumps(problem).encode()
        return body, [
            ("content-type", "application/problem+json"), ("content-length", str(len(body))),
            ("retry-after", str(RETRY_AFTER)), ("cache-control", "no-store"), *_said(reading),
        ]  # fmt: skip


class GuardASGI(_Front):
    """The switch in front of an ASGI application; see `andon.sdk.guard.serving`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, *self._living_with_it(receive, send))
            return
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        reading, goes_on = self._decide(scope["path"], scope)
        if not goes_on:
            await self._refuse(scope, reading, receive, send)
            return

        async def saying(message: MutableMapping[str, Any]) -> None:
            if message["type"] in _BEGINS:
                message["headers"] = [*message.get("headers", ()), *_bytes(_said(reading))]
            await send(message)

        hears = self._each_message(receive, send) if scope["type"] == "websocket" else receive
        await self._app({**scope, "andon.reading": reading}, hears, saying)

    def _each_message(self, receive: Receive, send: Send) -> Receive:
        """What comes in by a WebSocket that was opened before, while the system may decide about it."""
        over = False

        async def hearing() -> MutableMapping[str, Any]:
            nonlocal over
            message = await receive()
            mode = self._guard.reading().mode
            if message["type"] != "websocket.receive" or mode in _OPEN | self._handles:
                return message
            if not over:
                over = True
                await send(_closed(mode))
            return {"type": "websocket.disconnect", "code": _TRY_LATER, "reason": f"contained: {mode}"}

        return hearing

    def _living_with_it(self, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """Listen while the application runs, and tell Andon when it ends: uvicorn dies by the signal that stops it."""

        async def hearing() -> MutableMapping[str, Any]:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._guard.open()
            return message

        async def saying(message: MutableMapping[str, Any]) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                self._guard.close()
            await send(message)

        return hearing, saying

    async def _refuse(self, scope: Scope, reading: Reading, receive: Receive, send: Send) -> None:
        kind = ""
        if scope["type"] == "websocket":
            await receive()
            if "websocket.http.response" not in (scope.get("extensions") or {}):
                await send(_closed(reading.mode))
                return
            kind = "websocket."
        body, headers = self._refused(reading)
        await send({"type": f"{kind}http.response.start", "status": 503, "headers": _bytes(headers)})
        await send({"type": f"{kind}http.response.body", "body": body})


class GuardWSGI(_Front):
    """The switch in front of a WSGI application; see `andon.sdk.guard.serving`."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Let a request through, or refuse it."""
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        reading, goes_on = self._decide(path, environ)
        if not goes_on:
            body, headers = self._refused(reading)
            start_response("503 Service Unavailable", headers)
            return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

        def saying(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, *_said(reading)], *rest)

        environ["andon.reading"] = reading  # not in a copy: whoever stands in front reads what the application writes
        answer: Iterable[bytes] = self._app(environ, saying)
        return answer


def _closed(mode: Mode) -> dict[str, Any]:
    return {"type": "websocket.close", "code": _TRY_LATER, "reason": f"contained: {mode}"}


def _said(reading: Reading) -> list[tuple[str, str]]:
    return [("andon-mode", reading.mode.value), ("andon-revision", str(reading.revision))]


def _bytes(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers]
