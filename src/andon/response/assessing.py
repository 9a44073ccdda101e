"""How bad is it? Scores of technical impact and harm set the severity; raising needs nobody, lowering an approver.

A score never lowers the severity by itself, nor does containment: the lower level is proposed, and takes effect when
a named approver, not the person who asks, agrees.
"""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from andon.handbook.queries import handbook_at
from andon.incidents.models import HarmScore, Incident, ProtocolStep, SeverityLowering
from andon.incidents.policy import must_respond, visible
from andon.incidents.timeline import hold, record
from andon.kit import clock, db
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.paging import actions as paging
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice import protocol as protocols
from andon.practice import severity as rules
from andon.practice.plausible import WORST_SCORE
from andon.practice.protocol import Ran
from andon.practice.severity import Assessment, Classification, Severity
from andon.practice.words import Criticality, HarmDimension, IncidentType, OrgRole, Phase
from andon.response import promising
from andon.response.opening import UNKNOWN_CRITICALITY


def scores_of(incident: Incident) -> dict[HarmDimension, HarmScore]:
    """The score that counts in each dimension: the newest."""
    return {HarmDimension(score.dimension): score for score in incident.harm_scores.order_by("created_at", "pk")}


def classification_of(incident: Incident) -> Classification:
    """What the scores say now, whatever the severity in force is."""
    return rules.classify(
        Assessment(
            technical=incident.technical,
            harms={dimension: score.value for dimension, score in scores_of(incident).items()},
        ),
        criticality=Criticality(incident.system.criticality) if incident.system else UNKNOWN_CRITICALITY,
        type=incident.incident_type,
        contained=incident.contained_at is not None,
        table=handbook_at(incident.edition_id).severity.plausible_worst,
    )


@transaction.atomic
def score_harm(
    incident: Incident, *, dimension: HarmDimension, value: int | None, evidence: str, by: Actor
) -> Classification:
    """Score one dimension of harm, H0 to H4 with the evidence, or take it back to “not assessed” with None.

    The severity rises at once if the scores ask for it. Returns what the scores say.
    """
    must_respond(by, incident, "assess harm")
    if value is not None and not 0 <= value <= WORST_SCORE:
        raise Invalid("A harm score is from H0 to H4.", field="value")
    if value is not None and not evidence.strip():
        raise Invalid(
            "Say what the score rests on; without evidence it stays at its plausible worst.", field="evidence"
        )
    held = hold(incident.pk)
    HarmScore.objects.create(incident=held, dimension=dimension, value=value, evidence=evidence.strip(), by=by.person)
    record(held, "harm_scored", {"dimension": dimension, "value": value, "evidence": evidence.strip()}, by=by)
    return reassess(held, by)


def prefill_harm(held: Incident, *, dimension: HarmDimension, value: int, evidence: str, by: Actor) -> None:
    """Score a dimension by what was counted. What a person has scored stands, and the caller holds the incident."""
    by_people = held.timeline.filter(kind="harm_scored", person__isnull=False, body__dimension=dimension)
    if by_people.exists():
        return
    HarmScore.objects.create(incident=held, dimension=dimension, value=value, evidence=evidence, by=None)
    record(held, "harm_scored", {"dimension": dimension, "value": value, "evidence": evidence}, by=by)
    reassess(held, by)


def refine_onset(
    held: Incident, *, low: datetime | None, onset: datetime, high: datetime | None, why: str, by: Actor
) -> None:
    """Estimate the onset again from data. What a person has estimated stands, and the caller holds the incident."""
    if (held.onset_low, held.onset, held.onset_high) == (low, onset, high):
        return
    if held.timeline.filter(kind="onset_estimated", person__isnull=False).exists():
        return
    held.onset_low, held.onset, held.onset_high = low, onset, high
    held.save(update_fields=["onset_low", "onset", "onset_high"])
    _record_onset(held, why, by)


@transaction.atomic
def score_technical(incident: Incident, *, value: int | None, by: Actor) -> Classification:
    """Score the technical impact, T0 to T4, or take it back to “not assessed” with None."""
    must_respond(by, incident, "assess technical impact")
    if value is not None and not 0 <= value <= WORST_SCORE:
        raise Invalid("Technical impact is from T0 to T4.", field="value")
    return prefill_technical(hold(incident.pk), value=value, by=by)


