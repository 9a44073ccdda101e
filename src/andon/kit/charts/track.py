"""The five times of an incident on one line, to scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from andon.kit.spans import clock_time, interval, relative, span

# The wide layout: shown from 640 px on, where 16% is 102 px, room for "Acknowledged" or "30 Nov 03:00".
LABEL_WIDTH = 16.0
# The tall layout (phone): a row of 26 px takes one line of text.
ROW_HEIGHT = 26.0
_ROOM = 34  # characters of name, note and time that fit beside each other at 360 px
_EDGE = 2.0  # percent left free at both ends, so that a tick at the end is drawn whole
_AHEAD = 4.0  # percent between the end of the scale and the first time that has no place on it yet
_SHORTEST = timedelta(minutes=1)  # an incident of seconds still gets a scale
_REACH = 2.0  # a clock further ahead than this many elapsed lengths would squeeze what happened into a corner


class Stage(StrEnum):
    """The five times of an incident, in the order in which they stand in a row."""

    ONSET = "onset"
    DETECTED = "detected"
    ACKNOWLEDGED = "acknowledged"
    CONTAINED = "contained"
    RESOLVED = "resolved"

    @property
    def label(self) -> str:
        """The word on the screen."""
        return self.value.capitalize()


class MarkState(StrEnum):
    """What is known of a time: reached, a clock runs towards it, that clock has run out, or nothing yet."""

    REACHED = "reached"
    DUE = "due"
    OVERDUE = "overdue"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Track:
    """What is known of an incident's five times; all instants aware.

    `acknowledge_by` and `contain_by` are the clocks of its severity; they count until the time is reached.
    """

    detected_at: datetime
    onset: datetime | None = None
    onset_low: datetime | None = None
    onset_high: datetime | None = None
    acknowledged_at: datetime | None = None
    contained_at: datetime | None = None
    resolved_at: datetime | None = None
    acknowledge_by: datetime | None = None
    contain_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """One of the five times, placed.

    `x` is where its tick stands on the wide track (percent), `label_x` where its label starts; `y` and `label_y`
    are the same on the tall track, in pixels from the top. What is still to come without a place in time has its
    tick beyond the scale (`to_scale` false); what was passed over without being reached has none (None).
    """

    stage: Stage
    state: MarkState
    at: datetime | None
    when: str
    note: str
    x: float | None
    label_x: float
    y: float | None
    label_y: float
    to_scale: bool

    @property
    def label(self) -> str:
        """The word on the screen."""
        return self.stage.label

    @property
    def brief_note(self) -> str:
        """The note where it fits into one line of the tall track; the sentence says it anyway."""
        return self.note if len(self.label) + len(self.note) + len(self.when) <= _ROOM else ""

    @property
    def reached(self) -> bool:
        """Whether the time was reached."""
        return self.state is MarkState.REACHED


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the track: percent on the wide one, pixels on the tall one."""

    x: float
    width: float
    y: float
    height: float

    @property
    def end_x(self) -> float:
        """Where it ends on the wide track."""
        return round(self.x + self.width, 2)

    @property
    def end_y(self) -> float:
        """Where it ends on the tall track."""
        return round(self.y + self.height, 2)


@dataclass(frozen=True, slots=True)
class TrackView:
    """Everything a template needs to draw the track, and the sentence that says it to who cannot see it."""

    marks: tuple[Mark, ...]
    uncertain: Band | None  # where the onset may lie
    exposed: Band  # from the onset to containment, or to now: how long it went on
    now_x: float | None  # None once the incident is resolved
    now_y: float | None
    scale_x: float  # where the scale ends; beyond it stands what has no place in time yet
    scale_y: float
    tall_height: float
    zone: str
    sentence: str


@dataclass(frozen=True, slots=True)
class _Fact:
    stage: Stage
    state: MarkState
    at: datetime | None
    when: str
    note: str


@dataclass(frozen=True, slots=True)
class _Axis:
    """One direction of the drawing: instants from `start` to `end` lie between `low` and `high`."""

    start: datetime
    end: datetime
    low: float
    high: float
    gap: float  # what a label needs
    last: float  # where the last label may start
    beyond: int  # how many times at the end of the row have no place on the scale yet

    def place(self, at: datetime) -> float:
        part = (at - self.start) / (self.end - self.start)
        return round(self.low + min(1.0, max(0.0, part)) * (self.high - self.low), 2)

    def ticks(self, facts: Sequence[_Fact]) -> list[float | None]:
        inside = len(facts) - self.beyond
        return [
            (self.place(fact.at) if fact.at and self.start <= fact.at <= self.end else None)
            if place < inside
            else round(self.last - (len(facts) - 1 - place) * self.gap, 2)
            for place, fact in enumerate(facts)
        ]

    def labels(self, ticks: Sequence[float | None], first: float) -> list[float]:
        wanted, furthest = [], first
        for tick in ticks:  # in order, even where a clock ran out before the time ahead of it was reached
            furthest = max(furthest, first if tick is None else tick)
            wanted.append(furthest)
        return spread(wanted, gap=self.gap, low=first, high=self.last)


