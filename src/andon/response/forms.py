"""The forms of the response."""

from collections.abc import Sequence
from typing import Any, Final

from django import forms

from andon.incidents.models import RoleAssignment
from andon.kit.forms import WhenField
from andon.people.models import Person
from andon.practice.promises import Became
from andon.practice.severity import Severity
from andon.practice.words import ContainmentKind, HarmDimension, IncidentType, OrgRole
from andon.registry.models import System

FIRST: Final = {"data-focus": ""}
"""Where the keyboard begins on a page that is there for its form."""
NOT_ASSESSED = ("", "Not assessed")


class DeclareForm(forms.Form):
    """Two fields are enough; the rest may wait."""

    title = forms.CharField(label="What is wrong?", max_length=200, widget=forms.TextInput(attrs=FIRST))
    system = forms.ModelChoiceField(
        System.objects.all(),
        label="Which system?",
        required=False,
        empty_label="I do not know yet",
        help_text="Its owner's chain is paged at once; without a system, the organisation's fallback.",
    )
    type = forms.ChoiceField(
        label="Type",
        choices=[("", "Decide later (counts as a technical failure)"), *IncidentType.choices()],
        required=False,
    )
    onset = WhenField(label="When did it begin?", required=False, help_text="Your best estimate, in your time zone.")
    description = forms.CharField(label="What do you see?", widget=forms.Textarea(attrs={"rows": 4}), required=False)
    restricted = forms.BooleanField(label="Show it only to those involved", required=False)


class SystemForm(forms.Form):
    """Which system it is about."""

    system = forms.ModelChoiceField(
        System.objects.all(), label="Which system?", required=False, empty_label="I do not know yet"
    )
    why = forms.CharField(label="What shows it?", max_length=500, required=False)
    known = forms.CharField(widget=forms.HiddenInput, required=False)


class ContainForm(forms.Form):
    """How the harm was stopped."""

    kind = forms.ChoiceField(label="What was done?", choices=ContainmentKind.choices(), widget=forms.RadioSelect)
    note = forms.CharField(
        label="What exactly?",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="As “rolled back to v6”, “switched off for new customers”, “every refusal goes to a person”.",
    )
    at = WhenField(label="Since when?", required=False, help_text="Now, if you leave it empty.")


class KeepForm(forms.Form):
    """How something that was promised was done."""

    note = forms.CharField(
        label="How?",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="As “by phone, with the head of credit”, “form 12 on the authority's portal”.",
    )
    at = WhenField(label="When?", required=False, help_text="Now, if you leave it empty.")


class DutyForm(KeepForm):
    """What became of a duty."""

    became = forms.ChoiceField(label="What became of it?", widget=forms.RadioSelect)

    field_order = ("became", "note", "at")

    def __init__(self, choices: Sequence[Became], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field, note = self.fields["became"], self.fields["note"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared so above; this tells the type checker
        field.choices = [(one.value, one.label) for one in choices]
        note.label = "How, or why?"
        note.help_text = "As “form 12 on the authority's portal”, “we deploy no system of others”."


class ResolveForm(forms.Form):
    """How it ended, and how that was seen."""

    summary = forms.CharField(
        label="How was it resolved, and how was that verified?", widget=forms.Textarea(attrs={"rows": 4} | FIRST)
    )


class ReasonForm(forms.Form):
    """A reason, for the timeline."""

    reason = forms.CharField(label="Reason, for the timeline", widget=forms.Textarea(attrs={"rows": 3} | FIRST))


class NoteForm(forms.Form):
    """A note."""

    text = forms.CharField(label="Note", widget=forms.Textarea(attrs={"rows": 4} | FIRST))


class LinkForm(forms.Form):
    """Something elsewhere."""

    title = forms.CharField(label="What is it?", max_length=200)
    url = forms.URLField(label="Address", assume_scheme="https")


class RoleForm(forms.Form):
    """Who does what."""

    role = forms.ChoiceField(label="Role", choices=RoleAssignment.Role.choices)
    person = forms.ModelChoiceField(Person.objects.filter(is_active=True), label="Person")


class OnsetForm(forms.Form):
    """When it began, as an estimate with an interval."""

    onset = WhenField(label="Began about")
    low = WhenField(label="At the earliest", required=False)
    high = WhenField(label="At the latest", required=False)
    why = forms.CharField(label="What does that rest on?", max_length=500, required=False)


class TypeForm(forms.Form):
    """What kind of thing went wrong."""

    type = forms.ChoiceField(label="Primary type", choices=IncidentType.choices())
    secondary = forms.MultipleChoiceField(
        label="Further types", choices=IncidentType.choices(), required=False, widget=forms.CheckboxSelectMultiple
    )


class SeverityForm(forms.Form):
    """One of the small forms about the severity of an incident, which stands at `level`, for a `viewer`."""

    def __init__(self, *args: Any, level: Severity, viewer: Person | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.level, self.viewer = level, viewer


class TechnicalForm(SeverityForm):
    """Technical impact."""

    technical = forms.TypedChoiceField(
        label="Technical impact",
        choices=[
            NOT_ASSESSED,
            (0, "T0 none"),
            (1, "T1 slight: a retry or a delay"),
            (2, "T2 material: part of the answers wrong or late"),
            (3, "T3 severe: most answers wrong, or the system down"),
            (4, "T4 critical: others fail with it, or data destroyed"),
        ],
        coerce=int,
        empty_value=None,
        required=False,
    )


class HarmForm(SeverityForm):
    """One dimension of harm."""

    dimension = forms.ChoiceField(label="Dimension", choices=HarmDimension.choices())
    value = forms.TypedChoiceField(
        label="Score",
        choices=[NOT_ASSESSED, *((n, f"H{n}") for n in range(5))],
        coerce=int,
        empty_value=None,
        required=False,
    )
    evidence = forms.CharField(label="Evidence", widget=forms.Textarea(attrs={"rows": 2}), required=False)


class RaiseForm(SeverityForm):
    """Raise by somebody's word, to what is worse than it is now."""

    to = forms.ChoiceField(label="Raise to")
    reason = forms.CharField(label="Why", max_length=500)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"] = _levels("Raise to", [one for one in Severity if one.worse_than(self.level)])


class LowerForm(SeverityForm):
    """Ask a named approver, who is somebody else, for a lower severity than it is now."""

    to = forms.ChoiceField(label="Lower to")
    approver = forms.ModelChoiceField(Person.objects.none(), label="Who decides?")
    reason = forms.CharField(label="What is known now that was not before?", widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        approvers = Person.objects.filter(is_active=True, role__in=[OrgRole.LEAD, OrgRole.ADMIN])
        self.fields["to"] = _levels("Lower to", [one for one in Severity if self.level.worse_than(one)])
        self.fields["approver"] = forms.ModelChoiceField(
            approvers.exclude(pk=self.viewer.pk) if self.viewer is not None else approvers,
            label="Who decides?",
            help_text="A lead or an administrator, and not you.",
        )


def _levels(label: str, levels: Sequence[Severity]) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(label=label, choices=[(one.value, one.name) for one in levels], coerce=int)
