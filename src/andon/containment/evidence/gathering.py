"""Things to collect, side by side and under one deadline: what hangs is left behind and named. No Django in here."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from andon.containment.recording import one_line

LONGEST_WORDS: Final = 500


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that were collected.

    Attributes:
        body: The bytes, as they go into the archive.
        media: Their media type.
        rows: How many rows of a decision log or entries they hold, where that is said.
        notes: What was left out or cut, in sentences.
    """

    body: bytes
    media: str = "application/json"
    rows: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to collect.

    Attributes:
        kind: The collector that asks for it.
        name: Its file's name in the archive, once in a preservation.
        source: From where, in words, without secrets.
        run: Gives the bytes; is told how many seconds are left. It runs in a thread of its own and touches no database
            of Andon's. Whatever it raises is listed as the reason why there is nothing.
        outside: Whether it asks somebody else, and so may hang. What is at hand already is taken without a thread.
    """

    kind: str
    name: str
    source: str
    run: Callable[[float], Piece]
    outside: bool = True


Outcome = tuple[Task, Piece | str]
"""What came of a task: its bytes, or in words why there are none."""


def gather(tasks: Sequence[Task], seconds: float, *, monotonic: Callable[[], float]) -> Iterator[Outcome]:
    """What each task gives, in the order in which it is there; at the latest after `seconds` all have an outcome.

    A thread that hangs cannot be stopped in Python: it is a daemon that nobody waits for, and what it brings later is
    not looked at.
    """
    ends = monotonic() + seconds
    arrived: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    waiting = {}
    for task in tasks:
        if not task.outside:
            continue
        if ends - monotonic() <= 0:
            yield task, "There was no time left to ask."
            continue
        waiting[task.name] = task
        threading.Thread(
            target=_work, args=(task, ends, monotonic, arrived), name=f"evidence:{task.name}", daemon=True
        ).start()
    for task in tasks:
        if not task.outside:
            yield task, _outcome(task, max(0.0, ends - monotonic()))
    while waiting:
        try:
            task, outcome = arrived.get(timeout=max(0.0, ends - monotonic()))
        except queue.Empty:
            break
        del waiting[task.name]
        yield task, outcome
    for task in waiting.values():
        yield task, f"It did not answer within {seconds:.3g} s, and containment does not wait longer."


def _work(task: Task, ends: float, monotonic: Callable[[], float], arrived: queue.SimpleQueue[Outcome]) -> None:
    arrived.put((task, _outcome(task, ends - monotonic())))


def _outcome(task: Task, left: float) -> Piece | str:
    try:
        return task.run(left)
    except Exception as error:  # noqa: BLE001  whatever keeps one thing from being collected, the others are
        return one_line(str(error))[:LONGEST_WORDS] or type(error).__name__
