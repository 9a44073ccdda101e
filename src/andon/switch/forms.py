"""What people fill in about a switch."""

from typing import Any

from django import forms
from django.db.models import Q, QuerySet

from andon.incidents.models import Incident
from andon.incidents.policy import visible
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.switching import STALE_MODES
from andon.practice.words import SwitchMode
from andon.sdk.guard.words import Limit
from andon.switch.actions import Setting
from andon.switch.models import Switch
from andon.switch.policy import may_release

DOES = {
    SwitchMode.ON: "In service: it decides, as always",
    SwitchMode.SAFE: "Safe fallback: rules, the earlier model or a fixed answer decide in its place",
    SwitchMode.REVIEW: "Review: it proposes, and people decide",
    SwitchMode.LIMIT: "Limited: it decides for a share of the requests",
    SwitchMode.OFF: "Off: it decides nothing, and callers are refused",
}
_ROWS = {"rows": 2}


class SwitchForm(forms.Form):
    """What the system may do, and why."""

    expected = forms.IntegerField(widget=forms.HiddenInput)
    mode = forms.ChoiceField(label="What may it do?", widget=forms.RadioSelect, choices=())
    percent = forms.FloatField(
        label="Share that it decides, in percent", help_text="With “limited”: less than 100, or a rate.",
        required=False, min_value=0, max_value=100,
    )  # fmt: skip
    per_second = forms.FloatField(
        label="Or requests a second, in each process", help_text="With “limited”.", required=False, min_value=0
    )
    incident = forms.ModelChoiceField(
        Incident.objects.none(), label="For which incident?", required=False, empty_label="For none",
        help_text="It has this on its timeline.",
    )  # fmt: skip
    reason = forms.CharField(label="Why?", widget=forms.Textarea(attrs=_ROWS), max_length=2_000)
    until = forms.CharField(
        label="Until what?", help_text="What must be so before it goes back into service.", required=False,
        max_length=300,
    )  # fmt: skip

    def __init__(self, given: Any = None, *, by: Actor, switch: Switch) -> None:
        super().__init__(given, initial={"expected": switch.number})
        offered = [mode for mode in DOES if mode is not SwitchMode.ON or may_release(by, switch.system)]
        self.fields["mode"].choices = [(mode.value, DOES[mode]) for mode in offered]  # type: ignore[attr-defined]
        self.fields["incident"].queryset = _incidents(by, switch)  # type: ignore[attr-defined]

    def setting(self) -> Setting:
        """What was filled in."""
        given = self.cleaned_data
        mode, percent, rate = SwitchMode(given["mode"]), given.get("percent"), given.get("per_second")
        share = percent / 100 if percent is not None else None
        said = share is not None or rate is not None
        limit = Limit(share=share, per_second=rate) if mode is SwitchMode.LIMIT and said else None
        return Setting(mode, given["reason"], limit, given["until"], given["incident"])


def _incidents(by: Actor, switch: Switch) -> QuerySet[Incident]:
    """The open incidents that it may be set for: those of the system, and those that name none."""
    about = Q(system=switch.system_id) | Q(system=None)
    return visible(by).filter(about, state__in=UNRESOLVED).order_by("-number")


class StalenessForm(forms.Form):
    """How long `on` lasts unheard, and what follows."""

    expected = forms.IntegerField(widget=forms.HiddenInput)
    max_stale_seconds = forms.IntegerField(
        label="Seconds that it goes on unheard", help_text="Andon speaks once a second. 5 or more."
    )
    on_stale = forms.ChoiceField(
        label="What it does then",
        choices=[(mode.value, "Go on" if mode is SwitchMode.ON else DOES[mode]) for mode in STALE_MODES],
    )

    @classmethod
    def of(cls, switch: Switch) -> "StalenessForm":
        """As it stands."""
        names = {"max_stale_seconds": switch.max_stale_seconds, "on_stale": switch.on_stale}
        return cls(initial=names | {"expected": switch.number})


class GuardTokenForm(forms.Form):
    """Where a token is used."""

    name = forms.CharField(label="Where is it used?", help_text="As “production, Frankfurt”.", max_length=80)
