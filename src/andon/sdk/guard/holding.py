"""What a process holds to be its mode: pure values, which no network and no thread knows of.

A revision never goes back. Each snapshot says from when it is true on the process's own clock; `on` holds for
`max_stale` from then, a containment for ever.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from andon.sdk.guard.sealing import Snapshot
from andon.sdk.guard.words import Mode, Reading, State


class Taken(StrEnum):
    """What became of a snapshot."""

    NEW = "new"  # it is now what holds
    AGAIN = "again"  # it is what held already, and is true for longer
    OLDER = "older"  # a revision from before what holds: refused
    OTHER = "other"  # the same number as what holds, and another revision: refused

    @property
    def refused(self) -> bool:
        """Whether it changed nothing, for Andon is behind of what the process has heard from it."""
        return self in {Taken.OLDER, Taken.OTHER}


@dataclass(frozen=True, slots=True)
class View:
    """The least that `mode()` must look at: `mode` until `until` on the process's clock, then `late`."""

    mode: Mode
    until: float
    late: Mode


@dataclass(frozen=True, slots=True)
class Held:
    """What is held.

    Attributes:
        snapshot: The newest revision that was believed; None before there is any.
        true_at: When (process's clock) it was last true; minus infinity for a copy from disk, whose age nobody knows.
        before: What is read until there is any.
    """

    snapshot: Snapshot | None
    true_at: float
    before: Reading

    @classmethod
    def nothing(cls, before: Mode) -> "Held":
        """Before Andon was heard of: what the process was given as `on_stale`."""
        return cls(None, -math.inf, Reading(before, State.NO_STATE, 0))

    def told(self, snapshot: Snapshot) -> "Held":
        """What is held when the best that is there is a copy whose seal cannot be checked any more.

        Whoever could put it there could do worse, so it may hold the process back. It never lets it go on, and its
        number binds nobody: the first word of Andon's counts, whatever its number.
        """
        if self.snapshot is not None or not snapshot.mode.contains:
            return self
        return replace(self, before=Reading(snapshot.mode, State.STALE, 0, snapshot.limit))

    def take(self, snapshot: Snapshot, true_at: float) -> "tuple[Held, Taken]":
        """What is held once a snapshot has come in that was true at a moment, and what became of it."""
        held = self.snapshot
        if held is not None and snapshot.revision < held.revision:
            return self, Taken.OLDER
        if held is not None and snapshot.revision == held.revision:
            if not _same(held, snapshot):
                return self, Taken.OTHER
            return replace(self, true_at=max(self.true_at, true_at)), Taken.AGAIN
        return replace(self, snapshot=snapshot, true_at=max(self.true_at, true_at)), Taken.NEW

    def view(self) -> View:
        """See `View`."""
        if self.snapshot is None:
            return View(self.before.mode, math.inf, self.before.mode)
        mode = self.snapshot.mode
        if mode.contains:
            return View(mode, math.inf, mode)
        return View(mode, self.true_at + self.snapshot.max_stale, self.snapshot.on_stale)

    def reading(self, now: float) -> Reading:
        """All of it, at a moment of the process's clock."""
        if self.snapshot is None:
            return self.before
        fresh = now < self.true_at + self.snapshot.max_stale
        view = self.view()
        mode = view.mode if now < view.until else view.late
        limit = self.snapshot.limit if mode is Mode.LIMIT else None
        return Reading(mode, State.LIVE if fresh else State.STALE, self.snapshot.revision, limit)


def _same(one: Snapshot, other: Snapshot) -> bool:
    """Whether both say the same, whichever request they answer."""
    return replace(one, nonce="", elapsed=0.0) == replace(other, nonce="", elapsed=0.0)
