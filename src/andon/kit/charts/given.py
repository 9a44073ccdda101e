"""What the pictures of measurements are given."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from andon.kit.charts.scales import Unit

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Level:
    """A value that means something by itself: a threshold, no gap."""

    value: float
    words: str
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """What one panel shows: a value for each time, None where nothing was read and the line breaks.

    `bounds` is the uncertainty of each value; `expected` and `usual` are what was to be expected at that time and the
    range in which values of that time usually lie. Each is as long as `values`, or empty.
    """

    name: str
    values: Sequence[float | None]
    unit: Unit
    bounds: Sequence[Range | None] = ()
    expected: Sequence[float | None] = ()
    usual: Sequence[Range | None] = ()
    levels: Sequence[Level] = ()
    log: bool = False
    height: float = 132.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Something that began or lay between two times: an onset."""

    low: datetime
    high: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened at a time: an alarm, a deploy."""

    at: datetime
    words: str
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class Small:
    """One segment among others: its values over the same windows, and what it says beside its name.

    `driver` marks one that drives a change.
    """

    name: str
    values: Sequence[float | None]
    expected: float | None = None
    note: str = ""
    driver: bool = False
