"""What becomes of an event: is it a new signal, the same one again, its end, or an echo; and which incident.

An event is (fingerprint, episode, status, time). The *episode* is the sender's own mark of one firing, mostly
the time it began; it may be empty. Of an integration and fingerprint at most one signal is open. Senders
repeat, restart, and deliver late and out of order, so the rules are:

* A firing event while the signal is open is a repeat, whatever its episode says (senders restart and forget).
  The signal goes by the newest episode it has heard of.
* A firing event of an episode that has already ended is a late double: counted nowhere, it opens nothing.
  That includes one that was overtaken by its own end, which is why an end without a beginning is kept.
* Where each event is an episode of its own, an end and its beginning have no name in common. If the sender says of
  both when they came about, a beginning from before the end that is on record was overtaken by it: it opens nothing.
* A firing event of any other episode, or of none, after the end is a new signal. Where it cannot be told,
  a page too many is chosen over a page too few.
* A resolved event ends the open signal, unless it can be told to speak of an older episode than the open one.
  One of no episode says nothing new once the signal is over, however often it comes.
* What changes nothing (a late double, a second end, the end of an older episode) is an *echo*: it is noted on the
  signal that it was judged by, with its reason, so that whoever asks what became of it finds that it was heard.
* A signal of no episode ends with its incident when a person resolves that: its next firing could not be told
  from this one, and would page nobody. One of an episode is *let go*: it fires on in silence until its sender says
  that it is over, or begins another episode, which ends it and is a new signal.

Two episodes can be told apart in time only if both are instants (ISO 8601 with a zone) or both whole numbers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from andon.practice.severity import Severity
from andon.practice.words import IncidentKind, IncidentType, Word

# An unrouted signal that asks for less than this opens no incident: it is kept and shown.
UNROUTED_OPENS_FROM = Severity.S3

IN_DOUBT: Final = timedelta(seconds=1)
"""Two times of one sender that are no further apart than this may be in either order: some senders give whole seconds,
and some run on several machines, whose clocks agree no better."""
SET_BACK: Final = timedelta(days=1)
"""A beginning from longer before the end than this was not overtaken: no sender tries for so long, and a clock that
starts again at some past date, as a device's does without its battery, must silence nothing."""


class SignalStatus(Word):
    """Whether what is observed goes on."""

    FIRING = "firing"
    RESOLVED = "resolved"


class DedupAction(Word):
    """What to do with an event."""

    NEW = "new", "open a new signal"
    REPEAT = "repeat", "count it on the open signal"
    RESOLVE = "resolve", "end the open signal"
    LATE = "late", "note it, and open nothing"
    IGNORE_RESOLVE = "ignore_resolve", "note it, and end nothing"


class DedupReason(Word):
    """Why. At most 40 characters as stored."""

    FIRST_HEARD = "first_heard", "nothing with this fingerprint was heard before"
    NEW_EPISODE = "new_episode", "the last episode is over and this is another"
    LET_GO = "let_go", "the incident of the open signal was resolved and the sender began another episode"
    NO_EPISODE = (
        "no_episode",
        "the last signal is over and the sender does not say that this is the same firing",
    )
    STILL_FIRING = "still_firing", "the signal is open and fires on"
    SENDER_RESTARTED = "sender_restarted", "the signal is open and the sender began another episode of it"
    EPISODE_OVER = "episode_over", "this episode has already ended; the event is a late double"
    OVERTAKEN = "overtaken", "it comes late: by its sender's clock it began before the end that is on record"
    ENDED = "ended", "the sender says that it has ended"
    NOTHING_OPEN = (
        "nothing_open",
        "nothing is open under this fingerprint; kept, should its beginning come late",
    )
    GONE_QUIET = "gone_quiet", "its sender says no end, and nothing was heard of it for long enough to count as one"
    RESOLVED_HERE = (
        "resolved_here",
        "its incident was resolved while it fired, and what its sender says next, or begins anew, is a new one",
    )
    ALREADY_ENDED = "already_ended", "it has already ended"
    OLDER_EPISODE = "older_episode", "it ends an older episode than the one that is open"


class Told(Protocol):
    """What is decided by: an event that is heard, or a signal that is on record, whatever else they hold."""

    @property
    def status(self) -> str:
        """Firing or resolved."""

    @property
    def episode(self) -> str:
        """The sender's mark of one firing (of a signal on record: the newest that it goes by); may be empty."""


@dataclass(frozen=True, slots=True)
class Known:
    """The plainest `Told`."""

    status: str
    episode: str


class DedupDecision(NamedTuple):
    """What to do with an event and why.

    Attributes:
        action: What to do.
        reason: Why.
        episode: The episode that the signal goes by afterwards: write it with the change.
        keep: Whether to store the event as a row of its own: a new signal, or an end that came before its
            beginning (stored as resolved).
    """

    action: DedupAction
    reason: DedupReason
    episode: str
    keep: bool = False

    @property
    def echo(self) -> bool:
        """Whether the event is heard and changes nothing: it is noted with its reason, and counted nowhere."""
        return not self.keep and self.action in {DedupAction.LATE, DedupAction.IGNORE_RESOLVE}


