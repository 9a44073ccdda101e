"""Hearing Andon: a stream of sealed snapshots, one a second; where streams are cut, asking once a second.

A stream counts as cut when it brings nothing while Andon answers questions: a proxy in between holds it back or ends
it. Two of those in a row, and the process asks instead; once in a while it tries a stream again.
"""

import encodings.idna  # noqa: F401  see `prepare`
import random
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, Protocol
from weakref import WeakSet

import httpx

from andon.sdk import logs, timing
from andon.sdk.guard.saying import Voice
from andon.sdk.guard.sealing import LONGEST, Token

log = logs.of("andon.sdk.guard")

SILENCE: Final = 5.0
"""Seconds without a word after which a stream is taken for dead; Andon speaks once a second."""
ASK_EVERY: Final = 1.0
STREAM_AGAIN: Final = 60.0
FIRST_REST: Final = 0.2
LONGEST_REST: Final = 5.0
ENOUGH: Final = 3
"""So many snapshots make a stream that works."""
_OK: Final = 200


class Take(Protocol):
    """What is done with a line: whether it was believed."""

    def __call__(self, line: str, nonce: str, asked_at: float) -> bool:
        """Take a sealed line that answers the request with this nonce, sent at this moment of the process's clock."""


class NotAnswered(Exception):  # noqa: N818  reads as what it is
    """Andon, or who is in between, answered something else than asked."""


class Hearing:
    """One process's ear for one system.

    Args:
        url: Where Andon is, without a path.
        token: The system's guard token.
        take: What is done with each line.
        closing: Set when it is to end.
    """

    def __init__(self, url: str, token: Token, take: Take, closing: threading.Event) -> None:
        self._at, self._token, self._take, self._closing = f"{url}/guard/{token.system}", token, take, closing
        self._cuts = self._failures = 0
        self._stream_from = 0.0
        self._voice = Voice(token.system)

    def run(self) -> None:
        """Hear until it is to end."""
        while not self._closing.is_set():
            try:
                with client(self._token, SILENCE) as line:
                    while not self._closing.is_set():
                        self._closing.wait(self._turn(line))
            except Exception:
                log.exception("%s: what Andon says could not be heard; it is tried again", self._token.system)
                self._closing.wait(LONGEST_REST)

    def _turn(self, line: httpx.Client) -> float:
        """A stream for as long as it lasts, if one is worth a try, and a question; seconds until the next turn."""
        streams = timing.monotonic() >= self._stream_from
        heard = self._try(lambda: self._stream(line)) if streams else 0
        if self._closing.is_set():
            return 0.0
        if not self._try(lambda: self._ask(line)):
            self._failures += 1
            rest: float = min(LONGEST_REST, FIRST_REST * 2.0 ** min(self._failures, 10))
            return rest * random.uniform(0.5, 1.0)  # noqa: S311  so that thousands do not come at one moment
        self._failures = 0
        if not streams:
            return ASK_EVERY * random.uniform(0.8, 1.2)  # noqa: S311  as above
        self._cuts = self._cuts + 1 if heard < ENOUGH else 0
        if self._cuts > 1:
            self._stream_from = timing.monotonic() + STREAM_AGAIN * random.uniform(0.75, 1.25)  # noqa: S311  as above
            self._voice.say("Streams are cut on the way; Andon is asked once a second instead")
        return random.uniform(0.0, FIRST_REST)  # noqa: S311  as above

    def _try(self, do: Callable[[], None]) -> int:
        """How many lines were believed, whatever went wrong after them."""
        self._believed = 0
        try:
            do()
        except (httpx.HTTPError, OSError, NotAnswered) as error:
            self._voice.say(f"Andon cannot be heard ({type(error).__name__}: {error})")
        return self._believed

    def _stream(self, line: httpx.Client) -> None:
        nonce, asked_at = secrets.token_urlsafe(18), timing.since_boot()
        with line.stream("GET", f"{self._at}/stream", params={"nonce": nonce}, extensions=NOTED) as answer:
            _must_be_well(answer, "text/event-stream")
            for text in _lines(answer.iter_raw()):
                if text.startswith("data: ") and not self._heard(text[6:], nonce, asked_at):
                    raise NotAnswered("a snapshot was not believed")
                if self._closing.is_set():
                    return

    def _ask(self, line: httpx.Client) -> None:
        nonce, asked_at = secrets.token_urlsafe(18), timing.since_boot()
        with line.stream("GET", self._at, params={"nonce": nonce}, extensions=NOTED) as answer:
            _must_be_well(answer, "text/plain")
            text = next(_lines(answer.iter_raw()), "")
            if not self._heard(text, nonce, asked_at):
                raise NotAnswered("a snapshot was not believed")

    def _heard(self, text: str, nonce: str, asked_at: float) -> bool:
        believed = self._take(text, nonce, asked_at)
        self._believed += believed
        return believed


def client(token: Token, seconds: float) -> httpx.Client:
    """A line to Andon that gives up after so many seconds of silence."""
    return httpx.Client(
        verify=_trusted(),
        headers={"Authorization": f"Bearer {token.sent}", "Accept-Encoding": "identity", "User-Agent": "andon-guard"},
        timeout=seconds,
    )


def prepare() -> None:
    """Import all that hearing and telling need, in the thread that makes the guard.

    A thread that imports while another one forks leaves half a module to the child, which can never hear Andon then: a
    server that loads the application first and forks at once. httpx imports some of what it needs when it is used, and
    names of hosts are encoded by a codec that is imported then.
    """
    try:
        httpx.Client(verify=_trusted()).close()
    except Exception:
        log.debug("whatever is wrong is said by the thread that hears, which tries again", exc_info=True)


_open: "WeakSet[socket.socket]" = WeakSet()
"""The sockets by which this process hears and tells."""


def _remember(event: str, info: Mapping[str, Any]) -> None:
    """Know a socket as soon as it is connected, for `forget_all`: a server that loads the application forks at once."""
    if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
        _open.add(info["return_value"].get_extra_info("socket"))


NOTED: Final[dict[str, Any]] = {"trace": _remember}
"""What each request of the guard's is made with; httpcore calls it at each step."""


def forget_all() -> None:
    """In a forked child: let go of the parent's lines, which stay as they are for the parent.

    Else each child would hold them open, and Andon would go on speaking to a parent that has ended.
    """
    for one in list(_open):
        one.close()
    _open.clear()


@cache
def _trusted() -> ssl.SSLContext:
    """Whom to believe that they are Andon; read once, for it takes longer than all else at a start."""
    return httpx.create_ssl_context()


def _must_be_well(answer: httpx.Response, kind: str) -> None:
    if answer.status_code != _OK:
        raise NotAnswered(f"the answer was {answer.status_code} {answer.reason_phrase}")
    if not answer.headers.get("content-type", "").startswith(kind):
        raise NotAnswered("the answer was not Andon's; is there another server at this address?")


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Lines as soon as they are there; one that does not end is not waited for without bound."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        if len(rest) > LONGEST:
            raise NotAnswered("a line does not end")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")
