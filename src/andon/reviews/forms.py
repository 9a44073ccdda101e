"""The forms of reviews and of their actions."""

from typing import Any

from django import forms

from andon.people.models import Person
from andon.reviews import queries
from andon.reviews.actions import ACTION_TITLE_LIMIT, TITLE_LIMIT
from andon.reviews.models import Action, Review


class SectionForm(forms.Form):
    """A section's text, and the version that its writer began from."""

    body = forms.CharField(label="Text", required=False, strip=False, widget=forms.Textarea(attrs={"rows": 12}))
    seen_version = forms.IntegerField(widget=forms.HiddenInput)


class AddSectionForm(forms.Form):
    """One of the handbook's sections, or one of its own."""

    key = forms.ChoiceField(label="From the handbook", required=False)
    title = forms.CharField(label="Or a title of its own", required=False, max_length=TITLE_LIMIT)

    def __init__(self, review: Review, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(section.key, section.title) for section in queries.sections_left_out(review)]
        field = self.fields["key"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared so above; this tells the type checker
        field.choices = [("", "None of these"), *offered]


class ActionForm(forms.Form):
    """What is to be done, by whom, until when, and how somebody else can see that it worked."""

    title = forms.CharField(
        label="What is to be done?",
        max_length=ACTION_TITLE_LIMIT,
        help_text="One change to how things are, as “Alert when approvals of any group fall by 5 points”.",
    )
    owner = forms.ModelChoiceField(
        Person.objects.filter(is_active=True, erased_at=None), label="Who owns it?", empty_label="Choose a person"
    )
    due_on = forms.DateField(label="Due on", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    verification = forms.CharField(
        label="How can somebody else see that it worked?",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Somebody other than its owner verifies it.",
    )
    description = forms.CharField(label="More", required=False, widget=forms.Textarea(attrs={"rows": 3}))


class MoveActionForm(forms.Form):
    """Where an action goes, and why."""

    to = forms.ChoiceField(choices=Action.State.choices, widget=forms.HiddenInput)
    reason = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}), label="Reason, for the timeline")
