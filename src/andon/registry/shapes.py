"""What the API takes and gives about the register."""

from datetime import datetime
from uuid import UUID

from ninja import Field, Schema

from andon.kit.errors import Invalid
from andon.kit.instants import Instant
from andon.kit.shapes import Given
from andon.oncall.facts import find_person, find_team
from andon.oncall.models import Chain
from andon.oncall.shapes import NowAndNextOut, PersonShort
from andon.practice.readiness import Finding, Readiness
from andon.practice.words import ChangeKind, Criticality, RiskClass, Stage, SystemKind
from andon.registry.actions import ComponentFacts, SystemFacts
from andon.registry.models import ChangeEvent, Component, StageChange, System
from andon.registry.queries import OnCallFor


class FindingOut(Schema):
    """One thing that stands against readiness: what fails, when, and what to do."""

    code: str
    text: str
    at: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, finding: Finding) -> "FindingOut":
        """The finding as the API says it."""
        return cls(code=finding.code.value, text=finding.text, at=finding.at, until=finding.until)


class ReadinessOut(Schema):
    """Whether a system is ready for production, everything that stands against it, and what is worth doing besides."""

    ready: bool
    findings: list[FindingOut]
    advice: list[FindingOut]

    @classmethod
    def of(cls, verdict: Readiness) -> "ReadinessOut":
        """The verdict as the API says it."""
        return cls(
            ready=verdict.ready,
            findings=[FindingOut.of(finding) for finding in verdict.findings],
            advice=[FindingOut.of(finding) for finding in verdict.advice],
        )


class SystemIn(Given):
    """A system for the register. It does not begin in production."""

    name: str
    slug: str = ""
    stage: Stage = Stage.DEVELOPMENT
    purpose: str = ""
    kind: SystemKind = SystemKind.OTHER
    criticality: Criticality = Criticality.MODERATE
    risk_class: RiskClass = RiskClass.UNASSESSED
    jurisdictions: list[str] = Field([], description='ISO 3166 codes ("DE", "US-NY"), and "EU".')
    owner: str | None = Field(None, description="Id or e-mail address.")
    team: str | None = Field(None, description="Short name or id.")
    chain: str | None = Field(None, description="Short name.")
    groups: list[str] = Field([], description="Names of the groups whose outcomes are compared.")
    decision_log: str = Field("", description="Where it lies: a path, table or URL.")

    def facts(self) -> SystemFacts:
        """As the action takes it."""
        return SystemFacts(
            name=self.name,
            purpose=self.purpose,
            kind=self.kind,
            criticality=self.criticality,
            risk_class=self.risk_class,
            jurisdictions=self.jurisdictions,
            owner=find_person(self.owner, "owner") if self.owner else None,
            team=find_team(self.team),
            chain=find_chain(self.chain),
            groups=self.groups,
            decision_log=self.decision_log,
        )


class SystemChange(Given):
    """What to change; what is left out stays, null empties. The stage is moved at `/systems/{slug}/stage`."""

    name: str | None = None
    purpose: str | None = None
    kind: SystemKind | None = None
    criticality: Criticality | None = None
    risk_class: RiskClass | None = None
    jurisdictions: list[str] | None = None
    owner: str | None = None
    team: str | None = None
    chain: str | None = None
    groups: list[str] | None = None
    decision_log: str | None = None

    def on(self, system: System) -> SystemFacts:
        """The system's facts with these changes."""
        given = self.model_fields_set
        return SystemFacts(
            name=system.name if self.name is None else self.name,
            purpose=system.purpose if self.purpose is None else self.purpose,
            kind=self.kind or SystemKind(system.kind),
            criticality=self.criticality or Criticality(system.criticality),
            risk_class=self.risk_class or RiskClass(system.risk_class),
            jurisdictions=system.jurisdictions if self.jurisdictions is None else self.jurisdictions,
            owner=system.owner if "owner" not in given else find_person(self.owner, "owner") if self.owner else None,
            team=find_team(self.team) if "team" in given else system.team,
            chain=find_chain(self.chain) if "chain" in given else system.chain,
            groups=system.groups if self.groups is None else self.groups,
            decision_log=system.decision_log if self.decision_log is None else self.decision_log,
        )


class SystemOut(Schema):
    """A system of the register."""

    slug: str
    name: str
    purpose: str
    kind: str
    stage: str
    criticality: str
    risk_class: str
    jurisdictions: list[str]
    owner: PersonShort | None
    team: str | None
    chain: str | None
    groups: list[str]
    decision_log: str
    ready: bool

    @classmethod
    def of(cls, row: System, verdict: Readiness) -> "SystemOut":
        """The row and its readiness as the API says them."""
        return cls(
            slug=row.slug,
            name=row.name,
            purpose=row.purpose,
            kind=row.kind,
            stage=row.stage,
            criticality=row.criticality,
            risk_class=row.risk_class,
            jurisdictions=row.jurisdictions,
            owner=PersonShort.of(row.owner) if row.owner else None,
            team=row.team.slug if row.team else None,
            chain=row.chain.slug if row.chain else None,
            groups=row.groups,
            decision_log=row.decision_log,
            ready=verdict.ready,
        )


