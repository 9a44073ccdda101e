"""What people fill in about rules: one form for each kind, all made of the same answers."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.utils import timezone

from andon.kit import clock
from andon.kit.forms import WhenField
from andon.people.forms import ZoneField
from andon.people.policy import Actor
from andon.practice.rules import Counting, RuleKind
from andon.practice.severity import Severity
from andon.practice.words import IncidentType
from andon.registry.models import System
from andon.rules.facts import COMMENT_LIMIT, NAME_LIMIT, RuleFacts
from andon.rules.models import Rule
from andon.rules.policy import own_systems
from andon.rules.settings import BOUNDS

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CODE: Final = {"rows": 2, "spellcheck": "false", "class": "mono", "autocapitalize": "off"}
_SEVERITIES: Final = [("", "As the sender says"), *((str(s.value), s.name) for s in Severity)]
_TYPES: Final = [("", "As the sender says"), *IncidentType.choices()]
_FIRST_SILENCE: Final = timedelta(hours=2)


def _code(label: str, text: str, *, required: bool = True) -> forms.CharField:
    return forms.CharField(label=label, help_text=text, required=required, widget=forms.Textarea(attrs=_CODE))


def _figure(
    name: str, label: str, text: str = "", *, required: bool = True, initial: int | None = None
) -> forms.IntegerField:
    low, high = BOUNDS[name]
    return forms.IntegerField(
        label=label, help_text=text, min_value=low, max_value=high, required=required, initial=initial
    )


if TYPE_CHECKING:  # Django's fields take type arguments in their stubs alone
    _OneSystem = forms.ModelChoiceField[System]
else:
    _OneSystem = forms.ModelChoiceField


class SystemChoice(_OneSystem):
    """A system of the register, by its short name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(queryset=System.objects.order_by("name"), to_field_name="slug", **kwargs)


