"""The phones of the demo's people: a real listener on loopback that pages come to by webhook, signed."""

import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from andon.kit import clock

LONGEST_BODY = 1_000_000


@dataclass(frozen=True)
class Rang:
    """A message that arrived on somebody's phone, its signature verified."""

    owner: str
    kind: str
    data: dict[str, Any]


@dataclass
class Phones:
    """Every phone of the demo; `secrets` holds each owner's signing secret once it is known."""

    secrets: dict[str, str] = field(default_factory=dict)
    rang: list[Rang] = field(default_factory=list)
    heard: Callable[[Rang], None] | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        phones = self

        class Handler(_Handler):
            mine: ClassVar[Phones] = phones

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="phones", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def address(self, owner: str) -> str:
        """The webhook address of somebody's phone."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{owner}"

    def wait(self, wanted: Callable[[Rang], bool], seconds: float) -> Rang | None:
        """The first message that fits, waiting for it up to `seconds`."""
        deadline = clock.monotonic() + seconds
        with self._changed:
            while True:
                found = next((one for one in self.rang if wanted(one)), None)
                left = deadline - clock.monotonic()
                if found or left <= 0:
                    return found
                self._changed.wait(left)

    def take(self, owner: str, headers: dict[str, str], body: bytes) -> bool:
        """Keep a message if its signature is right (Standard Webhooks); returns whether it was."""
        from andon.kit.webhooks import sign

        key, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if owner not in self.secrets or not stamp.isdigit():
            return False
        expected = sign(key, int(stamp), body, self.secrets[owner])
        if not hmac.compare_digest(expected, headers.get("webhook-signature", "")):
            return False
        told = json.loads(body)
        message = Rang(owner, told["type"], told["data"])
        with self._changed:
            self.rang.append(message)
            self._changed.notify_all()
        if self.heard:
            self.heard(message)
        return True


class _Handler(BaseHTTPRequestHandler):
    """One request to one phone."""

    mine: ClassVar[Phones]

    def do_POST(self) -> None:
        """A message comes in."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, LONGEST_BODY))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(204 if self.mine.take(self.path.strip("/"), headers, body) else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: the story is told elsewhere."""
