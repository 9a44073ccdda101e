"""`/ofrep/v1/evaluate/flags`: the kill switch for every other language, by the OpenFeature Remote Evaluation Protocol.

A guard token sees the flags of its own system, and evaluates them; it says nothing that is older than the question.
For the system `credit-scorer` they are:

- `credit-scorer`: its mode, a string;
- `credit-scorer.decides`: whether it decides this request, a boolean. Of a limited share that goes by `targetingKey`,
  and takes the same ones that the SDK takes. A rate cannot be kept from here: then it decides nothing.
- `credit-scorer.share`: which share of the requests it decides, from 0 to 1.

See https://github.com/open-feature/protocol, service/openapi.yaml.
"""

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from andon.kit import clock
from andon.sdk.guard.deciding import place
from andon.sdk.guard.sealing import Snapshot
from andon.sdk.guard.words import Mode
from andon.switch.asgi import GuardApp, Refusal, answer, body
from andon.switch.board import Unavailable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_BODY: Final = 65_536
_FLAGS: Final = "/ofrep/v1/evaluate/flags"
_JSON: Final = b"application/json"
_CODES: Final = {401: "GENERAL", 403: "GENERAL", 404: "FLAG_NOT_FOUND"}


class Asked(msgspec.Struct):
    """A request: about whom."""

    context: dict[str, Any] = {}


@dataclass(frozen=True)
class Flag:
    """A flag as it is for somebody."""

    value: str | bool | float
    reason: str
    variant: str


class _BadContext(Refusal):
    """Of whom it is asked about nothing can be decided: an error of the protocol's, with its code."""

    def __init__(self, code: str, says: str) -> None:
        super().__init__(400, says)
        self.code = code


class OfrepApp:
    """The protocol, as an ASGI application. Tokens and looks are those of the kill switch."""

    def __init__(self, guard: GuardApp) -> None:
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        key = ""
        try:
            key = _key(scope["path"])
            if key:
                await self._one(scope, key, receive, send)
            else:
                await self._all(scope, receive, send)
        except Refusal as refusal:
            code = refusal.code if isinstance(refusal, _BadContext) else _CODES.get(refusal.status, "PARSE_ERROR")
            problem = {"errorCode": code, "errorDetails": str(refusal)}
            given = problem | ({"key": key} if key else {})
            await answer(send, refusal.status, msgspec.json.encode(given), *refusal.headers, kind=_JSON)
        except Unavailable as problem_:
            given = {"errorCode": "GENERAL", "errorDetails": str(problem_)}
            await answer(send, 503, msgspec.json.encode(given), (b"retry-after", b"1"), kind=_JSON)

    async def _one(self, scope: Scope, key: str, receive: Receive, send: Send) -> None:
        snapshot, context = await self._asked(scope, receive)
        evaluate = _flags(snapshot).get(key)
        if evaluate is None:
            raise Refusal(404, f"This token sees {', '.join(_flags(snapshot))}, and no flag {key[:100]}.")
        shown = _shown(key, evaluate(snapshot, context), snapshot)
        await answer(send, 200, msgspec.json.encode(shown), _NO_STORE, kind=_JSON)

    async def _all(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every flag of the token's system; 304 where the asker has them all."""
        snapshot, context = await self._asked(scope, receive)
        flags: list[dict[str, Any]] = []
        for key, evaluate in _flags(snapshot).items():
            try:
                flags.append(_shown(key, evaluate(snapshot, context), snapshot))
            except _BadContext as problem:
                flags.append({"key": key, "errorCode": problem.code, "errorDetails": str(problem)})
        given = msgspec.json.encode({"flags": flags})
        tag = f'"{hashlib.sha256(given).hexdigest()[:32]}"'.encode()
        headers = {name.lower(): value for name, value in scope["headers"]}
        known = {part.strip().removeprefix(b"W/") for part in headers.get(b"if-none-match", b"").split(b",")}
        if tag in known or b"*" in known:
            await answer(send, 304, b"", (b"etag", tag), kind=_JSON)
        else:
            await answer(send, 200, given, (b"etag", tag), _NO_STORE, kind=_JSON)

    async def _asked(self, scope: Scope, receive: Receive) -> tuple[Snapshot, dict[str, Any]]:
        """What the switch says now, and about whom it is asked."""
        if scope["method"] != "POST":
            raise Refusal(405, "Flags are evaluated by POST.", (b"allow", b"POST"))
        door = await self._guard.door(scope)
        try:
            asked = msgspec.json.decode(await body(receive, MOST_BODY) or b"{}", type=Asked)
        except msgspec.ValidationError as error:
            raise _BadContext("INVALID_CONTEXT", f"The context cannot be used: {error}") from error
        except msgspec.DecodeError as error:
            raise Refusal(400, f"This cannot be read: {error}") from error
        look = await self._guard.board.since(clock.monotonic(), door.system)
        return look.switches[door.system], asked.context


_NO_STORE: Final = (b"cache-control", b"no-store")
_NO_KEY: Final = "The system is limited to a share of its requests: say whom this is about, as targetingKey."


def _key(path: str) -> str:
    """The flag that an address names; empty for all of them. Raises `Refusal`."""
    if path == _FLAGS:
        return ""
    if not path.startswith(f"{_FLAGS}/"):
        raise Refusal(404, f"The address is {_FLAGS}, with a flag's key behind it or not.")
    return path.removeprefix(f"{_FLAGS}/")


Evaluate = Callable[[Snapshot, dict[str, Any]], Flag]


def _flags(snapshot: Snapshot) -> dict[str, Evaluate]:
    """The flags of a system, by their keys."""
    return {snapshot.system: _mode, f"{snapshot.system}.decides": _decides, f"{snapshot.system}.share": _share}


def _mode(snapshot: Snapshot, _context: dict[str, Any]) -> Flag:
    return Flag(snapshot.mode.value, "STATIC", snapshot.mode.value)


def _decides(snapshot: Snapshot, context: dict[str, Any]) -> Flag:
    if snapshot.limit is None or snapshot.limit.share is None:
        decides = snapshot.mode is Mode.ON
        return Flag(decides, "STATIC", "yes" if decides else "no")
    key = context.get("targetingKey")
    if key is None or key == "":
        raise _BadContext("TARGETING_KEY_MISSING", _NO_KEY)
    if not isinstance(key, str):
        raise _BadContext("INVALID_CONTEXT", "A targetingKey is a string; a number is written as one, as “7”.")
    decides = place(snapshot.system, key) < snapshot.limit.share
    return Flag(decides, "SPLIT", "yes" if decides else "no")


def _share(snapshot: Snapshot, _context: dict[str, Any]) -> Flag:
    if snapshot.limit is None:
        return Flag(1.0 if snapshot.mode is Mode.ON else 0.0, "STATIC", snapshot.mode.value)
    share = snapshot.limit.share if snapshot.limit.share is not None else 0.0
    return Flag(share, "STATIC", snapshot.mode.value)


def _shown(key: str, flag: Flag, snapshot: Snapshot) -> dict[str, Any]:
    figures = {f"limit_{name}": figure for name, figure in (snapshot.limit.as_json() if snapshot.limit else {}).items()}
    return {
        "key": key, "value": flag.value, "reason": flag.reason, "variant": flag.variant,
        "metadata": {"system": snapshot.system, "revision": snapshot.revision, "mode": snapshot.mode.value, **figures},
    }  # fmt: skip
