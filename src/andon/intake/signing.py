"""Checks of signatures, for adapters: in constant time, and against replay.

A captured request with a valid signature could be sent again for ever. Where the signature covers a time, one that is
more than `TOLERANCE` away from ours is refused; within it, a double is recognised as any double is, by its content.
"""

import hashlib
import hmac
from datetime import timedelta

from andon.intake.events import Unsigned
from andon.kit import clock

TOLERANCE = timedelta(minutes=5)
"""How far the time in a signature may be from ours, either way."""

_MILLISECONDS_FROM = 100_000_000_000  # as seconds, the year 5138; as milliseconds, 1973


def hmac_sha256(secret: str, *parts: str | bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) of the parts, one after another."""
    mac = hmac.new(secret.encode(), digestmod=hashlib.sha256)
    for part in parts:
        mac.update(part.encode() if isinstance(part, str) else part)
    return mac.digest()


def must_be(expected: bytes | str, given: str, *, what: str = "The signature") -> None:
    """Raise `Unsigned` unless what was given is what was expected (bytes: in hex). Compared in constant time."""
    wanted = expected.hex() if isinstance(expected, bytes) else expected
    if not given:
        raise Unsigned(f"{what} is missing.")
    if not hmac.compare_digest(wanted.encode(), given.strip().encode()):
        raise Unsigned(f"{what} does not fit: the secret here and at the sender differ, or the body was changed.")


def must_be_recent(stamp: str, *, tolerance: timedelta = TOLERANCE) -> None:
    """Raise `Unsigned` unless a Unix time, in seconds or milliseconds, is within `tolerance` of now."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 16):  # noqa: PLR2004  milliseconds of any year to come
        raise Unsigned("The signature's time is missing or is no Unix time.")
    given = int(stamp)
    apart = abs(clock.now().timestamp() - (given / 1000 if given >= _MILLISECONDS_FROM else given))
    most = tolerance.total_seconds()
    if apart > most:
        raise Unsigned(
            f"The signature's time is {apart:.0f} s away from ours; at most {most:.0f} s are taken. Compare the clocks "
            "of both machines."
        )
