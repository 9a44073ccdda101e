"""What is asked of the windows of a watch, and what the answer looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from andon.practice.words import Direction, Measure


class Phase(StrEnum):
    """How far a watch is."""

    LEARNING = "learning"
    WATCHING = "watching"
    ALARMED = "alarmed"
    REFUSED = "refused"
    """Of an estimate: labels contradict the scores that it goes by, so it gives no verdict."""


@dataclass(frozen=True, slots=True)
class Window:
    """All rows of one window; for a spread its bins, for a gap the counts of each segment by its key.

    For an estimate, `labels` are those that came for older decisions (see `andon.watch.estimating`). Where a row is of
    the window in which its label came, `made` says for all rows ("") and each segment when decisions were made (see
    `andon.watch.arriving`).

    The counts of a segment are three lists by stratum: how many decisions count, how many of them have the event, and
    how many were expected to. A metric that expects nothing has one stratum; calibration has one for each bin of
    scores, and expects the sum of scores there.
    """

    start: datetime
    n: float
    total: float
    squares: float
    histogram: Sequence[int] | None = None
    segments: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    labels: Sequence[Sequence[float]] | None = None
    made: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the windows; `low` and `high` are bounds of a mean.

    `length` is how long a window is, `slots` how many make a week, where the metric has one (`andon.watch.weekly`).
    Of a spread, `ordered` says whether its bins lie in an order; of a gap, `columns` are those whose groups are
    compared, and `calibrates` says that it is one of calibration. `estimates` says that a mean is one of what scores
    let expect, which holds only as long as labels do not contradict them. `by_arrival` says that a row is of the window
    in which its label came, most of them within `label_delay`.
    """

    measure: Measure
    direction: Direction
    budget: int
    tolerance: float
    minimum: int
    baseline: float | None = None
    reference: tuple[datetime, datetime] | None = None
    low: float | None = None
    high: float | None = None
    length: timedelta = timedelta(hours=1)
    slots: int = 0
    ordered: bool = True
    columns: tuple[str, ...] = ()
    calibrates: bool = False
    estimates: bool = False
    by_arrival: bool = False
    label_delay: timedelta = timedelta()

    @property
    def adds_up(self) -> bool:
        """Whether it is tested by sums alone."""
        return self.measure in {Measure.RATE, Measure.MEAN, Measure.COUNT}


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm: which window decided it, and by what."""

    window: datetime
    direction: Direction
    statistic: float
    threshold: float
    baseline: float


@dataclass(frozen=True, slots=True)
class Onset:
    """When it began, as far as it is known: starts of windows; and what the measure came to since, in how many rows."""

    at: datetime
    level: float
    n: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of some windows.

    Attributes:
        detector: What is to be remembered.
        seen: How many of the windows were judged; those after an alarm or a recovery were not.
        says: In words, why there is no verdict; empty where there is one.
        statistics: The evidence after each of the windows that were judged; empty while it learns.
    """

    detector: dict[str, Any]
    seen: int
    raised: Raised | None = None
    recovered: datetime | None = None
    says: str = ""
    statistics: Sequence[float] = ()
