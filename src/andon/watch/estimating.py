"""Whether scores still mean what they say, for a watch that estimates performance before labels come. Pure.

An estimate from scores is worth as much as their calibration (`andon.detect.estimate`). So it is learnt with the labels
of the reference that the scores are calibrated at all, and every window brings the labels of older decisions, summed up
from where watching began. As soon as these contradict the reference, nothing is said any more: neither an alarm nor
that all is well. A reference that begins after the scores were calibrated anew starts it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from andon.watch.questions import Window

Labels = list[list[float]]
"""By bin of the score: labelled decisions, how many were positive, the sum of their scores."""


def add(labels: Labels | None, window: Window) -> Labels | None:
    """The labels with those that a window brought."""
    if window.labels is None:
        return labels
    if labels is None:
        return [list(row) for row in window.labels]
    return [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(labels, window.labels, strict=True)]


def lacks(labels: Labels | None) -> str:
    """Why labels are too few to say whether scores are calibrated; empty if they are enough."""
    from andon.detect.estimate import LEAST

    known = sum(labels[0]) if labels else 0
    if known >= LEAST:
        return ""
    return f"Not enough evidence yet: {known:,.0f} of at least {LEAST} labelled decisions show whether scores hold."


def uncalibrated(labels: Labels) -> str:
    """Why nothing can be estimated from the scores of a reference; empty if they mean what they say."""
    from andon.detect.estimate import check
    from andon.detect.fairness import Scores

    found = check(Scores(), _scores(labels))
    return found and (
        f"The scores are not calibrated, so nothing can be estimated from them. {found} Calibrate them, or watch the "
        "accuracy against late labels."
    )


def contradicted(detector: dict[str, Any], windows: Sequence[Window]) -> tuple[int, str]:
    """How many of the windows pass before labels contradict the reference, and in words how; all of them and ""."""
    from andon.detect.estimate import check

    late, reference = detector.get("late"), _scores(detector["labels"])
    for at, window in enumerate(windows):
        late = add(late, window)
        if window.labels is not None and late is not None and (found := check(reference, _scores(late))):
            return at, (
                f"No verdict since {window.start:%Y-%m-%d %H:%M}: labels that came late contradict the scores. {found} "
                "Go by the accuracy against late labels, and give this watch a new reference once scores hold again."
            )
    return len(windows), ""


def stand(detector: dict[str, Any], windows: Sequence[Window], zone: tzinfo) -> str:
    """How sure the estimate of the newest window is, and by how many labels it was checked; empty without verdict."""
    from andon.detect.estimate import expected_share

    newest = next((window for window in reversed(windows) if window.n), None)
    if newest is None or detector.get("labels") is None or "refused" in detector:
        return ""
    low, high = expected_share(newest.n, newest.total, newest.squares)
    late = detector.get("late")
    known = sum(late[0]) if late else 0
    since = f"{newest.start.astimezone(zone):%Y-%m-%d %H:%M}"
    return (
        f"Of the {newest.n:,} decisions since {since}, between {low:.1%} and {high:.1%} are to turn out wrong (95% "
        f"sure, as far as the scores hold). {known:,.0f} labels that have come since its reference do not "
        "contradict them."
    )


def _scores(labels: Labels) -> Any:
    from andon.detect.fairness import Scores

    n, positives, total = (tuple(row) for row in labels)
    return Scores(n=n, positives=positives, total=total)
