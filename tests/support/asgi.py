"""A browser's side of an ASGI application: requests, open streams, and the server's start and stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from django.db import connections

T = TypeVar("T")


class Exchange:
    """One request and what comes back, piece by piece."""

    def __init__(self, app: Any, path: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> None:
        address, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": address,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        }
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._received.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.body = ""
        self.done = asyncio.create_task(app(scope, self._received.get, self.sent.put))

    async def status(self) -> int:
        message = await asyncio.wait_for(self.sent.get(), 60)
        assert message["type"] == "http.response.start", message
        self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        return message["status"]

    async def until(self, words: str, seconds: float = 60) -> str:
        """What came until `words` stood in it; it starts anew after them."""
        async with asyncio.timeout(seconds):
            while words not in self.body:
                self.body += (await self.sent.get())["body"].decode()
        before, _, self.body = self.body.partition(words)
        return before + words

    async def rest(self, seconds: float = 60) -> str:
        """What comes until the end."""
        await asyncio.wait_for(self.done, seconds)
        while not self.sent.empty():
            self.body += (await self.sent.get()).get("body", b"").decode()
        return self.body

    async def silent_for(self, seconds: float) -> str:
        """What came meanwhile (nothing, one hopes)."""
        await asyncio.sleep(seconds)
        while not self.sent.empty():
            self.body += (await self.sent.get()).get("body", b"").decode()
        return self.body

    async def hang_up(self) -> None:
        self._received.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(self.done, 60)


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[None]:
    """The application between the server's start and its stop."""
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan"}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await asyncio.wait_for(outbox.get(), 60))["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        assert (await asyncio.wait_for(outbox.get(), 60))["type"] == "lifespan.shutdown.complete"
        await running


async def meanwhile(do: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Do something with the database in another thread, as another request would, and give the connection back."""

    def done() -> T:
        try:
            return do(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(done)


def run(story: Awaitable[None]) -> None:
    """Tell a story under a time limit of its own."""

    async def told() -> None:
        async with asyncio.timeout(60):
            await story

    asyncio.run(told())
