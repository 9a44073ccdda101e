"""Which requests a limited system still decides, and what answers in place of one that is held back."""

import hashlib
import inspect
import random
import threading
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from andon.sdk import timing
from andon.sdk.guard.words import Contained, Limit, Mode, Reading

F = TypeVar("F", bound=Callable[..., Any])
Instead = Mapping[Mode, Callable[..., Any]]
Who = Callable[..., str | None] | None
"""Says whom a request is about; None where nobody does."""

_SPAN = 2.0**64


class Meter:
    """Counts what a limited system has decided in this process."""

    def __init__(self, system: str) -> None:
        self._system = system
        self._lock = threading.Lock()
        self._left, self._at = 0.0, timing.since_boot()

    def admits(self, limit: Limit, key: str | None) -> bool:
        """Whether the system decides this request too.

        Of a share the same keys are always in: whoever was decided for by the system goes on to be, and a larger share
        only adds others. Without a key it is chance. Of a rate it is whoever comes first; a second's worth may come at
        once.
        """
        if limit.share is not None:
            return (place(self._system, key) if key is not None else random.random()) < limit.share  # noqa: S311  no secret
        rate = limit.per_second or 0.0
        with self._lock:
            now = timing.since_boot()
            self._left, self._at = min(max(1.0, rate), self._left + (now - self._at) * rate), now
            if rate <= 0.0 or self._left < 1.0:
                return False
            self._left -= 1.0
            return True


def place(system: str, key: str) -> float:
    """Where a key lies between 0 and 1, everywhere and always the same: below a system's share, it is decided for."""
    digest = hashlib.sha256(f"{system}\n{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / _SPAN


def guarded(function: F, decide: Callable[[Who], Reading | None], system: str, instead: Instead, key: Who) -> F:
    """The function, called while the system decides, and otherwise what answers instead.

    Args:
        function: Plain or `async`.
        decide: Given who says whom a call is about: None where the system decides it; else how it is held back.
        system: For the error.
        instead: What answers in each mode; where nothing does, `Contained` is raised. Called with the same arguments.
        key: Gives whom a call is about, from its arguments.

    Raises:
        TypeError: It could not work; better said where the program starts than when it is contained.
    """
    _must_fit(function, instead)

    def other(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any] | None:
        """What answers in its place; None for the function itself."""
        held = decide((lambda: key(*args, **kwargs)) if key else None)
        if held is None:
            return None
        found = instead.get(held.mode)
        if found is None:
            raise Contained(system, held)
        return found

    if _is_async(function):

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            answer = (other(args, kwargs) or function)(*args, **kwargs)
            return await answer if isinstance(answer, Awaitable) else answer

        return awaited  # type: ignore[return-value]  # it takes and gives what the function does

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return (other(args, kwargs) or function)(*args, **kwargs)

    return called  # type: ignore[return-value]  # as above


def _must_fit(function: Any, instead: Instead) -> None:
    """Raise `TypeError` for what would only be found out once the system is contained."""
    kind = type(function).__name__
    if isinstance(function, classmethod | staticmethod | property):
        raise TypeError(f"A {kind} cannot be guarded: put the guard's decorator below @{kind}, next to the function.")
    if not callable(function):
        raise TypeError(f"A {kind} cannot be guarded: give a function.")
    for mode, other in instead.items():
        if not callable(other):
            raise TypeError(f"What answers in the mode {mode} is a {type(other).__name__}: give a function.")
        if _is_async(other) and not _is_async(function):
            raise TypeError(
                f"What answers in the mode {mode} is async, and {_name(function)} is not: whoever calls it would get a "
                "coroutine for an answer. Give a plain function."
            )


def _is_async(function: Any) -> bool:
    """Whether a call gives something to wait for."""
    call = getattr(function, "__call__", None)  # noqa: B004  of objects that are called as functions are
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
