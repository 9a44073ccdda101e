"""Which side of a gap moved: the share of each since the onset, beside its own in the reference. Pure.

Tests of gaps bet on one group against all others, so an alarm's group may be the one that stayed as it was. Every group
of the test is asked whether its own share changed surely more than that of all others together
(`andon.detect.movers`). The group that led is named if it did, or else the surest of those that did, or else none: then
people are given both sides with their figures. Limits hold at every look, as an alarm is looked at again and again.

Labels are taken as they came. By when decisions were made, new decisions have only the labels that come soonest, which
may be of one outcome; as they come, the mix is as it was, and a change shows the more the longer it lasts. After an
alarm that is over, those of decisions before are left out, as the test leaves them out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from andon.watch import gaps
from andon.watch.questions import Question, Window

LEVEL: Final = 0.95
"""Probability with which all limits hold."""
OTHERS: Final = "all others"


@dataclass(frozen=True, slots=True)
class Side:
    """A group, or all others together: how many decisions count since the onset and in the reference, and their shares.

    Its change lies between `low` and `high`. Of calibration the share is the mean of label less score.
    """

    group: str
    n: int
    n_before: int
    before: float
    since: float
    low: float
    high: float
    moved: bool = False

    def to_dict(self) -> dict[str, Any]:
        """For a JSON column."""
        return asdict(self)


def told(question: Question, detector: Mapping[str, Any], windows: Sequence[Window]) -> list[Side]:
    """The group that an alarm names and its other side, by the windows since the onset; empty while one has no rows.

    The first is the group that surely moved, if one did, and the one whose bet led if not.
    """
    import numpy as np

    from andon.detect.movers import Known, moved_more

    about = detector["about"]
    test = gaps.test_of(detector, about["test"])
    before, since = np.array(test["tallies"], dtype=float), gaps.counted(question, test, windows).sum(axis=0)
    old, new = (counts.sum(axis=0) - counts for counts in (before, since))
    level = 1 - (1 - LEVEL) / (2 * len(before))

    def change(first: Any, last: Any) -> Known:
        of_last, of_first = (
            Known.of(
                [gaps.share(one) if one[0].any() else 0.0 for one in counts],
                *gaps.limits(question, counts, level=level),
            )
            for counts in (last, first)
        )
        return of_last - of_first

    own, rest = change(before, since), change(old, new)
    movers = np.flatnonzero(moved_more(own, rest))
    names = test["groups"]
    at = led = names.index(about["group"])
    if len(movers) and led not in movers:
        at = max(movers, key=lambda one: abs(own.value[one]) - abs(rest.value[one]))
    if not (since[at, 0].any() and new[at, 0].any()):
        return []
    other = names[1 - at] if len(names) == 2 else OTHERS  # noqa: PLR2004  the other side of two has a name

    def side(name: str, first: Any, last: Any, by: Known, *, moved: bool) -> Side:
        n, n_before = (int(counts[at, 0].sum()) for counts in (last, first))
        before, since = (gaps.share(counts[at]) for counts in (first, last))
        return Side(name, n, n_before, before, since, float(by.low[at]), float(by.high[at]), moved=moved)

    return [
        side(names[at], before, since, own, moved=bool(at in movers)),
        side(other, old, new, rest, moved=False),
    ]


def segment_of(
    question: Question, detector: Mapping[str, Any], group: str, windows: Sequence[Window]
) -> dict[str, str | None]:
    """A group of the test that alarmed as columns and their values, found among the segments of windows."""
    test = detector["about"]["test"]
    for key in dict.fromkeys(key for window in windows for key in window.segments):
        if gaps.group_of(question, test, key) == group:
            values = dict(zip(question.columns, json.loads(key), strict=True))
            return values if test == gaps.ALL else {test: values[test]}
    return {}
