"""What the API takes and gives about incidents."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Field, Schema

from andon.incidents.describe import Line
from andon.incidents.models import HarmScore, Incident, Link, ProtocolStep, RoleAssignment, TimelineEntry
from andon.kit.instants import Instant
from andon.kit.shapes import Given
from andon.oncall.shapes import PersonShort
from andon.people.models import Person


def short(person: Person | None) -> PersonShort | None:
    """A person by key and name; None where there is nobody."""
    return PersonShort.of(person) if person else None


class RoleOut(Schema):
    """A role that somebody holds in the incident now."""

    id: UUID
    role: str
    person: PersonShort
    since: datetime

    @classmethod
    def of(cls, row: RoleAssignment) -> "RoleOut":
        """The role as the API says it."""
        return cls(id=row.pk, role=row.role, person=PersonShort.of(row.person), since=row.created_at)


class IncidentOut(Schema):
    """An incident. Severity is 1 (worst) to 5; the times are null until they come."""

    number: int
    ref: str
    kind: str
    title: str
    description: str
    system: str | None = Field(description="Short name of the system; null when none is named.")
    type: str
    secondary_types: list[str]
    state: str
    restricted: bool
    severity: int
    severity_reason: str
    technical: int | None
    onset_low: datetime | None
    onset: datetime | None
    onset_high: datetime | None
    detected_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: PersonShort | None
    contained_at: datetime | None
    containment_kind: str
    containment_note: str
    containment_waived_at: datetime | None
    containment_waived_reason: str
    resolved_at: datetime | None
    closed_at: datetime | None
    declared_by: PersonShort | None
    protocol: str = Field(description="The protocol that was frozen onto it, as slug@version.")
    next_page_at: datetime | None = Field(description="When the next page is due; null when nobody is to be paged.")
    roles: list[RoleOut]
    timeline_count: int
    changed_at: datetime
    url: str = Field(description="The incident's page, below the address of this Andon.")

    @classmethod
    def of(cls, row: Incident) -> "IncidentOut":
        """The incident as the API says it, with the roles held now."""
        return cls(**_facts(row))


class ProtocolStepOut(Schema):
    """A step of the protocol, and what became of it."""

    key: str
    phase: str
    title: str
    body: str
    optional: bool
    state: str
    by: PersonShort | None
    at: datetime | None
    reason: str

    @classmethod
    def of(cls, row: ProtocolStep) -> "ProtocolStepOut":
        """The step as the API says it."""
        return cls(
            key=row.key,
            phase=row.phase,
            title=row.title,
            body=row.body,
            optional=row.optional,
            state=row.state,
            by=short(row.by),
            at=row.at,
            reason=row.reason,
        )


class LinkOut(Schema):
    """Something elsewhere that belongs to the incident."""

    id: UUID
    title: str
    url: str
    added_at: datetime

    @classmethod
    def of(cls, row: Link) -> "LinkOut":
        """The link as the API says it."""
        return cls(id=row.pk, title=row.title, url=row.url, added_at=row.created_at)


class HarmOut(Schema):
    """The newest score of one dimension of harm; a null value is back to not assessed."""

    dimension: str
    value: int | None
    evidence: str
    scored_at: datetime


class IncidentDetail(IncidentOut):
    """An incident with its protocol's steps, its links and the scores behind its severity."""

    steps: list[ProtocolStepOut]
    links: list[LinkOut]
    harm: list[HarmOut]

    @classmethod
    def of(cls, row: Incident) -> "IncidentDetail":
        """The incident as the API says it; read it through `queries.complete`."""
        steps: list[ProtocolStep] = row.all_steps  # type: ignore[attr-defined]  # put there by `queries.complete`
        links: list[Link] = row.present_links  # type: ignore[attr-defined]  # as above
        scores: list[HarmScore] = row.all_scores  # type: ignore[attr-defined]  # as above
        newest = {score.dimension: score for score in scores}
        return cls(
            **_facts(row),
            steps=[ProtocolStepOut.of(step) for step in steps],
            links=[LinkOut.of(link) for link in links],
            harm=[
                HarmOut(dimension=s.dimension, value=s.value, evidence=s.evidence, scored_at=s.created_at)
                for s in newest.values()
            ],
        )