def prefill_technical(held: Incident, *, value: int | None, by: Actor) -> Classification:
    """Score the technical impact, as `score_technical`, by whomever; the caller holds the incident."""
    held.technical = value
    held.save(update_fields=["technical"])
    record(held, "technical_scored", {"value": value}, by=by)
    return reassess(held, by)


@transaction.atomic
def estimate_onset(
    incident: Incident, *, onset: datetime, low: datetime | None, high: datetime | None, why: str, by: Actor
) -> Incident:
    """Say when it began, before anybody saw it, with the interval that it lies in and what that rests on."""
    must_respond(by, incident, "estimate the onset")
    held = hold(incident.pk)
    if onset > held.detected_at:
        raise Invalid("It cannot have begun after it was detected.", field="onset")
    if low is not None and low > onset:
        raise Invalid("The earliest time lies after the estimate.", field="low")
    if high is not None and high < onset:
        raise Invalid("The latest time lies before the estimate.", field="high")
    held.onset, held.onset_low, held.onset_high = onset, low, high
    held.save(update_fields=["onset", "onset_low", "onset_high"])
    _record_onset(held, why.strip(), by)
    return held


def _record_onset(held: Incident, why: str, by: Actor) -> None:
    times = {"onset": held.onset, "low": held.onset_low, "high": held.onset_high}
    body = {name: at.isoformat() if at else None for name, at in times.items()}
    record(held, "onset_estimated", {**body, "why": why}, by=by)


@transaction.atomic
def change_type(incident: Incident, *, type_: IncidentType, secondary: list[IncidentType], by: Actor) -> Incident:
    """Reclassify: the primary type and any secondary ones.

    The new type's protocol, as it stood when the incident opened, says what is still to do; what was done stays done.
    """
    must_respond(by, incident, "classify incidents")
    held = hold(incident.pk)
    before = held.incident_type
    held.type = type_
    held.secondary_types = [str(other) for other in secondary if other is not type_]
    held.save(update_fields=["type", "secondary_types"])
    record(held, "type_changed", {"before": before, "after": type_, "secondary": held.secondary_types}, by=by)
    if before is not type_:
        protocol = handbook_at(held.edition_id).protocols[type_]
        held.protocol_slug, held.protocol_version = protocol.slug, protocol.version
        held.save(update_fields=["protocol_slug", "protocol_version"])
        _grow(held)
    reassess(held, by)
    return held


@transaction.atomic
def raise_severity(incident: Incident, *, to: Severity, reason: str, by: Actor) -> Incident:
    """Raise by somebody's word; that needs nobody's approval."""
    must_respond(by, incident, "raise the severity")
    held = hold(incident.pk)
    if not to.worse_than(held.level):
        raise Invalid(f"{to.name} is not worse than {held.level.name}. To lower it, name an approver.", field="to")
    said = reason.strip() or "raised by a responder"
    _set(held, to, f"{to.name} because: {said}", kind="severity_raised", by=by)
    return held


@transaction.atomic
def ask_to_lower(
    incident: Incident, *, to: Severity, reason: str, approver: Person | None, by: Actor
) -> SeverityLowering:
    """Ask a named approver to lower the severity. Nothing changes until they agree."""
    must_respond(by, incident, "ask for a lower severity")
    asker = by.must_be_person("ask for a lower severity")
    held = hold(incident.pk)
    if not held.level.worse_than(to):
        raise Invalid(f"{to.name} is not milder than {held.level.name}.", field="to")
    verdict = rules.change(
        held.level,
        to,
        approver=str(approver.pk) if approver else None,
        reason=reason,
        requested_by=str(asker.pk),
    )
    if not verdict.ok:
        raise Invalid(verdict.text, field="reason" if verdict.reason is rules.Change.NEEDS_REASON else "approver")
    if approver is None or not _may_decide(approver, held):
        what = "The approver must be a lead or an administrator, and able to see this incident."
        raise Invalid(what, field="approver")
    _drop_undecidable(held, by)
    try:
        with transaction.atomic():
            asked = SeverityLowering.objects.create(
                incident=held, to=to, reason=reason.strip(), asked_by=asker, approver=approver
            )
    except IntegrityError as error:
        raise Conflict("A lower severity is asked for already; it has to be decided first.") from error
    body = {"to": to.name, "reason": reason.strip(), "approver": str(approver.pk)}
    record(held, "severity_lowering_asked", body, by=by)
    return asked


