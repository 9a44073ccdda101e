"""The kill switch as rules: which number comes next, what a replica has said, and how many replicas are contained."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Protocol

from andon.practice.words import Criticality, ReplicaStanding, RiskClass, SwitchMode

SILENT_AFTER: Final = timedelta(seconds=30)
"""A replica speaks every ten seconds or so; after three of those it is not counted as applying anything."""
GONE_AFTER: Final = timedelta(hours=24)
"""A replica that was silent for so long is counted no more, though it may go on deciding, cut off from Andon."""
GONE_MARGIN: Final = timedelta(minutes=5)
"""One that holds itself back is counted for so long after it has begun to."""
FORGOTTEN_AFTER: Final = timedelta(days=90)
"""What was last heard of a process so long ago is forgotten, with which revisions it had acknowledged and when."""
MOST_AHEAD: Final = 1_000_000
"""How far ahead a replica may claim to be: whoever holds its token must not use up the numbers."""
STALE_MODES: Final = (SwitchMode.ON, SwitchMode.SAFE, SwitchMode.REVIEW, SwitchMode.OFF)
"""What a process may do when it has not heard of Andon for too long."""


def next_revision(current: int, seen: int) -> int:
    """The number of the next revision: later than any before, and than any that a replica has heard.

    A replica has heard a later one when the database was restored from a backup. Processes never go back, so only a
    revision beyond what they have heard reaches them.

    Args:
        current: The newest that is known here.
        seen: The newest that a replica says it has heard.
    """
    return max(current, min(seen, current + MOST_AHEAD)) + 1


def gone_after(mode: str, max_stale: timedelta, on_stale: SwitchMode) -> timedelta:
    """After how long without a word a replica is counted no more.

    Whether it was killed or is cut off cannot be told from here. If by then it holds itself back, should it run at all,
    nobody is decided for by a process that is not counted. Where it may go on deciding, it is counted for a day, or
    until somebody says that it is gone.

    Args:
        mode: By which it acted when it was last heard.
        max_stale: How long it goes on with `on` unheard, by the revision that it applied then.
        on_stale: What it does from then on, by the same.
    """
    if mode != SwitchMode.ON:
        return GONE_MARGIN  # a containment does not expire
    return min(GONE_AFTER, max_stale + GONE_MARGIN) if on_stale.contains else GONE_AFTER


def falls_back_to(criticality: Criticality, risk: RiskClass) -> SwitchMode:
    """What a system does that has not heard of Andon for too long, unless somebody sets it otherwise.

    Consequential systems hold themselves back; of advisory ones the last known mode goes on.
    """
    consequential = criticality.at_least(Criticality.HIGH) or risk in {RiskClass.HIGH, RiskClass.PROHIBITED}
    return SwitchMode.SAFE if consequential else SwitchMode.ON


class Limited(Protocol):
    """How much a limited system decides: a share of its requests, or so many a second."""

    @property
    def share(self) -> float | None:
        """Which share, from 0 to 1."""

    @property
    def per_second(self) -> float | None:
        """How many a second, in each process."""


def loosens(before: SwitchMode, limit_before: Limited | None, mode: SwitchMode, limit: Limited | None) -> bool:
    """Whether a system may decide more than before: that is for whoever may put it back into service.

    A share of requests and a number a second cannot be compared: one in place of the other counts as more.

    Args:
        before: What it may do now.
        limit_before: How much, where it is limited now.
        mode: What it is to do.
        limit: How much, where it is to be limited.
    """
    if mode is not SwitchMode.LIMIT:
        return mode is SwitchMode.ON
    if before is not SwitchMode.LIMIT or limit is None or limit_before is None:
        return before is not SwitchMode.ON
    if limit.share is not None and limit_before.share is not None:
        return limit.share > limit_before.share
    if limit.per_second is not None and limit_before.per_second is not None:
        return limit.per_second > limit_before.per_second
    return True


@dataclass(frozen=True, slots=True)
class Wanted:
    """The newest revision of a switch: its number, what tells it from another of that number, and the mode."""

    revision: int
    mark: str
    mode: SwitchMode


@dataclass(frozen=True, slots=True)
class ReplicaFacts:
    """What a replica last said: which revision it applies and by which mode it acts, when, and whether it ended.

    `gone_after` is as the function of that name says.
    """

    revision: int
    mark: str
    mode: str
    heard_at: datetime
    ended: bool = False
    gone_after: timedelta = GONE_AFTER


def standing(replica: ReplicaFacts, wanted: Wanted, now: datetime) -> ReplicaStanding:
    """How a replica stands to the newest revision. One that says nothing is silent, whatever it said before.

    One that was heard in time to come was heard before Andon's clock was set back: whoever runs speaks again soon.
    """
    if replica.ended:
        return ReplicaStanding.ENDED
    if abs(silence := now - replica.heard_at) > SILENT_AFTER:
        return ReplicaStanding.ENDED if silence > replica.gone_after else ReplicaStanding.SILENT
    if replica.revision > wanted.revision or (replica.revision == wanted.revision and replica.mark != wanted.mark):
        return ReplicaStanding.REFUSES
    applies = replica.revision == wanted.revision and replica.mode == wanted.mode
    return ReplicaStanding.APPLIES if applies else ReplicaStanding.BEHIND


@dataclass(frozen=True, slots=True)
class Tally:
    """How many replicas there are, how many of them stand how, and when the first silent one was last heard."""

    total: int = 0
    applies: int = 0
    behind: int = 0
    refuses: int = 0
    silent: int = 0
    silent_since: datetime | None = None

    @property
    def everywhere(self) -> bool | None:
        """Whether all apply it; None where that cannot be told, for one is silent or nobody is there."""
        if self.behind or self.refuses:
            return False
        return True if self.applies == self.total > 0 else None

    def says(self, mode: SwitchMode, zone: tzinfo = UTC) -> str:
        """One sentence without its stop: “3 of 4 replicas contained, 1 silent since 02:14 UTC”, in a zone's time."""
        if not self.total:
            return "no replica has said anything"
        what = "contained" if mode.contains else "in service"
        parts = [f"{self.applies} of {self.total} {'replica' if self.total == 1 else 'replicas'} {what}"]
        parts += [f"{self.behind} not yet"] if self.behind else []
        parts += [f"{self.refuses} refusing it"] if self.refuses else []
        if self.silent:
            first = "" if self.silent == 1 else "the first "
            since = f" {first}since {self.silent_since.astimezone(zone):%H:%M %Z}" if self.silent_since else ""
            parts.append(f"{self.silent} silent{',' if first and since else ''}{since}")
        return ", ".join(parts)


def tally(standings: Iterable[tuple[ReplicaStanding, datetime]]) -> Tally:
    """Count those that have not ended: how each stands, and when it was last heard."""
    counts, silent = dict.fromkeys(ReplicaStanding, 0), list[datetime]()
    for one, heard_at in standings:
        counts[one] += 1
        if one is ReplicaStanding.SILENT:
            silent.append(heard_at)
    del counts[ReplicaStanding.ENDED]
    named = {one.value: count for one, count in counts.items()}
    return Tally(sum(counts.values()), **named, silent_since=min(silent, default=None))
