"""What the pages' forms share."""

from typing import Any

from django import forms
from django.forms import BaseForm
from django.utils import timezone

from andon.kit.errors import Refused


def refuse(form: BaseForm, refused: Refused) -> None:
    """Show a refusal where the person can do something about it: at its field, else above the form."""
    form.add_error(refused.field if refused.field in form.fields else None, refused.what)


class WhenField(forms.DateTimeField):
    """A time in the viewer's zone, given by the browser's own picker."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S")
        formats = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]
        super().__init__(widget=widget, input_formats=formats, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Show the time in the viewer's zone."""
        return timezone.localtime(value) if hasattr(value, "tzinfo") and value.tzinfo else value
