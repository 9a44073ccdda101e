"""What people fill in about decision logs and watches."""

from typing import Any, Final

from django import forms

from andon.kit.forms import WhenField
from andon.people.forms import ZoneField
from andon.practice.words import Direction, FairnessMetric, Measure, WatchKind
from andon.registry.models import System
from andon.watch.facts import BUDGET, NAME_LIMIT, LogFacts, WatchFacts
from andon.watch.kinds import BY_LABELS, KINDS, measures
from andon.watch.models import Log, Watch

_DAY: Final = 24 * 60
_CODE: Final = {"rows": 2, "spellcheck": "false", "class": "mono", "autocapitalize": "off"}
_PLAIN: Final = {"spellcheck": "false", "autocapitalize": "off"}
_WINDOWS: Final = (
    (5, "5 minutes"), (15, "15 minutes"), (60, "an hour"), (6 * 60, "6 hours"), (_DAY, "a day"), (7 * _DAY, "a week"),
)  # fmt: skip
_SEVERITIES: Final = [("", "As its kind says"), *((str(level), f"S{level}") for level in range(1, 6))]


_READ: Final = {
    WatchKind.INPUT_DRIFT, WatchKind.OUTPUT_DRIFT, WatchKind.FAIRNESS_GAP, WatchKind.ESTIMATED_ACCURACY,
}  # fmt: skip
"""Kinds that need a decision log: pushed numbers hold no groups, no spread and no scores."""
_LABELLED: Final = BY_LABELS | {WatchKind.FAIRNESS_GAP, WatchKind.COMPLAINTS, WatchKind.METRIC}
"""Kinds that may go by when labels came."""
_LISTS: Final = ("segment_columns", "evidence_without")


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.replace("\n", ",").split(",") if name.strip()]


def _column(label: str, text: str = "", *, required: bool = False) -> forms.CharField:
    return forms.CharField(
        max_length=200, label=label, help_text=text, required=required, widget=forms.TextInput(attrs=_PLAIN)
    )


class LogForm(forms.Form):
    """Where a decision log lies, and which column is what."""

    name = forms.CharField(max_length=NAME_LIMIT, label="Name", help_text="As people here call it.")
    table = forms.CharField(
        max_length=500,
        label="Files or table",
        help_text="A path or pattern of Parquet or CSV files below a log folder, such as credit/*.parquet; or the name "
        "of a table.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    source = forms.CharField(
        required=False,
        max_length=6000,  # a key of BigQuery's is 3,200 characters long
        label="Database",
        help_text="Empty for files. Else a SQLite or DuckDB file below a log folder, or a connection string such as "
        "postgresql://reader:password@warehouse/decisions. It is kept encrypted and never shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off", **_PLAIN}),
    )
    time_column = _column("Column of the time", "When each decision was made.", required=True)
    time_zone = ZoneField(
        initial="UTC",
        required=False,
        help_text="Of which place times are that say no zone. An hour that comes twice when clocks go back counts as "
        "the first.",
    )
    output_column = _column("Column of the output", "What was decided.")
    score_column = _column("Column of the score", "With which score, between 0 and 1.")
    label_column = _column("Column of the label", "What turned out to be true, later.")
    label_time_column = _column("Column of the label's time", "When that was known.")
    subject_column = _column("Column of the subject", "Whom a decision was about.")
    key_column = _column("Column of the key", "What makes a decision the same one when it comes twice.")
    segment_columns = forms.CharField(
        required=False,
        max_length=1000,
        label="Columns of groups",
        help_text="Names with commas, such as sex, age_band: measures are broken down by them and compared.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    evidence_rows = forms.BooleanField(
        required=False,
        initial=True,
        label="Keep its last rows as evidence",
        help_text="Only counts and sums leave a log, with this one exception: before a lever is pulled, and when "
        "somebody preserves evidence, the last decisions in the affected window (at most 1,000) are kept, encrypted.",
    )
    evidence_without = forms.CharField(
        required=False,
        max_length=2000,
        label="Columns left out of those rows",
        help_text="Names with commas, such as name, address: they are not read for evidence.",
        widget=forms.TextInput(attrs=_PLAIN),
    )

    @classmethod
    def of(cls, log: Log) -> "LogForm":
        """The form as the log stands; its connection string is not shown."""
        plain = {name: getattr(log, name) for name in cls.base_fields if name not in {"source", *_LISTS}}
        form = cls(initial=plain | {name: ", ".join(getattr(log, name)) for name in _LISTS})
        return form.changing()

    def changing(self) -> "LogForm":
        """Say that what is left out of a change stays."""
        self.fields["source"].help_text = "Leave it empty to keep the one there is. It is never shown."
        return self

    def facts(self, system: System) -> LogFacts:
        """What the actions take."""
        given = self.cleaned_data
        said: dict[str, Any] = {
            name: _names(given[name]) if name in _LISTS else given[name] for name in self.base_fields
        }
        return LogFacts(system=system, **said)


