"""The kill switch in the serving process: `andon.guard("credit-scorer").mode()`.

    import andon

    switch = andon.guard("credit-scorer")

    def score(application):
        match switch.mode():
            case "on":
                return model.predict(application)
            case "safe":
                return rules.score(application)
            case _:
                raise Unavailable

Or as a decorator, `@switch.protect(safe=rules.score)`; as a context manager, `with switch:`; in front of a whole
application, `GuardASGI` and `GuardWSGI`.

Where Andon is and with which token stands in the environment (`ANDON_BASE_URL`, `ANDON_GUARD_TOKEN`) or is given.
It needs httpx and nothing else. `mode()` is a plain read that waits for nothing and raises nothing.
"""

import os
import re
import threading
from pathlib import Path
from urllib.parse import urlsplit

from andon.sdk import logs
from andon.sdk.guard.keeping import default_folder
from andon.sdk.guard.sealing import Token
from andon.sdk.guard.serving import GuardASGI, GuardWSGI
from andon.sdk.guard.switch import Guard
from andon.sdk.guard.words import Contained, Limit, Mode, Reading, State

__all__ = ["Contained", "Guard", "GuardASGI", "GuardWSGI", "Limit", "Mode", "Reading", "State", "guard"]

log = logs.of("andon.sdk.guard")

_guards: dict[str, Guard] = {}
_making = threading.Lock()


def guard(
    system: str,
    *,
    url: str = "",
    token: str = "",
    on_stale: str = Mode.SAFE,
    version: str = "",
    folder: str | os.PathLike[str] | None = None,
) -> Guard:
    """The kill switch of a system in this process: made once, and the same one from then on.

    The first call reads the copy on disk and begins to listen; it waits for nothing. Until Andon has been heard for the
    first time the mode is that of the copy, where a containment holds and `on` counts as stale; without a copy it is
    `on_stale`. `Guard.wait` waits for the first word.

    Args:
        system: Short name of the system in Andon's register.
        url: Where Andon is, without a path; else `ANDON_BASE_URL`.
        token: The system's guard token; else the one for it in `ANDON_GUARD_TOKEN`, which may hold several.
        on_stale: `safe`, `review`, `off`, or `on`: what holds until Andon has been heard. How long `on` lasts when
            Andon is heard no more, and what follows, is set in Andon.
        version: Which version of your software this is; Andon shows it beside the replica.
        folder: Where the copy on disk lies; else `ANDON_GUARD_DIR`, else a folder of this user's.

    Raises:
        ValueError: The token is none, or another system's; where Andon is cannot be an address; `on_stale` is no such
            mode.
    """
    with _making:
        if (found := _guards.get(system)) is not None:
            return found
        given = _token(system, token)
        where = _address(url or os.environ.get("ANDON_BASE_URL", ""))
        if given is None or not where:
            log.error(
                "%s is not guarded: %s. Its mode is %s until that is set right.", system,
                "there is no guard token for it" if given is None else "it is not said where Andon is", Mode(on_stale),
            )  # fmt: skip
        kept = Path(folder) if folder else Path(os.environ.get("ANDON_GUARD_DIR") or default_folder())
        made = Guard(given, where, system=system, on_stale=Mode(on_stale), version=version, folder=kept)
        _guards[system] = made
        return made


def _address(text: str) -> str:
    """Where Andon is, as it was given, if it can be asked there; said at a start, for later it is a mere silence."""
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        _ = parts.port  # which raises for a number that is none
    except ValueError as error:
        raise ValueError(f"Where Andon is cannot be read as an address: {error}.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("Where Andon is looks like https://andon.example.org: http or https, and a host.")
    return text


def _token(system: str, text: str) -> Token | None:
    """The token that was given, or the one for this system among those of the environment."""
    if text:
        token = Token.read(text)
        if token.system != system:
            raise ValueError(f"This guard token is for {token.system}, not for {system}.")
        return token
    listed = [Token.read(part) for part in re.split(r"[,\s]+", os.environ.get("ANDON_GUARD_TOKEN", "")) if part]
    return next((token for token in listed if token.system == system), None)


def _after_fork() -> None:
    """In the child the lock may be held by a thread that is not there."""
    global _making  # noqa: PLW0603  one memory a process is the point
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