def compare_episodes(one: str, other: str) -> int | None:
    """Whether one began before (-1), with (0) or after (1) the other; None where it cannot be told."""
    if one == other:
        return 0 if one else None
    left, right = _instant(one), _instant(other)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    if _is_number(one) and _is_number(other):
        return (int(one) > int(other)) - (int(one) < int(other))
    return None


def dedup(
    known_open: Told | None,
    known_last: Told | None,
    event: Told,
    *,
    ended_episodes: Collection[str] = (),
    let_go: bool = False,
    began_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> DedupDecision:
    """What to do with an event. A new signal while one is open ends that one first.

    Args:
        known_open: The open signal of this integration and fingerprint, if there is one.
        known_last: The one that ended last, if any.
        event: What was heard.
        ended_episodes: Names of episodes of this fingerprint that have ended, beside ``known_last``'s: all
            that an ended signal ever went by, as far as they are kept. It is enough to look up whether the
            event's own is among them.
        let_go: Whether a person resolved the incident of the open signal while it fired.
        began_at: When exactly this firing event came about, aware, by its sender's clock; None where that is not known
            for sure. A time of anything else (first seen, sent, received) would silence what is new.
        ended_at: When the newest end on record came about, by the same clock (see `newest_end`).
    """
    if known_open is not None and event.status == SignalStatus.FIRING and event.episode == known_open.episode:
        return DedupDecision(DedupAction.REPEAT, DedupReason.STILL_FIRING, known_open.episode)
    ended = _has_ended(event.episode, known_open, known_last, ended_episodes)
    if event.status == SignalStatus.RESOLVED:
        return _on_resolved(known_open, known_last, event, ended=ended)
    if known_open is None and not ended and _overtaken(began_at, ended_at):
        return DedupDecision(DedupAction.LATE, DedupReason.OVERTAKEN, event.episode)
    return _on_firing(known_open, known_last, event, ended=ended, let_go=let_go)


def newest_end(said: datetime | None, heard_at: datetime, before: datetime | None = None) -> datetime | None:
    """When the newest end of a fingerprint came about, by its sender's clock; None where that cannot be gone by.

    An end from the future is not gone by: the sender's clock is ahead, and once it is set right whatever begins would
    look older than that end.

    Args:
        said: When the end that is heard now came about, as its sender says; None where it does not.
        heard_at: When it was heard, by our clock.
        before: The newest end on record.
    """
    if said is None or said > heard_at:
        return before
    return said if before is None else max(said, before)


def _overtaken(began_at: datetime | None, ended_at: datetime | None) -> bool:
    """Whether a beginning is older than an end beyond doubt."""
    if began_at is None or ended_at is None:
        return False
    return IN_DOUBT < ended_at - began_at <= SET_BACK


def _on_firing(
    known_open: Told | None, known_last: Told | None, event: Told, *, ended: bool, let_go: bool
) -> DedupDecision:
    if ended:
        kept = known_open.episode if known_open else event.episode
        return DedupDecision(DedupAction.LATE, DedupReason.EPISODE_OVER, kept)
    if known_open is not None:
        if not event.episode or compare_episodes(event.episode, known_open.episode) == -1:
            return DedupDecision(DedupAction.REPEAT, DedupReason.STILL_FIRING, known_open.episode)
        if let_go:
            return DedupDecision(DedupAction.NEW, DedupReason.LET_GO, event.episode, keep=True)
        return DedupDecision(DedupAction.REPEAT, DedupReason.SENDER_RESTARTED, event.episode)
    if known_last is None:
        reason = DedupReason.FIRST_HEARD
    else:
        reason = DedupReason.NEW_EPISODE if event.episode else DedupReason.NO_EPISODE
    return DedupDecision(DedupAction.NEW, reason, event.episode, keep=True)


def _on_resolved(known_open: Told | None, known_last: Told | None, event: Told, *, ended: bool) -> DedupDecision:
    if known_open is None:
        if ended or (known_last is not None and not event.episode):
            return DedupDecision(DedupAction.IGNORE_RESOLVE, DedupReason.ALREADY_ENDED, event.episode)
        return DedupDecision(DedupAction.IGNORE_RESOLVE, DedupReason.NOTHING_OPEN, event.episode, keep=True)
    if ended:
        return DedupDecision(DedupAction.IGNORE_RESOLVE, DedupReason.ALREADY_ENDED, known_open.episode)
    if compare_episodes(event.episode, known_open.episode) == -1:
        return DedupDecision(DedupAction.IGNORE_RESOLVE, DedupReason.OLDER_EPISODE, known_open.episode)
    # What ended is the episode that the sender named. If it is another than the open one and the open one
    # fires again after all, it must be heard: so the ended signal goes by the name that ended.
    return DedupDecision(DedupAction.RESOLVE, DedupReason.ENDED, event.episode or known_open.episode)


def _has_ended(episode: str, known_open: Told | None, known_last: Told | None, ended_episodes: Collection[str]) -> bool:
    """Whether this episode is known to be over."""
    if not episode or (known_open is not None and episode == known_open.episode):
        return False
    return episode in ended_episodes or (known_last is not None and episode == known_last.episode)


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def group_key(
    system_id: object | None,
    type: IncidentType,  # noqa: A002 - the design's word for it
    integration: object,
    *,
    kind: IncidentKind = IncidentKind.REAL,
) -> str:
    """The key under which signals join one unresolved incident.

    A system and type make a group. What belongs to no known system groups by the integration that heard it,
    whatever its type: one place to look at, not a flood. A drill never shares a group with what is real.

    Args:
        system_id: Id of the system, or None if the signal is unrouted.
        type: The incident type that the signal speaks of.
        integration: Id or slug of the integration; used only if there is no system.
        kind: Real or drill.
    """
    key = f"unrouted:{integration}" if system_id is None else f"system:{system_id}:{type}"
    return key if kind is IncidentKind.REAL else f"{kind}:{key}"


class RouteAction(Word):
    """What a signal does to incidents."""

    JOIN = "join", "join the open incident"
    OPEN = "open", "open an incident"
    RECORD = "record", "keep it without an incident"
    HOLD = "hold", "keep it without an incident for now, and look at it again"


class RouteReason(Word):
    """Why. At most 60 characters as stored."""

    INCIDENT_OPEN = "incident_open", "an incident of this system and type is open"
    NO_INCIDENT_YET = "no_incident_yet", "no incident of this system and type is open"
    ONSETS_OVERLAP = "onsets_overlap", "it may have begun together with an open incident of this system"
    ONSETS_APART = "onsets_apart", "what is open of this system began at another time"
    UNROUTED = "unrouted", "no known system is named, and its severity asks for a person"
    UNROUTED_MINOR = "unrouted_minor", "no known system is named, and its severity asks for nobody"
    HAZARD = "hazard", "a hazard or near miss (S5) opens no incident by itself"
    ENDED = "ended", "it has ended, and no incident is open"
    SILENCED = "silenced", "a silence keeps it from opening an incident"
    MAINTENANCE = "maintenance", "its system is under maintenance"
    INHIBITED = "inhibited", "something else fires that explains it"
    TOO_FEW = "too_few", "it takes more of them to open an incident"
    SIGN_OF_LIFE = "sign_of_life", "it is a heartbeat, and says that all is well"


HELD: Final = frozenset(
    {
        RouteReason.SILENCED,
        RouteReason.MAINTENANCE,
        RouteReason.INHIBITED,
        RouteReason.TOO_FEW,
        RouteReason.SIGN_OF_LIFE,
    }
)
"""The reasons of a rule: a signal kept by one has a time at which it is looked at again, as long as it fires."""


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """Where a signal goes, and why."""

    action: RouteAction
    reason: RouteReason


def route(
    signal_severity: Severity | None,
    has_system: bool,  # noqa: FBT001 - one of three facts, in a fixed order
    open_incident: object | None,
    *,
    resolved: bool = False,
    by_onset: RouteReason | None = None,
) -> RouteDecision:
    """Whether a signal joins the open incident of its group, opens one, or is only kept.

    Args:
        signal_severity: What the sender hints at; None says nothing, and unknown is not zero.
        has_system: Whether it belongs to a system in the register.
        open_incident: The unresolved incident of its group, or None.
        resolved: Whether the signal has ended by now.
        by_onset: Why its group is the one it is, where the time at which it began has decided that.
    """
    if open_incident:
        overlaps = by_onset is RouteReason.ONSETS_OVERLAP
        return RouteDecision(RouteAction.JOIN, RouteReason.ONSETS_OVERLAP if overlaps else RouteReason.INCIDENT_OPEN)
    if resolved:
        return RouteDecision(RouteAction.RECORD, RouteReason.ENDED)
    if signal_severity is Severity.S5:
        return RouteDecision(RouteAction.RECORD, RouteReason.HAZARD)
    if has_system:
        apart = by_onset is RouteReason.ONSETS_APART
        return RouteDecision(RouteAction.OPEN, RouteReason.ONSETS_APART if apart else RouteReason.NO_INCIDENT_YET)
    if signal_severity is not None and UNROUTED_OPENS_FROM.worse_than(signal_severity):
        return RouteDecision(RouteAction.RECORD, RouteReason.UNROUTED_MINOR)
    return RouteDecision(RouteAction.OPEN, RouteReason.UNROUTED)
