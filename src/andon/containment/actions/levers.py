"""Levers are prepared: made, changed, taken out of use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from andon.containment import adapters, probes
from andon.containment.lever import LeverAdapter, cleaned
from andon.containment.models import Lever
from andon.containment.policy import must_prepare
from andon.incidents.actions import next_number
from andon.kit import clock, db
from andon.kit.crypto import readable
from andon.kit.errors import Conflict, Invalid
from andon.kit.fields import Field, Settings
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule
from andon.practice.words import ContainmentKind
from andon.registry.models import System

_NAME_LIMIT = 120
_EFFECT_LIMIT = 2_000
"""Characters of what people notice: it stands beside the button."""
_MOST_VERIFY, _MOST_EVERY = 3600, 60
_ACTS = ("kind", "settings", "drill_settings", "probe", "verify_seconds", "every_seconds")
"""What is acted on and looked at: a change of it makes the last rehearsal one of another lever."""


@dataclass(frozen=True)
class LeverFacts:
    """A lever as somebody prepares it. An empty secret leaves the kept one, while its target stays the same."""

    name: str
    kind: ContainmentKind
    effect: str = ""
    settings: Settings = field(default_factory=dict)
    drill_settings: Settings = field(default_factory=dict)
    probe: Settings = field(default_factory=dict)
    approval: ApprovalRule = ApprovalRule.ALONE
    verify_seconds: int = 120
    every_seconds: int = 2


@transaction.atomic
def create_lever(system: System, adapter: str, facts: LeverFacts, *, by: Actor) -> Lever:
    """Prepare a lever for a system. Settings need not be complete: what is missing stands against its fitness.

    Raises `Invalid` naming the field; `Conflict` where the system has a lever of that name.
    """
    must_prepare(by, "prepare levers")
    said = _said(_adapter(adapter), facts, None)
    _free(system, facts.name)
    return Lever.objects.create(
        number=next_number("lever"), system=system, adapter=adapter, made_by=by.person, changed_at=clock.now(), **said
    )


@transaction.atomic
def change_lever(lever: Lever, facts: LeverFacts, *, by: Actor) -> Lever:
    """Change a lever. Pulls that were asked for keep what they were asked with."""
    must_prepare(by, "change levers")
    held = db.lock(Lever.objects.filter(pk=lever.pk).select_related("system")).get()
    if held.ended_at is not None:
        raise Conflict(f"The lever “{held.name}” was taken out of use. Prepare a new one.")
    said = _said(_adapter(held.adapter), facts, held)
    _free(held.system, facts.name, but=held)
    acts_otherwise = any(getattr(held, name) != said[name] for name in _ACTS)
    for name, value in said.items():
        setattr(held, name, value)
    held.revision += acts_otherwise
    held.changed_at = clock.now()
    held.save()
    return held


@transaction.atomic
def end_lever(lever: Lever, *, by: Actor) -> Lever:
    """Take a lever out of use. A pull that is under way goes on."""
    must_prepare(by, "take levers out of use")
    now = clock.now()
    if Lever.objects.filter(pk=lever.pk, ended_at=None).update(ended_at=now, changed_at=now) != 1:
        raise Conflict(f"The lever “{lever.name}” was taken out of use already.")
    lever.refresh_from_db()
    return lever


def _adapter(kind: str) -> LeverAdapter:
    try:
        return adapters.find(kind)
    except LookupError as error:
        raise Invalid(str(error), field="adapter") from error


def _said(adapter: LeverAdapter, facts: LeverFacts, before: Lever | None) -> dict[str, Any]:
    """The facts as they are kept."""
    name = facts.name.strip()
    if not name or len(name) > _NAME_LIMIT:
        raise Invalid(f"A lever needs a name of at most {_NAME_LIMIT} characters, as “Roll back to v6”.", field="name")
    if facts.kind not in adapter.does:
        can = " or ".join(sorted(ContainmentKind(kind).words for kind in adapter.does))
        raise Invalid(f"A {adapter.title} lever can {can}.", field="kind")
    if len(facts.effect) > _EFFECT_LIMIT:
        raise Invalid(f"The effect has at most {_EFFECT_LIMIT:,} characters; it stands by the button.", field="effect")
    if not 1 <= facts.verify_seconds <= _MOST_VERIFY:
        raise Invalid(f"From 1 to {_MOST_VERIFY} seconds.", field="verify_seconds")
    if not 1 <= facts.every_seconds <= _MOST_EVERY:
        raise Invalid(f"From 1 to {_MOST_EVERY} seconds.", field="every_seconds")
    settings = _cleaned("settings", adapter.fields, facts.settings, before.settings if before else None)
    drill: Settings = {}
    if any(value.strip() for value in facts.drill_settings.values()):
        kept = before.drill_settings if before else None
        drill = _cleaned("drill_settings", adapter.fields, facts.drill_settings, kept)
    probe: Settings = {}
    if facts.probe.get("url", "").strip():
        probe = _cleaned("probe", probes.FIELDS, facts.probe, before.probe if before else None)
        if wrong := probes.complaints(probe):
            raise Invalid(wrong[0], field="probe.pointer")
    return {
        "name": name,
        "kind": facts.kind,
        "effect": facts.effect.strip(),
        "settings": dict(settings),
        "drill_settings": dict(drill),
        "probe": dict(probe),
        "approval": facts.approval,
        "verify_seconds": facts.verify_seconds,
        "every_seconds": facts.every_seconds,
    }


def _cleaned(part: str, fields: Sequence[Field], given: Settings, before: Settings | None) -> Settings:
    """As `lever.cleaned`; the field that is refused is named with the part that it stands in."""
    try:
        return cleaned(fields, given, before if readable(before) else None)
    except Invalid as error:
        raise Invalid(error.what, field=f"{part}.{error.field}") from error


def _free(system: System, name: str, but: Lever | None = None) -> None:
    """Raise `Conflict` where the system has another lever of that name."""
    rows = Lever.objects.filter(system=system, name=name.strip(), ended_at=None)
    if (rows.exclude(pk=but.pk) if but else rows).exists():
        raise Conflict(f"{system} has a lever “{name.strip()}” already. Give this one another name.", code="name-taken")
