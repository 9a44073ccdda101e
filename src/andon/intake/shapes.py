"""What the API takes and gives about signals and integrations."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from ninja import Field, Schema

from andon.intake import queries, wording
from andon.intake.adapters import adapters
from andon.intake.models import Delivery, Integration, Signal
from andon.intake.trying import Trial
from andon.kit.cursor import DEFAULT
from andon.kit.errors import Invalid
from andon.kit.shapes import Given
from andon.practice.words import IncidentType
from andon.registry.models import System


class ByRuleOut(Schema):
    """What a rule did to a signal."""

    rule: int
    version: int
    name: str = Field(description="What the rule was called then.")
    says: str

    @classmethod
    def of(cls, did: wording.ByRule) -> "ByRuleOut":
        """As the API says it."""
        return cls(rule=did.number, version=did.version, name=did.name, says=did.says)


class NoteOut(Schema):
    """What a sender said of a signal beside that it fires: acknowledged over there, a remark. It stops no page."""

    at: datetime
    by: str = Field(description="As the sender names them.")
    text: str


class EchoOut(Schema):
    """What was heard of a signal and counted nowhere: what comes late, second ends, ends of an older episode."""

    at: datetime = Field(description="When the newest came.")
    reason: str = Field(
        description="Why the newest changed nothing: episode_over, overtaken, already_ended or older_episode."
    )
    words: str = Field(description="The same for a person.")
    count: int = Field(description="How many came.")

    @classmethod
    def of(cls, row: Signal) -> "EchoOut | None":
        """As the API says it; None where nothing of it came."""
        if row.echo_at is None:
            return None
        return cls(
            at=row.echo_at, reason=row.echo_reason or "", words=wording.why_nowhere(row), count=row.echo_count or 0
        )


class SignalOut(Schema):
    """Something observed, deduplicated by fingerprint: a repeat is counted on it."""

    id: UUID
    integration: str = Field(description="Short name of the integration that heard it.")
    fingerprint: str
    episode: str = Field(description="The sender's own mark of this firing, mostly its start; may be empty.")
    status: str
    title: str
    description: str
    url: str
    labels: dict[str, str]
    system: str | None = Field(description="Short name of the system; null while unrouted.")
    system_hint: str = Field(description="The system as the sender names it.")
    type_hint: str
    severity_hint: int | None = Field(description="1 (worst) to 5 as the sender says; null where it does not.")
    count: int = Field(description="Firing events heard; 0 = an end whose beginning never came.")
    starts_at: datetime | None
    first_at: datetime
    last_at: datetime
    resolved_at: datetime | None
    reason: str = Field(description="Why it is this signal and not another.")
    echo: EchoOut | None = Field(description="What was heard of it and changed nothing; null where nothing was.")
    incident: int | None = Field(description="Number of its incident.")
    incident_reason: str = Field(description="Why it joined that incident, opened it, or none; empty until decided.")
    rules: list[ByRuleOut] = Field(description="What rules did to it, in their order.")
    looked_at_again: datetime | None = Field(description="When it is, if a rule keeps it from opening an incident.")
    page: str = Field(description="The signal's page.")

    @classmethod
    def of(cls, row: Signal) -> "SignalOut":
        """The signal as the API says it."""
        return cls(
            id=row.pk,
            integration=row.integration.slug,
            fingerprint=row.fingerprint,
            episode=row.episode,
            status=row.status,
            title=row.title,
            description=row.description,
            url=row.url,
            labels=row.labels,
            system=row.system.slug if row.system else None,
            system_hint=row.system_hint,
            type_hint=row.type_hint,
            severity_hint=row.severity_hint,
            count=row.count,
            starts_at=row.starts_at,
            first_at=row.first_at,
            last_at=row.last_at,
            resolved_at=row.resolved_at,
            reason=wording.why_this_signal(row),
            echo=EchoOut.of(row),
            incident=row.incident.number if row.incident else None,
            incident_reason=wording.why_there(row),
            rules=[ByRuleOut.of(did) for did in wording.by_rules(row)],
            looked_at_again=row.route_at if row.held_by else None,
            page=settings.BASE_URL + reverse("signal", args=[row.pk]),
        )


class SignalDetail(SignalOut):
    """A signal with what its sender said beside."""

    notes: list[NoteOut]

    @classmethod
    def of(cls, row: Signal) -> "SignalDetail":
        """The signal as the API says it when it is asked for alone."""
        notes = [NoteOut(at=note.created_at, by=note.by, text=note.text) for note in row.notes.all()]
        return cls(**SignalOut.of(row).dict(), notes=notes)


class SignalPage(Schema):
    """A page of signals."""

    items: list[SignalOut]
    next_cursor: str | None


class SignalQuery(Schema):
    """Which signals to list."""

    status: Literal["", "firing", "resolved"] = ""
    system: str = ""
    integration: str = ""
    unrouted: bool = False
    quiet: bool = Field(default=False, description="Only what a rule keeps, or kept, from opening an incident.")
    cursor: str | None = None
    limit: int = DEFAULT


class IntegrationOut(Schema):
    """A sender of signals."""

    slug: str
    name: str
    kind: str
    address: str = Field(description="Where it sends signals, with POST and its token.")
    system: str | None = Field(description="What signals that name no system are about.")
    type: str = Field(description="What signals that name no type count as; empty = technical failure.")
    resolves_incidents: bool
    signed: bool = Field(description="Whether a signature is demanded in place of the token.")
    options: dict[str, str] = Field(description="Settings of this kind of sender's own.")
    disabled_at: datetime | None
    heard_at: datetime | None = Field(description="When something was last taken from it, wholly or in part.")
    firing: int

    @classmethod
    def of(cls, row: Integration) -> "IntegrationOut":
        """The integration as the API says it."""
        counted = queries.integrations().get(pk=row.pk)
        return cls(**_facts(counted))


class HourOut(Schema):
    """The requests of an hour."""

    at: datetime
    requests: int
    refused: int = Field(description="How many of them were not understood, or only in part.")
    at_least: bool = Field(description="Whether there were more than are counted.")


class ActivityOut(Schema):
    """How a sender is heard."""

    health: str = Field(description="disabled, never, unread, garbled, left_out, partly or well.")
    words: str
    heard_at: datetime | None = Field(description="When something was last taken from it, wholly or in part.")
    last_minute: int
    hours: list[HourOut]

    @classmethod
    def of(cls, found: queries.Activity) -> "ActivityOut":
        """As the API says it."""
        return cls(
            health=found.health.value,
            words=found.health.words,
            heard_at=found.last_at,
            last_minute=found.last_minute,
            hours=[HourOut(at=h.at, requests=h.all, refused=h.bad, at_least=h.capped) for h in found.hours],
        )


class TrialIn(Given):
    """A body to try; the kind's own sample when left out."""

    body: str = Field("", max_length=64 * 1024)


