"""For how long a signal was silent, as far as that can be told from what is kept of it.

Of a signal its first time, its last time and how often it was heard are kept, and of the times between none. So some
silences are certain and some cannot be told; and an end that its sender said hides when it was last heard before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from andon.practice.rules import quiet_since
from andon.practice.words import Word


class Between(Word):
    """Whether a signal was silent for long enough to count as ended, and was heard again after that."""

    NEVER = "never", "it was not"
    ONCE = "once", "it was, from its first time to its second"
    SOME_TIME = "some_time", "it was, once at least, and when cannot be told"
    BEFORE_END = "before_end", "it was, but whether it was heard again before its sender ended it cannot be told"
    UNTOLD = "untold", "that cannot be told"


class Over(Word):
    """How something came to its end that would have fired on after it counted as ended."""

    NOT = "not", "it fires still"
    QUIET = "quiet", "it went quiet for long enough"
    SAID = "said", "its sender said so"
    PEOPLE = "people", "people resolved its incident"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time for which a signal would have fired; without an end it goes on."""

    begins: datetime
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class Lived:
    """How a signal would have lived.

    Attributes:
        stretches: The times for which it would have fired, at most: what cannot be told counts as firing.
        between: Whether it was silent for long enough between two times.
    """

    stretches: tuple[Stretch, ...]
    between: Between

    @property
    def ends(self) -> datetime | None:
        """When it would have ended for the last time, at the latest; None = it goes on."""
        return self.stretches[-1].ends


def lived(
    first_at: datetime, last_at: datetime, count: int, ended_at: datetime | None, after: timedelta, now: datetime
) -> Lived:
    """How a signal would have lived, had so long a silence counted as its end.

    Args:
        first_at: When it was first heard.
        last_at: When it was last heard: by its end, if its sender said one.
        count: How often it was heard to fire.
        ended_at: When it ended; None if it fires.
        after: The silence after which it counts as ended.
        now: The present instant.
    """
    told_end = ended_at is not None and last_at >= ended_at
    if ended_at is not None and told_end and count > 1:
        between = _between(ended_at - first_at, count, after)
        unsure = Between.BEFORE_END if between is Between.SOME_TIME else between
        return Lived((Stretch(first_at, ended_at),), unsure)
    heard_last = first_at if told_end else max(first_at, last_at)
    if ended_at is None:
        ends = None if quiet_since(now, heard_last, after) else heard_last + after
    else:
        ends = min(ended_at, heard_last + after)
    between = _between(heard_last - first_at, count - 1, after) if count > 1 else Between.NEVER
    if between is Between.SOME_TIME and count == 2:  # noqa: PLR2004  one silence, and all of the time between
        return Lived((Stretch(first_at, first_at + after), Stretch(heard_last, ends)), Between.ONCE)
    return Lived((Stretch(first_at, ends),), between)


def _between(whole: timedelta, silences: int, after: timedelta) -> Between:
    """Of so many silences that make up a time, the longest is no shorter than their mean and no longer than all."""
    if whole <= after:
        return Between.NEVER
    return Between.SOME_TIME if whole / silences > after or silences == 1 else Between.UNTOLD


@dataclass(frozen=True, slots=True)
class Came:
    """A signal that is a heartbeat: when it first came and last, and how often in all, both counted in."""

    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True, slots=True)
class Absences:
    """How often a heartbeat stayed away for too long, as far as that can be told.

    Attributes:
        known: How long it was not heard, of each time that is known.
        hidden: Further times that there were for certain, at least; when and for how long cannot be told.
        untold: The signals between whose first and last time it may have stayed away, or not.
    """

    known: tuple[timedelta, ...]
    hidden: int
    untold: tuple[Came, ...]


def absences(came: Sequence[Came], waits: timedelta, now: datetime) -> Absences:
    """How often a heartbeat stayed away for longer than it may, between its first time and now.

    Where a signal goes on between two times that are known, it came there as often as its count leaves: at any times.

    Args:
        came: The signals that are this heartbeat, in any order; each may come while others do.
        waits: For how long it may stay away.
        now: The present instant.
    """
    times = sorted({at for one in came for at in (one.first_at, one.last_at)})
    repeating = [one for one in came if one.times > 2]  # noqa: PLR2004  with two, both times are known
    known: list[timedelta] = []
    untold: dict[Came, None] = {}
    hidden = 0
    for earlier, later in pairwise([*times, now]):
        if later - earlier <= waits:
            continue
        over = [one for one in repeating if one.first_at <= earlier and later <= one.last_at]
        match _between(later - earlier, 1 + sum(one.times - 2 for one in over), waits):
            case Between.UNTOLD:
                untold |= dict.fromkeys(over)
            case _ if over:
                hidden += 1
            case _:
                known.append(later - earlier)
    return Absences(tuple(known), hidden, tuple(untold))


@dataclass(frozen=True, slots=True)
class Next:
    """The next signal of the same thing: when it was first heard, until when it would have fired, and how it ended."""

    first_at: datetime
    ends: datetime | None
    over: Over


@dataclass(frozen=True, slots=True)
class Later:
    """What would have become of a signal that counted as ended, had it not.

    Attributes:
        ends: When it would have ended; None = it fires still.
        over: How.
        with_next: Whether the next signal of the same thing would have been this one, heard again.
    """

    ends: datetime | None
    over: Over
    with_next: bool = False


def later(
    due: datetime | None,
    now: datetime,
    *,
    said_at: datetime | None = None,
    resolved_at: datetime | None = None,
    next_: Next | None = None,
) -> Later:
    """What would have become of a signal, had it not counted as ended when it did. What came first decides.

    Args:
        due: When it would have gone quiet; None = never.
        now: The present instant.
        said_at: When its sender said that it was over, after it had counted so; None = it did not.
        resolved_at: When people resolved its incident, after that; None = they did not. It pages nobody from then on,
            and what is heard of the same thing is a new signal, if only because its sender may begin it anew.
        next_: The next signal of the same thing.
    """
    ends = {Over.SAID: said_at, Over.PEOPLE: resolved_at, Over.QUIET: due if due is None or due <= now else None}
    over, at = min(((how, at) for how, at in ends.items() if at is not None), key=_when, default=(Over.NOT, None))
    if next_ is not None and (at is None or next_.first_at < at):
        return Later(next_.ends, next_.over, with_next=True)
    return Later(at, over)


def _when(end: tuple[Over, datetime]) -> datetime:
    return end[1]


def pauses(stretches: Sequence[Stretch], waits: timedelta = timedelta(0)) -> tuple[Stretch, ...]:
    """The stretches of all signals of an incident put together: of each, from its first signal to when all had ended.

    Args:
        stretches: When each of its signals fired; in any order.
        waits: How long the incident is held open after the last of them; counted in.
    """
    together: list[Stretch] = []
    for one in sorted(stretches, key=lambda one: one.begins):
        ends = one.ends + waits if one.ends is not None else None
        last = together[-1] if together else None
        if last is None or (last.ends is not None and last.ends < one.begins):
            together.append(Stretch(one.begins, ends))
        elif last.ends is not None:
            together[-1] = Stretch(last.begins, None if ends is None else max(last.ends, ends))
    return tuple(together)
