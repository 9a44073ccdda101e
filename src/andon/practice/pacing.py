"""When a due page goes out: at once, a little later, or in one message with others.

Nobody can read fifty messages in a minute, and a provider that is flooded throttles or refuses. So repeats are paced,
pages of mild incidents to one address travel together, and a person may have quiet hours for those. What may never
happen is that a page which somebody has to get now waits for one that could wait. Hence the laws:

* the first pages of an incident are never held, however many others wait;
* a page of S1 to S3 is never held by quiet hours and never shares a message;
* what is held has a time, and none lies later than `LONGEST_PACED` (by pace) or `LONGEST_HELD` (by quiet hours) allows;
* an attempt that was made before is made again as it was: its message may have arrived already.

A pace counts messages, not pages: several pages in one message are one. Quiet hours are wall time beside an IANA zone,
read anew for each day, so that they begin and end by the clock on the wall on both edges of daylight saving.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID

from andon.practice import walltime
from andon.practice.severity import Severity
from andon.practice.words import Word

WINDOW: Final = timedelta(minutes=1)
"""Paces are messages in this span."""
MILD: Final = frozenset({Severity.S4, Severity.S5})
"""The severities that may wait for a morning and share a message."""
LONGEST_PACED: Final = {severity: timedelta(minutes=15 if severity in MILD else 1) for severity in Severity}
"""How long after it was due (or after quiet hours ended) a page is held by a pace at most."""
LONGEST_QUIET: Final = timedelta(hours=14)
"""How long quiet hours may be on the wall."""
LONGEST_HELD: Final = timedelta(hours=24)
"""Nothing is held longer than this after it was due, whatever speaks for it."""
MOST_INCIDENTS: Final = 5
"""Incidents that one message names: more would not be read, and not fit into a text message."""


@dataclass(frozen=True, slots=True)
class Pace:
    """At most so many messages a minute by one channel: to one person, and to everybody; None is without limit.

    Raises ValueError for a number below one, by which nothing would ever go out.
    """

    person: int | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        """Check."""
        if any(most is not None and most < 1 for most in (self.person, self.channel)):
            raise ValueError("A pace is at least one message a minute. Leave it empty for no limit.")


UNPACED: Final = Pace()
DEFAULT_PACES: Final[Mapping[str, Pace]] = {
    # Two calls at once meet an engaged line; common numbers may send one text message or begin one call a second.
    "voice": Pace(person=1, channel=60),
    "sms": Pace(person=5, channel=60),
    # A chat takes about one message a second, ntfy's public server sixty in a burst.
    "slack": Pace(person=10, channel=60),
    "teams": Pace(person=10, channel=60),
    "ntfy": Pace(person=10, channel=60),
    "push": Pace(person=10),
    "email": Pace(person=20),
    "apprise": Pace(person=10),
    # Machines read these.
    "webhook": UNPACED,
    "pagerduty": UNPACED,
    "log": UNPACED,
}
"""What holds for a channel until an administrator says otherwise."""


class Reason(Word):
    """Why a page goes now, or waits."""

    FIRST = "first", "the first pages of an incident wait for nothing"
    AGAIN = "again", "it was tried before, and is tried again as it was"
    CLEAR = "clear", "nothing speaks against it"
    TOGETHER = "together", "several pages of mild incidents go to one address in one message"
    LONG_ENOUGH = "long_enough", "it has waited as long as a page may"
    QUIET_HOURS = "quiet_hours", "held for quiet hours"
    PERSON_PACE = "person_pace", "held because many messages had gone to the same person"
    CHANNEL_PACE = "channel_pace", "held because many messages had gone out by the same channel"


HOLDS: Final = (Reason.QUIET_HOURS, Reason.PERSON_PACE, Reason.CHANNEL_PACE)
"""The reasons for which a page waits."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When a person is to be left in peace by what is mild: wall time, over midnight if the end is the earlier one.

    Raises ValueError for hours that never end, that are longer than `LONGEST_QUIET`, or in no known zone.
    """

    starts: time
    ends: time
    zone: str

    def __post_init__(self) -> None:
        """Check."""
        walltime.zone(self.zone)
        length = _on_the_wall(self.ends) - _on_the_wall(self.starts)
        if not timedelta(0) < length % timedelta(days=1) <= LONGEST_QUIET:
            hours = LONGEST_QUIET // timedelta(hours=1)
            raise ValueError(f"Quiet hours end at another time than they start, and last at most {hours} hours.")

    def end(self, now: datetime) -> datetime | None:
        """The instant at which they end, if they run at `now`."""
        return next((ends for starts, ends in self._nights(now) if starts <= now < ends), None)

    def ended(self, now: datetime) -> datetime:
        """The instant of their latest end that is not after `now`."""
        return max(ends for _, ends in self._nights(now) if ends <= now)

    def _nights(self, now: datetime) -> list[tuple[datetime, datetime]]:
        """Those of the days around `now`, as instants."""
        today = walltime.wall(now, self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        length = (_on_the_wall(self.ends) - _on_the_wall(self.starts)) % timedelta(days=1)
        starts = [today + timedelta(days=days) + _on_the_wall(self.starts) for days in (-2, -1, 0, 1)]
        return [(walltime.instant(start, self.zone), walltime.instant(start + length, self.zone)) for start in starts]


def _on_the_wall(at: time) -> timedelta:
    return timedelta(hours=at.hour, minutes=at.minute)


@dataclass(frozen=True, slots=True)
class Due:
    """A page that is due.

    Attributes:
        page: Its key; `incident`, `person` and `address` are opaque here.
        due_at: When it was due in the first place: holding does not move it.
        first: Whether it is one of the first pages of its incident.
        message: The message of which an earlier attempt was made; None if there was none.
    """

    page: UUID
    incident: Hashable
    person: Hashable
    channel: str
    address: Hashable
    severity: Severity
    due_at: datetime
    first: bool = False
    message: Hashable | None = None

    @property
    def mild(self) -> bool:
        """Whether quiet hours and sharing a message apply to it."""
        return self.severity in MILD and not self.first and self.message is None


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that went out lately, or is on the wire."""

    person: Hashable
    channel: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What the decision rests on beside the pages.

    Attributes:
        lately: The messages of the last `WINDOW`, in any order.
        paged: When each person was last paged; who is not in it never was.
        quiet: The quiet hours of those who have any.
        paces: The pace of each channel; `DEFAULT_PACES` for those not in it.
    """

    lately: Sequence[Sent] = ()
    paged: Mapping[Hashable, datetime] = field(default_factory=dict)
    quiet: Mapping[Hashable, QuietHours] = field(default_factory=dict)
    paces: Mapping[str, Pace] = field(default_factory=dict)

    def pace(self, channel: str) -> Pace:
        """The pace of a channel."""
        return self.paces.get(channel) or DEFAULT_PACES.get(channel, UNPACED)


@dataclass(frozen=True, slots=True)
class Going:
    """One message to send now, with the pages that travel in it."""

    pages: tuple[UUID, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Held:
    """A page that waits: until when, and why."""

    page: UUID
    until: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of every page: the messages to send now, in order, and what is held."""

    going: tuple[Going, ...]
    held: tuple[Held, ...]