class SignalWouldOut(Schema):
    """A signal as it would have been."""

    title: str
    status: str
    severity_hint: int | None
    type: str
    system: str | None
    system_hint: str
    labels: dict[str, str]
    reason: str = Field(description="Why it would have been this signal and not another.")
    incident: str = Field(description="What it would have done to incidents, before any rule.")


class SignalTrialOut(Schema):
    """What Andon would have made of a body. Nothing of it was kept."""

    understood: bool
    problem: str
    field: str
    signals: list[SignalWouldOut]
    changes: list[str] = Field(description="Titles of the changes that it tells.")
    notes: list[str]
    untouched: int = Field(description="How many events would have changed no signal.")
    left_out: str = Field(description="What of it was not taken while the rest was, and why; empty if nothing.")

    @classmethod
    def of(cls, trial: Trial) -> "SignalTrialOut":
        """As the API says it."""
        return cls(
            understood=not trial.problem,
            problem=trial.problem,
            field=trial.where,
            signals=[
                SignalWouldOut(
                    title=one.signal.title,
                    status=one.signal.status,
                    severity_hint=one.signal.severity_hint,
                    type=one.type.value,
                    system=one.system.slug if one.system else None,
                    system_hint=one.signal.system_hint,
                    labels=one.signal.labels,
                    reason=one.why,
                    incident=one.where,
                )
                for one in trial.signals
            ],
            changes=[change.title for change in trial.changes],
            notes=[note.text for note in trial.notes],
            untouched=trial.untouched,
            left_out=trial.left_out,
        )


