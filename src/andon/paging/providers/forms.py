"""What an administrator fills in for one channel: a form made of the fields of its setup."""

from collections.abc import Mapping
from typing import Any

from django import forms

from andon.paging.setup import LONGEST, Field, Setup

_FORGET = "forget-"


class SettingsForm(forms.Form):
    """The settings of one channel.

    A secret is never shown: left empty it stays, and an optional one can be forgotten.
    """

    def __init__(self, setup: Setup, kept: Mapping[str, str], data: Any = None) -> None:
        super().__init__(data)
        self._setup = setup
        for field in setup.typed:
            is_set = bool(kept.get(field.name))
            self.fields[field.name] = _input(field, kept, is_set=is_set)
            if field.secret and is_set and not field.required:
                self.fields[_FORGET + field.name] = forms.BooleanField(
                    required=False, label=f"Forget the {field.label} that is kept"
                )

    def given(self) -> dict[str, str]:
        """What `actions.set_up` takes: an empty secret is left out, unless it is to be forgotten."""
        facts = self.cleaned_data
        return {
            field.name: facts[field.name]
            for field in self._setup.typed
            if facts[field.name] or not field.secret or facts.get(_FORGET + field.name)
        }


def _input(field: Field, kept: Mapping[str, str], *, is_set: bool) -> forms.Field:
    help_text = field.help
    attrs = {"autocomplete": "off", "spellcheck": "false"}
    if field.secret and is_set:
        help_text = f"{help_text} One is kept; leave this empty to keep it.".strip()
    return forms.CharField(
        max_length=LONGEST,
        label=field.label,
        help_text=help_text,
        required=field.required and not field.default and not (field.secret and is_set),
        initial="" if field.secret else kept.get(field.name) or field.default,
        widget=forms.PasswordInput(attrs=attrs) if field.secret else forms.TextInput(attrs=attrs),
    )
