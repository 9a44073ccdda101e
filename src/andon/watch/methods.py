"""How spreads are learnt and tested. (Gaps: `andon.watch.gaps`.) Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from andon.detect import sequential
from andon.practice.words import Measure
from andon.watch.questions import Question, Window

if TYPE_CHECKING:
    from andon.detect import drift

REFERENCE_WINDOWS: Final = 28
"""Windows with rows from which is learnt what is normal, where no period is named."""


@dataclass(frozen=True, slots=True)
class Step:
    """What came of some windows: as `sequential.Progress`, with evidence as JSON holds it.

    `about` says what alarmed, of what has more than one thing to it. `more` is kept with the evidence.
    """

    evidence: list[Any]
    statistics: list[float]
    threshold: float
    alarm_at: int | None = None
    direction: str = ""
    about: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, found: sequential.Progress, **more: Any) -> Self:
        """From what `sequential.advance` gives."""
        told = [float(one) for one in found.statistics]
        way = str(found.direction) if found.direction else ""
        return cls(found.evidence.to_list(), told, found.threshold, found.alarm_at, way, more=more)


class Method(Protocol):
    """How one measure is learnt and tested."""

    def take(self, question: Question, learnt: dict[str, Any], window: Window) -> None:
        """Take a window of the reference in; `n` and `windows` are counted already."""

    def settle(self, question: Question, learnt: dict[str, Any]) -> dict[str, Any] | str:
        """What is normal, as JSON; in words, why that cannot be said."""

    def advance(self, question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Step:
        """Test windows against that, oldest first, up to the first alarm."""

    def series(
        self, question: Question, detector: dict[str, Any], windows: Sequence[Window]
    ) -> list[tuple[float, float, float]]:
        """What an alarm is about, by window: trials, events, squares."""


def of(question: Question) -> Method:
    """The method of a measure."""
    from andon.watch.gaps import Gaps

    match question.measure:
        case Measure.GAP:
            return Gaps()
        case _:
            return Spread()


def too_little(n: float, minimum: int) -> str:
    """Why a reference says nothing."""
    return (
        f"Not enough evidence yet: the reference has {n:,.0f} of at least {minimum:,} rows. "
        "Choose another reference period, or give a baseline."
    )


class Spread:
    """How values are spread over 20 bins, tested by `andon.detect.drift`; an alarm names the bins that led to it."""

    def take(self, _question: Question, learnt: dict[str, Any], window: Window) -> None:
        """Add the bins up."""
        found = window.histogram or []
        before = learnt.get("histogram") or [0] * len(found)
        if found:
            learnt["histogram"] = [a + b for a, b in zip(before, found, strict=True)]

    def settle(self, question: Question, learnt: dict[str, Any]) -> dict[str, Any] | str:
        """The bins of the reference."""
        n = learnt.get("n", 0)
        if n < question.minimum:
            return too_little(n, question.minimum)
        try:
            self._plan(question, learnt["histogram"])
        except ValueError as error:
            return f"No verdict: {error} Give a smaller one."
        return {"mean": 0.0, "n": n, "histogram": learnt["histogram"]}

    def advance(self, question: Question, detector: dict[str, Any], windows: Sequence[Window]) -> Step:
        """Bet on the bins; those that hold nothing in the reference and are never used are none."""
        from andon.detect import drift

        counts = detector["baseline"]["histogram"]
        now = self._plan(question, counts)
        before = detector.get("evidence")
        evidence = drift.start(now) if before is None else drift.DriftEvidence.from_list(now, before)
        found = drift.advance(now, evidence, [window.histogram or [0] * len(counts) for window in windows])
        told = [float(one) for one in found.statistics]
        if found.alarm_at is None or found.witness is None:
            return Step(found.evidence.to_list(), told, found.threshold)
        first, last, way = found.witness.first, found.witness.last, found.witness.direction
        usual = {"mean": sum(counts[first : last + 1]) / sum(counts), "n": int(sum(counts))}
        about = {"bins": [first, last]}
        return Step(found.evidence.to_list(), told, found.threshold, found.alarm_at, way, about, {"usual": usual})

    def _plan(self, question: Question, counts: Sequence[float]) -> drift.DriftPlan:
        """What is tested; ValueError if nothing could be found by it."""
        from andon.detect import drift
        from andon.detect.distance import Distance

        return drift.DriftPlan(
            tuple(counts),
            distance=Distance.JS,
            tolerance=question.tolerance,
            budget=question.budget,
            ordered=question.ordered,
        )

    def series(
        self, _question: Question, detector: dict[str, Any], windows: Sequence[Window]
    ) -> list[tuple[float, float, float]]:
        """How many rows there were, and how many of them in the bins that led."""
        first, last = detector["about"]["bins"]
        held = [window.histogram or [0] for window in windows]
        return [(sum(bins), inside := sum(bins[first : last + 1]), inside) for bins in held]


def group_names(columns: Sequence[str], key: str) -> list[str]:
    """The groups that a segment belongs to, one for each column: `sex = F`."""
    values = json.loads(key)
    return [f"{name} = {'(none)' if v is None else v}" for name, v in zip(columns, values, strict=True)]
