"""Who is on call: layers of rotations and imported calendars, with overrides on top.

A shift is stored as people say it, in local wall time with the name of the zone, and turned into instants
only when asked. The rules for the two edges of daylight saving are those of `andon.practice.walltime`: a
hand-over at 09:00 is at 09:00 on every day of the year, a daily shift is 23 or 25 hours long on two of them,
and shifts stay contiguous.

Two questions are answered apart from each other, both in wall time, and then cut with each other:

* *whose turn is it?* Turns follow each other without a break from the first hand-over on, by local days;
* *is the layer active?* By default always. ``weekdays`` limits it to those calendar days (midnight to
  midnight), ``window`` to those hours of them. A window that passes midnight belongs to the day on which
  it starts.

So a hand-over may fall into a time at which nobody is on call, or into the middle of a window: both are
meant. Who wants days of a weekday rotation to run from hand-over to hand-over takes a window of that form
(``window=(time(9), time(9))``: Monday to Friday is then Monday 09:00 to Saturday 09:00).

Nothing here reads a clock, a file or a database.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from andon.practice.coverage import Gap, Shift, topmost
from andon.practice.walltime import aware, instant, naive, wall, zone

__all__ = [
    "ALL_DAYS",
    "HORIZON",
    "Cadence",
    "Calendar",
    "Gap",
    "Layer",
    "Rotation",
    "Shift",
    "WallShift",
    "gaps",
    "next_shift",
    "on_call",
    "shifts",
    "shifts_of",
]

ALL_DAYS = frozenset(range(7))
"""Every weekday, Monday (0) to Sunday (6)."""

HORIZON = timedelta(days=90)
"""How far `on_call` looks to either side for the edges of a shift: one that reaches further is cut there."""

_DAY = timedelta(days=1)
_WEEK = 7
# A wall clock can go back by hours or jump by a whole day (Samoa, 2011), and a window may be a day long:
# three days of wall time around a range hold everything that can touch it.
_MARGIN = timedelta(days=3)
# `on_call` and `next_shift` look near first: most shifts last a day or a week.
_NEAR = (timedelta(hours=36), timedelta(days=8), timedelta(days=31))


class Cadence(StrEnum):
    """What a rotation counts its turns in."""

    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True, slots=True)
class Rotation:
    """A layer in which people take turns.

    Attributes:
        participants: Opaque ids in order; the first one's turn begins at ``start``. Empty covers nobody.
        zone: IANA name of the zone in which all local times of this layer are meant.
        start: Local date of the first hand-over; nobody is on call before it. For a weekly cadence its
            weekday is the weekday of every hand-over.
        handover: Local time of every hand-over.
        cadence: Whether a turn is counted in days or in weeks.
        every: How many of those a turn lasts, at least 1.
        weekdays: Local days on which the layer is active, 0 is Monday.
        window: Local hours [from, until) in which it is active on those days; an ``until`` that is not after
            ``from`` is on the next day. None is the whole calendar day.
        skip_inactive: With a daily cadence, count turns over active weekdays only, so that two people on a
            Monday-to-Friday rotation alternate across the weekend. The last turn before the inactive days
            lasts until the hand-over of the next active one. Changes nothing on a weekly cadence.
        valid_from: Instant from which this version of the layer holds; None since ever. Turns are still
            counted from ``start``.
        valid_until: Instant at which it stops to hold; None never.
        name: What shifts of this layer give as their source; empty is "layer N" by position. Versions of one
            layer should share a name, or a shift that lasts over a change of version comes in two parts.
    """

    participants: tuple[str, ...]
    zone: str
    start: date
    handover: time
    cadence: Cadence = Cadence.WEEKLY
    every: int = 1
    weekdays: frozenset[int] = ALL_DAYS
    window: tuple[time, time] | None = None
    skip_inactive: bool = False
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    name: str = ""

    def __post_init__(self) -> None:
        zone(self.zone)
        if isinstance(self.start, datetime):
            raise ValueError(  # noqa: TRY004 - a datetime is a date; callers show every wrong field alike
                f"start is {self.start.isoformat()}, a date with a time. Give the local date alone."
            )
        for what, at in (("handover", self.handover), *(("window", edge) for edge in self.window or ())):
            if at.tzinfo is not None:
                raise ValueError(
                    f"{what} is {at.isoformat()} with a time zone. Give it in the layer's zone, without one."
                )
        if self.every < 1:
            raise ValueError(f"every is {self.every}, so no turn would ever end. It counts days or weeks: 1 or more.")
        if not self.weekdays or not self.weekdays <= ALL_DAYS:
            raise ValueError(f"weekdays are {sorted(self.weekdays)}; name at least one, from 0 (Monday) to 6 (Sunday).")
        _check_validity(self.valid_from, self.valid_until)


@dataclass(frozen=True, slots=True)
class WallShift:
    """Somebody on call from one wall time to another: an override, or a shift of an imported calendar.

    Attributes:
        participant: Opaque id of who is on call.
        starts: Naive local time from which.
        ends: Naive local time until which, after ``starts``.
        zone: IANA name of the zone both are meant in.
    """

    participant: str
    starts: datetime
    ends: datetime
    zone: str

    def __post_init__(self) -> None:
        zone(self.zone)
        naive(self.starts, "starts")
        naive(self.ends, "ends")
        if self.ends <= self.starts:
            raise ValueError(
                f"the shift ends at {self.ends}, not after it starts at {self.starts}. Swap or correct them."
            )


@dataclass(frozen=True, slots=True)
class Calendar:
    """A layer of fixed shifts, such as an imported iCalendar; where two overlap the later in order wins.

    Attributes:
        shifts: The shifts.
        valid_from: Instant from which this version of the layer holds; None since ever.
        valid_until: Instant at which it stops to hold; None never.
        name: As in `Rotation`.
    """

    shifts: tuple[WallShift, ...]
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    name: str = ""

    def __post_init__(self) -> None:
        _check_validity(self.valid_from, self.valid_until)


Layer = Rotation | Calendar
"""What a schedule is made of, lowest first."""

Wall = tuple[datetime, datetime]
"""From one naive local time to another."""


def on_call(layers: Sequence[Layer], overrides: Sequence[WallShift], at: datetime) -> Shift | None:
    """The shift that holds at the instant ``at``, or None when nobody is on call.

    Later layers win over earlier ones, overrides over all layers, later overrides over earlier ones. A shift
    goes on as long as the same person is on call from the same source, cut at `HORIZON` to either side.

    Raises:
        ValueError: ``at`` is naive.
    """
    at = aware(at, "at")
    held: Shift | None = None
    for reach in (*_NEAR, HORIZON):
        start, end = at - reach, at + reach
        held = next((s for s in shifts(layers, overrides, start, end) if s.starts <= at < s.ends), None)
        if held is None or (start < held.starts and held.ends < end):
            break
    return held


def shifts(layers: Sequence[Layer], overrides: Sequence[WallShift], start: datetime, end: datetime) -> list[Shift]:
    """Who is on call in [start, end): disjoint and in order, cut at the ends of the range.

    Adjacent shifts of the same person from the same source are one.

    Raises:
        ValueError: ``start`` or ``end`` is naive, or ``end`` is before ``start``.
    """
    start, end = _range(start, end)
    spans: list[Shift] = []
    for number, layer in enumerate(layers, start=1):
        spans += _layer_spans(layer, layer.name or f"layer {number}", start, end)
    spans += _calendar_spans(overrides, "override", start, end)
    return topmost(spans)


def next_shift(
    layers: Sequence[Layer], overrides: Sequence[WallShift], at: datetime, horizon: timedelta = HORIZON
) -> Shift | None:
    """The first shift to begin after ``at``, within the horizon, by somebody else than who is on call then.

    When nobody is on call at ``at``, the first shift by anybody. None when there is none. Its end is cut as
    in `on_call`.

    Raises:
        ValueError: ``at`` is naive, or ``horizon`` negative.
    """
    at = aware(at, "at")
    for reach in sorted({*(near for near in _NEAR if near < horizon), horizon}):
        ahead = shifts(layers, overrides, at, at + reach)
        now = ahead[0].participant if ahead and ahead[0].starts == at else None
        found = next((s for s in ahead if s.starts > at and s.participant != now), None)
        if found is not None:
            return on_call(layers, overrides, found.starts)
    return None


def gaps(layers: Sequence[Layer], overrides: Sequence[WallShift], start: datetime, end: datetime) -> list[Gap]:
    """When nobody is on call in [start, end), in order: exactly what `shifts` leaves uncovered.

    Raises:
        ValueError: as `shifts`.
    """
    start, end = _range(start, end)
    found: list[Gap] = []
    covered = start
    for shift in shifts(layers, overrides, start, end):
        if covered < shift.starts:
            found.append(Gap(covered, shift.starts))
        covered = shift.ends
    if covered < end:
        found.append(Gap(covered, end))
    return found


def shifts_of(
    participant: str, layers: Sequence[Layer], overrides: Sequence[WallShift], start: datetime, end: datetime
) -> list[Shift]:
    """The shifts of one person in [start, end), in order.

    Raises:
        ValueError: as `shifts`.
    """
    return [shift for shift in shifts(layers, overrides, start, end) if shift.participant == participant]


def _check_validity(valid_from: datetime | None, valid_until: datetime | None) -> None:
    since = None if valid_from is None else aware(valid_from, "valid_from")
    until = None if valid_until is None else aware(valid_until, "valid_until")
    if since is not None and until is not None and until < since:
        raise ValueError(f"the layer is valid until {until}, before it is valid from {since}. Swap or correct them.")


def _range(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    start, end = aware(start, "start"), aware(end, "end")
    if end < start:
        raise ValueError(f"the range ends at {end}, before it starts at {start}. Swap or correct them.")
    return start, end


def _layer_spans(layer: Layer, source: str, start: datetime, end: datetime) -> Iterator[Shift]:
    """The shifts of one layer in the part of [start, end) for which this version of it is valid."""
    if layer.valid_from is not None:
        start = max(start, aware(layer.valid_from, "valid_from"))
    if layer.valid_until is not None:
        end = min(end, aware(layer.valid_until, "valid_until"))
    if start < end:
        if isinstance(layer, Calendar):
            yield from _calendar_spans(layer.shifts, source, start, end)
        else:
            yield from _rotation_spans(layer, source, start, end)


def _calendar_spans(fixed: Sequence[WallShift], source: str, start: datetime, end: datetime) -> Iterator[Shift]:
    for shift in fixed:
        low, high = _wall_range(shift.zone, start, end)
        if shift.starts < high and low < shift.ends:
            yield from _placed((shift.starts, shift.ends), shift.zone, shift.participant, source, start, end)


def _rotation_spans(rotation: Rotation, source: str, start: datetime, end: datetime) -> Iterator[Shift]:
    """The turns of a rotation cut with its active times: two ordered lists of wall times, walked together."""
    if not rotation.participants:
        return
    low, high = _wall_range(rotation.zone, start, end)
    turns, active = _turns(rotation, low, high), _active(rotation, low, high)
    turn, block = next(turns, None), next(active, None)
    while turn is not None and block is not None:
        (starts, ends), participant = turn
        piece = (max(starts, block[0]), min(ends, block[1]))
        if piece[0] < piece[1]:
            yield from _placed(piece, rotation.zone, participant, source, start, end)
        if ends <= block[1]:
            turn = next(turns, None)
        else:
            block = next(active, None)


def _wall_range(zone_name: str, start: datetime, end: datetime) -> Wall:
    """The wall times that can have to do with the instants [start, end)."""
    return wall(start, zone_name) - _MARGIN, wall(end, zone_name) + _MARGIN


def _placed(
    span: Wall, zone_name: str, participant: str, source: str, start: datetime, end: datetime
) -> Iterator[Shift]:
    """The shift of a wall-time span cut to [start, end); none if it is outside or within a clock jump."""
    starts, ends = max(instant(span[0], zone_name), start), min(instant(span[1], zone_name), end)
    if starts < ends:
        yield Shift(participant, starts, ends, source)


def _turns(rotation: Rotation, low: datetime, high: datetime) -> Iterator[tuple[Wall, str]]:
    """The turns that touch the wall times [low, high), without a break, from the first hand-over on."""
    turn = _turn_on(rotation, low.date() - _DAY)
    starts = _turn_starts(rotation, turn)
    while starts < high:
        ends = _turn_starts(rotation, turn + 1)
        yield (starts, ends), rotation.participants[turn % len(rotation.participants)]
        turn, starts = turn + 1, ends


def _counted(rotation: Rotation) -> list[int]:
    """Which days of every seven from ``start`` on count towards turns, as offsets from ``start``."""
    if rotation.cadence is Cadence.WEEKLY:
        return [0]
    days = rotation.weekdays if rotation.skip_inactive else ALL_DAYS
    return sorted((day - rotation.start.weekday()) % _WEEK for day in days)


def _turn_on(rotation: Rotation, day: date) -> int:
    """The number of the turn that holds after the hand-over time of ``day``; 0 before the first one too.

    Arithmetic instead of a walk from ``start``, which may be many years back.
    """
    counted = _counted(rotation)
    weeks, rest = divmod((day - rotation.start).days, _WEEK)
    begun = weeks * len(counted) + sum(offset <= rest for offset in counted)
    return max(0, begun - 1) // rotation.every


def _turn_starts(rotation: Rotation, turn: int) -> datetime:
    """The wall time at which this turn begins."""
    counted = _counted(rotation)
    weeks, rest = divmod(turn * rotation.every, len(counted))
    # The first turn begins at `start` even if that is a day that does not count.
    days = weeks * _WEEK + counted[rest] if turn else 0
    return datetime.combine(rotation.start + days * _DAY, rotation.handover)


def _active(rotation: Rotation, low: datetime, high: datetime) -> Iterator[Wall]:
    """The wall times in which the layer is active and that touch [low, high), in order."""
    if rotation.window is None and rotation.weekdays == ALL_DAYS:
        yield low, high
        return
    opens, closes = rotation.window or (time.min, time.min)
    length = _DAY if closes <= opens else timedelta(0)
    day = low.date() - _DAY
    while day <= high.date():
        if day.weekday() in rotation.weekdays:
            yield datetime.combine(day, opens), datetime.combine(day + length, closes)
        day += _DAY
