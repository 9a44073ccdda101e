"""What goes to Andon: tried again where that can help, with growing pauses and jitter.

Andon answers 200 once everything is on disk, and 503 when it cannot write now. So what is worth another try is a broken
connection, a time-out, 408, 429 and every 5xx; another 4xx says that the request itself is wrong.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from andon.sdk import timing

AT_ONCE = 200
"""Signals in one request, well under the megabyte that Andon takes."""
TIMEOUT = 15.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
_AGAIN = {408, 429}
_SERVERS_FAULT = 500


class NotTaken(Exception):  # noqa: N818  reads as what it is
    """Andon did not take the signals: the words say why, and whether another try can help."""


@dataclass(frozen=True)
class Tried:
    """What became of one try.

    Attributes:
        taken: Whether Andon has it on disk.
        again: Whether another try may help.
        why: Why it was not taken, in words.
        asked: Seconds that the other side asks to be left alone.
    """

    taken: bool
    again: bool = False
    why: str = ""
    asked: float = 0.0


def send(signals: Sequence[dict[str, Any]], *, url: str, token: str, patience: float) -> None:
    """Return once Andon has all of them; raises `NotTaken`.

    Args:
        signals: In Andon's plain JSON.
        url: The integration's address.
        token: The integration's.
        patience: Seconds after which no further try is begun, all requests together.
    """
    ends = timing.monotonic() + patience
    with client(token) as line:
        for first in range(0, len(signals), AT_ONCE):
            _one(line, url, json.dumps(signals[first : first + AT_ONCE], default=str).encode(), ends)


def client(token: str, timeout: float = TIMEOUT) -> httpx.Client:
    """A line to Andon; close it."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return httpx.Client(timeout=timeout, headers=headers)


def attempt(line: httpx.Client, url: str, body: bytes) -> Tried:
    """One request, and what to make of its answer; raises nothing that a network or an address can bring about."""
    try:
        answer = line.post(url, content=body)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
        return Tried(taken=False, why=f"The address cannot be called: {error}")
    except httpx.HTTPError as error:
        return Tried(taken=False, again=True, why=f"{type(error).__name__}: {error}")
    if answer.is_success:
        return Tried(taken=True)
    why = f"{answer.status_code}: {_detail(answer)}"
    if answer.status_code >= _SERVERS_FAULT or answer.status_code in _AGAIN:
        return Tried(taken=False, again=True, why=why, asked=_retry_after(answer))
    return Tried(taken=False, why=f"Andon refuses this ({why})")


def _one(line: httpx.Client, url: str, body: bytes, ends: float) -> None:
    for pause in pauses():
        tried = attempt(line, url, body)
        if tried.taken:
            return
        if not tried.again:
            raise NotTaken(tried.why)
        wait = max(pause, tried.asked)
        if timing.monotonic() + wait > ends:
            raise NotTaken(f"Andon cannot be reached ({tried.why})")
        timing.pause(wait)


def pauses() -> Iterator[float]:
    """Seconds to wait after each try: doubling, and cut by up to half at random, so that many do not come at once."""
    longest = FIRST_PAUSE
    while True:
        yield longest * random.uniform(0.5, 1.0)  # noqa: S311  nothing hangs on its being unpredictable
        longest = min(longest * 2, LONGEST_PAUSE)


def _retry_after(answer: httpx.Response) -> float:
    """Seconds that the other side asks for; a date, or nonsense, asks for nothing."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), LONGEST_PAUSE) if text.isascii() and text.isdigit() else 0.0


def _detail(answer: httpx.Response) -> str:
    """What the answer says, in a line; never the request, which holds the token."""
    try:
        said = answer.json()
    except ValueError:
        said = None
    if isinstance(said, dict) and said.get("detail"):
        field = f" (field {said['field']})" if said.get("field") else ""
        return f"{said['detail']}{field}"
    return answer.reason_phrase or "no words"
