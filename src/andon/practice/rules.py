"""Rules about signals, decided purely: what a rule says goes in as values, and a reason comes out.

A rule never loses a signal. What keeps one from opening an incident is a *hold*: it has a reason and a time at which
the signal is looked at again. What is open already is left alone: a signal whose incident is open joins it, whatever
holds there are, because joining pages nobody and knowing more harms nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from andon.practice.grouping import RouteReason
from andon.practice.severity import Severity
from andon.practice.words import Word

SEVERE = Severity.S2
"""A silence or maintenance window lets what asks for this or worse through, unless it says otherwise."""
LOOK_AGAIN = timedelta(minutes=1)
"""How often a signal that another explains is looked at anew: what a crash or a race missed costs no more than this."""
HEARTBEAT_LOOK = timedelta(hours=1)
AWAY = timedelta(minutes=3)
"""Heartbeats are looked at every minute. A longer break means that Andon itself was away, or that a clock jumped."""


class RuleKind(Word):
    """What a rule does."""

    MAPPING = "mapping"
    SILENCE = "silence"
    MAINTENANCE = "maintenance", "maintenance window"
    INHIBITION = "inhibition"
    THRESHOLD = "threshold", "count threshold"
    HEARTBEAT = "heartbeat"
    HOLD_OPEN = "hold_open", "hold open"
    AUTO_CLOSE = "auto_close", "auto-close"


class Counting(Word):
    """What a threshold counts."""

    SIGNALS = "signals", "different signals of one system"
    EVENTS = "events", "times that one signal is heard"


HOLDS = (RuleKind.HEARTBEAT, RuleKind.SILENCE, RuleKind.MAINTENANCE, RuleKind.INHIBITION, RuleKind.THRESHOLD)
"""The kinds that keep a signal from opening an incident, in the order in which they are asked; the first decides."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A signal is kept from opening an incident.

    Attributes:
        reason: Why.
        again_at: When it is looked at again, if it still fires then.
        again_count: Look as soon as it was heard this often; None = the time alone decides.
    """

    reason: RouteReason
    again_at: datetime
    again_count: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a signal counts as: its sender's words, and what mappings made of them. None = nobody says."""

    system: str = ""
    type: str = ""
    severity: int | None = None


def mapped(said: Reading, findings: Sequence[Reading]) -> Reading:
    """What a signal counts as after the mappings that match it, in their order.

    Of each of system, type and severity, the first mapping that says something about it decides, and wins over the
    sender: a mapping is written because the sender does not know better.
    """
    return Reading(
        system=next((found.system for found in findings if found.system), said.system),
        type=next((found.type for found in findings if found.type), said.type),
        severity=next((found.severity for found in findings if found.severity), said.severity),
    )


def goes_through(severity: int | None, *, covers_severe: bool) -> bool:
    """Whether a signal passes a silence or window because it is severe. One that says no severity does not."""
    return severity is not None and not covers_severe and not SEVERE.worse_than(Severity(severity))


def until(reason: RouteReason, ends: datetime) -> Hold:
    """Held until a silence or window ends."""
    return Hold(reason, again_at=ends)


def inhibited(now: datetime) -> Hold:
    """Held while another fires that explains it. Its end brings this one up at once; the time is for what is missed."""
    return Hold(RouteReason.INHIBITED, again_at=now + LOOK_AGAIN)


def sign_of_life(now: datetime) -> Hold:
    """A heartbeat opens nothing as long as its rule stands."""
    return Hold(RouteReason.SIGN_OF_LIFE, again_at=now + HEARTBEAT_LOOK)


def equal_key(names: Sequence[str], labels: Mapping[str, str], own: Mapping[str, str]) -> str:
    """What two signals must have in common, as one text. A label that is not there counts as empty.

    Args:
        names: The labels to compare; those that are in `own` mean the signal itself.
        labels: The signal's labels.
        own: Facts of the signal that are no labels, as `system`.
    """
    return json.dumps([own[name] if name in own else labels.get(name, "") for name in names], ensure_ascii=False)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXACTLY = 100
"""Events of one signal whose times are kept one by one; with more, they are kept by hundredths of the window."""


@dataclass(frozen=True, slots=True)
class Tally:
    """When one signal was heard lately.

    Attributes:
        before: How often it had been heard before any of these times.
        heard: Times, oldest first, with how often it had been heard in all by then.
    """

    before: int = 0
    heard: tuple[tuple[datetime, int], ...] = ()


def enough_signals(now: datetime, seen: int, needed: int, within: timedelta) -> Hold | None:
    """Whether so many different signals within the time are enough to open; a hold if not."""
    return None if seen >= needed else Hold(RouteReason.TOO_FEW, again_at=now + within)