def plan(due: Iterable[Due], known: Known, now: datetime) -> Plan:
    """Decide on every page that is due.

    The order of sending: first pages ahead of others; then whoever was paged least recently; then what was due first.
    Raises ValueError if `now` has no time zone.
    """
    now = walltime.aware(now, "now")
    paces = _Paces(known, now)
    going: list[Going] = []
    held: list[Held] = []
    for together in _messages(_in_order(due, known, now), known, now):
        pages = tuple(one.page for one in together)
        until, reason = _wait(together, known, paces, now)
        if until is None:
            paces.take(together[0], now)
            going.append(Going(pages, reason))
        else:
            held += [Held(page, until, reason) for page in pages]
    return Plan(tuple(going), tuple(held))


def _in_order(due: Iterable[Due], known: Known, now: datetime) -> list[Due]:
    """The pages in the order of sending; among equals, as they came."""
    never = datetime.min.replace(tzinfo=now.tzinfo)
    return sorted(due, key=lambda one: (not one.first, known.paged.get(one.person, never), one.due_at))


def _messages(ordered: Iterable[Due], known: Known, now: datetime) -> list[list[Due]]:
    """The pages by the message that they would travel in, each message at the place of its first page."""
    found: list[list[Due]] = []
    of_attempt: dict[Hashable, list[Due]] = {}
    open_to: dict[Hashable, list[Due]] = {}
    for one in ordered:
        if one.message is not None:
            together = of_attempt.setdefault(one.message, [])
        elif one.mild and not _quiet_until(one, known, now):
            together = open_to.setdefault(one.address, [])
            named = {other.incident for other in together}
            if one.incident not in named and len(named) >= MOST_INCIDENTS:
                together = open_to[one.address] = []
        else:
            together = []
        if not together:
            found.append(together)
        together.append(one)
    return found