class WatchForm(forms.Form):
    """What a watch of one kind of one system says; what the kind leaves no choice in is not asked."""

    name = forms.CharField(max_length=NAME_LIMIT, label="Name", help_text="What it watches, in a few words.")
    log = forms.ChoiceField(required=False, label="Decision log")
    measure = forms.ChoiceField(label="Measure")
    what = forms.CharField(
        required=False,
        label="What to count",
        help_text="An SQL expression over the log's columns, such as status >= 500 or latency_ms.",
        widget=forms.Textarea(attrs=_CODE),
    )
    metric = forms.ChoiceField(
        choices=FairnessMetric.choices(),
        label="Compare",
        help_text="For calibration, what to count is the score: the share of positive labels has to be what it says.",
    )
    truth = forms.CharField(
        required=False,
        label="Should have been positive",
        help_text="A condition on the true label; not asked for the selection rate. Empty: the log's label column.",
        widget=forms.Textarea(attrs=_CODE),
    )
    only = forms.CharField(
        required=False,
        label="Only rows that meet",
        help_text="Such as channel = 'web'. Other rows do not exist for this watch.",
        widget=forms.Textarea(attrs=_CODE),
    )
    segments = forms.CharField(
        required=False,
        label="Break down by",
        help_text="Columns with commas, at most 4: an alarm then names the segments that drive it.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    window_minutes = forms.TypedChoiceField(coerce=int, label="A window is")
    label_delay = forms.FloatField(
        required=False,
        min_value=0,
        max_value=731,
        label="Wait for labels, in days",
        help_text="0 where none are needed. For 21 windows more, or as long again, what comes late is still counted.",
    )
    by_arrival = forms.ChoiceField(
        required=False,
        choices=(
            ("", "As they come, where the log says when each did"),
            ("yes", "As they come"),
            ("no", "With their decision, when they have had their time"),
        ),
        label="Count labels",
        help_text="As they come, nothing is waited for. An onset is by when decisions were made either way.",
    )
    direction = forms.ChoiceField(choices=Direction.choices(), label="Alarm on")
    tolerance = forms.FloatField(
        required=False,
        min_value=0,
        label="Tolerance",
        help_text="A change by so much is no bother: 0.005 is half a point.",
    )
    budget = forms.IntegerField(
        min_value=2,
        max_value=1_000_000_000,
        label="False-alarm budget",
        help_text="At least so many windows pass between false alarms, on average. A smaller budget finds changes "
        "sooner, and cries wolf more often.",
    )
    baseline = forms.FloatField(
        required=False, label="What is normal", help_text="Empty = learnt from the reference. A share of 5% is 0.05."
    )
    weekly = forms.BooleanField(
        required=False,
        label="What is normal depends on the hour or day of the week",
        help_text="Each is learnt from the reference, of four weeks or more; eight are better.",
    )
    reference_from = WhenField(
        required=False, label="Reference from", help_text="Empty = its first windows. A time in which all was well."
    )
    reference_to = WhenField(required=False, label="Reference to")
    low = forms.FloatField(
        required=False, label="Lowest value", help_text="Of a number. Empty = found in the reference."
    )
    high = forms.FloatField(required=False, label="Highest value")
    severity_hint = forms.ChoiceField(required=False, choices=_SEVERITIES, label="Severity of its incidents")
    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, system: System, kind: WatchKind, watch: Watch | None = None, **kwargs: Any) -> None:
        kwargs["initial"] = (_initial(kind) if watch is None else _standing(watch)) | (kwargs.get("initial") or {})
        super().__init__(*args, **kwargs)
        self.system, self.kind = system, kind
        self._logs = {str(log.pk): log for log in Log.objects.filter(system=system, ended_at=None)}
        if watch is not None and watch.log is not None:
            self._logs.setdefault(str(watch.log.pk), watch.log)
        self._offer(watch)

    def _offer(self, watch: Watch | None) -> None:
        """Ask what can be chosen, and nothing else."""
        allowed = measures(self.kind)
        none = [] if self.kind in _READ else [("", "None: numbers are pushed")]
        self._choices("log", [*((key, log.name) for key, log in self._logs.items()), *none])
        if watch is None and self._logs:
            self.fields["log"].initial = next(iter(self._logs))
        self._choices("measure", [(one.value, one.label) for one in Measure if one in allowed])
        minutes = dict(_WINDOWS)
        if watch is not None and watch.window_minutes not in minutes:
            minutes[watch.window_minutes] = f"{watch.window_minutes} minutes"
        self._choices("window_minutes", [(str(one), words) for one, words in sorted(minutes.items())])
        gone = set() if self.kind in _LABELLED else {"by_arrival"}
        if len(allowed) == 1:
            gone.add("measure")
        if Measure.GAP not in allowed:
            gone |= {"metric", "truth"}
        estimates = self.kind is WatchKind.ESTIMATED_ACCURACY
        if estimates:
            gone -= {"truth"}
            gone |= {"baseline"}
            self.fields["label_delay"].label = "Labels take, in days"
            self.fields["label_delay"].help_text = "Those of decisions so old show whether the scores still hold."
        if self.kind is WatchKind.FAIRNESS_GAP:
            self.fields[
                "label_delay"
            ].help_text = (
                f"Empty = {KINDS[WatchKind.ACCURACY].label_delay / _DAY:g} days, and none for the selection rate."
            )
        if Measure.MEAN not in allowed or estimates:
            gone |= {"low", "high"}
        for name in gone:
            del self.fields[name]
        columns = sorted({name for log in self._logs.values() for name in log.columns})
        if columns and "what" in self.fields:
            listed = ", ".join(columns[:40]) + (", …" if len(columns) > 40 else "")  # noqa: PLR2004  a few lines of them
            normal = KINDS[self.kind].what
            usual = "Empty = as its kind counts. " if normal else ""
            self.fields["what"].help_text = f"{usual}An SQL expression over the columns {listed}."

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    @property
    def measured(self) -> str:
        """Which measure was chosen."""
        return str(self.cleaned_data.get("measure") or next(iter(measures(self.kind))).value)

    def facts(self) -> WatchFacts:
        """What the actions take."""
        given = self.cleaned_data
        plain: dict[str, Any] = {
            name: given.get(name) for name in ("reference_from", "reference_to", "baseline", "low", "high")
        }
        delay, severity = given.get("label_delay"), given.get("severity_hint")
        return WatchFacts(
            system=self.system,
            name=given["name"],
            kind=self.kind,
            log=self._logs.get(given["log"]),
            measure=Measure(self.measured),
            what=given.get("what", ""),
            only=given["only"],
            truth=given.get("truth", ""),
            metric=FairnessMetric(given["metric"]) if given.get("metric") else None,
            window_minutes=given["window_minutes"],
            segments=_names(given["segments"]),
            label_delay_minutes=None if delay is None else round(delay * _DAY),
            by_arrival={"yes": True, "no": False}.get(given.get("by_arrival", "")),
            budget=given["budget"],
            direction=Direction(given["direction"]),
            tolerance=given["tolerance"] or 0.0,
            weekly=given["weekly"],
            severity_hint=int(severity) if severity else None,
            **plain,
        )


