"""Words in the log `andon.sdk.guard`: the same ones once in a while only, for trouble may come many times a second."""

import logging
from typing import Final

from andon.sdk import logs, timing

log = logs.of("andon.sdk.guard")

SAY_EVERY: Final = 600.0
_MOST: Final = 200


class Voice:
    """Speaks of one system."""

    def __init__(self, system: str) -> None:
        self._system = system
        self._said: dict[str, float] = {}

    def say(self, words: str, *, level: int = logging.WARNING) -> None:
        """Write it down, unless the same was written lately."""
        now = timing.monotonic()
        if now - self._said.get(words, -SAY_EVERY) < SAY_EVERY:
            return
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[words] = now
        log.log(level, "%s: %s", self._system, words)
