"""Decision logs, the watches on them, what was seen window by window, and the alarms."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.intake.models import Signal
from andon.kit.crypto import EncryptedTextField
from andon.kit.models import Row, one_of
from andon.people.models import Person
from andon.practice.words import Direction, FairnessMetric, Measure, WatchKind
from andon.registry.models import System
from andon.watch.reading.places import LogEngine

EVERYTHING = ""
"""The segment of a window that holds all of its rows."""


class Log(Row):
    """A decision log: a table of what a system decided, read where it lies.

    Nothing of it is copied but aggregates, and, unless that is switched off, a bounded number of rows as evidence.
    """

    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="logs")
    name = models.CharField(max_length=120)
    engine = models.CharField(max_length=16, choices=LogEngine.choices(), default=LogEngine.FILES)
    source = EncryptedTextField(blank=True)  # the connection string of a warehouse; never shown again
    table = models.CharField(max_length=500)  # files: a path or pattern below a log folder; else the table's name
    time_column = models.CharField(max_length=200)
    time_zone = models.CharField(max_length=64, default="UTC")  # IANA name: of which place times without a zone are
    subject_column = models.CharField(max_length=200, blank=True)  # whom a decision was about
    output_column = models.CharField(max_length=200, blank=True)  # what was decided
    score_column = models.CharField(max_length=200, blank=True)  # with which score, between 0 and 1
    label_column = models.CharField(max_length=200, blank=True)  # what turned out to be true, later
    label_time_column = models.CharField(max_length=200, blank=True)  # when that was known
    key_column = models.CharField(max_length=200, blank=True)  # what makes a decision the same one when it comes twice
    segment_columns = models.JSONField(default=list, blank=True)
    evidence_rows = models.BooleanField(default=True)  # whether its last rows are kept when evidence is preserved
    evidence_without = models.JSONField(default=list, blank=True)  # columns that are left out of those rows
    columns = models.JSONField(default=dict, blank=True)  # name and type of each, as last found
    odd = models.JSONField(default=dict, blank=True)  # rows without a time, rows that are there twice: `watch.remarks`
    looked_at = models.DateTimeField(null=True, blank=True)  # when it was last looked at for these
    checked_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)  # why it could not be read, in words
    made_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["system", "name"], condition=Q(ended_at__isnull=True), name="log_name_once_a_system"
            ),
            one_of("engine", LogEngine, "log_engine_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def rows(self) -> tuple[str, ...]:
        """What says where its rows are and how they are told apart: once it changes, what was odd was so of others."""
        return self.source, self.table, self.time_column, self.time_zone, self.key_column


class Watch(Row):
    """What is tested, with which promise, and how far that has come.

    Windows are [start, start + length), aligned to Monday 00:00 UTC. `read_until` is the end of the last window that
    was read, `judged_until` the end of the last one that the detector has seen; both move forward only, in the
    transaction that writes what was read and decided.
    """

    number = models.PositiveBigIntegerField(unique=True)
    name = models.CharField(max_length=120)
    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="watches")
    log = models.ForeignKey(
        Log, null=True, blank=True, on_delete=models.PROTECT, related_name="watches"
    )  # null = pushed
    kind = models.CharField(max_length=20, choices=WatchKind.choices())
    measure = models.CharField(max_length=12, choices=Measure.choices())
    what = models.TextField(blank=True)  # an expression over the log's columns, see `reading.expressions`
    only = models.TextField(blank=True)  # a condition: rows that do not meet it are not counted at all
    truth = models.TextField(blank=True)  # of a gap: a condition, what the output should have been; empty = the label
    metric = models.CharField(max_length=24, blank=True, choices=FairnessMetric.choices())  # of a gap
    window_minutes = models.PositiveIntegerField(default=60)
    segments = models.JSONField(default=list, blank=True)  # names of columns
    label_delay_minutes = models.PositiveIntegerField(default=0)
    by_arrival = models.BooleanField(default=False)  # whether a row is of the window in which its label came
    reference_from = models.DateTimeField(null=True, blank=True)  # null = the first windows of the log
    reference_to = models.DateTimeField(null=True, blank=True)
    baseline = models.FloatField(null=True, blank=True)  # null = estimated from the reference
    low = models.FloatField(null=True, blank=True)  # bounds of a number, where it has some
    high = models.FloatField(null=True, blank=True)
    bins = models.JSONField(null=True, blank=True)  # 19 inner edges, or up to 19 values; found in the reference
    budget = models.PositiveIntegerField()  # at least so many windows between false alarms, on average
    direction = models.CharField(max_length=8, choices=Direction.choices())
    tolerance = models.FloatField(default=0.0)  # a change that is no bother, in the unit of what is measured
    weekly = models.BooleanField(default=False)  # whether what is normal depends on the hour or day of the week
    severity_hint = models.PositiveSmallIntegerField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    made_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    enabled = models.BooleanField(default=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    # The clockwork
    next_run_at = models.DateTimeField(null=True, blank=True)  # null = nothing to do: paused, ended
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_by = models.CharField(max_length=64, blank=True)
    began_at = models.DateTimeField(null=True, blank=True)  # start of the first window
    read_until = models.DateTimeField(null=True, blank=True)
    judged_until = models.DateTimeField(null=True, blank=True)
    detector = models.JSONField(default=dict, blank=True)  # see `andon.watch.judging`
    stale_since = models.DateTimeField(null=True, blank=True)  # since when it could not be read
    error = models.TextField(blank=True)  # why, in words
    failures = models.PositiveIntegerField(default=0)  # in a row
    notes = models.JSONField(default=list, blank=True)  # what is odd about the newest windows, in words
    ran_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["number"]
        indexes: ClassVar = [
            models.Index(fields=["next_run_at"], condition=Q(next_run_at__isnull=False), name="watch_due"),
        ]
        constraints: ClassVar = [
            one_of("kind", WatchKind, "watch_kind_known"),
            one_of("measure", Measure, "watch_measure_known"),
            one_of("direction", Direction, "watch_direction_known"),
            models.CheckConstraint(condition=Q(window_minutes__gte=1), name="watch_window_of_a_minute"),
            models.CheckConstraint(condition=Q(budget__gte=1), name="watch_budget_of_a_window"),
        ]

    def __str__(self) -> str:
        return f"{self.ref} {self.name}"

    @property
    def ref(self) -> str:
        """The number people say: WATCH-7."""
        return f"WATCH-{self.number}"

    @property
    def what_kind(self) -> WatchKind:
        """The kind as a word of the practice."""
        return WatchKind(self.kind)

    @property
    def length(self) -> timedelta:
        """How long a window is."""
        return timedelta(minutes=self.window_minutes)

    @property
    def label_delay(self) -> timedelta:
        """How long labels take to come."""
        return timedelta(minutes=self.label_delay_minutes)

    @property
    def estimates(self) -> bool:
        """Whether it goes by scores before labels come, and by labels only to see whether these hold."""
        return self.kind == WatchKind.ESTIMATED_ACCURACY

    @property
    def sees(self) -> bool:
        """Whether it runs and has a verdict to give, or learns for one; `queries.unwatched` asks the same of all."""
        running = self.enabled and self.ended_at is None
        return running and self.stale_since is None and self.detector.get("phase") != "refused"

    @property
    def waits(self) -> timedelta:
        """How long after its end a window is read."""
        return timedelta() if self.estimates or self.by_arrival else self.label_delay

    @property
    def labels_behind(self) -> timedelta:
        """Of an estimate: how much older than a window the decisions are whose labels it brings, in whole windows."""
        return -(-self.label_delay // self.length) * self.length

    @property
    def ages(self) -> int:
        """By arrival: up to how many windows before its label a decision was made, to be told apart from older ones."""
        return min(MOST_AGES, max(LEAST_AGES, 3 * -(-self.label_delay // self.length)))

    def window_of(self, at: datetime) -> datetime:
        """The start of the window that an instant lies in."""
        return MONDAY + (at - MONDAY) // self.length * self.length


LEAST_AGES, MOST_AGES = 60, 1_000

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
"""What windows are aligned to: days begin at midnight and weeks on Monday, in UTC."""


class AlarmBudget(models.Model):
    """The one promise about false alarms of all watches together, see `andon.watch.shares`."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    days = models.FloatField()  # at least so many between false alarms, on average
    set_at = models.DateTimeField()
    set_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="one_alarm_budget"),
            models.CheckConstraint(condition=Q(days__gt=0), name="alarm_budget_of_a_time"),
        ]

    def __str__(self) -> str:
        return f"one in {self.days:g} days"


