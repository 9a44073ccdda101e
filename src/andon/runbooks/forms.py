"""The forms of runbooks and runs."""

from typing import Any

from django import forms

from andon.kit.errors import Refused
from andon.people.models import Person
from andon.practice.runbook import Runbook
from andon.runbooks import checking
from andon.runbooks.actions.shelving import WHY_LIMIT
from andon.runbooks.models import Feedback

_AREA = forms.Textarea(attrs={"rows": 3})


class TextForm(forms.Form):
    """A runbook's text as it would stand in a file."""

    text = forms.CharField(
        label="Its text",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 28, "class": "mono whole", "spellcheck": "false"}),
        help_text="Markdown with front matter, as in a file of the handbook. A mistake is named by its line.",
    )

    def clean_text(self) -> str:
        """The text, if it can be run: what is wrong in it is said together with what is wrong in the other fields."""
        try:
            return checking.must_read(self.cleaned_data["text"])
        except Refused as refused:
            raise forms.ValidationError(refused.what.split("\n")) from refused


class ProposalForm(TextForm):
    """Another text, and what it is for."""

    why = forms.CharField(label="What is the change for?", max_length=WHY_LIMIT)

    field_order = ("why", "text")


class FeedbackForm(forms.Form):
    """Did it help, and what was missing?"""

    helped = forms.ChoiceField(label="Did it help?", choices=Feedback.Helped.choices, widget=forms.RadioSelect)
    missing = forms.CharField(
        label="What was missing, wrong, or in the way?",
        required=False,
        widget=_AREA,
        help_text="Who may see the incident reads this.",
    )


class MissingStepForm(forms.Form):
    """A step that was missing: it becomes a proposed change, which its writer sees as a whole before it is sent."""

    title = forms.CharField(
        label="The step in a line", max_length=120, help_text="A verb first: “Stop the retry queue”."
    )
    body = forms.CharField(label="How, and when it is done", widget=forms.Textarea(attrs={"rows": 4}))
    after = forms.ChoiceField(label="After which step?")

    def __init__(self, book: Runbook, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["after"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared so above; this tells the type checker
        field.choices = [(step.key, f"{step.phase.label}: {step.title}") for step in book.steps if not step.outcomes]


class EndForm(forms.Form):
    """Why a run ends with steps still to do."""

    note = forms.CharField(label="Why does it end here?", required=False, widget=_AREA)


class OwnerForm(forms.Form):
    """Who answers for a runbook here."""

    owner = forms.ModelChoiceField(
        Person.objects.filter(is_active=True, erased_at=None), label="Owner", required=False, empty_label="Nobody named"
    )
