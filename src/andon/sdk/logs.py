"""The SDK's log: its threads write a line as a whole before the process forks.

Who writes a line holds a lock inside the stream, as in `sys.stderr`. A child that is forked at that instant has the
lock held by a thread that it does not have, and hangs at its own first line: a server that loads the application first
then runs without one of its workers. In a child CPython makes the locks of `logging` anew, and not those of streams.
"""

import logging
import os
import threading
from collections.abc import MutableMapping
from typing import Any, Final

THREADS: Final = "andon-"
"""How the names of the SDK's threads begin."""
PATIENCE: Final = 1.0
"""Seconds that a fork may be held up for by a stream that takes nothing."""
_CHATTY: Final = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy")
"""Logs in which a line stands for each request, at the level `INFO` and below."""

_writing = threading.RLock()
_forking = threading.local()


class _Whole(logging.LoggerAdapter[logging.Logger]):
    """A log of which no line is cut by a fork."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # whose line it is, and not this one
        with _writing:
            super().log(level, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs


def of(name: str) -> "logging.LoggerAdapter[logging.Logger]":
    """The log of this name."""
    return _Whole(logging.getLogger(name), {})


def _not_ours(record: logging.LogRecord) -> bool:
    """Of the requests of the SDK's own threads the HTTP library writes nothing: the SDK says what is worth a word."""
    return not (record.threadName or "").startswith(THREADS)


def _before_fork() -> None:
    _forking.waited = _writing.acquire(timeout=PATIENCE)


def _in_parent() -> None:
    if _forking.waited:
        _writing.release()


def _in_child() -> None:
    global _writing  # noqa: PLW0603  the parent's may be held for good
    _writing = threading.RLock()


for _name in _CHATTY:
    logging.getLogger(_name).addFilter(_not_ours)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
