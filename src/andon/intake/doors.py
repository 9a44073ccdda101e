"""Who knocks: the token of a request against the integration it is for.

Integrations are remembered for `REMEMBERED_SECONDS`, so that intake does not read the database for each request. A
token that does not fit what is remembered is looked up at once, so a new one works from the first request; a token that
was replaced, and an integration that was disabled, go on working for at most that long.
"""

import asyncio
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import parse_qs
from uuid import UUID

import msgspec
from django.db import Error as DatabaseProblem
from django.db import close_old_connections, connection

from andon.intake.adapters import adapters
from andon.intake.models import Integration
from andon.intake.writer import Unavailable
from andon.kit import clock, ids
from andon.kit.crypto import Undecryptable, opened

T = TypeVar("T")

REMEMBERED_SECONDS = 3.0
REMEMBERED = 4_096
LOOKUP_SECONDS = 10.0

_NOBODY = ids.digest("a token that nobody has")


class Door(msgspec.Struct, frozen=True):
    """What intake needs to know of an integration.

    Attributes:
        secret: What its requests must be signed with in place of the token; empty where the token is demanded.
    """

    id: UUID
    kind: str
    token_digest: str
    settings: dict[str, Any]
    secret: str = ""


class Doors:
    """The integrations, remembered for a moment.

    Args:
        find: Reads an enabled integration by its slug, or by its token's digest where the slug is empty; runs in a
            thread of its own.
    """

    def __init__(self, find: Callable[[str, str], Door | None]) -> None:
        self._find = find
        self._known: OrderedDict[str, tuple[float, Door | None]] = OrderedDict()
        self._refused: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake-doors")

    async def open(self, kind: str, slug: str, token: str) -> Door | None:
        """The integration, if the token is its own or its requests are signed; None says no more. Raises `Unavailable`.

        Without a slug the token alone says which it is. Whether a signature fits is for the caller to check, who has
        the body.
        """
        digest = ids.digest(token)
        now = clock.monotonic()
        key = slug or digest
        if door := self._remembered(key, kind, digest, now):
            return door
        if self._refused.get((slug, digest), 0.0) > now:
            return None
        door = await self.ask(self._find, slug, digest)
        _remember(self._known, key, (now + REMEMBERED_SECONDS, door))
        if _fits(door, kind, digest):
            return door
        _remember(self._refused, (slug, digest), now + REMEMBERED_SECONDS)
        return None

    def remembered(self, kind: str, slug: str, token: str) -> Door | None:
        """As `open`, where that needs no look into the database; else None."""
        digest = ids.digest(token)
        return self._remembered(slug or digest, kind, digest, clock.monotonic())

    def _remembered(self, key: str, kind: str, digest: str, now: float) -> Door | None:
        until, door = self._known.get(key, (0.0, None))
        return door if until > now and _fits(door, kind, digest) else None

    def meant(self, slug: str) -> Door | None:
        """The integration that was named by a request just refused, for those who look after it to be told."""
        return self._known.get(slug, (0.0, None))[1]

    def close(self) -> None:
        """End the thread and its connection."""
        self._thread.submit(_hang_up)
        self._thread.shutdown(wait=True)

    async def ask(self, read: Callable[..., T], *args: Any) -> T:
        """A read of the database, in the thread that is here for it. Raises `Unavailable`."""
        looking = asyncio.get_running_loop().run_in_executor(self._thread, _with_connection, read, *args)
        try:
            return await asyncio.wait_for(looking, LOOKUP_SECONDS)
        except (DatabaseProblem, TimeoutError) as error:
            raise Unavailable("The database is busy or cannot be reached.") from error
        except Undecryptable as error:
            raise Unavailable(str(error)) from error


def _with_connection(read: Callable[..., T], *args: Any) -> T:
    close_old_connections()
    try:
        return read(*args)
    except DatabaseProblem:
        connection.close()
        raise


def _hang_up() -> None:
    """Close the connection of the thread that runs this (`connection.close` is that of the thread that says it)."""
    connection.close()


def _fits(door: Door | None, kind: str, digest: str) -> bool:
    """Compared in constant time, and as long for an integration that does not exist."""
    same = ids.same(door.token_digest if door else _NOBODY, digest)
    return door is not None and door.kind == kind and (same or door.secret != "")


def _remember(memory: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    """Keep the newest; strangers cannot fill the memory."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)


def token_of(headers: Mapping[str, str], query: bytes) -> str:
    """The token from `Authorization: Bearer` (or `GenieKey`), a basic one's password, or `?token=`; else empty."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() in {"bearer", "geniekey"}:
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return b64decode(credentials, validate=True).decode().partition(":")[2]
        except ValueError:  # not ASCII, not base64, or not UTF-8 inside
            return ""
    if b"token=" in query:
        return parse_qs(query.decode("latin-1")).get("token", [""])[-1]
    return ""


def find_door(slug: str, digest: str) -> Door | None:
    """What intake needs to know of an enabled integration, or None; without a slug it is the one with this token."""
    named = Integration.objects.filter(slug=slug) if slug else Integration.objects.filter(token_digest=digest)
    facts = named.filter(disabled_at__isnull=True).values_list("id", "kind", "token_digest", "settings", "secret")
    row = facts.first()
    return _door(*row) if row else None


def _door(key: UUID, kind: str, digest: str, settings: dict[str, Any], secret: str) -> Door:
    """A secret counts only where the adapter can check a signature: else the token is demanded all the same."""
    adapter = adapters().get(kind)
    return Door(key, kind, digest, settings, opened(secret) if adapter and adapter.signed_by else "")
