"""Pictures of time, computed here as plain positions and drawn by templates as SVG.

Nothing in this module draws: it says where each mark and each label stands, so that a test can hold it to two
promises no picture can be trusted with: positions are to scale, and labels never stand on one another.

Horizontal positions are percentages of the drawing's width, because SVG takes them and no script is needed to
fit a phone. Sizes of text are given in pixels at the narrowest width that a layout is shown at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from andon.kit.spans import clock_time, interval, relative, span

# The wide layout: shown from 560 px on, where 18.5% is 103 px, room for "Acknowledged" or "30 Nov 03:00".
LABEL_WIDTH = 18.5
# The tall layout (phone): a row of 26 px takes one line of text.
ROW_HEIGHT = 26.0
_EDGE = 2.0  # percent left free at both ends, so that a tick at the end is drawn whole
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

    `x` is where its tick stands on the wide track (percent; None when it has no place in time yet), `label_x`
    where its label starts. `y` and `label_y` are the same on the tall track, in pixels from the top.
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

    @property
    def label(self) -> str:
        """The word on the screen."""
        return self.stage.label

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
    tall_height: float
    label_width: float
    zone: str
    sentence: str


@dataclass(frozen=True, slots=True)
class _Scale:
    start: datetime
    end: datetime

    def at(self, when: datetime, low: float, high: float) -> float:
        part = (when - self.start) / (self.end - self.start)
        return round(low + min(1.0, max(0.0, part)) * (high - low), 2)


@dataclass(frozen=True, slots=True)
class _Fact:
    stage: Stage
    state: MarkState
    at: datetime | None
    when: str
    note: str


def track(times: Track, now: datetime, *, zone: tzinfo = UTC) -> TrackView:
    """Place the five times of an incident to scale, as seen at `now`; labels in `zone` that never collide."""
    scale = _scale(times, now)
    facts = _facts(times, now, zone)
    height = ROW_HEIGHT * len(facts)
    inset = ROW_HEIGHT / 2
    xs = [scale.at(f.at, _EDGE, 100 - _EDGE) if f.at and _fits(f.at, scale) else None for f in facts]
    ys = [scale.at(f.at, inset, height - inset) if f.at and _fits(f.at, scale) else None for f in facts]
    label_xs = spread(_wanted(xs, 100.0), gap=LABEL_WIDTH, low=0.0, high=100 - LABEL_WIDTH)
    label_ys = spread(_wanted(ys, height), gap=ROW_HEIGHT, low=inset, high=height - inset)
    marks = tuple(
        Mark(f.stage, f.state, f.at, f.when, f.note, x, label_x, y, label_y)
        for f, x, label_x, y, label_y in zip(facts, xs, label_xs, ys, label_ys, strict=True)
    )

    def band(low: datetime, high: datetime) -> Band:
        x, y = scale.at(low, _EDGE, 100 - _EDGE), scale.at(low, inset, height - inset)
        return Band(
            x=x,
            width=round(scale.at(high, _EDGE, 100 - _EDGE) - x, 2),
            y=y,
            height=round(scale.at(high, inset, height - inset) - y, 2),
        )

    low, high = times.onset_low, times.onset_high
    stopped = times.contained_at or times.resolved_at
    return TrackView(
        marks=marks,
        uncertain=band(low, high) if low and high and high > low else None,
        exposed=band(times.onset or times.detected_at, stopped or now),
        now_x=None if times.resolved_at else scale.at(now, _EDGE, 100 - _EDGE),
        now_y=None if times.resolved_at else scale.at(now, inset, height - inset),
        tall_height=height,
        label_width=LABEL_WIDTH,
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


def _scale(times: Track, now: datetime) -> _Scale:
    happened = [t for t in _all_times(times) if t is not None]
    start = min(happened)
    end = max(happened) if times.resolved_at else max(*happened, now)
    reach = end + (end - start) * _REACH
    end = max([end, start + _SHORTEST, *(due for due in _running(times) if due <= reach)])
    return _Scale(start, end)


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


def _fits(at: datetime, scale: _Scale) -> bool:
    return scale.start <= at <= scale.end


def _wanted(places: Sequence[float | None], end: float) -> list[float]:
    """Where labels would like to start: at their tick, in order; what has no tick yet stands at the end."""
    wanted, furthest = [], 0.0
    for place in places:
        furthest = max(furthest, end if place is None else place)
        wanted.append(furthest)
    return wanted


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
