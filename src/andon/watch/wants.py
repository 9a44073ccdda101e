"""What a watch reads of its log: one reading, and for an estimate the labels that came for older decisions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from andon.practice.words import FairnessMetric, Measure
from andon.watch.kinds import KINDS
from andon.watch.models import Watch
from andon.watch.reading import Cells, Place, Wanted, looking
from andon.watch.reading.cube import Tally


def wanted(watch: Watch, since: datetime, until: datetime, bins: Mapping[str, object] | None) -> Wanted:
    """The reading of a watch from `since` to `until`; `bins` are what was learnt about the spread of its values."""
    log = watch.log
    if log is None:
        raise ValueError("A watch without a log reads nothing.")
    held = bins or {}
    return Wanted(
        measure=Measure(watch.measure),
        what=watch.what,
        only=watch.only,
        truth=watch.truth,
        metric=FairnessMetric(watch.metric) if watch.metric else None,
        score=_quoted(log.score_column) if watch.estimates else "",
        time=log.label_time_column if watch.by_arrival else log.time_column,
        made=log.time_column if watch.by_arrival else "",
        ages=watch.ages if watch.by_arrival else 0,
        zone=log.time_zone,
        key=log.key_column,
        window=watch.length,
        since=since,
        until=until,
        segments=tuple(watch.segments),
        bins=tuple(held["at"]) if bins else None,  # type: ignore[arg-type]
        low=held.get("low", watch.low),  # type: ignore[arg-type]
        high=held.get("high", watch.high),  # type: ignore[arg-type]
    )


def labels(watch: Watch, since: datetime, until: datetime) -> Wanted | None:
    """Of an estimate, how scores and labels agree for decisions whose labels have had their time; None for others.

    A window is given the labels of decisions that were made `labels_behind` before it. So it is known, window by
    window, what was known of the scores when it was over, also for a history that is read at once.
    """
    log = watch.log
    if log is None or not watch.estimates:
        return None
    return Wanted(
        measure=Measure.GAP,
        metric=FairnessMetric.CALIBRATION,
        what=_quoted(log.score_column),
        truth=watch.truth,
        only=watch.only,
        time=log.time_column,
        zone=log.time_zone,
        key=log.key_column,
        window=watch.length,
        since=since - watch.labels_behind,
        until=until - watch.labels_behind,
    )


def with_labels(cells: Cells, found: Cells, behind: timedelta) -> None:
    """Give windows the labels that came for decisions so much older."""
    for (start, _), tally in found.tallies.items():
        cells.tallies.setdefault((start + behind, ()), Tally()).add(Tally(scores=tally.scores))


def learn_bins(place: Place, watch: Watch, begins: datetime, until: datetime, *, seconds: float) -> dict[str, object]:
    """The spread of its values in its reference, else between these; empty for a watch that keeps none.

    Raises `Unreadable` or `Invalid` in words.
    """
    if watch.estimates or not (KINDS[watch.what_kind].histogram or watch.measure == Measure.MEAN):
        return {}
    since, to = watch.reference_from or begins, watch.reference_to or until
    found = looking.bins(place, wanted(watch, since, to, None), seconds=seconds)
    if watch.measure != Measure.MEAN or isinstance(found[0], str):
        return {"at": list(found)}
    low, high = float(found[0]), float(found[-1])
    room = (high - low) or abs(high) or 1.0
    return {
        "at": list(found),
        "low": low - room if watch.low is None else watch.low,
        "high": high + room if watch.high is None else watch.high,
    }


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
