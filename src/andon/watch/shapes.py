"""What the API takes and gives about decision logs, watches, what they saw and their alarms."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema

from andon.incidents.shapes import short
from andon.kit.crypto import unless_sealed
from andon.kit.errors import Invalid
from andon.kit.instants import Instant
from andon.kit.shapes import Given
from andon.oncall.shapes import PersonShort
from andon.practice.words import Direction, FairnessMetric, Measure, WatchKind
from andon.registry.models import System
from andon.watch import sentences
from andon.watch.facts import BUDGET, LogFacts, WatchFacts
from andon.watch.models import Alarm, Log, Watch, WindowState
from andon.watch.past import Trial
from andon.watch.reading.places import shown
from andon.watch.suggestions import Suggestion

_COLUMNS = (
    "time_column", "time_zone", "output_column", "score_column", "label_column", "label_time_column", "subject_column",
    "key_column", "segment_columns", "evidence_rows", "evidence_without",
)  # fmt: skip


class LogOut(Schema):
    """A decision log. Its connection string is never given."""

    id: UUID
    system: str
    name: str
    engine: str
    place: str = Field(description="Where its database is, without user, password and parameters; empty for files.")
    table: str
    time_column: str
    time_zone: str = Field(description="IANA name: of which place times are that say no zone.")
    output_column: str
    score_column: str
    label_column: str
    label_time_column: str
    subject_column: str
    key_column: str
    segment_columns: list[str]
    evidence_rows: bool = Field(description="Whether its last rows are kept when evidence is preserved.")
    evidence_without: list[str] = Field(description="Columns that are left out of those rows.")
    columns: dict[str, str] = Field(description="Names and types, as last found.")
    checked_at: datetime | None
    error: str
    made_at: datetime
    made_by: PersonShort | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Log) -> "LogOut":
        """The log as the API says it."""
        plain = ("name", "engine", "table", "columns", "checked_at", "error", "ended_at", *_COLUMNS)
        return cls(
            **{name: getattr(row, name) for name in plain},
            id=row.pk,
            system=row.system.slug,
            place=shown(unless_sealed(row.source, "cannot be read: its key is missing")),
            made_at=row.created_at,
            made_by=short(row.made_by),
        )


class LogIn(Given):
    """Where a decision log lies, and which column is what."""

    system: str = Field(description="Short name.")
    name: str
    table: str = Field(description="A path or pattern of files below a log folder, or the name of a table.")
    source: str = Field(default="", description="A database file or a connection string; kept encrypted, never given.")
    time_column: str
    time_zone: str = Field(
        default="UTC", description="IANA name, such as Europe/Berlin: of which place times are that say no zone."
    )
    output_column: str = ""
    score_column: str = ""
    label_column: str = ""
    label_time_column: str = ""
    subject_column: str = ""
    key_column: str = ""
    segment_columns: list[str] = Field(default_factory=list)
    evidence_rows: bool = Field(
        default=True, description="Keep its last rows in the affected window when evidence is preserved, encrypted."
    )
    evidence_without: list[str] = Field(default_factory=list, description="Columns that are left out of those rows.")

    def facts(self) -> LogFacts:
        """What the actions take."""
        return LogFacts(system=find_system(self.system), **self.dict(exclude={"system"}))


class LogChange(Given):
    """What is to be different; what is left out stays."""

    name: str | None = None
    table: str | None = None
    source: str | None = None
    time_column: str | None = None
    time_zone: str | None = None
    output_column: str | None = None
    score_column: str | None = None
    label_column: str | None = None
    label_time_column: str | None = None
    subject_column: str | None = None
    key_column: str | None = None
    segment_columns: list[str] | None = None
    evidence_rows: bool | None = None
    evidence_without: list[str] | None = None

    def facts(self, row: Log) -> LogFacts:
        """What the actions take."""
        stands = {name: getattr(row, name) for name in ("name", "table", *_COLUMNS)}
        given = {name: value for name, value in self.dict(exclude_unset=True).items() if value is not None}
        return LogFacts(system=row.system, **stands | given)


class WatchOut(Schema):
    """A watch: what it tests, what it promises, how it stands."""

    number: int
    ref: str
    name: str
    system: str
    log: UUID | None = Field(description="The decision log that it reads; null where numbers are pushed.")
    kind: str
    measure: str
    tests: str = Field(description="What it tests, in one sentence.")
    standing: str = Field(description="alarmed, stale, paused, learning, watching or ended.")
    says: str = Field(description="Why there is no verdict, in words; empty where there is one.")
    what: str
    only: str
    truth: str
    metric: str
    window_minutes: int
    segments: list[str]
    label_delay_minutes: int
    by_arrival: bool = Field(
        description="A row is of the window in which its label came; onsets are by when decisions were made."
    )
    reference_from: datetime | None
    reference_to: datetime | None
    baseline: float | None = Field(description="What is normal, as given; null where it is learnt.")
    low: float | None
    high: float | None
    budget: int = Field(description="At least so many windows pass between false alarms, on average.")
    direction: str
    tolerance: float
    weekly: bool = Field(description="What is normal depends on the hour or day of the week.")
    severity_hint: int | None
    version: int
    enabled: bool
    read_until: datetime | None
    judged_until: datetime | None
    next_run_at: datetime | None
    stale_since: datetime | None
    error: str
    notes: list[str]
    alarm: str | None = Field(description="The alarm that goes on.")
    made_at: datetime
    made_by: PersonShort | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Watch, alarm: Alarm | None) -> "WatchOut":
        """The watch as the API says it, with the alarm that goes on, if the caller may know of it."""
        plain = (
            "number", "ref", "name", "kind", "measure", "what", "only", "truth", "metric", "window_minutes", "segments",
            "label_delay_minutes", "by_arrival", "reference_from", "reference_to", "baseline", "low", "high", "budget",
            "direction", "tolerance", "weekly", "severity_hint", "version", "enabled", "read_until", "judged_until",
            "next_run_at", "stale_since", "error", "notes", "ended_at",
        )  # fmt: skip
        return cls(
            **{name: getattr(row, name) for name in plain},
            system=row.system.slug,
            log=row.log_id,
            tests=sentences.tests(row),
            standing=sentences.standing(row, alarm),
            says=row.detector.get("says", ""),
            alarm=alarm.ref if alarm is not None else None,
            made_at=row.created_at,
            made_by=short(row.made_by),
        )


class WatchPage(Schema):
    """A page of watches."""

    items: list[WatchOut]
    next_cursor: str | None


class Paged(Schema):
    """Which page of a list."""

    cursor: str | None = None
    limit: int = 50


class WatchQuery(Paged):
    """Which watches to list."""

    system: str = ""
    kind: WatchKind | None = None
    alarmed: bool = False
    stale: bool = False
    ended: bool = Field(default=False, description="Those that are over, in place of those that run.")


class WatchIn(Given):
    """A new watch. What is left out is what its kind brings."""

    system: str = Field(description="Short name.")
    name: str
    kind: WatchKind
    log: UUID | None = Field(default=None, description="Null: its numbers are pushed.")
    measure: Measure | None = None
    what: str = Field(default="", description="What to count, an SQL expression over the log's columns.")
    only: str = Field(default="", description="A condition; other rows do not exist for it.")
    truth: str = Field(default="", description="Of a gap: what the output should have been; empty = the label column.")
    metric: FairnessMetric | None = None
    window_minutes: int | None = None
    segments: list[str] = Field(default_factory=list)
    label_delay_minutes: int | None = None
    by_arrival: bool | None = Field(
        default=None, description="A row is of the window in which its label came; null = where that makes sense."
    )
    reference_from: Instant | None = None
    reference_to: Instant | None = None
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    budget: int = BUDGET
    direction: Direction | None = None
    tolerance: float = 0.0
    weekly: bool = Field(default=False, description="What is normal depends on the hour or day of the week.")
    severity_hint: int | None = None

    def facts(self) -> WatchFacts:
        """What the actions take."""
        plain = self.dict(exclude={"system", "log"})
        return WatchFacts(system=find_system(self.system), log=find_log(self.log), **plain)


class WatchChange(Given):
    """What is to be different; what is left out stays. `version` is the one that you looked at."""

    name: str | None = None
    log: UUID | None = None
    measure: Measure | None = None
    what: str | None = None
    only: str | None = None
    truth: str | None = None
    metric: FairnessMetric | None = None
    window_minutes: int | None = None
    segments: list[str] | None = None
    label_delay_minutes: int | None = None
    by_arrival: bool | None = None
    reference_from: Instant | None = None
    reference_to: Instant | None = None
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    budget: int | None = None
    direction: Direction | None = None
    tolerance: float | None = None
    weekly: bool | None = None
    severity_hint: int | None = None
    version: int | None = None

    def facts(self, row: Watch) -> WatchFacts:
        """What the actions take: the watch as it stands, with what was given otherwise."""
        stands: dict[str, Any] = {name: getattr(row, name) for name in type(self).model_fields if name != "version"}
        stands |= {
            "measure": Measure(row.measure),
            "metric": FairnessMetric(row.metric) if row.metric else None,
            "direction": Direction(row.direction),
        }
        given = self.dict(exclude_unset=True, exclude={"version"})
        given = {name: value for name, value in given.items() if value is not None or name in _EMPTIED}
        if "log" in given:
            given["log"] = find_log(given["log"])
        return WatchFacts(system=row.system, kind=row.what_kind, **stands | given)


_EMPTIED = {"log", "reference_from", "reference_to", "baseline", "low", "high", "severity_hint"}
"""What null empties; of anything else it leaves what there is."""


class AlarmQuery(Paged):
    """Which alarms to list."""

    watch: int | None = None
    system: str = ""
    open: bool = Field(default=False, description="Only those that go on.")


class WindowOut(Schema):
    """What one window of a watch held: of all rows, or of one segment."""

    start: datetime
    n: int
    total: float
    squares: float
    invalid: int
    doubled: int
    read_at: datetime

    @classmethod
    def of(cls, row: WindowState) -> "WindowOut":
        """The window as the API says it."""
        plain = ("n", "total", "squares", "invalid", "doubled", "read_at")
        return cls(start=row.window_start, **{name: getattr(row, name) for name in plain})


class WindowQuery(Schema):
    """Which windows to list, the newest of them, oldest first."""

    segment: list[str | None] | None = Field(
        default=None, description="Values of the watch's segment columns, in their order; left out = all rows."
    )
    since: datetime | None = None
    limit: int = Field(default=200, ge=1, le=2000)


class WatchWouldOut(Schema):
    """An alarm that there would have been."""

    at: datetime
    direction: str
    onset_at: datetime
    recovered_at: datetime | None
    statistic: float
    threshold: float
    incident: int | None = Field(description="The incident that it belongs to, of those that you may see.")
    ahead_seconds: float | None = Field(description="How long before that was detected; negative = after it.")


class WatchTrialOut(Schema):
    """What a watch would have done over its history. Nothing is written."""

    windows: int
    since: datetime | None
    until: datetime | None
    learnt: int = Field(description="How many of the windows it learnt from.")
    says: str
    alarms: list[WatchWouldOut]
    missed: list[int] = Field(description="Incidents of that time that none of the alarms belongs to.")

    @classmethod
    def of(cls, trial: Trial) -> "WatchTrialOut":
        """The trial as the API says it."""
        return cls(
            **{name: getattr(trial, name) for name in ("windows", "since", "until", "learnt", "says")},
            missed=[incident.number for incident in trial.missed],
            alarms=[
                WatchWouldOut(
                    at=line.at,
                    direction=line.would.raised.direction,
                    onset_at=line.would.onset.at,
                    recovered_at=line.over_at,
                    statistic=line.would.raised.statistic,
                    threshold=line.would.raised.threshold,
                    incident=line.incident.number if line.incident is not None else None,
                    ahead_seconds=line.ahead.total_seconds() if line.ahead is not None else None,
                )
                for line in trial.lines
            ],
        )


class OfferOut(Schema):
    """A watch that a log could have."""

    key: str
    name: str
    kind: str
    why: str
    tests: str
    detects: str = Field(description="A change that it could detect at the log's volume, in words.")
    columns: list[str]
    what: str
    segments: list[str]
    made: int | None = Field(description="The watch that does the same already.")


class LackingOut(Schema):
    """A recipe that a log has no columns for, or that its description bars."""

    name: str
    why: str
    lacks: list[str] = Field(description="Parts that no column plays.")
    says: str = Field(description="What stands in its way.")


class SuggestionOut(Schema):
    """What could be watched on a log."""

    log: UUID
    recipes: str
    offers: list[OfferOut]
    lacking: list[LackingOut]
    remarks: list[str] = Field(description="What is odd about the rows of the log, in words.")

    @classmethod
    def of(cls, found: Suggestion) -> "SuggestionOut":
        """The suggestion as the API says it."""
        lacking = [
            LackingOut(name=one.name, why=one.why, lacks=list(one.roles), says=f"No column is {', '.join(one.roles)}.")
            for one in found.lacking
        ]
        barred = [LackingOut(name=one.name, why=one.why, lacks=[], says=one.says) for one in found.barred]
        offers = [
            OfferOut(
                key=one.key,
                name=one.proposal.name,
                kind=one.proposal.kind,
                why=one.proposal.why,
                tests=one.tests,
                detects=one.detects or one.unknown,
                columns=list(one.proposal.columns),
                what=one.proposal.what,
                segments=list(one.proposal.segments),
                made=one.made.number if one.made is not None else None,
            )
            for one in found.offers
        ]
        return cls(
            log=found.log.pk, recipes=found.title, offers=offers, lacking=barred + lacking, remarks=list(found.remarks)
        )


class Chosen(Given):
    """Which of the offers to make."""

    keys: list[str] | None = Field(default=None, description="Left out = all that nothing watches yet.")


def find_system(slug: str) -> System:
    """The system that a caller names."""
    system = System.objects.filter(slug=slug).first()
    if system is None:
        raise Invalid(f"There is no system {slug!r} in the register.", field="system")
    return system


def find_log(key: UUID | None) -> Log | None:
    """The decision log that a caller names; none for none."""
    if key is None:
        return None
    log = Log.objects.select_related("system").filter(pk=key).first()
    if log is None:
        raise Invalid("There is no such decision log.", field="log")
    return log
