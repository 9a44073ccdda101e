"""Writes: systems, the stage they are in, components, and what stands on what."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from andon.kit import clock
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.kit.slugs import free
from andon.oncall.models import Chain
from andon.people.models import Person, Team
from andon.people.policy import Actor
from andon.practice.readiness import Finding
from andon.practice.words import ChangeKind, Criticality, RiskClass, Stage, SystemKind
from andon.registry import policy, queries
from andon.registry.models import ChangeEvent, Component, Dependency, StageChange, System

_JURISDICTION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_MOST_NAMES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFacts:
    """What the register keeps of a system, but for its stage.

    Attributes:
        jurisdictions: ISO 3166 codes ("DE", "US-NY"), and "EU".
        groups: Names of the groups whose outcomes are compared.
        decision_log: Where it lies: a path, table or URL.
    """

    name: str
    purpose: str = ""
    kind: SystemKind = SystemKind.OTHER
    criticality: Criticality = Criticality.MODERATE
    risk_class: RiskClass = RiskClass.UNASSESSED
    jurisdictions: Sequence[str] = ()
    owner: Person | None = None
    team: Team | None = None
    chain: Chain | None = None
    groups: Sequence[str] = ()
    decision_log: str = ""

    def columns(self) -> dict[str, Any]:
        """The columns of a system, after a check of each; `Invalid` names the field that cannot be taken."""
        if self.owner is not None and (not self.owner.is_active or self.owner.erased_at):
            raise Invalid(f"{self.owner} is deactivated and cannot answer for a system.", field="owner")
        if self.chain is not None and self.chain.archived_at:
            raise Invalid(f"The chain {self.chain} is archived. Choose another.", field="chain")
        if len(self.decision_log) > 500:  # noqa: PLR2004  the column's length
            raise Invalid("The decision log's place has at most 500 characters.", field="decision_log")
        return {
            "name": _name(self.name),
            "purpose": self.purpose.strip(),
            "kind": self.kind.value,
            "criticality": self.criticality.value,
            "risk_class": self.risk_class.value,
            "jurisdictions": _jurisdictions(self.jurisdictions),
            "owner": self.owner,
            "team": self.team,
            "chain": self.chain,
            "groups": _names(self.groups, "groups"),
            "decision_log": self.decision_log.strip(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentFacts:
    """What the register keeps of a component."""

    name: str
    kind: Component.Kind
    vendor: str = ""
    model: str = ""
    version: str = ""
    region: str = ""

    def columns(self) -> dict[str, Any]:
        """The columns of a component, after a check of each."""
        longest = {"vendor": 120, "model": 120, "version": 80, "region": 80}
        values = {field: getattr(self, field).strip() for field in longest}
        for field, limit in longest.items():
            if len(values[field]) > limit:
                raise Invalid(f"It has at most {limit} characters.", field=field)
        return {"name": _name(self.name), "kind": self.kind.value, **values}


@transaction.atomic
def register(*, by: Actor, facts: SystemFacts, slug: str = "", stage: Stage = Stage.DEVELOPMENT) -> System:
    """Put a system into the register. It does not begin in production: that asks for readiness, see `move_stage`."""
    policy.must_edit(by, "register systems")
    if stage is Stage.PRODUCTION:
        raise Invalid(
            "A system does not begin in production. Register it, then move it to production once it is ready.",
            field="stage",
        )
    columns = facts.columns()
    return System.objects.create(slug=free(System, facts.name, slug), stage=stage.value, **columns)


@transaction.atomic
def change(*, by: Actor, system: System, facts: SystemFacts) -> System:
    """Change what the register says of a system. A change that leaves it not ready is taken, and shown."""
    policy.must_edit(by, "change systems")
    columns = facts.columns()
    for column, value in columns.items():
        setattr(system, column, value)
    system.save(update_fields=list(columns))
    return system


@transaction.atomic
def move_stage(*, by: Actor, system: System, to: Stage, override_reason: str = "") -> StageChange:
    """Move a system to another stage. Production is refused until the system is ready.

    An administrator can override that with a reason, which is kept with the findings and stays visible for as long
    as the system is in production and not ready.

    Raises:
        Conflict: it is there already, somebody moved it meanwhile, or it is not ready; then each finding is named.
        Forbidden: not a lead; or an override by somebody else than an administrator.
    """
    policy.must_edit(by, "move systems")
    before = Stage(system.stage)
    reason = override_reason.strip()
    if before is to:
        raise Conflict(f"{system} is in {to.words} already.")
    findings = () if to is not Stage.PRODUCTION else queries.readiness(system, clock.now()).findings
    if findings and not reason:
        raise Conflict(
            f"{system} is not ready for production. " + " ".join(finding.text for finding in findings),
            code="not-ready",
        )
    if findings and not policy.may_override(by):
        raise Forbidden(
            f"{system} is not ready, and only an administrator can move it to production all the same. "
            + " ".join(finding.text for finding in findings)
        )
    moved = System.objects.filter(pk=system.pk, stage=before.value).update(stage=to.value)
    if moved != 1:
        raise Conflict(f"Somebody moved {system} meanwhile. Look at where it is now.")
    system.stage = to.value
    return StageChange.objects.create(
        system=system,
        before=before.value,
        after=to.value,
        by=by.person,
        override_reason=reason if findings else "",
        findings=[finding_json(finding) for finding in findings],
    )


@transaction.atomic
def add_component(*, by: Actor, facts: ComponentFacts, slug: str = "") -> Component:
    """Put a component into the register."""
    policy.must_edit(by, "register components")
    columns = facts.columns()
    return Component.objects.create(slug=free(Component, facts.name, slug), **columns)


@transaction.atomic
def change_component(*, by: Actor, component: Component, facts: ComponentFacts) -> Component:
    """Change what the register says of a component."""
    policy.must_edit(by, "change components")
    columns = facts.columns()
    for column, value in columns.items():
        setattr(component, column, value)
    component.save(update_fields=list(columns))
    return component


@transaction.atomic
def depend(*, by: Actor, system: System, component: Component, purpose: str = "") -> Dependency:
    """Say that a system stands on a component, and what for."""
    policy.must_edit(by, "change what a system stands on")
    if len(purpose) > 200:  # noqa: PLR2004  the column's length
        raise Invalid("The purpose has at most 200 characters.", field="purpose")
    row, _ = Dependency.objects.update_or_create(
        system=system, component=component, defaults={"purpose": purpose.strip()}
    )
    return row


@transaction.atomic
def stop_depending(*, by: Actor, system: System, component: Component) -> None:
    """Say that a system no longer stands on a component."""
    policy.must_edit(by, "change what a system stands on")
    gone, _ = Dependency.objects.filter(system=system, component=component).delete()
    if gone != 1:
        raise Conflict(f"{system} does not stand on {component}.")


@transaction.atomic
def tell_change(
    *,
    by: Actor,
    system: System,
    title: str,
    kind: ChangeKind = ChangeKind.DEPLOYED,
    at: datetime | None = None,
    url: str = "",
    labels: Mapping[str, str] | None = None,
    key: str = "",
) -> ChangeEvent:
    """Say that something about a system changed, for whoever will diagnose an incident. It alarms nobody.

    Args:
        by: Who says it, or in whose name a script does.
        system: What changed.
        title: What changed, in a line.
        kind: What sort of change.
        at: When; now when left out.
        url: Where to read more, such as the run of the pipeline.
        labels: Names and texts, such as the version.
        key: The caller's own mark; the same one again for this system is the same change, and changes nothing.
    """
    policy.must_tell_changes(by)
    title, url, key = " ".join(title.split()), url.strip(), key.strip()
    if not title or len(title) > 300:  # noqa: PLR2004  the column's length
        raise Invalid("Say what changed, in 1 to 300 characters.", field="title")
    if url and (not url.startswith(("http://", "https://")) or len(url) > 2000):  # noqa: PLR2004  as above
        raise Invalid("A link begins with https:// or http:// and has at most 2000 characters.", field="url")
    if len(key) > 190:  # noqa: PLR2004  leaves room for the system's short name
        raise Invalid("A key has at most 190 characters.", field="key")
    if labels and (len(labels) > 64 or any(len(k) > 100 or len(v) > 1000 for k, v in labels.items())):  # noqa: PLR2004  as of signals
        raise Invalid("Give at most 64 labels, names of at most 100 and texts of at most 1000.", field="labels")
    facts = {"system": system, "title": title, "kind": kind.value, "at": at or clock.now(), "url": url,
             "labels": dict(labels or {})}  # fmt: skip
    if not key:
        return ChangeEvent.objects.create(source=ChangeEvent.BY_API, **facts)
    own = f"{system.slug}:{key}"
    row, _ = ChangeEvent.objects.get_or_create(source=ChangeEvent.BY_API, key=own, defaults=facts)
    return row


def finding_json(finding: Finding) -> dict[str, str | None]:
    """A finding as JSON, for rows and the API."""
    return {
        "code": finding.code.value,
        "text": finding.text,
        "at": finding.at.isoformat() if finding.at else None,
        "until": finding.until.isoformat() if finding.until else None,
    }


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 120:  # noqa: PLR2004  the column's length
        raise Invalid("Give a name of 1 to 120 characters.", field="name")
    return name


def _names(values: Sequence[str], field: str) -> list[str]:
    names = list(dict.fromkeys(value.strip() for value in values if value.strip()))
    if len(names) > _MOST_NAMES or any(len(name) > 80 for name in names):  # noqa: PLR2004  fits a table cell
        raise Invalid(f"Give at most {_MOST_NAMES}, each of at most 80 characters.", field=field)
    return names


def _jurisdictions(values: Sequence[str]) -> list[str]:
    codes = [code.upper() for code in _names(values, "jurisdictions")]
    for code in codes:
        if not _JURISDICTION.fullmatch(code):
            raise Invalid(f"{code!r} is no ISO 3166 code. Write DE, US-NY, or EU.", field="jurisdictions")
    return codes