class WindowState(models.Model):
    """What one window of a watch held, of all rows or of one segment. Additive: states of segments add up.

    `n` rows were counted, whose numbers add up to `total` and their squares to `squares`; `invalid` rows had no number.
    A rate counts 0 and 1. Where a row is of the window in which its label came, `made` tells when decisions were made:
    by how many windows before, the rows, their numbers, squares and what was expected. When late rows change it, what
    stood there before is kept in `was`, newest last; the detector judged what stood there first.
    """

    watch = models.ForeignKey(Watch, on_delete=models.CASCADE, related_name="states", db_index=False)
    window_start = models.DateTimeField()
    segment = models.CharField(max_length=500, default=EVERYTHING, blank=True)  # JSON list of values, see `segments`
    n = models.BigIntegerField()
    total = models.FloatField()
    squares = models.FloatField()
    invalid = models.BigIntegerField(default=0)
    doubled = models.BigIntegerField(default=0)  # rows that came again with the same key, and were not counted
    histogram = models.JSONField(null=True, blank=True)  # counts in 20 bins
    counts = models.JSONField(null=True, blank=True)  # by bin of the score: labelled rows, positives, sum of scores
    made = models.JSONField(null=True, blank=True)  # lists of five, see `reading.cube.Tally.made`
    read_at = models.DateTimeField()
    was = models.JSONField(default=list, blank=True)

    class Meta:
        ordering: ClassVar = ["window_start", "segment"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["watch", "window_start", "segment"], name="window_state_once"),
        ]

    def __str__(self) -> str:
        return f"{self.window_start:%Y-%m-%d %H:%M} {self.segment}".strip()


