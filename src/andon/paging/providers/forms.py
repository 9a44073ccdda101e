"""What an administrator fills in for one channel: a form made of the fields of its setup."""

from collections.abc import Mapping
from typing import Any

from django import forms

from andon.kit.forms import setting
from andon.paging.setup import Setup

_FORGET = "forget-"


class SettingsForm(forms.Form):
    """The settings of one channel.

    A secret is never shown: left empty it stays, and an optional one can be forgotten.
    """

    def __init__(self, setup: Setup, kept: Mapping[str, str], data: Any = None) -> None:
        super().__init__(data)
        self._setup = setup
        for field in setup.typed:
            self.fields[field.name] = setting(field, kept, required=field.required and not field.default)
            if field.secret and kept.get(field.name) and not field.required:
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