def _initial(kind: WatchKind) -> dict[str, Any]:
    """A new watch as its kind has it out of the box."""
    brings = KINDS[kind]
    return {
        "name": kind.label,
        "measure": brings.measure.value,
        "window_minutes": str(brings.window),
        "label_delay": None if kind is WatchKind.FAIRNESS_GAP else _days(brings.label_delay),
        "direction": brings.direction.value,
        "budget": BUDGET,
        "tolerance": 0,
    }


def _days(minutes: int) -> str:
    return f"{minutes / _DAY:g}"


def _standing(watch: Watch) -> dict[str, Any]:
    """A watch as it stands."""
    plain = (
        "name", "measure", "what", "only", "truth", "metric", "direction", "budget", "baseline", "weekly",
        "reference_from", "reference_to", "low", "high",
    )  # fmt: skip
    return {name: getattr(watch, name) for name in plain} | {
        "log": str(watch.log_id or ""),
        "segments": ", ".join(watch.segments),
        "window_minutes": str(watch.window_minutes),
        "label_delay": _days(watch.label_delay_minutes),
        "by_arrival": "yes" if watch.by_arrival else "no",
        "tolerance": f"{watch.tolerance:g}",
        "severity_hint": str(watch.severity_hint or ""),
        "seen_version": watch.version,
    }
