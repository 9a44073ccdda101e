"""The other side's REST interface, for one operation of a lever: all its calls share one limit of time.

side = Rest("MLflow", settings["server"], bearer(settings))
side.read("/api/2.0/mlflow/registered-models/get?name=scorer")
side.write("POST", "/api/2.0/mlflow/registered-models/alias", {"name": "scorer", "alias": "champion", "version": "6"})
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from andon.containment.lever import LeverFault, answered, call, read_json
from andon.kit import clock, outbound
from andon.kit.fields import Settings

DEADLINE = 8.0
"""Seconds for one call."""
ALTOGETHER = 18.0
"""Seconds for all calls of one operation: less than the least limit that an adapter sets itself."""
_LARGEST: Final = 4 * 1024 * 1024
_NOT_FOUND: Final = 404


class Rest:
    """One side and how to speak to it.

    `who` begins a sentence; `base` has no slash at its end; `authority` is as in `outbound.request`.
    """

    def __init__(self, who: str, base: str, headers: Mapping[str, str] | None = None, *, authority: str = "") -> None:
        self.who = who
        self._base = base.rstrip("/")
        self._headers = dict(headers or {})
        self._authority = authority
        self._ends = clock.monotonic() + ALTOGETHER

    def read(self, path: str) -> dict[str, Any]:
        """The JSON object at a path. Raises `LeverFault`, surely: reading changes nothing."""
        return self.object_in(answered(self.who, self.ask("GET", path), changes=False), changes=False)

    def read_if_there(self, path: str) -> dict[str, Any] | None:
        """As `read`; None where the other side says that there is no such thing."""
        answer = self.ask("GET", path)
        if answer.status == _NOT_FOUND:
            return None
        return self.object_in(answered(self.who, answer, changes=False), changes=False)

    def write(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> outbound.Answer:
        """Ask for a change; the answer, which is 2xx. Raises `LeverFault`, sure or not as HTTP says."""
        return answered(self.who, self.ask(method, path, body, changes=True, headers=headers))

    def ask(
        self, method: str, path: str, body: object = None, *, changes: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> outbound.Answer:  # fmt: skip
        """One call, with any answer. `body` is sent as JSON unless it is None; bytes are sent as they are."""
        left = self._ends - clock.monotonic()
        if left <= 0:
            raise LeverFault(
                f"{self.who} took too long with the calls before; this one was not made.", sure=not changes
            )
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        typed = {"Content-Type": "application/json"} if raw else {}
        return call(
            self.who, method, f"{self._base}{path}", body=raw, headers=typed | self._headers | dict(headers or {}),
            deadline=min(DEADLINE, left), changes=changes, largest=_LARGEST, authority=self._authority,
        )  # fmt: skip

    def object_in(self, answer: outbound.Answer, *, changes: bool) -> dict[str, Any]:
        """The JSON object of an answer. Raises `LeverFault` where it is none."""
        found = read_json(self.who, answer, changes=changes)
        if not isinstance(found, dict):
            raise LeverFault(f"{self.who} answered with JSON that is not an object.", sure=not changes)
        return found

    def nonsense(self, what: str) -> LeverFault:
        """What to raise where an answer that was read lacks what must be in it."""
        return LeverFault(f"{self.who} answered, but {what}.", sure=True)


def bearer(settings: Settings) -> dict[str, str]:
    """The header for the setting `token`, or for `user` and `password`; none without them (RFC 6750, RFC 7617)."""
    if token := settings.get("token"):
        return {"Authorization": f"Bearer {token}"}
    if user := settings.get("user"):
        pair = f"{user}:{settings.get('password', '')}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}


def segment(text: str) -> str:
    """Text as one segment of a path, or one value of a query."""
    return quote(text, safe="")


def at(document: Any, *names: str) -> Any:
    """What stands at a path of names inside JSON; None where nothing does."""
    for name in names:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document
