"""What travels between Andon and a guarded process: one line of JSON under a seal.

    andon1 <HMAC-SHA256 of the JSON, hex> {"system": "credit-scorer", "revision": 7, "mode": "safe", …}

A guard token is `andon_guard.<system>.<id>.<key>`. All but the key is sent to Andon, to say who asks. The key never
leaves the process and Andon: with it Andon seals what it says. So whoever sits in between, and reads and changes
everything, cannot make a snapshot that a process believes; docs/adr/0025 weighs that against signatures.

A snapshot that answers a request repeats its `nonce`, which the process has made up for it, and says how many seconds
after the request's arrival it is true (`elapsed`). So an old snapshot cannot be played again, one that was held back on
the way is known to be old, and no clock of the other side is ever compared with ours.
"""

import hashlib
import hmac
import json
import math
from dataclasses import dataclass
from typing import Any, Final

from andon.sdk.guard.words import STALE_MODES, Limit, Mode

PREFIX: Final = "andon_guard"
FORM: Final = "andon1"
LONGEST: Final = 4096
"""Characters of a sealed line; a longer one is not read."""
MOST_REVISION: Final = 2**53
SHORTEST_STALE, LONGEST_STALE = 5.0, 30 * 86_400.0
_MEANT_FOR: Final = b"andon guard snapshot 1\n"
_PARTS: Final = 4


class Forged(Exception):  # noqa: N818  reads as what it is
    """A line that Andon has not sealed, or not for this: it is not believed."""


@dataclass(frozen=True)
class Token:
    """A guard token in its parts: the system it is for, what is sent, and what is kept."""

    system: str
    sent: str
    key: bytes

    @classmethod
    def read(cls, text: str) -> "Token":
        """The token that a text is; raises `ValueError` that repeats nothing of it."""
        parts = text.strip().split(".")
        if len(parts) != _PARTS or parts[0] != PREFIX or not all(parts):
            raise ValueError("This is no guard token: one looks like andon_guard.<system>.<id>.<key>.")
        return cls(parts[1], ".".join(parts[:3]), parts[3].encode())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a process needs to know of its switch.

    Attributes:
        system: Short name of the system in Andon's register.
        revision: Which revision of the switch this is; it only grows.
        mark: What tells two revisions of one number apart, as there may be after a restored backup.
        mode: What the system may do.
        limit: How much it decides when the mode is `limit`.
        max_stale: Seconds after which a process that hears nothing more is no longer sure.
        on_stale: What holds from then on in place of `on`.
        nonce: The request that this answers; empty in a copy on disk that was never an answer.
        elapsed: Seconds from that request's arrival to the moment at which this was true.
    """

    system: str
    revision: int
    mark: str
    mode: Mode
    limit: Limit | None
    max_stale: float
    on_stale: Mode
    nonce: str = ""
    elapsed: float = 0.0


def seal(key: bytes, snapshot: Snapshot) -> str:
    """The snapshot as a sealed line."""
    text = json.dumps(
        {
            "system": snapshot.system,
            "revision": snapshot.revision,
            "mark": snapshot.mark,
            "mode": snapshot.mode.value,
            "limit": snapshot.limit.as_json() if snapshot.limit else None,
            "max_stale": snapshot.max_stale,
            "on_stale": snapshot.on_stale.value,
            "nonce": snapshot.nonce,
            "elapsed": round(snapshot.elapsed, 3),
        },
        separators=(",", ":"),
    )
    return f"{FORM} {_mac(key, text)} {text}"


def unseal(key: bytes, line: str, *, system: str, nonce: str | None = None) -> Snapshot:
    """The snapshot of a line, if Andon sealed it, for this system and (if one is given) for this request.

    Raises:
        Forged: Otherwise; says what is wrong, never what the line says.
    """
    mac, text = _parts(line)
    if not hmac.compare_digest(mac.encode(), _mac(key, text).encode()):
        raise Forged("its seal is not Andon's")
    snapshot = _said(text, system)
    if nonce is not None and not hmac.compare_digest(snapshot.nonce.encode(), nonce.encode()):
        raise Forged("it answers another request: it is old, and played again")
    return snapshot


def glance(line: str, *, system: str) -> Snapshot:
    """What a line says whose seal nobody here can check, for its key is gone; raises `Forged` for nonsense.

    It must not be believed: see `Held.told` for the one thing that it may do.
    """
    return _said(_parts(line)[1], system)


def _parts(line: str) -> tuple[str, str]:
    """Seal and text."""
    if len(line) > LONGEST:
        raise Forged("it is too long")
    form, _, rest = line.strip().partition(" ")
    mac, _, text = rest.partition(" ")
    if form != FORM:
        raise Forged("it has no seal that this version knows")
    return mac, text


def _said(text: str, system: str) -> Snapshot:
    try:
        snapshot = _read(json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Forged(f"it is sealed and cannot be read: {type(error).__name__}") from error
    if snapshot.system != system:
        raise Forged("it is about another system")
    return snapshot


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, _MEANT_FOR + text.encode(), hashlib.sha256).hexdigest()


def _read(given: Any) -> Snapshot:
    snapshot = Snapshot(
        system=_text(given["system"]),
        revision=_whole(given["revision"]),
        mark=_text(given["mark"]),
        mode=Mode(given["mode"]),
        limit=limit_of(given["limit"]),
        max_stale=_between(given["max_stale"], SHORTEST_STALE, LONGEST_STALE),
        on_stale=Mode(given["on_stale"]),
        nonce=_text(given["nonce"]),
        elapsed=_between(given["elapsed"], 0.0, math.inf),
    )
    if snapshot.on_stale not in STALE_MODES or (snapshot.mode is Mode.LIMIT) is (snapshot.limit is None):
        raise ValueError("a mode without its figure, or a figure without its mode")
    return snapshot


def limit_of(given: Any) -> Limit | None:
    """A limit as it came over the wire; raises `ValueError` or `TypeError`."""
    if given is None:
        return None
    if not isinstance(given, dict) or set(given) not in ({"share"}, {"per_second"}):
        raise ValueError("A limit is a share or a number a second.")
    if "share" in given:
        return Limit(share=_between(given["share"], 0.0, 1.0))
    return Limit(per_second=_between(given["per_second"], 0.0, 1e9))


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError("no text")
    return given


def _whole(given: Any) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= MOST_REVISION:
        raise ValueError("no revision")
    return given


def _between(given: Any, low: float, high: float) -> float:
    if not isinstance(given, int | float) or isinstance(given, bool):
        raise TypeError("no number")
    if not low <= given <= high or math.isnan(given):
        raise ValueError("a number out of its bounds")
    return float(given)
