"""What people fill in about senders."""

from typing import Any

from django import forms

from andon.intake.adapters import adapters
from andon.intake.models import Integration
from andon.practice.words import IncidentType
from andon.registry.models import System


class ChangeForm(forms.Form):
    """What can be changed about an integration."""

    name = forms.CharField(max_length=120, label="Name", help_text="What people here call this sender.")
    system = forms.ModelChoiceField(
        queryset=System.objects.order_by("name"),
        to_field_name="slug",
        required=False,
        empty_label="None: each signal names its own",
        label="System",
        help_text="Signals that name no system are about this one.",
    )
    type = forms.ChoiceField(
        choices=[("", "Technical failure, unless a signal says otherwise"), *IncidentType.choices()],
        required=False,
        label="Type",
        help_text="What a signal is a sign of when it does not say.",
    )
    resolves_incidents = forms.BooleanField(
        required=False,
        label="Resolve an incident when all its signals have ended",
        help_text="Only for alerts whose end is proof. Incidents that people declared are never resolved by a rule.",
    )

    def __init__(self, kind: str, *args: Any, signed: bool = False, **more: Any) -> None:
        """With the fields of a kind of sender; `signed` = it has a secret already."""
        super().__init__(*args, **more)
        self.sender = adapters().get(kind)
        own: dict[str, forms.Field] = {}
        for field in self.sender.fields if self.sender else ():
            common: dict[str, Any] = {"label": field.label, "help_text": field.help, "required": field.required}
            own[field.name] = (
                forms.ChoiceField(choices=field.choices, **common)
                if field.choices
                else forms.CharField(max_length=500, **common)
            )
        if self.sender and self.sender.signed_by:
            own["secret"] = forms.CharField(
                label=f"{self.sender.signed_by} of {self.sender.title}",
                help_text="It is kept. Fill this in only to replace it."
                if signed
                else "With it every request must be signed, and the token is not needed. It is not shown again.",
                required=False,
                max_length=500,
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )
        if signed:
            own["unsigned"] = forms.BooleanField(
                required=False, label="Forget the secret: ask for the token in place of a signature"
            )
        self.fields.update(own)

    @classmethod
    def of(cls, integration: Integration, data: Any = None) -> "ChangeForm":
        """The form as the integration stands, or as it was filled in."""
        initial = {
            "name": integration.name,
            "system": integration.system,
            "type": integration.settings.get("type", ""),
            "resolves_incidents": integration.resolves_incidents,
        }
        own = {name: value for name, value in integration.settings.items() if name != "type"}
        return cls(integration.kind, data, initial=own | initial, signed=bool(integration.secret))

    def facts(self) -> dict[str, Any]:
        """What the actions take; a secret of None stays as it is."""
        given = self.cleaned_data
        secret = given.get("secret") or None
        return {
            "name": given["name"],
            "system": given["system"],
            "type_": given["type"],
            "resolves_incidents": given["resolves_incidents"],
            "secret": "" if given.get("unsigned") else secret,
            "options": {field.name: given[field.name] for field in (self.sender.fields if self.sender else ())},
        }


class CreateForm(ChangeForm):
    """A new integration of a kind that was chosen before."""

    kind = forms.CharField(widget=forms.HiddenInput)
    slug = forms.CharField(
        max_length=60,
        label="Short name",
        help_text="Part of the address that signals are sent to, such as prometheus-eu. It stays as it is.",
    )
    field_order = ("kind", "name", "slug")

    def facts(self) -> dict[str, Any]:
        """What the actions take."""
        facts = super().facts()
        given = self.cleaned_data
        return {**facts, "secret": facts["secret"] or "", "kind": given["kind"], "slug": given["slug"]}
