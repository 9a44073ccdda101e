"""What a decision log and a watch say, checked once for pages, API and files."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from andon.kit import zones
from andon.kit.errors import Invalid
from andon.practice.words import Direction, FairnessMetric, Measure, WatchKind
from andon.registry.models import System
from andon.watch import weekly
from andon.watch.kinds import BY_LABELS, KINDS, measures
from andon.watch.models import Log, Watch
from andon.watch.reading.expressions import column_of, parse
from andon.watch.reading.expressions import columns as columns_of
from andon.watch.reading.places import engine_of

NAME_LIMIT: Final = 120
MOST_SEGMENTS: Final = 4
LONGEST_WINDOW: Final = 31 * 24 * 60
BUDGET: Final = 10_000
"""Windows between false alarms on average, at least, where nothing else is said."""
_COLUMNS: Final = (
    "time_column", "subject_column", "output_column", "score_column", "label_column", "label_time_column", "key_column",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LogFacts:
    """What is kept of a decision log.

    Attributes:
        table: A path or pattern of Parquet or CSV files below a log folder, or the name of a table.
        source: A database file below a log folder, or the connection string of a warehouse; kept encrypted.
        time_zone: Of which place times are that say no zone: an IANA name.
        evidence_rows: Whether its last rows in the affected window are kept when evidence is preserved.
        evidence_without: Columns that are left out of those rows.
    """

    system: System
    name: str
    table: str
    time_column: str
    time_zone: str = "UTC"
    source: str = ""
    subject_column: str = ""
    output_column: str = ""
    score_column: str = ""
    label_column: str = ""
    label_time_column: str = ""
    key_column: str = ""
    segment_columns: Sequence[str] = ()
    evidence_rows: bool = True
    evidence_without: Sequence[str] = ()

    def columns(self) -> dict[str, Any]:
        """The columns of a log; `Invalid` names the field that cannot be taken."""
        name, table, source = " ".join(self.name.split()), self.table.strip(), self.source.strip()
        if not name or len(name) > NAME_LIMIT:
            raise Invalid(f"Give the log a name of at most {NAME_LIMIT} characters.", field="name")
        if not table or len(table) > 500:  # noqa: PLR2004  the column's length
            raise Invalid("Say where it lies: a path of files, or the name of a table.", field="table")
        if not self.time_column.strip():
            raise Invalid("Name the column that says when each decision was made.", field="time_column")
        return {
            "system": self.system,
            "name": name,
            "engine": engine_of(source, table).value,
            "source": source,
            "table": table,
            "time_zone": zones.named(self.time_zone),
            "segment_columns": list(dict.fromkeys(one.strip() for one in self.segment_columns if one.strip())),
            "evidence_rows": self.evidence_rows,
            "evidence_without": list(dict.fromkeys(one.strip() for one in self.evidence_without if one.strip())),
        } | {column: getattr(self, column).strip() for column in _COLUMNS}


def fitted(given: Mapping[str, Any], found: Mapping[str, str]) -> dict[str, Any]:
    """The facts of a log with its columns spelt as the log spells them. `Invalid` names one that is not there."""
    said = dict(given)
    for field in _COLUMNS:
        if said[field]:
            said[field] = column_of(found, said[field], field=field)
    for field in ("segment_columns", "evidence_without"):
        said[field] = [column_of(found, one, field=field) for one in said[field]]
    return said


@dataclass(frozen=True, kw_only=True)
class WatchFacts:
    """What a watch says. What is left out is what its kind brings.

    Attributes:
        log: None = its numbers are pushed.
        what: What to count, an SQL expression over the log's columns.
        only: A condition; rows that do not meet it do not exist for it.
        truth: For a gap of anything but the selection rate: the condition that holds where a decision should have been
            positive; the log's label column where it is left out.
        by_arrival: Whether a row is of the window in which its label came, instead of that of its decision; None =
            where labels are needed and the log says when each came.
        budget: At least so many windows pass between false alarms, on average.
        baseline: What is normal; None = estimated from the reference.
        tolerance: A change that is no bother, in the unit of what is measured.
        weekly: What is normal depends on the hour or day of the week, and is learnt from four weeks or more.
    """

    system: System
    name: str
    kind: WatchKind
    log: Log | None = None
    measure: Measure | None = None
    what: str = ""
    only: str = ""
    truth: str = ""
    metric: FairnessMetric | None = None
    window_minutes: int | None = None
    segments: Sequence[str] = ()
    label_delay_minutes: int | None = None
    by_arrival: bool | None = None
    reference_from: datetime | None = None
    reference_to: datetime | None = None
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    budget: int = BUDGET
    direction: Direction | None = None
    tolerance: float = 0.0
    weekly: bool = False
    severity_hint: int | None = None

    def columns(self) -> dict[str, Any]:
        """The columns of a watch, complete with what its kind brings; `Invalid` names what cannot be taken."""
        kind, name = KINDS[self.kind], " ".join(self.name.split())
        if not name or len(name) > NAME_LIMIT:
            raise Invalid(f"Give the watch a name of at most {NAME_LIMIT} characters.", field="name")
        measure = self.measure or kind.measure
        if measure not in measures(self.kind):
            allowed = " or ".join(sorted(one.words for one in measures(self.kind)))
            raise Invalid(f"A watch of {self.kind.words} measures a {allowed}.", field="measure")
        if self.log is not None and self.log.system_id != self.system.pk:
            raise Invalid(f"The log “{self.log.name}” belongs to another system.", field="log")
        said: dict[str, Any] = {
            "system": self.system,
            "log": self.log,
            "name": name,
            "kind": self.kind.value,
            "measure": measure.value,
            "what": self._what(),
            "only": self.only.strip(),
            "truth": self._truth(measure),
            "metric": (self.metric or FairnessMetric.SELECTION_RATE).value if measure is Measure.GAP else "",
            "window_minutes": kind.window if self.window_minutes is None else self.window_minutes,
            "segments": self._segments(measure),
            "label_delay_minutes": self._label_delay(measure)
            if self.label_delay_minutes is None
            else self.label_delay_minutes,
            "direction": (self.direction or kind.direction).value,
            "severity_hint": kind.severity if self.severity_hint is None else self.severity_hint,
        }
        plain = ("reference_from", "reference_to", "baseline", "low", "high", "budget", "tolerance", "weekly")
        said |= {one: getattr(self, one) for one in plain}
        _possible(said, measure)
        said["by_arrival"] = self._by_arrival(measure)
        if self.kind is WatchKind.ESTIMATED_ACCURACY:
            said |= self._estimated()
        learnt = measure in {Measure.DISTANCE, Measure.GAP} or self.kind is WatchKind.ESTIMATED_ACCURACY
        if said["baseline"] is not None and learnt:
            raise Invalid("What is normal of this is learnt; give a tolerance instead.", field="baseline")
        self._readable(said)
        return said

    def _what(self) -> str:
        given = self.what.strip()
        if given or self.log is None:
            return given
        kind = KINDS[self.kind]
        if self.kind is WatchKind.FAIRNESS_GAP and self.metric is FairnessMetric.CALIBRATION:
            kind = replace(kind, what="{score}", needs=("score",))
        roles = {"output": self.log.output_column, "label": self.log.label_column, "score": self.log.score_column}
        for role in kind.needs:
            if not roles[role]:
                raise Invalid(
                    f"A watch of {self.kind.words} needs the {role} column of the log “{self.log.name}”, which names "
                    "none. Add it to the log, or say what to count.",
                    field="what",
                )
        return kind.what.format(**{role: f'"{column}"' for role, column in roles.items()})

    def _label_delay(self, measure: Measure) -> int:
        """For how long labels are waited for where nobody says: a gap needs them unless it is of what was selected."""
        needs = measure is Measure.GAP and self.metric not in {None, FairnessMetric.SELECTION_RATE}
        return KINDS[WatchKind.ACCURACY].label_delay if needs else KINDS[self.kind].label_delay

    def _by_arrival(self, measure: Measure) -> bool:
        """Whether a row is of the window in which its label came: where labels are needed, and the log says when."""
        told = self.log is not None and bool(self.log.label_time_column)
        gap, needs = measure is Measure.GAP, needs_labels(self.kind, measure, self.metric)
        if self.by_arrival is None:
            return told and needs and not self.weekly
        if not self.by_arrival:
            return False
        if not told:
            named = f" the log “{self.log.name}” names no column for it" if self.log else " pushed numbers have none"
            raise Invalid(
                f"To go by when labels came, the time of each is needed, and{named}. Add it to the log as the column "
                "of the label's time, or leave this out: the watch then waits for labels.",
                field="by_arrival",
            )
        if self.weekly:
            raise Invalid(
                "A week is one of when decisions are made, not of when their labels come. Choose one of the two.",
                field="by_arrival",
            )
        if not (needs if gap else measure in {Measure.RATE, Measure.MEAN}) or self.kind is WatchKind.ESTIMATED_ACCURACY:
            raise Invalid("Only what needs labels can go by when they came.", field="by_arrival")
        return True

    def _estimated(self) -> dict[str, Any]:
        """What an estimate from scores needs besides: the scores, and labels that show whether these hold."""
        for column, role in (("score_column", "score"), ("label_column", "label")):
            if self.log is not None and not getattr(self.log, column):
                raise Invalid(
                    f"A watch of {self.kind.words} needs the {role} column of the log “{self.log.name}”, which names "
                    "none. Add it to the log: late labels show whether the scores hold.",
                    field="log",
                )
        label = f'"{self.log.label_column}"' if self.log is not None else ""
        return {"truth": self.truth.strip() or label, "low": 0.0, "high": 1.0}

    def _truth(self, measure: Measure) -> str:
        if measure is not Measure.GAP or self.log is None or self.metric in {None, FairnessMetric.SELECTION_RATE}:
            return ""
        if not (self.truth.strip() or self.log.label_column):
            raise Invalid(
                f"A gap of the {self.metric.words if self.metric else 'rate'} needs the true labels, and the log "
                f"“{self.log.name}” names no label column. Add it to the log, or say which condition is the truth.",
                field="truth",
            )
        return self.truth.strip() or f'"{self.log.label_column}"'

    def _segments(self, measure: Measure) -> list[str]:
        found = list(dict.fromkeys(one.strip() for one in self.segments if one.strip()))
        if len(found) > MOST_SEGMENTS:
            raise Invalid(f"A watch has at most {MOST_SEGMENTS} segment columns.", field="segments")
        if measure is Measure.GAP and not found:
            raise Invalid("Name the columns whose groups are compared, such as sex or age band.", field="segments")
        return found

    def _readable(self, said: dict[str, Any]) -> None:
        """That its expressions can be read, over columns that its log has."""
        log = self.log
        if log is None:
            if said["measure"] in {Measure.DISTANCE, Measure.GAP} or self.kind is WatchKind.ESTIMATED_ACCURACY:
                raise Invalid(
                    "This needs a decision log: pushed numbers hold no groups, no spread and no scores.", field="log"
                )
            if said["measure"] == Measure.MEAN and (said["low"] is None or said["high"] is None):
                raise Invalid("A mean of pushed numbers needs the bounds that they lie between.", field="low")
            return
        if not said["what"] and said["measure"] != Measure.COUNT:
            raise Invalid("Say what to count, such as status >= 500 or latency_ms.", field="what")
        for field in ("what", "only", "truth"):
            if said[field]:
                parse(said[field], field=field)
                for name in columns_of(said[field]):
                    column_of(log.columns, name, field=field)
        said["segments"] = [column_of(log.columns, name, field="segments") for name in said["segments"]]


def needs_labels(kind: WatchKind, measure: Measure, metric: FairnessMetric | None) -> bool:
    """Whether it counts nothing but labelled decisions."""
    return metric not in {None, FairnessMetric.SELECTION_RATE} if measure is Measure.GAP else kind in BY_LABELS


def waits_for_what_is_dated(watch: Watch) -> bool:
    """Whether a watch waits for labels though its log says when each came: it could count them as they come.

    So does one that was made before that could be done, or before its log named that time; or somebody chose to wait.
    """
    dated = watch.log is not None and bool(watch.log.label_time_column) and watch.ended_at is None
    metric = FairnessMetric(watch.metric) if watch.metric else None
    could = dated and not (watch.by_arrival or watch.weekly)
    return could and needs_labels(watch.what_kind, Measure(watch.measure), metric)


def _possible(said: dict[str, Any], measure: Measure) -> None:
    """That the figures of a watch can be meant."""
    for field, (low, high, words) in _BETWEEN.items():
        if not low <= said[field] <= high:
            raise Invalid(words, field=field)
    for name in ("baseline", "low", "high"):
        if said[name] is not None and not math.isfinite(said[name]):
            raise Invalid("This must be a number.", field=name)
    if said["baseline"] is not None and measure is Measure.RATE and not 0 <= said["baseline"] <= 1:
        raise Invalid("A rate lies between 0 and 1: write 5% as 0.05.", field="baseline")
    if said["low"] is not None and said["high"] is not None and said["low"] >= said["high"]:
        raise Invalid("The lower bound is below the upper one.", field="low")
    if said["weekly"]:
        _has_a_week(said, measure)
    begins, ends = said["reference_from"], said["reference_to"]
    if (begins is None) != (ends is None):
        raise Invalid("A reference period has a beginning and an end.", field="reference_to")
    if begins is not None and begins >= ends:
        raise Invalid("The reference period would end before it begins.", field="reference_to")


def _has_a_week(said: dict[str, Any], measure: Measure) -> None:
    if measure not in {Measure.RATE, Measure.MEAN, Measure.COUNT}:
        raise Invalid("Only a rate, a mean or a count can have a week.", field="weekly")
    if said["baseline"] is not None:
        raise Invalid("What is normal for each hour or day is learnt: leave the baseline out.", field="baseline")
    if not weekly.slots(timedelta(minutes=said["window_minutes"])):
        raise Invalid("To have a week, windows are an hour or longer and fit into a week.", field="window_minutes")


_BETWEEN: Final = {
    "window_minutes": (1, LONGEST_WINDOW, "A window is between a minute and 31 days long."),
    "label_delay_minutes": (0, 2 * 366 * 24 * 60, "A label is waited for between 0 minutes and two years."),
    "budget": (2, 1_000_000_000, "The budget is at least two windows between false alarms."),
    "severity_hint": (1, 5, "A severity is between 1 and 5."),
    "tolerance": (0, sys.float_info.max, "A tolerance is a number of 0 or more."),
}
"""What a figure lies between, and what is said of one that does not."""