def track(times: Track, now: datetime, *, zone: tzinfo = UTC) -> TrackView:
    """Place the five times of an incident to scale, as seen at `now`; labels in `zone` that never collide."""
    facts = _facts(times, now, zone)
    start, end = _scale(times, now)
    beyond = _beyond(facts, start, end)
    inset = ROW_HEIGHT / 2
    height = ROW_HEIGHT * len(facts)
    room = 100 - _AHEAD - LABEL_WIDTH * beyond if beyond else 100 - _EDGE
    across = _Axis(start, end, _EDGE, room, LABEL_WIDTH, 100 - LABEL_WIDTH, beyond)
    down = _Axis(start, end, inset, height - inset - ROW_HEIGHT * beyond, ROW_HEIGHT, height - inset, beyond)
    xs, ys = across.ticks(facts), down.ticks(facts)
    marks = tuple(
        Mark(f.stage, f.state, f.at, f.when, f.note, x, label_x, y, label_y, place < len(facts) - beyond)
        for place, (f, x, label_x, y, label_y) in enumerate(
            zip(facts, xs, across.labels(xs, 0.0), ys, down.labels(ys, inset), strict=True)
        )
    )
    low, high = times.onset_low, times.onset_high
    running = times.resolved_at is None
    return TrackView(
        marks=marks,
        uncertain=_band(low, high, across, down) if low and high and high > low else None,
        exposed=_band(times.onset or times.detected_at, times.contained_at or times.resolved_at or now, across, down),
        now_x=across.place(now) if running else None,
        now_y=down.place(now) if running else None,
        scale_x=across.high,
        scale_y=down.high,
        tall_height=height,
        zone=times.detected_at.astimezone(zone).tzname() or "UTC",
        sentence=_sentence(facts),
    )


def spread(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Move ordered positions apart until neighbours are `gap` apart and all lie in [`low`, `high`].

    The result keeps the order and is the closest to what was wanted in least squares: positions that collide
    form a group which stands around the mean of its wishes. Raises ValueError when there is no room for all.
    """
    if gap * (len(wanted) - 1) > high - low + 1e-9:
        raise ValueError(f"{len(wanted)} labels {gap} apart do not fit between {low} and {high}.")
    # With the gap taken out of each wish, "a gap apart" becomes "not decreasing": pool what violates that.
    groups: list[tuple[float, int]] = []
    for place, wish in enumerate(wanted):
        mean, size = wish - place * gap, 1
        while groups and groups[-1][0] > mean:
            other, count = groups.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        groups.append((mean, size))
    ceiling = high - gap * (len(wanted) - 1)
    flat = [min(max(mean, low), ceiling) for mean, size in groups for _ in range(size)]
    return [round(value + place * gap, 2) for place, value in enumerate(flat)]


def _scale(times: Track, now: datetime) -> tuple[datetime, datetime]:
    happened = [t for t in _all_times(times) if t is not None]
    start = min(happened)
    end = max(happened) if times.resolved_at else max(*happened, now)
    reach = end + (end - start) * _REACH
    return start, max([end, start + _SHORTEST, *(due for due in _running(times) if due <= reach)])


def _beyond(facts: Sequence[_Fact], start: datetime, end: datetime) -> int:
    """How many facts at the end of the row have no place between `start` and `end`."""
    count = 0
    for fact in reversed(facts):
        if fact.at is not None and start <= fact.at <= end:
            break
        count += 1
    return count


def _band(low: datetime, high: datetime, across: _Axis, down: _Axis) -> Band:
    x, y = across.place(low), down.place(low)
    return Band(x=x, width=round(across.place(high) - x, 2), y=y, height=round(down.place(high) - y, 2))


def _all_times(times: Track) -> tuple[datetime | None, ...]:
    return (
        times.onset_low, times.onset, times.onset_high, times.detected_at,
        times.acknowledged_at, times.contained_at, times.resolved_at,
    )  # fmt: skip


def _running(times: Track) -> list[datetime]:
    if times.resolved_at:
        return []
    clocks = ((times.acknowledged_at, times.acknowledge_by), (times.contained_at, times.contain_by))
    return [due for reached, due in clocks if reached is None and due is not None]


def _facts(times: Track, now: datetime, zone: tzinfo) -> list[_Fact]:
    detected = times.detected_at
    facts = [_onset(times, now, zone)] if times.onset else []
    lag = f"after {span(detected - times.onset)}" if times.onset and detected > times.onset else ""
    facts.append(_reached(Stage.DETECTED, detected, lag, now, zone))
    for stage, reached, due in (
        (Stage.ACKNOWLEDGED, times.acknowledged_at, times.acknowledge_by),
        (Stage.CONTAINED, times.contained_at, times.contain_by),
        (Stage.RESOLVED, times.resolved_at, None),
    ):
        if reached is not None:
            facts.append(_reached(stage, reached, f"+{span(reached - detected)}", now, zone))
        elif due is not None and times.resolved_at is None:
            state = MarkState.DUE if due > now else MarkState.OVERDUE
            note = relative(due, now) if due > now else f"{span(now - due)} over"
            facts.append(_Fact(stage, state, due, f"by {clock_time(due, zone, beside=now)}", note))
        else:
            word = "not yet" if times.resolved_at is None else "not recorded"
            facts.append(_Fact(stage, MarkState.OPEN, None, word, ""))
    return facts


def _onset(times: Track, now: datetime, zone: tzinfo) -> _Fact:
    if times.onset is None:
        raise ValueError("There is no onset to place.")
    low, high = times.onset_low, times.onset_high
    note = interval(low, high, zone, beside=now) if low and high and high > low else ""
    about = "\N{ALMOST EQUAL TO}\N{NO-BREAK SPACE}" if note else ""
    return _Fact(
        Stage.ONSET, MarkState.REACHED, times.onset,
        f"{about}{clock_time(times.onset, zone, beside=now)}", note,
    )  # fmt: skip


def _reached(stage: Stage, at: datetime, note: str, now: datetime, zone: tzinfo) -> _Fact:
    return _Fact(stage, MarkState.REACHED, at, clock_time(at, zone, beside=now), note)


def _sentence(facts: Sequence[_Fact]) -> str:
    return "; ".join(f"{f.stage.label} {f.when}{f' ({f.note})' if f.note else ''}" for f in facts) + "."