class RuleForm(forms.Form):
    """What every kind asks for."""

    kind: ClassVar[RuleKind]
    asks: ClassVar[tuple[str, ...]] = ()  # names of its settings that are fields of the same name

    name = forms.CharField(max_length=NAME_LIMIT, label="Name", help_text="What it is for, in a few words.")
    expression = _code("Which signals?", 'A condition, such as signal.labels.env == "test"; true is all of them.')
    comment = forms.CharField(
        max_length=COMMENT_LIMIT,
        required=False,
        label="Why?",
        help_text="For whoever wonders about it in half a year.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, by: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(["name", *self.field_order_of_kind(), "comment"])
        self._by = by

    @classmethod
    def field_order_of_kind(cls) -> tuple[str, ...]:
        """The fields between name and comment, in their order."""
        return ("system", "expression", *cls.asks)

    @classmethod
    def of(cls, rule: Rule, *, by: Actor) -> "RuleForm":
        """The form as the rule stands."""
        plain = {name: getattr(rule, name) for name in ("name", "expression", "comment", "starts_at", "ends_at")}
        return cls(
            by=by, initial=plain | {"system": rule.system, "seen_version": rule.version} | cls.answers(rule.settings)
        )

    @classmethod
    def answers(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as the fields show them."""
        return dict(settings)

    def settings(self) -> dict[str, Any]:
        """The answers as the settings hold them; what was left empty is left out."""
        given = {name: self.cleaned_data.get(name) for name in self.asks}
        return {name: value for name, value in given.items() if value not in (None, "")}

    def needs_no_words(self) -> None:
        """Let it be tried before anybody has named it or said why."""
        for name in ("name", "comment"):
            self.fields[name].required = False

    def facts(self) -> RuleFacts:
        """What the actions take."""
        given = self.cleaned_data
        return RuleFacts(
            self.kind,
            given["name"],
            given.get("expression", ""),
            given.get("system"),
            given.get("comment", ""),
            given.get("starts_at"),
            given.get("ends_at"),
            self.settings(),
        )


class MappingForm(RuleForm):
    """What signals count as."""

    kind = RuleKind.MAPPING
    asks = ("set_system", "system_from", "type", "severity")

    set_system = SystemChoice(required=False, label="They are about", empty_label="The system that they name")
    system_from = _code(
        "Or the system's short name comes from",
        'An expression that gives it, such as signal.labels.service + "-eu".',
        required=False,
    )
    type = forms.ChoiceField(choices=_TYPES, required=False, label="They are a sign of")
    severity = forms.ChoiceField(choices=_SEVERITIES, required=False, label="Their severity is")

    def settings(self) -> dict[str, Any]:
        """The system by its short name, the severity as a number."""
        given = super().settings()
        if "set_system" in given:
            given["set_system"] = given["set_system"].slug
        return given | ({"severity": int(given["severity"])} if "severity" in given else {})


class _OfSystem(RuleForm):
    """About one system, or what a condition says, or both."""

    system = SystemChoice(required=False, label="System", empty_label="Any system")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expression"].required = False
        self.fields["expression"].label = "Only signals that meet this"
        self.fields[
            "expression"
        ].help_text = 'A condition, such as signal.labels.env == "test". Empty is every signal of the system.'


class SilenceForm(_OfSystem):
    """No incident from these signals for a while."""

    kind = RuleKind.SILENCE
    asks = ("covers_severe",)

    starts_at = WhenField(label="From", required=False, help_text="Now, if you leave it empty.")
    ends_at = WhenField(label="Until", help_text="What still fires then is routed at that moment.")
    covers_severe = forms.BooleanField(
        required=False,
        label="Keep S1 and S2 quiet as well",
        help_text="Otherwise a signal that says that it is so severe opens its incident all the same.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["comment"].required = True
        self.fields["comment"].help_text = "Whoever wonders at the silence reads it here."
        self.fields["ends_at"].initial = timezone.localtime(clock.now() + _FIRST_SILENCE)
        systems = self.fields["system"]
        if isinstance(systems, forms.ModelChoiceField):
            systems.queryset = own_systems(self._by).order_by("name")

    @classmethod
    def field_order_of_kind(cls) -> tuple[str, ...]:
        """Who, then when."""
        return ("system", "expression", "ends_at", "starts_at", "covers_severe")


class MaintenanceForm(_OfSystem):
    """Planned work: as a silence, once or every week."""

    kind = RuleKind.MAINTENANCE
    asks = ("covers_severe",)

    starts_at = WhenField(label="From", required=False, help_text="Once; or from when on it comes every week.")
    ends_at = WhenField(label="Until", required=False, help_text="Once; or the end of its coming every week, if any.")
    weekdays = forms.MultipleChoiceField(
        choices=[(str(number), day) for number, day in enumerate(WEEKDAYS)],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Every week on",
    )
    window_starts = forms.TimeField(
        required=False, label="Begins at", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    window_ends = forms.TimeField(
        required=False,
        label="Ends at",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text="On the next day, if that is not later.",
    )
    zone = ZoneField(required=False)
    covers_severe = SilenceForm.base_fields["covers_severe"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["zone"].help_text = "The times of the week are wall time in it."
        self.fields["zone"].initial = str(timezone.get_current_timezone())

    @classmethod
    def field_order_of_kind(cls) -> tuple[str, ...]:
        """Who, then when."""
        week = ("weekdays", "window_starts", "window_ends", "zone")
        return ("system", "expression", "starts_at", "ends_at", *week, "covers_severe")

    @classmethod
    def answers(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The week in fields of its own."""
        week = settings.get("weekly") or {}
        shown = {"covers_severe": settings.get("covers_severe", False)}
        if week:
            shown |= {"window_starts": week["starts"], "window_ends": week["ends"], "zone": week["zone"]}
            shown["weekdays"] = [str(day) for day in week["weekdays"]]
        return shown

    def clean(self) -> dict[str, Any]:
        """A week is whole or not there at all."""
        given: dict[str, Any] = super().clean() or {}
        week = [name for name in ("weekdays", "window_starts", "window_ends") if given.get(name)]
        for name in ("weekdays", "window_starts", "window_ends"):
            if week and name not in week and name not in self.errors:
                self.add_error(name, "A window that comes every week needs its days, a beginning and an end.")
        return given

    def settings(self) -> dict[str, Any]:
        """The week, if there is one."""
        given = self.cleaned_data
        if not given.get("weekdays"):
            return super().settings()
        week = {
            "weekdays": [int(day) for day in given["weekdays"]],
            "starts": f"{given['window_starts']:%H:%M}",
            "ends": f"{given['window_ends']:%H:%M}",
            "zone": given["zone"] or "UTC",
        }
        return super().settings() | {"weekly": week}


class InhibitionForm(_OfSystem):
    """One thing explains others."""

    kind = RuleKind.INHIBITION
    asks = ("source", "equal")

    source = _code(
        "While a signal fires that meets this", 'What explains the others: signal.labels.alertname == "GatewayDown".'
    )
    equal = forms.CharField(
        required=False,
        label="And these labels are equal",
        help_text="Names with commas: cluster, region. system and integration mean the signal's own.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expression"].label = "These open no incident"
        self.fields["expression"].required = False

    @classmethod
    def field_order_of_kind(cls) -> tuple[str, ...]:
        """The explanation first."""
        return ("source", "equal", "system", "expression")

    @classmethod
    def answers(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The labels with commas."""
        return dict(settings) | {"equal": ", ".join(settings.get("equal", []))}

    def settings(self) -> dict[str, Any]:
        """The labels as a list."""
        given = super().settings()
        return given | {"equal": [name.strip() for name in given.get("equal", "").split(",") if name.strip()]}


class ThresholdForm(_OfSystem):
    """It takes more than one."""

    kind = RuleKind.THRESHOLD
    asks = ("count", "counting", "minutes")

    count = _figure("count", "It takes", initial=3)
    counting = forms.ChoiceField(choices=Counting.choices(), label="of what")
    minutes = _figure("minutes", "Within minutes", initial=10)


class HeartbeatForm(RuleForm):
    """A signal that has to come."""

    kind = RuleKind.HEARTBEAT
    asks = ("every_minutes", "grace_minutes", "severity", "type")

    system = SystemChoice(label="System", help_text="Its incident opens when the heartbeat stays away.")
    every_minutes = _figure("every_minutes", "It comes every so many minutes", initial=5)
    grace_minutes = _figure("grace_minutes", "And may be late by minutes", required=False, initial=1)
    severity = forms.ChoiceField(
        choices=[("", "Not said"), *_SEVERITIES[1:]], required=False, label="Severity when it is missing"
    )
    type = forms.ChoiceField(
        choices=[("", "Technical failure"), *IncidentType.choices()[1:]],
        required=False,
        label="Type when it is missing",
    )

    @classmethod
    def field_order_of_kind(cls) -> tuple[str, ...]:
        """What comes, then for whom."""
        return ("expression", "every_minutes", "grace_minutes", "system", "severity", "type")

    def settings(self) -> dict[str, Any]:
        """The severity as a number."""
        given = super().settings()
        return given | ({"severity": int(given["severity"])} if "severity" in given else {})


class HoldOpenForm(_OfSystem):
    """What flaps stays one incident."""

    kind = RuleKind.HOLD_OPEN
    asks = ("minutes",)

    minutes = _figure("minutes", "Minutes to wait after the last signal has ended", initial=15)


class AutoCloseForm(_OfSystem):
    """What says no end, ends."""

    kind = RuleKind.AUTO_CLOSE
    asks = ("hours",)

    hours = _figure("hours", "Hours without a word after which a signal counts as ended", initial=24)


FORMS: Final[Mapping[RuleKind, type[RuleForm]]] = {
    form.kind: form
    for form in (
        MappingForm, SilenceForm, MaintenanceForm, InhibitionForm,
        ThresholdForm, HeartbeatForm, HoldOpenForm, AutoCloseForm,
    )
}  # fmt: skip
