"""What people fill in about a lever: a form made of the fields of its adapter, a probe, and a target for drills."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms

from andon.containment import probes
from andon.containment.actions import LeverFacts
from andon.containment.lever import LeverAdapter
from andon.containment.models import Lever
from andon.kit.crypto import unless_sealed
from andon.kit.forms import setting
from andon.practice.containment import ApprovalRule
from andon.practice.words import ContainmentKind

_PARTS = ("settings", "probe", "drill_settings")


class LeverForm(forms.Form):
    """One lever. Fields of a part are named with it, as `settings.url`. A kept secret is not shown: empty keeps it."""

    name = forms.CharField(max_length=120, label="Name", help_text="What it does, as a verb: Roll back to v6.")
    kind = forms.ChoiceField(label="What it is")
    effect = forms.CharField(
        required=False,
        label="Effect",
        help_text="What people notice of it, as: scores come from last month’s model.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    approval = forms.ChoiceField(
        label="Who must agree",
        choices=ApprovalRule.choices(),
        help_text="At S1 nobody is waited for. Else the protocol may ask for more, never for less.",
    )
    verify_seconds = forms.IntegerField(
        label="Seconds until it must be seen",
        min_value=1,
        max_value=3600,
        help_text="From the act; then it is UNVERIFIED.",
    )
    every_seconds = forms.IntegerField(label="Seconds between two looks", min_value=1, max_value=60)

    def __init__(self, data: Any, *, adapter: LeverAdapter, lever: Lever | None = None) -> None:
        stands: dict[str, Any] = {
            "name": lever.name if lever else "",
            "kind": lever.kind if lever else "",
            "effect": lever.effect if lever else "",
            "approval": lever.approval if lever else ApprovalRule.ALONE,
            "verify_seconds": lever.verify_seconds if lever else 120,
            "every_seconds": lever.every_seconds if lever else 2,
        }
        super().__init__(data, initial=stands)
        kinds = self.fields["kind"]
        if isinstance(kinds, forms.ChoiceField):
            kinds.choices = [(kind.value, kind.label) for kind in ContainmentKind if kind in adapter.does]
        self._of = {"settings": adapter.fields, "probe": probes.FIELDS, "drill_settings": adapter.fields}
        for part in _PARTS:
            kept: Mapping[str, str] = unless_sealed(getattr(lever, part), {}) if lever else {}
            for one in self._of[part]:  # what is missing is not refused: a lever may be kept before it is complete
                made = setting(one, kept, required=False, filled=part == "settings" or bool(kept))
                made.needed = part == "settings" and one.required  # type: ignore[attr-defined]  # see field.html
                self.fields[f"{part}.{one.name}"] = made

    @property
    def plain(self) -> Iterable[forms.BoundField]:
        """What is asked of every lever."""
        return [self[name] for name in ("name", "kind", "effect", "approval", "verify_seconds", "every_seconds")]

    def part(self, name: str) -> Sequence[forms.BoundField]:
        """The fields of a part."""
        return [self[f"{name}.{one.name}"] for one in self._of[name]]

    @property
    def settings_part(self) -> Sequence[forms.BoundField]:
        """What the adapter asks for."""
        return self.part("settings")

    @property
    def probe_part(self) -> Sequence[forms.BoundField]:
        """What a probe asks for."""
        return self.part("probe")

    @property
    def drill_part(self) -> Sequence[forms.BoundField]:
        """What the adapter asks for, of a target for drills."""
        return self.part("drill_settings")

    def facts(self) -> LeverFacts:
        """What the actions take."""
        given = self.cleaned_data
        parts = {part: {one.name: given[f"{part}.{one.name}"] or "" for one in self._of[part]} for part in _PARTS}
        return LeverFacts(
            name=given["name"],
            kind=ContainmentKind(given["kind"]),
            effect=given["effect"],
            approval=ApprovalRule(given["approval"]),
            verify_seconds=given["verify_seconds"],
            every_seconds=given["every_seconds"],
            **parts,
        )
