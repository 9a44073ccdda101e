"""The detector goes through a watch's history once more: for its picture, and to say what it would have done.

Nothing is written. What comes out is what the watch did or would have done with the windows as they stand now; rows
that came late and were put right since may make it differ from what it did on the day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from andon.watch import arriving, judging, wayback
from andon.watch.judging import Onset, Phase, Question, Raised, Window

AT_ONCE: Final = 2_000
"""Windows that are judged together: what an alarm cuts short is prepared again."""


@dataclass(frozen=True, slots=True)
class Would:
    """An alarm that would have been raised, with the onset as it would have been estimated at that moment."""

    raised: Raised
    onset: Onset
    recovered: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a detector makes of windows.

    Attributes:
        evidence: After each window; None while it learns, and while an alarm goes on.
        alarms: Oldest first.
        detector: How it stands at the end.
        says: In words, why there is no verdict; empty where there is one.
        threshold: The evidence at which it alarms; None if it never got as far.
        learnt: How many windows it learnt from.
    """

    evidence: Sequence[float | None] = ()
    alarms: Sequence[Would] = ()
    detector: dict[str, Any] = field(default_factory=dict)
    says: str = ""
    threshold: float | None = None
    learnt: int = 0


def replay(question: Question, windows: Sequence[Window]) -> Replay:
    """Let a new detector see windows, oldest first, as a watch would have seen them one by one."""
    detector: dict[str, Any] = {}
    evidence: list[float | None] = []
    alarms: list[Would] = []
    says, learnt, threshold = "", 0, None
    while len(evidence) < len(windows):
        at = len(evidence)
        phase = detector.get("phase", Phase.LEARNING)
        try:
            verdict = judging.judge(question, detector, windows[at : at + AT_ONCE])
        except ValueError as error:  # windows that the detector does not take: said, and no verdict invented
            says = f"It cannot be replayed. {error}"
            break
        detector, says = verdict.detector, verdict.says
        shown = phase == Phase.WATCHING
        evidence += list(verdict.statistics) if shown else [None] * verdict.seen
        learnt += verdict.seen if phase == Phase.LEARNING else 0
        threshold = detector.get("threshold", threshold) if shown else threshold
        if verdict.raised is not None:
            over = alarms[-1].recovered if alarms else None
            would, began = _would(question, detector, windows[: len(evidence)], verdict.raised, over)
            detector |= wayback.begin(began, judging.usual(detector).mean)
            alarms.append(would)
        if verdict.recovered is not None and alarms:
            alarms[-1] = Would(alarms[-1].raised, alarms[-1].onset, verdict.recovered)
        if not verdict.seen and detector.get("phase") == phase:
            break  # it has no verdict on what is left
    evidence += [None] * (len(windows) - len(evidence))
    return Replay(evidence, alarms, detector, says, threshold, learnt)


def _would(
    question: Question, detector: dict[str, Any], seen: Sequence[Window], raised: Raised, over: datetime | None
) -> tuple[Would, Onset]:
    """The alarm, and its onset in the windows that were judged: what the way back is tested against."""
    since = datetime.fromisoformat(detector["since"])
    tested = arriving.counted(question, detector, [one for one in seen if one.start >= since][-AT_ONCE:])
    onset = judged = judging.onset(question, detector, tested)
    if question.by_arrival:
        onset = judging.onset(question, detector, judging.made(question, detector, seen[-AT_ONCE:], over))
    return Would(raised, onset), judged
