"""Answers kept for a moment, so that every page can show what is costly to know."""

import threading
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from andon.kit import clock

V = TypeVar("V")


class Memo(Generic[V]):
    """Values by key, each good for `keep`, in one process. Two who ask at once for the same wait for one answer.

    Age is read from the house clock; a value from a time to come (the clock was set back) is not used.
    """

    def __init__(self, keep: timedelta, *, most: int = 1000) -> None:
        self._keep = keep
        self._most = most
        self._values: dict[Hashable, tuple[datetime, V]] = {}
        self._asking: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()
        self._cleared = 0

    def get(self, key: Hashable, ask: Callable[[], V]) -> V:
        """The value under `key`, asked anew when it is older than `keep`."""
        found = self._fresh(key)
        if found is None:
            with self._lock:
                asking = self._asking.setdefault(key, threading.Lock())
            with asking:
                found = self._fresh(key)
                if found is None:
                    return self.renew(key, ask)
        return found[0]

    def renew(self, key: Hashable, ask: Callable[[], V]) -> V:
        """Ask now, whatever is kept, and keep the answer unless everything was dropped while it was asked."""
        before, at = self._cleared, clock.now()
        value = ask()
        with self._lock:
            if self._cleared == before:
                if len(self._values) >= self._most:
                    self._drop()
                self._values[key] = (at, value)
        return value

    def clear(self) -> None:
        """Drop everything: something changed."""
        with self._lock:
            self._cleared += 1
            self._drop()

    def _drop(self) -> None:
        self._values.clear()
        self._asking.clear()

    def _fresh(self, key: Hashable) -> tuple[V] | None:
        kept = self._values.get(key)
        if kept is None or not timedelta(0) <= clock.now() - kept[0] < self._keep:
            return None
        return (kept[1],)
