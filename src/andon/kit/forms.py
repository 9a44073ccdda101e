"""What the pages' forms share."""

from typing import Any

from django import forms
from django.forms import BaseForm
from django.utils import timezone

from andon.kit.errors import Refused
from andon.kit.fields import LONGEST, Field, Settings
from andon.kit.instants import countable

_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


def refuse(form: BaseForm, refused: Refused) -> None:
    """Show a refusal where the person can do something about it: at its field, else above the form."""
    form.add_error(refused.field if refused.field in form.fields else None, refused.what)


class WhenField(forms.DateTimeField):
    """A time in the viewer's zone, given by the browser's own picker."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S")
        formats = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]
        super().__init__(widget=widget, input_formats=formats, **kwargs)

    def clean(self, value: Any) -> Any:
        """An instant that can be counted with: browsers take any year, and some lie at the ends of the calendar."""
        at = super().clean(value)
        try:
            return at if at is None else countable(at)
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None

    def prepare_value(self, value: Any) -> Any:
        """Show the time in the viewer's zone."""
        return timezone.localtime(value) if hasattr(value, "tzinfo") and value.tzinfo else value


def setting(one: Field, kept: Settings, *, required: bool, filled: bool = True) -> forms.Field:
    """The input of a setting. A secret is not shown: left empty, the one that is kept stays.

    `required`: the form is not taken without it. `filled`: what holds when it is left empty stands in it.
    """
    is_kept = one.secret and bool(kept.get(one.name))
    help_text = f"{one.help} One is kept; leave this empty to keep it.".strip() if is_kept else one.help
    shown = "" if one.secret else kept.get(one.name) or (one.default if filled else "")
    if one.choices:
        choices = [("", "…"), *one.choices]
        return forms.ChoiceField(
            label=one.label, help_text=help_text, required=required, choices=choices, initial=shown
        )
    widget: forms.Widget = forms.TextInput(attrs=_PLAIN)
    if one.long:
        widget = forms.Textarea(attrs={**_PLAIN, "rows": 3, "class": "mono"})
    elif one.secret:
        widget = forms.PasswordInput(attrs=_PLAIN)
    return forms.CharField(
        label=one.label, help_text=help_text, required=required and not is_kept, max_length=LONGEST, initial=shown,
        widget=widget, strip=not one.secret,
    )  # fmt: skip