def _wait(together: Sequence[Due], known: Known, paces: _Paces, now: datetime) -> tuple[datetime | None, Reason]:
    """Until when a message waits, or None, and why."""
    lead = together[0]
    if lead.first:
        return None, Reason.FIRST
    if lead.message is not None:
        return None, Reason.AGAIN
    quiet = _quiet_until(lead, known, now)
    if quiet is not None:
        return quiet, Reason.QUIET_HOURS
    slot, reason = paces.slot(lead, now)
    latest = min(_paced_at_latest(one, known, now) for one in together)
    if slot > now and latest > now:
        paces.take(lead, min(slot, latest))
        return min(slot, latest), reason
    if slot > now:
        return None, Reason.LONG_ENOUGH
    return None, Reason.TOGETHER if len(together) > 1 else Reason.CLEAR


def _quiet_until(one: Due, known: Known, now: datetime) -> datetime | None:
    """Until when quiet hours hold the page; None if they do not, or have for as long as they may."""
    hours = known.quiet.get(one.person) if one.mild else None
    end = hours.end(now) if hours else None
    if end is None:
        return None
    until = min(end, one.due_at + LONGEST_HELD)
    return until if until > now else None


def _paced_at_latest(one: Due, known: Known, now: datetime) -> datetime:
    """The latest time to which a pace may hold the page; quiet hours that held it until then do not count."""
    since = one.due_at
    hours = known.quiet.get(one.person) if one.mild else None
    if hours is not None:
        since = max(since, hours.ended(now))
    return min(since + LONGEST_PACED[one.severity], one.due_at + LONGEST_HELD)


class _Paces:
    """Messages that went out, go out now and are to go out, by who and what is paced; and where there is room."""

    def __init__(self, known: Known, now: datetime) -> None:
        self._known = known
        self._times: dict[tuple[str, Hashable | None], list[datetime]] = defaultdict(list)
        for sent in sorted(known.lately, key=lambda sent: sent.at):
            if now - sent.at < WINDOW:
                # A clock that was set back leaves times ahead of now, which must not hold anything for longer.
                self._take(sent.channel, sent.person, min(sent.at, now))

    def slot(self, one: Due, now: datetime) -> tuple[datetime, Reason]:
        """The first time from now on at which both paces have room, and which of them asks for the wait."""
        pace = self._known.pace(one.channel)
        person = _room(self._times[one.channel, one.person], pace.person, now)
        channel = _room(self._times[one.channel, None], pace.channel, now)
        return (person, Reason.PERSON_PACE) if person >= channel else (channel, Reason.CHANNEL_PACE)

    def take(self, one: Due, at: datetime) -> None:
        """Count a message."""
        self._take(one.channel, one.person, at)

    def _take(self, channel: str, person: Hashable, at: datetime) -> None:
        insort(self._times[channel, person], at)
        insort(self._times[channel, None], at)


def _room(times: Sequence[datetime], most: int | None, now: datetime) -> datetime:
    """The first time from now on with fewer than `most` messages in the window before it."""
    if most is None or len(times) < most:
        return now
    return max(now, times[-most] + WINDOW)