class IntegrationMade(IntegrationOut):
    """An integration with its token, which is said this once."""

    token: str


def _facts(row: Integration) -> dict[str, Any]:
    """What `IntegrationOut` says of a row of `queries.integrations`."""
    return {
        "slug": row.slug,
        "name": row.name,
        "kind": row.kind,
        "address": f"{settings.BASE_URL}/intake/{row.kind}/{row.slug}",
        "system": row.system.slug if row.system else None,
        "type": row.settings.get("type", ""),
        "resolves_incidents": row.resolves_incidents,
        "signed": bool(row.secret),
        "options": options_of(row),
        "disabled_at": row.disabled_at,
        "heard_at": getattr(row, "heard_at", None),
        "firing": getattr(row, "firing", 0),
    }


def options_of(row: Integration) -> dict[str, str]:
    """The settings of the kind's own."""
    adapter = adapters().get(row.kind)
    return {field.name: str(row.settings.get(field.name, "")) for field in (adapter.fields if adapter else ())}


def listed(rows: list[Integration]) -> list[IntegrationOut]:
    """Rows of `queries.integrations` as the API says them."""
    return [IntegrationOut(**_facts(row)) for row in rows]


def made(row: Integration, token: str) -> IntegrationMade:
    """A new integration, or a new token of one."""
    return IntegrationMade(**_facts(queries.integrations().get(pk=row.pk)), token=token)


class IntegrationChange(Given):
    """What is to be different about an integration; what is left out stays."""

    name: str | None = None
    system: str | None = Field(default=None, description="Short name; empty = none.")
    type: IncidentType | Literal[""] | None = None
    resolves_incidents: bool | None = None
    secret: str | None = Field(default=None, description="What the sender signs with; empty = the token is demanded.")
    options: dict[str, str] | None = Field(default=None, description="Settings of this kind's own, all of them.")


class IntegrationIn(Given):
    """A new sender."""

    name: str
    slug: str = Field("", description="Part of its address; it stays as it is. Empty = made of the name.")
    kind: str = Field(description="The adapter, such as alertmanager or generic.")
    system: str = ""
    type: IncidentType | Literal[""] = ""
    resolves_incidents: bool = False
    secret: str = Field("", description="What the sender signs with, if its kind does; it is not shown again.")
    options: dict[str, str] = Field({}, description="Settings of this kind's own.")


def find_named_system(slug: str) -> System | None:
    """The system that a caller names; none for an empty name."""
    if not slug:
        return None
    system = System.objects.filter(slug=slug).first()
    if system is None:
        raise Invalid(f"There is no system {slug!r} in the register.", field="system")
    return system


class DeliveryOut(Schema):
    """A request that was not understood, or only in part, as it came (the first 64 KiB; protobuf as JSON)."""

    id: UUID
    at: datetime
    outcome: str = Field(description="rejected, or partly: the rest of it was taken.")
    signals: int = Field(description="How many signals were taken from it.")
    error: str
    body: str

    @classmethod
    def of(cls, row: Delivery) -> "DeliveryOut":
        """The delivery as the API says it."""
        return cls(
            id=row.pk, at=row.created_at, outcome=row.outcome, signals=row.signals, error=row.error,
            body=queries.body_as_text(row),
        )  # fmt: skip
