"""The response through the API: the same actions as the pages take.

They join the router of `andon.incidents.api`: two routers with the same address would hide each other's methods.
"""

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Schema, Status

from andon.incidents.api import IncidentOut, router
from andon.incidents.models import Incident, SeverityLowering
from andon.incidents.policy import access_incident
from andon.kit import clock
from andon.kit.errors import Missing
from andon.kit.instants import Instant
from andon.kit.shapes import Given
from andon.people.api_auth import caller
from andon.people.models import Person
from andon.practice.severity import Severity
from andon.practice.words import ContainmentKind, HarmDimension, IncidentType
from andon.response import acknowledging, assessing, containing, duties, naming, opening, promising, resolving

__all__ = ["router"]

WRITE = "incidents:write"


class DeclareIn(Given):
    """A title is enough; a system's slug makes its chain come."""

    title: str = Field(max_length=opening.TITLE_LIMIT)
    system: str = ""
    type: IncidentType | None = None
    description: str = ""
    onset: Instant | None = None
    restricted: bool = False


class ContainIn(Given):
    """How the harm was stopped, what exactly was done, and since when (now, if absent)."""

    kind: ContainmentKind
    note: str
    at: Instant | None = None


class ReasonIn(Given):
    """A reason, for the timeline."""

    reason: str = ""


class ResolveIn(Given):
    """How it ended, and how that was verified."""

    summary: str


class OnsetIn(Given):
    """When it began: an estimate, the interval that it lies in, and what that rests on."""

    onset: Instant
    low: Instant | None = None
    high: Instant | None = None
    why: str = ""


class TypeIn(Given):
    """The primary type and further ones."""

    type: IncidentType
    secondary: list[IncidentType] = Field(default_factory=list)


class IncidentSystemIn(Given):
    """Which system, by its short name; empty: not known after all. `known` is the one that you have seen there."""

    system: str
    why: str = ""
    known: str | None = Field(None, description="409 if another one was named since; left out, that is not asked.")


class HarmIn(Given):
    """One dimension of harm, H0 to H4 with evidence; null takes it back to not assessed."""

    dimension: HarmDimension
    value: int | None = Field(ge=0, le=4)
    evidence: str = ""


class TechnicalIn(Given):
    """Technical impact, T0 to T4; null takes it back to not assessed."""

    value: int | None = Field(ge=0, le=4)


class SeverityIn(Given):
    """A severity, 1 (worst) to 5, and why; lowering names the person who decides."""

    to: int = Field(ge=1, le=5)
    reason: str = ""
    approver: UUID | None = None


class DecisionIn(Given):
    """What the named approver says."""

    approve: bool


class ClassificationOut(Schema):
    """What the scores say now; the severity in force may be worse until an approver lowers it."""

    severity: int
    reason: str


@router.post("", response={201: IncidentOut}, summary="Declare an incident")
def declare(request: HttpRequest, payload: DeclareIn) -> IncidentOut:
    """Opens an incident and pages the chain of its system, or the fallback."""
    by = caller(request, WRITE)
    system = naming.system_named(payload.system)
    incident = opening.declare(
        title=payload.title,
        system=system,
        type_=payload.type,
        description=payload.description,
        onset=payload.onset,
        restricted=payload.restricted,
        by=by,
    )
    return IncidentOut.of(incident)


@router.post("/{int:number}/acknowledge", response=IncidentOut, summary="Acknowledge an incident")
def acknowledge(request: HttpRequest, number: int) -> IncidentOut:
    """Says “I have it”; everything pending is cancelled. 409 names whoever was faster."""
    by = caller(request, WRITE)
    return IncidentOut.of(acknowledging.acknowledge(access_incident(by, number), by=by, via="api"))


@router.post("/{int:number}/contain", response=IncidentOut, summary="Record the containment of an incident")
def contain(request: HttpRequest, number: int, payload: ContainIn) -> IncidentOut:
    """Says how the harm was stopped; diagnosis opens."""
    by = caller(request, WRITE)
    found = access_incident(by, number)
    return IncidentOut.of(containing.contain(found, kind=payload.kind, note=payload.note, at=payload.at, by=by))