class DependencyOut(Schema):
    """A component that a system stands on."""

    component: str
    name: str
    purpose: str


class ReadinessOverrideOut(Schema):
    """Who moved a system to production that was not ready, why, and what stood against it then."""

    by: PersonShort | None
    at: datetime
    reason: str
    findings: list[FindingOut]

    @classmethod
    def of(cls, row: StageChange) -> "ReadinessOverrideOut":
        """The row as the API says it."""
        return cls(
            by=PersonShort.of(row.by) if row.by else None,
            at=row.created_at,
            reason=row.override_reason,
            findings=[FindingOut(**finding) for finding in row.findings],
        )


class SystemDetail(SystemOut):
    """A system with what stands against it and what it stands on."""

    findings: list[FindingOut]
    override: ReadinessOverrideOut | None
    components: list[DependencyOut]


class StageIn(Given):
    """Where to move a system; the reason is an administrator's, for one that is not ready."""

    to: Stage
    override_reason: str = ""


class StageChangeOut(Schema):
    """A move from one stage to another."""

    before: str
    after: str
    by: PersonShort | None
    at: datetime
    override_reason: str
    findings: list[FindingOut]

    @classmethod
    def of(cls, row: StageChange) -> "StageChangeOut":
        """The row as the API says it."""
        return cls(
            before=row.before,
            after=row.after,
            by=PersonShort.of(row.by) if row.by else None,
            at=row.created_at,
            override_reason=row.override_reason,
            findings=[FindingOut(**finding) for finding in row.findings],
        )


class ChangeEventIn(Given):
    """Something that changed about a system."""

    title: str = Field(description="What changed, in a line.")
    kind: ChangeKind = ChangeKind.DEPLOYED
    at: Instant | None = Field(None, description="When; now when left out.")
    url: str = Field("", description="Where to read more, such as the pipeline's run.")
    labels: dict[str, str] = {}
    key: str = Field("", description="Your own mark: the same one again for this system is the same change.")


class ChangeEventOut(Schema):
    """Something that changed about a system."""

    id: UUID
    title: str
    kind: str
    at: datetime
    url: str
    labels: dict[str, str]
    source: str = Field(description='Short name of the integration that heard it; "api" where it was said here.')

    @classmethod
    def of(cls, row: ChangeEvent) -> "ChangeEventOut":
        """The row as the API says it."""
        return cls(
            id=row.pk, title=row.title, kind=row.kind, at=row.at, url=row.url, labels=row.labels, source=row.source
        )


class ComponentIn(Given):
    """A third-party model, API or data source."""

    name: str
    kind: str = Field(description="model, api, data or infrastructure.")
    slug: str = ""
    vendor: str = ""
    model: str = ""
    version: str = ""
    region: str = ""

    def facts(self) -> ComponentFacts:
        """As the action takes it."""
        if self.kind not in Component.Kind.values:
            raise Invalid(f"The kind is one of {', '.join(Component.Kind.values)}.", field="kind")
        return ComponentFacts(
            name=self.name,
            kind=Component.Kind(self.kind),
            vendor=self.vendor,
            model=self.model,
            version=self.version,
            region=self.region,
        )


class ComponentOut(Schema):
    """A component, and the short names of the systems that stand on it."""

    slug: str
    name: str
    kind: str
    vendor: str
    model: str
    version: str
    region: str
    systems: list[str]

    @classmethod
    def of(cls, row: Component) -> "ComponentOut":
        """The row as the API says it."""
        return cls(
            slug=row.slug,
            name=row.name,
            kind=row.kind,
            vendor=row.vendor,
            model=row.model,
            version=row.version,
            region=row.region,
            systems=sorted(system.slug for system in row.systems.all()),
        )


class PurposeIn(Given):
    """What a system uses a component for."""

    purpose: str = ""


class ReachedOut(Schema):
    """Somebody who would be paged, and by what."""

    id: UUID
    name: str
    via: str


class OnCallForOut(Schema):
    """Who would be paged first for a system now, and who is on call now and next in the schedules asked first."""

    system: str
    name: str
    reached: list[ReachedOut]
    schedules: list[NowAndNextOut]

    @classmethod
    def of(cls, row: OnCallFor) -> "OnCallForOut":
        """The row as the API says it."""
        return cls(
            system=row.system.slug,
            name=row.system.name,
            reached=[ReachedOut(id=r.person.pk, name=str(r.person), via=r.via) for r in row.reached],
            schedules=[NowAndNextOut.of(one) for one in row.schedules],
        )


class OnCallOut(Schema):
    """Who is on call now and next: by system, and by schedule."""

    at: datetime
    systems: list[OnCallForOut]
    schedules: list[NowAndNextOut]


def find_chain(slug: str | None) -> Chain | None:
    """The chain with this slug; None for an empty one; `Invalid` when there is none."""
    if not slug:
        return None
    chain = Chain.objects.filter(slug=slug).first()
    if chain is None:
        raise Invalid(f"There is no chain {slug!r}.", field="chain")
    return chain