def _may_decide(approver: Person, incident: Incident) -> bool:
    """Whether somebody can decide on a severity: an active lead or administrator who may see the incident."""
    as_actor = Actor.of(approver)
    return as_actor.may(OrgRole.LEAD) and visible(as_actor).filter(pk=incident.pk).exists()


def _drop_undecidable(held: Incident, by: Actor) -> None:
    """A request whose approver can no longer decide must not stand in the way of another."""
    asked = held.lowerings.filter(state=SeverityLowering.State.ASKED).select_related("approver").first()
    if asked is None or (asked.approver is not None and _may_decide(asked.approver, held)):
        return
    SeverityLowering.objects.filter(pk=asked.pk, state=SeverityLowering.State.ASKED).update(
        state=SeverityLowering.State.DECLINED, decided_at=clock.now()
    )
    record(held, "severity_lowering_declined", {"to": Severity(asked.to).name}, by=by)


@transaction.atomic
def decide_lowering(asked: SeverityLowering, *, approve: bool, by: Actor) -> Incident:
    """The named approver agrees or not."""
    person = by.must_be_person("decide on a severity")
    held = hold(asked.incident_id)
    if asked.approver_id != person.pk:
        raise Forbidden(f"{asked.approver or 'Somebody else'} was named to decide this.")
    if not _may_decide(person, held):
        raise Forbidden("Only a lead or an administrator decides on a severity. Ask for another approver to be named.")
    state = SeverityLowering.State.APPROVED if approve else SeverityLowering.State.DECLINED
    moved = SeverityLowering.objects.filter(pk=asked.pk, state=SeverityLowering.State.ASKED).update(
        state=state, decided_at=clock.now()
    )
    if moved != 1:
        raise Conflict("This was decided already.")
    to = Severity(asked.to)
    if not approve:
        record(held, "severity_lowering_declined", {"to": to.name}, by=by)
    elif held.level.worse_than(to):
        _set(
            held,
            to,
            # Not who: the entry says that by key, and a name in its words would outlive the person's erasure.
            f"{to.name} because: {asked.reason} (approved by the person named to decide)",
            kind="severity_lowered",
            by=by,
        )
    return held


def reassess(held: Incident, by: Actor) -> Classification:
    """Take over what the scores say where it is worse, or no milder and better founded; the incident is held."""
    found = classification_of(held)
    if found.severity.worse_than(held.level):
        _set(held, found.severity, found.reason, kind="severity_raised", by=by)
    elif found.severity == held.level and found.reason != held.severity_reason:
        held.severity_reason = found.reason
        held.save(update_fields=["severity_reason"])
    return found


def _set(held: Incident, to: Severity, reason: str, *, kind: str, by: Actor) -> None:
    before = held.level
    held.severity = to
    held.severity_reason = reason
    held.save(update_fields=["severity", "severity_reason"])
    record(held, kind, {"before": before.name, "after": to.name, "reason": reason}, by=by)
    if to.worse_than(before):
        paging.release(Q(incident=held), clock.now())  # what waited because it was mild may wait no longer
    _grow(held)


def _grow(held: Incident) -> None:
    """Ask of the incident what its type and severity ask for now: what ran stays, what is asked no more says so."""
    wanted = {step.key: step for step in promising.prescription_of(held).steps}
    rows = {row.key: row for row in held.steps.all()}
    states = protocols.grow({key: Ran(row.state) for key, row in rows.items()}, wanted)
    order = {key: index for index, key in enumerate(wanted)}
    steps = [rows.get(key) or ProtocolStep(incident=held, key=key) for key in states]
    for row in steps:
        row.state = ProtocolStep.State(states[row.key])
        if row.key in wanted and row.state == ProtocolStep.State.TODO:
            step = wanted[row.key]  # what has not run yet is put as the protocol of now puts it
            row.phase, row.title, row.body, row.optional = step.phase, step.title, step.body, step.optional
    unranked = len(order)
    steps.sort(key=lambda row: (Phase(row.phase).rank, order.get(row.key, unranked), row.position or 0, row.key))
    for position, row in enumerate(steps, start=1):
        row.position = position
    ProtocolStep.objects.bulk_create(row for row in steps if row.key not in rows)
    written = [row for row in steps if row.key in rows]
    db.update_rows(written, ["position", "state", "phase", "title", "body", "optional"])
    promising.grow(held)