@router.post("/{int:number}/waive-containment", response=IncidentOut, summary="Waive the containment of an incident")
def waive(request: HttpRequest, number: int, payload: ReasonIn) -> IncidentOut:
    """Says, with a reason, that there is nothing to contain; diagnosis opens."""
    by = caller(request, WRITE)
    return IncidentOut.of(containing.waive_containment(access_incident(by, number), reason=payload.reason, by=by))


@router.post("/{int:number}/resolve", response=IncidentOut, summary="Resolve an incident")
def resolve(request: HttpRequest, number: int, payload: ResolveIn) -> IncidentOut:
    """Ends the incident once it is contained or that is waived; S1 to S3 get a review draft."""
    by = caller(request, WRITE)
    return IncidentOut.of(resolving.resolve(access_incident(by, number), summary=payload.summary, by=by))


@router.post("/{int:number}/reopen", response=IncidentOut, summary="Reopen an incident")
def reopen(request: HttpRequest, number: int, payload: ReasonIn) -> IncidentOut:
    """It goes on after all: the chain is paged from its first step."""
    by = caller(request, WRITE)
    return IncidentOut.of(resolving.reopen(access_incident(by, number), reason=payload.reason, by=by))


@router.post("/{int:number}/close", response=IncidentOut, summary="Close an incident")
def close(request: HttpRequest, number: int, payload: ReasonIn) -> IncidentOut:
    """Puts it to rest; a reason is needed only without a published review."""
    by = caller(request, WRITE)
    return IncidentOut.of(resolving.close(access_incident(by, number), reason=payload.reason, by=by))


@router.put("/{int:number}/onset", response=IncidentOut, summary="Estimate when an incident began")
def onset(request: HttpRequest, number: int, payload: OnsetIn) -> IncidentOut:
    """Sets the onset with its interval."""
    by = caller(request, WRITE)
    found = access_incident(by, number)
    return IncidentOut.of(
        assessing.estimate_onset(found, onset=payload.onset, low=payload.low, high=payload.high, why=payload.why, by=by)
    )


@router.put("/{int:number}/type", response=IncidentOut, summary="Change the type of an incident")
def change_type(request: HttpRequest, number: int, payload: TypeIn) -> IncidentOut:
    """Reclassifies; the steps still to do become those of the new type."""
    by = caller(request, WRITE)
    found = access_incident(by, number)
    return IncidentOut.of(assessing.change_type(found, type_=payload.type, secondary=payload.secondary, by=by))


@router.put("/{int:number}/system", response=IncidentOut, summary="Say which system an incident is about")
def set_system(request: HttpRequest, number: int, payload: IncidentSystemIn) -> IncidentOut:
    """Its chain is paged, its levers are offered, and its signals join, as if the incident had been opened with it.

    To name the system of a restricted incident opens it to that system's owner, and to whoever is paged for it.
    """
    by = caller(request, WRITE)
    found = access_incident(by, number)
    system = naming.system_named(payload.system)
    return IncidentOut.of(naming.set_system(found, system, why=payload.why, known=payload.known, by=by))


@router.get("/{int:number}/severity", response=ClassificationOut, summary="See what the scores of an incident say")
def classification(request: HttpRequest, number: int) -> ClassificationOut:
    """What technical impact and harm, as scored so far, amount to."""
    found = assessing.classification_of(access_incident(caller(request, "incidents:read"), number))
    return ClassificationOut(severity=found.severity, reason=found.reason)


@router.post("/{int:number}/harm", response=ClassificationOut, summary="Score one dimension of harm")
def harm(request: HttpRequest, number: int, payload: HarmIn) -> ClassificationOut:
    """Scores harm; the severity rises at once if the scores ask for it, and never falls by itself."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    found = assessing.score_harm(
        incident, dimension=payload.dimension, value=payload.value, evidence=payload.evidence, by=by
    )
    return ClassificationOut(severity=found.severity, reason=found.reason)


@router.put("/{int:number}/technical", response=ClassificationOut, summary="Score the technical impact")
def technical(request: HttpRequest, number: int, payload: TechnicalIn) -> ClassificationOut:
    """Scores technical impact, T0 to T4."""
    by = caller(request, WRITE)
    found = assessing.score_technical(access_incident(by, number), value=payload.value, by=by)
    return ClassificationOut(severity=found.severity, reason=found.reason)


@router.put(
    "/{int:number}/severity", response={200: IncidentOut, 202: IncidentOut}, summary="Raise or lower a severity"
)
def change_severity(request: HttpRequest, number: int, payload: SeverityIn) -> Status[IncidentOut]:
    """Raising is done at once (200); lowering asks the named approver, who has yet to decide (202)."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    to = Severity(payload.to)
    if to.worse_than(incident.level):
        return Status(200, IncidentOut.of(assessing.raise_severity(incident, to=to, reason=payload.reason, by=by)))
    approver = Person.objects.filter(pk=payload.approver, is_active=True).first() if payload.approver else None
    assessing.ask_to_lower(incident, to=to, reason=payload.reason, approver=approver, by=by)
    return Status(202, IncidentOut.of(access_incident(by, number)))


