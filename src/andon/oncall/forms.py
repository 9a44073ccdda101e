"""What people fill in about who is on call."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms

from andon.oncall.facts import RotationFacts, StepFacts, find_people, find_target, find_team
from andon.oncall.models import Chain, Layer, Schedule
from andon.people.forms import ZoneField
from andon.people.models import Person, Team
from andon.practice.rotation import Cadence

Choices = list[tuple[str, Any]]
_WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MOST_SLOTS = 100


class WallTime(forms.Field):
    """A local time to the minute, without a zone: what a clock on a wall shows."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    default_error_messages = {"invalid": "Give a date and time, such as 2026-03-04 20:00."}

    def to_python(self, value: Any) -> datetime | None:
        """As a naive datetime."""
        if value in self.empty_values or isinstance(value, datetime):
            return value if isinstance(value, datetime) else None
        try:
            return datetime.fromisoformat(str(value)).replace(second=0, microsecond=0, tzinfo=None)
        except ValueError as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


class ScheduleForm(forms.Form):
    """A schedule."""

    name = forms.CharField(max_length=120, label="Name")
    time_zone = ZoneField()
    team = forms.ChoiceField(label="Team", required=False, help_text="Who answers for this schedule.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["team"].choices = [("", "None"), *_teams()]  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["time_zone"].help_text = "New layers begin with it. The picture is shown in yours."

    def facts(self) -> dict[str, Any]:
        """What the actions take."""
        given = self.cleaned_data
        return {
            "name": given["name"],
            "time_zone": given["time_zone"],
            "team": find_team(given["team"]),
        }


class RotationForm(forms.Form):
    """A rotation: what it is called, how turns go round, and who takes them."""

    name = forms.CharField(
        max_length=80, required=False, label="Name", help_text="What shifts of this layer are called."
    )
    time_zone = ZoneField()
    start_date = forms.DateField(
        label="First hand-over",
        help_text="With weekly turns its weekday is the weekday of every hand-over.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    handover = forms.TimeField(label="Hand-over at", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    every = forms.IntegerField(min_value=1, max_value=365, initial=1, label="A turn lasts")
    cadence = forms.ChoiceField(
        choices=[(Cadence.WEEKLY.value, "weeks"), (Cadence.DAILY.value, "days")], label="counted in"
    )
    weekdays = forms.MultipleChoiceField(
        choices=[(str(number), day) for number, day in enumerate(_WEEKDAYS)],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Only on",
        help_text="None is every day.",
    )
    window_from = forms.TimeField(
        required=False,
        label="Only from",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text="Hours of those days. An end before the start is on the next day.",
    )
    window_until = forms.TimeField(
        required=False, label="until", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    skip_inactive = forms.BooleanField(
        required=False, label="Count daily turns over those days alone (weekends pass nobody's turn)"
    )
    replaces = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, people: Choices, slots: int = 4, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].help_text = "All times of this layer are meant in it."
        if self.is_bound:
            slots = _slots(self.data, r"turn_(\d+)")
        for number in range(1, slots + 1):
            self.fields[f"turn_{number}"] = forms.ChoiceField(
                choices=[("", "Nobody"), *people], required=False, label=f"Turn {number}"
            )
        turns = [f"turn_{number}" for number in range(1, slots + 1)]
        self.order_fields(["name", *turns])

    @classmethod
    def of(cls, layer: Layer, people: Choices) -> "RotationForm":
        """Filled in with what holds now, with two free turns."""
        turns = [str(turn.person_id) for turn in layer.participants.all()]
        columns = ("name", "time_zone", "start_date", "handover", "every", "cadence", "window_from", "window_until")
        initial = {name: getattr(layer, name) for name in (*columns, "skip_inactive")}
        initial |= {f"turn_{number}": key for number, key in enumerate(turns, start=1)}
        initial |= {"weekdays": [str(day) for day in layer.weekdays], "replaces": str(layer.pk)}
        gone = [(t, "Somebody who left") for t in turns if t not in {key for key, _ in people}]
        return cls(initial=initial, people=people + gone, slots=len(turns) + 2)

    def facts(self) -> RotationFacts:
        """What the action takes."""
        given = self.cleaned_data
        turns = [given[name] for name in self.fields if name.startswith("turn_") and given[name]]
        return RotationFacts(
            participants=tuple(find_people(turns, "turn_1")),
            weekdays=tuple(int(day) for day in given["weekdays"]),
            cadence=Cadence(given["cadence"]),
            **{
                name: given[name]
                for name in (
                    "name",
                    "time_zone",
                    "start_date",
                    "handover",
                    "every",
                    "window_from",
                    "window_until",
                    "skip_inactive",
                )
            },
        )


class OverrideForm(forms.Form):
    """Somebody takes over for a while."""

    person = forms.ChoiceField(label="Who")
    starts_local = WallTime(label="From")
    ends_local = WallTime(label="Until")
    time_zone = ZoneField()

    def __init__(self, *args: Any, people: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].choices = people  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["time_zone"].help_text = "The two times are meant in it."


class ImportForm(forms.Form):
    """A calendar to import."""

    file = forms.FileField(required=False, label="File", widget=forms.FileInput(attrs={"accept": ".ics,text/calendar"}))
    calendar = forms.CharField(
        required=False,
        strip=False,
        label="or its text",
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
    )
    position = forms.TypedChoiceField(
        coerce=int, empty_value=None, required=False, label="Put it", help_text="It holds from now on."
    )
    leave_out = forms.BooleanField(required=False, label="Import the rest although some events mean nobody here")

    def __init__(self, *args: Any, layers: Iterable[Layer], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        places = [(layer.position, f"in place of {layer.name or f'layer {layer.position}'}") for layer in layers]
        self.fields["position"].choices = [("", "on top of the layers"), *places]  # type: ignore[attr-defined]

    def text(self) -> str | bytes:
        """The file's bytes, or what was pasted."""
        given = self.cleaned_data["file"]
        return bytes(given.read()) if given else str(self.cleaned_data["calendar"])


class ChainForm(forms.Form):
    """A chain and its steps; a step that names nobody is left out."""

    name = forms.CharField(max_length=120, label="Name")
    repeats = forms.IntegerField(
        min_value=0,
        max_value=100,
        initial=2,
        label="Then go round again",
        help_text="times. After that the organisation's fallback is asked.",
    )

    def __init__(self, *args: Any, targets: Choices, slots: int = 3, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound:
            slots = _slots(self.data, r"wait_(\d+)")
        for number in range(1, slots + 1):
            self.fields[f"step_{number}"] = forms.MultipleChoiceField(
                choices=targets,
                required=False,
                label=f"Step {number} pages",
                widget=forms.SelectMultiple(attrs={"size": 6}),
            )
            self.fields[f"wait_{number}"] = forms.IntegerField(
                min_value=1,
                max_value=24 * 60,
                initial=5,
                required=False,
                label="and waits (minutes) before the next step",
            )
        self.order_fields(["name"])
        self.fields["repeats"] = self.fields.pop("repeats")

    @classmethod
    def of(cls, chain: Chain, targets: Choices) -> "ChainForm":
        """Filled in with what holds now, with two free steps."""
        steps = list(chain.steps.all())
        initial: dict[str, Any] = {"name": chain.name, "repeats": chain.repeats}
        for number, step in enumerate(steps, start=1):
            initial[f"wait_{number}"] = step.wait_minutes
            initial[f"step_{number}"] = [
                f"person:{t.person_id}"
                if t.person_id
                else f"schedule:{t.schedule_id}"
                if t.schedule_id
                else f"team:{t.team_id}"
                for t in step.targets.all()
            ]
        return cls(initial=initial, targets=targets, slots=len(steps) + 2)

    def facts(self) -> list[StepFacts]:
        """What the actions take."""
        given = self.cleaned_data
        steps = []
        for name in self.fields:
            if name.startswith("step_") and given[name]:
                chosen = [value.partition(":") for value in given[name]]
                wait = given[f"wait_{name.removeprefix('step_')}"]
                steps.append(
                    StepFacts(5 if wait is None else wait, tuple(find_target(kind, key) for kind, _, key in chosen))
                )
        return steps


def people_choices() -> Choices:
    """Everybody who can be on call."""
    rows = Person.objects.filter(is_active=True, erased_at__isnull=True)
    return [(str(person.pk), str(person)) for person in rows]


def target_choices() -> Choices:
    """Whom a step can reach, in three groups."""
    schedules = Schedule.objects.filter(archived_at__isnull=True)
    return [
        ("Schedules", [(f"schedule:{row.pk}", f"whoever is on call for {row}") for row in schedules]),
        ("Teams", [(f"team:{key}", f"everybody in {name}") for key, name in _teams()]),
        ("People", [(f"person:{key}", name) for key, name in people_choices()]),
    ]


def _teams() -> Choices:
    return [(str(team.pk), str(team)) for team in Team.objects.all()]


def _slots(data: Any, pattern: str) -> int:
    found = [int(match[1]) for key in data if (match := re.fullmatch(pattern, key))]
    return min(max(found, default=1), _MOST_SLOTS)
