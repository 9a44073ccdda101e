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

    @classmethod
    def of(cls, integration: Integration) -> "ChangeForm":
        """The form as the integration stands."""
        return cls(
            initial={
                "name": integration.name,
                "system": integration.system,
                "type": integration.settings.get("type", ""),
                "resolves_incidents": integration.resolves_incidents,
            }
        )

    def facts(self) -> dict[str, Any]:
        """What the actions take."""
        given = self.cleaned_data
        return {
            "name": given["name"],
            "system": given["system"],
            "type_": given["type"],
            "resolves_incidents": given["resolves_incidents"],
        }


class CreateForm(ChangeForm):
    """A new integration."""

    kind = forms.ChoiceField(
        choices=lambda: [(kind, adapter.title) for kind, adapter in adapters().items()],
        label="Kind",
        help_text="What sends the signals.",
    )
    slug = forms.CharField(
        max_length=60,
        label="Short name",
        help_text="Part of the address that signals are sent to, such as prometheus-eu. It stays as it is.",
    )
    field_order = ("kind", "name", "slug", "system", "type", "resolves_incidents")

    def facts(self) -> dict[str, Any]:
        """What the actions take."""
        return {**super().facts(), "kind": self.cleaned_data["kind"], "slug": self.cleaned_data["slug"]}