class Pushed(models.Model):
    """A batch of numbers that was counted: sent again, it counts no second time. Forgotten after a while."""

    watch = models.ForeignKey(Watch, on_delete=models.CASCADE, related_name="pushed", db_index=False)
    instance = models.CharField(max_length=100)  # who counted, as it names itself
    window_start = models.DateTimeField()  # of the batch's first window
    sequence = models.PositiveBigIntegerField()
    pushed_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["watch", "instance", "window_start", "sequence"], name="pushed_batch_once"),
        ]

    def __str__(self) -> str:
        return f"{self.instance} {self.sequence}"


class Alarm(Row):
    """The detector's verdict that something has changed, with what it went by at that moment.

    The onset is when it began, as far as was known then or found since; times are starts of windows.
    """

    class Shape(models.TextChoices):
        STEP = "step", "at once"
        RAMP = "ramp", "gradually"

    class GivenUp(models.TextChoices):
        """Why nobody looks any more whether it goes on; `recovered_at` says since when, and not that it is over."""

        ENDED = "ended", "its watch was ended"
        CHANGED = "changed", "its watch was changed, and judges anew"

    number = models.PositiveBigIntegerField(unique=True)
    watch = models.ForeignKey(Watch, on_delete=models.CASCADE, related_name="alarms")
    raised_at = models.DateTimeField()
    window_start = models.DateTimeField()  # the window that decided it
    window_end = models.DateTimeField()
    direction = models.CharField(max_length=8)  # the way it went: up or down
    statistic = models.FloatField()
    threshold = models.FloatField()
    baseline = models.FloatField()
    observed = models.FloatField(null=True, blank=True)  # the same measure since the onset
    onset_low = models.DateTimeField(null=True, blank=True)
    onset_at = models.DateTimeField(null=True, blank=True)
    onset_high = models.DateTimeField(null=True, blank=True)
    onset_shape = models.CharField(max_length=8, blank=True, choices=Shape.choices)
    affected = models.BigIntegerField(null=True, blank=True)  # rows beyond what was to be expected, since the onset
    drivers = models.JSONField(default=list, blank=True)
    plan = models.JSONField(default=dict)  # what the detector was asked: version, budget, baseline, tolerance
    figures = models.JSONField(default=dict, blank=True)  # since the onset: `windows`, `n`, `total`, up to `until`
    signal = models.ForeignKey(Signal, null=True, blank=True, on_delete=models.SET_NULL, related_name="alarms")
    recovered_at = models.DateTimeField(null=True, blank=True)  # end of the window that decided so
    given_up = models.CharField(max_length=8, blank=True, choices=GivenUp.choices)

    # What its incident is told: due while `news_at` is set; `told` is what was said last, and of which incident.
    news_at = models.DateTimeField(null=True, blank=True)
    told = models.JSONField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        indexes: ClassVar = [
            models.Index(fields=["watch", "-raised_at"], name="alarm_of_watch"),
            models.Index(fields=["news_at"], condition=Q(news_at__isnull=False), name="alarm_news_due"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["watch"], condition=Q(recovered_at__isnull=True), name="alarm_one_open_a_watch"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref} of {self.watch}"

    @property
    def ref(self) -> str:
        """The number people say: ALARM-12."""
        return f"ALARM-{self.number}"

    @property
    def onset_until(self) -> datetime | None:
        """By when it had begun at the latest: the end of the last window in which it may have."""
        return self.onset_high + self.watch.length if self.onset_high else None
