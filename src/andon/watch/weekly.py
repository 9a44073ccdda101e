"""Windows of a metric with a week, as scores: how far each is from what is normal for its hour or day.

Pure, as `andon.watch.judging`, which asks here where a watch says that its metric has a week. How scores are made, and
what that promises, stands in `andon.detect.season`. A point is the number of a window, counted from a Monday, and its
value; a window without rows has none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from andon.detect import season, sequential
from andon.detect.season import NoSeason, Season

WEEK: Final = timedelta(days=7)
SHORTEST: Final = timedelta(hours=1)
"""Of shorter windows a reference would have to show too many."""
_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)

Point = tuple[int, float | None]


def slots(length: timedelta) -> int | None:
    """Windows of this length in a week; None where they do not come at the same times each week, or are too short."""
    return None if length < SHORTEST or WEEK % length else WEEK // length


def number(start: datetime, length: timedelta) -> int:
    """Of the window that begins then: the same hours of all weeks share a slot."""
    return (start - _MONDAY) // length


def least(slots: int) -> int:
    """Windows with rows that a reference shows at least."""
    return max(season.LEAST, season.PERIODS * slots)


def learn(points: Sequence[Sequence[float]], slots: int) -> Season | NoSeason:
    """What is normal, by the windows of the reference."""
    return season.fit([int(at) for at, _ in points], [value for _, value in points], slots)


def plan(learnt: Season, budget: int, direction: sequential.Direction, tolerance: float) -> sequential.Plan:
    """What is tested; a tolerance, in the unit of the metric, counts where it is wider than what a season needs."""
    return season.plan(budget, direction, max(season.TOLERANCE, tolerance * learnt.gain))


def way_back(learnt: Season, apart: float, budget: int) -> sequential.Plan:
    """The test that a metric which was so far from normal is nearer to normal than to that."""
    way = sequential.Direction.DOWN if apart > 0 else sequential.Direction.UP
    middle = sequential.Baseline(apart * learnt.gain / 2)
    return sequential.Plan(sequential.Measure.SCORE, middle, budget, way)


def scored(learnt: Season, before: Sequence[float] | None, points: Sequence[Point]) -> tuple[list[float], list[float]]:
    """For each window 1 and its score, or 0 and 0 where it has no value or nothing is known of its slot."""
    there = _judged(learnt, points)
    last = None if before is None else (int(before[0]), before[1])
    scores = learnt.scores([at for _, at, _ in there], [value for _, _, value in there], last)
    n, total = [0.0] * len(points), [0.0] * len(points)
    for (place, _, _), score in zip(there, scores.tolist(), strict=True):
        n[place], total[place] = 1.0, score
    return n, total


def last(learnt: Season, points: Sequence[Point]) -> list[float] | None:
    """The newest window that was scored, to be given as `before` the next time."""
    there = _judged(learnt, points)
    return [there[-1][1], there[-1][2]] if there else None


def expected(learnt: Season, starts: Sequence[datetime], length: timedelta) -> list[float | None]:
    """What is normal for windows that begin then, in the unit of the detector; None where no slot tells."""
    numbers = [number(start, length) for start in starts]
    levels = learnt.levels
    return [levels[at % len(levels)] for at in numbers]


def scatter(learnt: Season, windows: int) -> float:
    """The standard deviation of the mean of so many windows in a row from what is normal for them.

    What a window carries over to the next one makes it larger than that of as many windows apart.
    """
    together = (1 + learnt.carried) / (1 - learnt.carried) / windows
    return learnt.spread * math.sqrt(min(1.0, together))


def beside(learnt: Season, mean: float, point: Point) -> float:
    """What is normal for the slot of a window, less the mean of all; 0 where nothing is known of it."""
    return float(learnt.expected([point[0]])[0]) - mean if learnt.known([point[0]]).all() else 0.0


def _judged(learnt: Season, points: Sequence[Point]) -> list[tuple[int, int, float]]:
    known = learnt.known([at for at, _ in points]).tolist()
    return [
        (place, at, value)
        for place, ((at, value), here) in enumerate(zip(points, known, strict=True))
        if here and value is not None
    ]
