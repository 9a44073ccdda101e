"""What people fill in about systems and components."""

import re
from typing import Any

from django import forms

from andon.oncall.facts import find_person, find_team
from andon.oncall.forms import people_choices
from andon.oncall.models import Chain
from andon.people.models import Team
from andon.practice.words import Criticality, RiskClass, Stage, SystemKind
from andon.registry.actions import ComponentFacts, SystemFacts
from andon.registry.models import Component, System

_SPLIT = re.compile(r"[,;\n]+")


class SystemForm(forms.Form):
    """A system of the register."""

    name = forms.CharField(max_length=120, label="Name")
    purpose = forms.CharField(
        required=False,
        label="Purpose",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What it decides or makes, for whom, in a sentence or two.",
    )
    kind = forms.ChoiceField(choices=SystemKind.choices(), label="Kind", initial=SystemKind.OTHER)
    criticality = forms.ChoiceField(choices=Criticality.choices(), label="Criticality", initial=Criticality.MODERATE)
    risk_class = forms.ChoiceField(choices=RiskClass.choices(), label="Risk class", initial=RiskClass.UNASSESSED)
    owner = forms.ChoiceField(
        required=False, label="Owner", help_text="The person who answers for it. Production asks for one."
    )
    team = forms.ChoiceField(required=False, label="Team")
    chain = forms.ChoiceField(
        required=False, label="Chain", help_text="Who is paged for its incidents. Production asks for one."
    )
    jurisdictions = forms.CharField(
        required=False, label="Jurisdictions", help_text="ISO 3166 codes with commas: DE, US-NY; and EU."
    )
    groups = forms.CharField(
        required=False,
        label="Monitored groups",
        help_text="Names with commas of the groups whose outcomes are compared: sex, age band.",
    )
    decision_log = forms.CharField(
        required=False,
        max_length=500,
        label="Decision log",
        help_text="Where it lies: a path, table or URL.",
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )

    def __init__(self, *args: Any, system: System | None = None, **kwargs: Any) -> None:
        if system is not None:
            kwargs["initial"] = _initial(system)
        super().__init__(*args, **kwargs)
        people = people_choices()
        if system and system.owner and str(system.owner.pk) not in dict(people):
            people.append((str(system.owner.pk), f"{system.owner} (deactivated)"))
        chains = Chain.objects.filter(archived_at__isnull=True)
        choices = {
            "owner": people,
            "team": [(str(team.pk), str(team)) for team in Team.objects.all()],
            "chain": [(str(chain.pk), str(chain)) for chain in chains],
        }
        for field, values in choices.items():
            self.fields[field].choices = [("", "Nobody yet" if field == "owner" else "None yet"), *values]  # type: ignore[attr-defined]  # a ChoiceField

    def facts(self) -> SystemFacts:
        """What the actions take."""
        given = self.cleaned_data
        return SystemFacts(
            name=given["name"],
            purpose=given["purpose"],
            kind=SystemKind(given["kind"]),
            criticality=Criticality(given["criticality"]),
            risk_class=RiskClass(given["risk_class"]),
            owner=find_person(given["owner"], "owner") if given["owner"] else None,
            team=find_team(given["team"]),
            chain=Chain.objects.filter(pk=given["chain"]).first() if given["chain"] else None,
            jurisdictions=_SPLIT.split(given["jurisdictions"]),
            groups=_SPLIT.split(given["groups"]),
            decision_log=given["decision_log"],
        )


class StageForm(forms.Form):
    """Where to move a system."""

    to = forms.ChoiceField(choices=Stage.choices(), label="Move it to")
    override_reason = forms.CharField(
        required=False,
        max_length=2000,
        label="Reason to override",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=(
            "For a system that is not ready: it is kept, and stands on this page as long as the system is in "
            "production and not ready."
        ),
    )

    def __init__(self, *args: Any, system: System, may_override: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].choices = [(v, label) for v, label in Stage.choices() if v != system.stage]  # type: ignore[attr-defined]  # a ChoiceField
        if not may_override:
            del self.fields["override_reason"]


class ComponentForm(forms.Form):
    """A third-party model, API or data source."""

    name = forms.CharField(max_length=120, label="Name")
    kind = forms.ChoiceField(choices=Component.Kind.choices, label="Kind")
    vendor = forms.CharField(required=False, max_length=120, label="Vendor")
    model = forms.CharField(required=False, max_length=120, label="Model")
    version = forms.CharField(required=False, max_length=80, label="Version")
    region = forms.CharField(required=False, max_length=80, label="Region")

    def facts(self) -> ComponentFacts:
        """What the actions take."""
        given = dict(self.cleaned_data)
        return ComponentFacts(kind=Component.Kind(given.pop("kind")), **given)


class DependencyForm(forms.Form):
    """What a system stands on."""

    component = forms.ChoiceField(label="Component")
    purpose = forms.CharField(required=False, max_length=200, label="What for")

    def __init__(self, *args: Any, system: System, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Component.objects.exclude(dependencies__system=system)
        self.fields["component"].choices = [(row.slug, str(row)) for row in rows]  # type: ignore[attr-defined]  # a ChoiceField


def _initial(system: System) -> dict[str, Any]:
    plain = ("name", "purpose", "kind", "criticality", "risk_class", "decision_log")
    return {name: getattr(system, name) for name in plain} | {
        "owner": str(system.owner_id or ""),
        "team": str(system.team_id or ""),
        "chain": str(system.chain_id or ""),
        "jurisdictions": ", ".join(system.jurisdictions),
        "groups": ", ".join(system.groups),
    }
