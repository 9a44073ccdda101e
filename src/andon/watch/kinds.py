"""The kinds of watch, in one table: what each counts, which way is bad, what it makes when it alarms.

A kind is a set of defaults and words; all of it runs through the same reading and the same detector.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from andon.practice.words import Direction, IncidentType, Measure, WatchKind

HOUR, DAY = 60, 24 * 60


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of watch is out of the box.

    Attributes:
        line: What it is for, for somebody who chooses one.
        counts: What is counted, as it completes "the share of decisions …" or "the mean of …" on a page.
        measure: What is made of the rows of a window.
        direction: Which way is bad.
        type: The type of the incident that it opens.
        severity: The severity that its signal asks for, 1 (worst) to 5.
        window: Minutes of a window.
        minimum: Rows that a window or reference needs before anything is said about it.
        what: The expression where none is given; `{output}`, `{label}` and `{score}` stand for columns of the log.
        needs: Roles of columns that the log must name for it.
        histogram: Whether windows keep 20 bins: what distances are made of, and how a number lies.
        label_delay: Minutes for which labels are waited for, where none are given. An estimate does not wait for them:
            it looks at those of decisions that are so old.
    """

    line: str
    counts: str
    measure: Measure
    direction: Direction
    type: IncidentType
    severity: int
    window: int = HOUR
    minimum: int = 100
    what: str = ""
    needs: tuple[str, ...] = ()
    histogram: bool = False
    label_delay: int = 0


KINDS: Final[Mapping[WatchKind, Kind]] = {
    WatchKind.ERROR_RATE: Kind(
        "Calls that failed, timed out or gave nothing that could be used.",
        "decisions that failed",
        Measure.RATE,
        Direction.UP,
        IncidentType.TECHNICAL_FAILURE,
        severity=3,
    ),
    WatchKind.ACCURACY: Kind(
        "Decisions that turned out to be wrong, once the true label is known.",
        "labelled decisions that turned out wrong",
        Measure.RATE,
        Direction.UP,
        IncidentType.PERFORMANCE_DEGRADATION,
        severity=3,
        window=DAY,
        what="{output} <> {label}",
        needs=("output", "label"),
        label_delay=7 * DAY,
    ),
    WatchKind.CALIBRATION: Kind(
        "Scores that promise more, or less, than what comes true.",
        "label minus score",
        Measure.MEAN,
        Direction.BOTH,
        IncidentType.PERFORMANCE_DEGRADATION,
        severity=3,
        window=DAY,
        what="{label} - {score}",
        needs=("score", "label"),
        label_delay=7 * DAY,
    ),
    WatchKind.ESTIMATED_ACCURACY: Kind(
        "Decisions that are wrong by their own scores, before any label comes. It gives no verdict where late labels "
        "contradict the scores.",
        "decisions expected to be wrong by their scores",
        Measure.MEAN,
        Direction.UP,
        IncidentType.PERFORMANCE_DEGRADATION,
        severity=4,
        window=DAY,
        minimum=500,
        what="{output}",
        needs=("output", "score", "label"),
        label_delay=7 * DAY,
    ),
    WatchKind.INPUT_DRIFT: Kind(
        "An input that is no longer spread as it was.",
        "the spread of an input",
        Measure.DISTANCE,
        Direction.UP,
        IncidentType.PERFORMANCE_DEGRADATION,
        severity=4,
        window=DAY,
        minimum=500,
        histogram=True,
    ),
    WatchKind.OUTPUT_DRIFT: Kind(
        "Outputs or scores that are no longer spread as they were.",
        "the spread of outputs",
        Measure.DISTANCE,
        Direction.UP,
        IncidentType.PERFORMANCE_DEGRADATION,
        severity=4,
        window=DAY,
        minimum=500,
        what="{output}",
        needs=("output",),
        histogram=True,
    ),
    WatchKind.MISSING_INPUTS: Kind(
        "Inputs that are missing or cannot be right: mostly a data pipeline that broke.",
        "decisions with a missing or invalid input",
        Measure.RATE,
        Direction.UP,
        IncidentType.TECHNICAL_FAILURE,
        severity=3,
    ),
    WatchKind.VOLUME: Kind(
        "How many decisions are made. Silence is not health: a log that stops alarms.",
        "decisions",
        Measure.COUNT,
        Direction.BOTH,
        IncidentType.TECHNICAL_FAILURE,
        severity=3,
        minimum=1,
    ),
    WatchKind.LATENCY: Kind(
        "How long people wait for a decision.",
        "seconds or milliseconds until the decision",
        Measure.MEAN,
        Direction.UP,
        IncidentType.TECHNICAL_FAILURE,
        severity=4,
        histogram=True,
    ),
    WatchKind.HARMFUL_OUTPUT: Kind(
        "Outputs that a classifier or a person marked as harmful.",
        "outputs marked as harmful",
        Measure.RATE,
        Direction.UP,
        IncidentType.SAFETY,
        severity=2,
    ),
    WatchKind.REFUSAL: Kind(
        "Requests that the system declined to answer: too many fail people, too few may mean that a guard fell away.",
        "requests that were refused",
        Measure.RATE,
        Direction.BOTH,
        IncidentType.PERFORMANCE_DEGRADATION,
        severity=3,
    ),
    WatchKind.COMPLAINTS: Kind(
        "What people who use the system object to.",
        "decisions that somebody complained about",
        Measure.RATE,
        Direction.UP,
        IncidentType.PERFORMANCE_DEGRADATION,
        severity=3,
        window=DAY,
        label_delay=DAY,
    ),
    WatchKind.COST: Kind(
        "What a decision costs: tokens, calls, money.",
        "the cost of a decision",
        Measure.MEAN,
        Direction.UP,
        IncidentType.TECHNICAL_FAILURE,
        severity=4,
        histogram=True,
    ),
    WatchKind.FAIRNESS_GAP: Kind(
        "A gap between groups of people that is wider than it was, or than you tolerate.",
        "the gap between groups",
        Measure.GAP,
        Direction.UP,
        IncidentType.FAIRNESS_VIOLATION,
        severity=2,
        window=DAY,
        what="{output}",
        needs=("output",),
    ),
    WatchKind.METRIC: Kind(
        "Anything else that you count, or push as numbers.",
        "what you count",
        Measure.RATE,
        Direction.BOTH,
        IncidentType.PERFORMANCE_DEGRADATION,
        severity=4,
    ),
}

BY_LABELS: Final = frozenset({WatchKind.ACCURACY, WatchKind.CALIBRATION})
"""Kinds that count nothing but labelled decisions. (Of gaps, all but that of the selection rate do.)"""

MEASURES: Final[Mapping[WatchKind, frozenset[Measure]]] = {
    WatchKind.LATENCY: frozenset({Measure.MEAN, Measure.RATE}),  # a rate: of those that took too long
    WatchKind.COST: frozenset({Measure.MEAN, Measure.RATE}),
    WatchKind.METRIC: frozenset({Measure.RATE, Measure.MEAN, Measure.COUNT}),
}
"""The measures that may be chosen where a kind allows another than its own."""


def measures(kind: WatchKind) -> frozenset[Measure]:
    """The measures that a watch of this kind can have."""
    return MEASURES.get(kind, frozenset({KINDS[kind].measure}))