def enough_events(now: datetime, tally: Tally, count: int, needed: int, within: timedelta) -> tuple[Hold | None, Tally]:
    """Whether one signal was heard often enough within a window that ends now, else a hold; and its tally from here on.

    It is looked at again whenever it is heard. What nobody looked at in time, as when the engine was down, counts as
    heard now, and so does what was heard in a future that a clock has come back from: a page too many, not one too few.
    """
    grain = within / EXACTLY if needed > EXACTLY else timedelta(0)
    heard: dict[datetime, int] = {}
    before = known = tally.before
    for at, total in (*tally.heard, (now, count)):
        kept_as = _floor(min(at, now), grain)
        if kept_as <= now - within - grain:
            before = known = total
        elif total > known:
            heard[kept_as] = known = total
    times = sorted(heard.items())
    if count - before >= needed:
        while count - times[0][1] >= needed:  # enough came after this one: it need not be remembered
            before = times.pop(0)[1]
        return None, Tally(before, tuple(times))
    again_at = (times[0][0] if times else now) + within + grain
    return Hold(RouteReason.TOO_FEW, again_at, again_count=count + 1), Tally(before, tuple(times))


def _floor(at: datetime, grain: timedelta) -> datetime:
    """Reckoned in whole microseconds: a time that was kept so stays where it is, however often it is looked at."""
    return at - (at - _EPOCH) % grain if grain else at


class BeatAction(Word):
    """What to do about a heartbeat."""

    WAIT = "wait", "wait for the next one"
    RAISE = "raise", "raise a signal: it is missing"
    END = "end", "end that signal: it came again"
    SPARE = "spare", "wait once more in full"


class BeatReason(Word):
    """Why."""

    HEARD = "heard", "it was heard in time"
    NOT_DUE = "not_due", "its time has not run out"
    MISSED = "missed", "its time has run out and nothing was heard"
    STILL_MISSING = "still_missing", "nothing was heard yet"
    CAME_AGAIN = "came_again", "it was heard again"
    WAS_AWAY = "was_away", "Andon itself was away and may have missed it: its sender has one more turn"


@dataclass(frozen=True, slots=True)
class Beat:
    """How a heartbeat stands.

    Attributes:
        expected_since: Since when it is expected: its rule was made or changed.
        waits: How long it may stay away: its interval with the grace.
        heard_at: When it was last heard; None = never.
        missing: Whether a signal about it is out.
        spared_at: When it was last given one more turn because Andon had been away; None = never.
    """

    expected_since: datetime
    waits: timedelta
    heard_at: datetime | None = None
    missing: bool = False
    spared_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BeatDecision:
    """What to do about a heartbeat, why, and when to look next."""

    action: BeatAction
    reason: BeatReason
    next_at: datetime


def heartbeat(now: datetime, beat: Beat, *, looked_at: datetime | None) -> BeatDecision:
    """What to do about a heartbeat now.

    After a time in which nobody looked (`AWAY`), a heartbeat that seems to be missing may have come and not been
    heard: it is given one more full turn, and only one until it is heard again. So an Andon that comes back raises no
    storm of alarms, and a sender that is silent is found all the same, one turn later.

    Args:
        now: The present instant.
        beat: How it stands.
        looked_at: When heartbeats were looked at before this, by any engine; None = never.
    """
    last = max(beat.heard_at or beat.expected_since, beat.expected_since)
    if last > now:  # a clock was set back
        return BeatDecision(BeatAction.WAIT, BeatReason.NOT_DUE, now + beat.waits)
    heard, due = beat.heard_at == last, last + beat.waits
    if beat.missing:
        if heard and now < due:
            return BeatDecision(BeatAction.END, BeatReason.CAME_AGAIN, due)
        return BeatDecision(BeatAction.WAIT, BeatReason.STILL_MISSING, now + LOOK_AGAIN)
    spared = beat.spared_at is not None and last <= beat.spared_at <= now
    if spared and beat.spared_at is not None:
        due = max(due, beat.spared_at + beat.waits)
    elif looked_at is not None and not timedelta(0) <= now - looked_at <= AWAY:
        return BeatDecision(BeatAction.SPARE, BeatReason.WAS_AWAY, now + beat.waits)
    if now < due:
        return BeatDecision(BeatAction.WAIT, BeatReason.HEARD if heard else BeatReason.NOT_DUE, due)
    return BeatDecision(BeatAction.RAISE, BeatReason.MISSED, now + LOOK_AGAIN)


def quiet_since(now: datetime, last_at: datetime, after: timedelta) -> datetime | None:
    """When to look whether a signal has gone quiet; None = now: it counts as ended.

    A last time that lies ahead (a clock was set back) counts from now.
    """
    due = min(last_at, now) + after
    return due if due > now else None