def _facts(row: Incident) -> dict[str, Any]:
    """What both shapes say."""
    held: list[RoleAssignment] | None = getattr(row, "held_roles", None)
    if held is None:
        held = list(row.roles.filter(ended_at__isnull=True).select_related("person"))
    same = (
        "number", "ref", "kind", "title", "description", "type", "secondary_types", "state", "restricted", "severity",
        "severity_reason", "technical", "onset_low", "onset", "onset_high", "detected_at", "acknowledged_at",
        "contained_at", "containment_kind", "containment_note", "containment_waived_at", "containment_waived_reason",
        "resolved_at", "closed_at", "next_page_at", "timeline_count", "changed_at",
    )  # fmt: skip
    return {name: getattr(row, name) for name in same} | {
        "system": row.system.slug if row.system else None,
        "acknowledged_by": short(row.acknowledged_by),
        "declared_by": short(row.declared_by),
        "protocol": f"{row.protocol_slug}@{row.protocol_version}",
        "roles": [RoleOut.of(role) for role in held],
        "url": f"/incidents/{row.number}",
    }


class IncidentPage(Schema):
    """A page of incidents, newest first."""

    items: list[IncidentOut]
    next_cursor: str | None


class EntryOut(Schema):
    """One thing that happened. `text` says it in words; `hash` covers every field and the entry before it."""

    seq: int
    at: datetime
    recorded_at: datetime
    kind: str
    actor: str = Field(description="person:<id>, engine, operator or integration:<slug>")
    actor_name: str
    text: str
    detail: str
    body: dict[str, object] | None = Field(description="Null once it was erased with the person it was about.")
    hash: str
    prev_hash: str

    @classmethod
    def of(cls, row: TimelineEntry, line: Line) -> "EntryOut":
        """The entry and its reading as the API says them."""
        return cls(
            seq=row.seq,
            at=row.at,
            recorded_at=row.recorded_at,
            kind=row.kind,
            actor=row.actor,
            actor_name=line.actor,
            text=line.text,
            detail=line.detail,
            body=row.body,
            hash=row.hash,
            prev_hash=row.prev_hash,
        )


class TimelinePage(Schema):
    """A page of a timeline. Pass `next_cursor` back to go on in the same direction."""

    items: list[EntryOut]
    next_cursor: str | None


class IncidentQuery(Schema):
    """Which incidents to list."""

    state: str = Field("", description="A state, or `unresolved` for all that go on.")
    severity: str = Field("", description="1 to 5.")
    type: str = ""
    system: str = Field("", description="Short name of a system; `none` for incidents that name no system.")
    kind: str = Field("", description="`real` or `drill`.")
    q: str = Field("", description="Words of the title or description, or a number as INC-42.")
    mine: bool = Field(False, description="Only those you declared, acknowledged, or have or had a role in.")  # noqa: FBT003  Ninja's default
    cursor: str | None = None
    limit: int = 50


class TimelineQuery(Schema):
    """Which part of a timeline to list."""

    cursor: str | None = None
    limit: int = 100
    order: Literal["oldest", "newest"] = "oldest"


class NoteIn(Given):
    """A note in Markdown; `at` is when it happened, when that was earlier than now."""

    text: str
    at: Instant | None = None


class RoleIn(Given):
    """Who takes which role: lead, responder, communications, harm or scribe."""

    role: str
    person: UUID


class LinkIn(Given):
    """Something elsewhere: a dashboard, a call, a ticket, a document."""

    title: str = Field("", max_length=200)
    url: str = Field(max_length=2000)


class WaiveIn(Given):
    """Why the step is not done."""

    reason: str


class RestrictIn(Given):
    """Whether only those involved see the incident."""

    restricted: bool
