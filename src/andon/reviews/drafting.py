"""A review draft, filled from what the incident already knows, so that nobody retypes the night."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from andon.handbook.files import Fill
from andon.handbook.queries import handbook_at
from andon.incidents.describe import describe
from andon.incidents.models import Incident, RoleAssignment, TimelineEntry
from andon.incidents.timeline import record
from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.words import HarmDimension
from andon.reviews.models import Review, SectionVersion

DUE = timedelta(days=10)
LEFT_OUT = {"page_sent", "page_cancelled", "role_assigned", "link_added"}
TIMELINE_LINES = 200


@transaction.atomic
def draft(incident: Incident, *, by: Actor, due_at: datetime | None = None) -> Review:
    """The incident's review: the one there is, else a draft with the sections its type and severity ask for.

    They are those of the handbook that the incident opened with, as is all else that is asked of it. Due when its
    protocol says (`due_at`), else in `DUE`.
    """
    existing = Review.objects.filter(incident=incident).first()
    if existing is not None:
        return existing
    lead = incident.roles.filter(role=RoleAssignment.Role.LEAD, ended_at__isnull=True).first()
    owner = lead.person if lead else (incident.system.owner if incident.system else None)
    review = Review.objects.create(incident=incident, owner=owner, due_at=due_at or clock.now() + DUE)
    offered = handbook_at(incident.edition_id).sections
    sections = [section for section in offered if section.applies(incident.incident_type, incident.level)]
    SectionVersion.objects.bulk_create(
        SectionVersion(
            review=review,
            key=section.key,
            title=section.title,
            prompt=section.prompt,
            position=position,
            version=1,
            body=FILLS[section.fill](incident),
        )
        for position, section in enumerate(sections, start=1)
    )
    record(incident, "review_drafted", {"review": str(review.pk)}, by=by)
    return review


def _when(at: datetime | None) -> str:
    return (
        f"{timezone.localtime(at, timezone=timezone.get_default_timezone()):%Y-%m-%d %H:%M:%S} UTC"
        if at
        else "not known"
    )


def _span(start: datetime | None, end: datetime | None) -> str:
    """How long from one time to another, in words: whole seconds, as the incident's page counts them."""
    if start is None or end is None:
        return "not known"
    minutes, seconds = divmod(int((end - start).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    said = [f"{number} {unit}" for number, unit in parts if number][:2]
    return " ".join(said) or "0 s"


def _summary(incident: Incident) -> str:
    system = incident.system.name if incident.system else "an unknown system"
    lines = [
        f"{incident.ref}: {incident.title}.",
        f"A {incident.incident_type.words} of {system}. {incident.severity_reason}.",
        incident.description,
    ]
    resolution = incident.timeline.filter(kind="resolved").last()
    if resolution is not None and resolution.body:
        lines.append(f"Resolved: {resolution.body.get('summary', '')}")
    return "\n\n".join(line for line in lines if line)


def _signals(incident: Incident) -> str:
    kinds = ("opened", "signals_joined", "severity_raised", "severity_lowering_asked", "severity_lowered")
    return _lines(incident.timeline.filter(kind__in=kinds))


def _lines(entries: "object") -> str:
    found = describe(list(entries)[:TIMELINE_LINES])  # type: ignore[call-overload]
    return "\n".join(f"- {_when(line.at)} · {line.actor}: {line.text}" for line in found)


def _timeline(incident: Incident) -> str:
    return _lines(TimelineEntry.objects.filter(incident=incident).exclude(kind__in=LEFT_OUT).order_by("at", "seq"))


def _times(incident: Incident) -> str:
    onset = _when(incident.onset)
    if incident.onset_low and incident.onset_high:
        onset += f" (between {_when(incident.onset_low)} and {_when(incident.onset_high)})"
    rows = [
        ("Onset", onset, ""),
        ("Detected", _when(incident.detected_at), _span(incident.onset, incident.detected_at)),
        (
            "Acknowledged",
            _when(incident.acknowledged_at),
            _span(incident.detected_at, incident.acknowledged_at),
        ),
        ("Contained", _contained(incident), _span(incident.detected_at, incident.contained_at)),
        ("Resolved", _when(incident.resolved_at), _span(incident.detected_at, incident.resolved_at)),
    ]
    table = "\n".join(f"| {name} | {at} | {span} |" for name, at, span in rows)
    return f"| event | time | after detection (detected: after onset) |\n|---|---|---|\n{table}"


def _contained(incident: Incident) -> str:
    if incident.contained_at:
        return _when(incident.contained_at)
    return f"waived: {incident.containment_waived_reason}" if incident.containment_waived_at else "not contained"


def _detection_gap(incident: Incident) -> str:
    if incident.onset is None:
        return "The onset is not known yet. Estimate it with an interval before measuring the gap."
    return f"From onset to detection: {_span(incident.onset, incident.detected_at)}."


def _containment(incident: Incident) -> str:
    if incident.contained_at is None:
        return f"Containment was waived: {incident.containment_waived_reason}"
    kind = incident.get_containment_kind_display()
    after = _span(incident.detected_at, incident.contained_at)
    return f"{kind}, {after} after detection: {incident.containment_note}"


def _harm(incident: Incident) -> str:
    scores = {HarmDimension(score.dimension): score for score in incident.harm_scores.order_by("created_at", "pk")}
    rows = []
    for dimension in HarmDimension:
        score = scores.get(dimension)
        known = score is not None and score.value is not None
        said = f"H{score.value}: {score.evidence}" if score is not None and known else "not assessed"
        rows.append(f"- {dimension.label}: {said}")
    return "\n".join(rows)


FILLS: Mapping[Fill, Callable[[Incident], str]] = {
    Fill.SUMMARY: _summary,
    Fill.SIGNALS: _signals,
    Fill.TIMES: _times,
    Fill.TIMELINE: _timeline,
    Fill.DETECTION_GAP: _detection_gap,
    Fill.CONTAINMENT: _containment,
    Fill.HARM: _harm,
    Fill.NONE: lambda _incident: "",
}