@router.post("/{int:number}/severity/decision", response=IncidentOut, summary="Decide on a lower severity")
def decide_severity(request: HttpRequest, number: int, payload: DecisionIn) -> IncidentOut:
    """The named approver agrees or not."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    asked = incident.lowerings.filter(state=SeverityLowering.State.ASKED).first()
    if asked is None:
        raise Missing("Nobody is asking for a lower severity here any more.")
    return IncidentOut.of(assessing.decide_lowering(asked, approve=payload.approve, by=by))


class PromiseOut(Schema):
    """Something that the incident's protocol promises by a time: the organisation's own word, not the law's."""

    key: str
    kind: str
    what: str
    clock: str = Field(description="From what its time counts.")
    within: str
    due_at: datetime | None
    standing: str = Field(description="open, kept, kept_late, missed, not_asked or not_owed.")
    kept_at: datetime | None
    missed_at: datetime | None = Field(description="When the next in the chain was paged for it.")
    not_owed: str = Field(description="Why it does not apply; `kept_at` is then when that was decided.")


class KeepIn(Given):
    """How it was done, and when (now, if absent)."""

    note: str = ""
    at: Instant | None = None


class WhyNotIn(Given):
    """Why."""

    note: str


@router.get("/{int:number}/promises", response=list[PromiseOut])
def list_promises(request: HttpRequest, number: int) -> list[PromiseOut]:
    """List what the incident's protocol promises by a time, and how each stands."""
    return _promised(access_incident(caller(request, "incidents:read"), number))


@router.post("/{int:number}/promises/{key}/keep", response=list[PromiseOut])
def keep_promise(request: HttpRequest, number: int, key: str, given: KeepIn) -> list[PromiseOut]:
    """Say that an audience was told, or a duty done. Andon sends nothing here: it keeps your word."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    promising.keep(incident, key=key, note=given.note, at=given.at, by=by)
    return _promised(incident)


@router.post("/{int:number}/promises/{key}/not-owed", response=list[PromiseOut])
def duty_not_owed(request: HttpRequest, number: int, key: str, given: WhyNotIn) -> list[PromiseOut]:
    """Decide that a duty does not apply here, and why."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    duties.does_not_apply(incident, key=key, reason=given.note, by=by)
    return _promised(incident)


@router.post("/{int:number}/promises/{key}/owed", response=list[PromiseOut])
def duty_owed(request: HttpRequest, number: int, key: str, given: WhyNotIn) -> list[PromiseOut]:
    """Take back that a duty does not apply: something came to light."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    duties.applies_after_all(incident, key=key, reason=given.note, by=by)
    return _promised(incident)


@router.post("/{int:number}/promises/{key}/began", response=list[PromiseOut])
def duty_clock_began(request: HttpRequest, number: int, key: str, given: KeepIn) -> list[PromiseOut]:
    """Say when a duty's clock began with something that only people know; its time is watched from then on."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    duties.clock_began(incident, key=key, at=given.at, note=given.note, by=by)
    return _promised(incident)


def _promised(incident: Incident) -> list[PromiseOut]:
    rows = promising.promises_of(incident)
    return [
        PromiseOut(
            key=row.key,
            kind=row.kind,
            what=row.what,
            clock=row.clock,
            within=row.within,
            due_at=row.due_at,
            standing=standing,
            kept_at=row.kept_at,
            missed_at=row.missed_at,
            not_owed=row.not_owed,
        )
        for row, standing in zip(rows, promising.standing_of(rows, clock.now()), strict=True)
    ]
