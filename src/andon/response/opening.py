"""An incident opens: by somebody's word, or by a signal that asks for one. Read top to bottom, this is how.

1. Classify: type and severity, with the sentence that says why; what is unknown counts at its plausible worst.
2. Freeze onto the incident the chain and the protocol as they stand now.
3. The next page is due at once; the engine takes the first step of the chain.
"""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from andon.handbook.loader import protocol_for
from andon.handbook.tables import severity_tables
from andon.incidents.actions import next_number
from andon.incidents.models import Incident, ProtocolStep, RoleAssignment
from andon.incidents.timeline import record
from andon.kit import clock, ids
from andon.kit.errors import Invalid
from andon.oncall import queries as oncall
from andon.people.policy import Actor
from andon.practice.grouping import group_key
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.protocol import for_severity
from andon.practice.severity import Assessment, Classification, Severity, classify
from andon.practice.words import Criticality, IncidentKind, IncidentType, OrgRole
from andon.registry.models import System

UNKNOWN_CRITICALITY = Criticality.HIGH
"""What an incident without a known system counts as: unknown is not zero."""

TITLE_LIMIT = 200


def classify_new(
    type_: IncidentType, system: System | None, *, technical: int | None, contained: bool = False
) -> Classification:
    """The severity at opening: no harm is scored yet, so harm counts at its plausible worst."""
    return classify(
        Assessment(technical=technical),
        criticality=Criticality(system.criticality) if system else UNKNOWN_CRITICALITY,
        type=type_,
        contained=contained,
        table=severity_tables().plausible_worst,
    )


def technical_from(hint: Severity | None) -> int | None:
    """A sender's severity says how bad things are technically (S1 is T4 … S5 is T0); of harm it knows nothing."""
    return None if hint is None else Severity.S5 - hint


def frozen_chain(system: System | None) -> dict[str, Any]:
    """The chain of the system and the organisation's fallback behind it, as they stand now."""
    chain = oncall.freeze(system.chain if system else None)
    fallback = oncall.fallback()
    if fallback is not None and (system is None or system.chain_id != fallback.pk):
        chain["fallback"] = oncall.freeze(fallback)
    return chain


@transaction.atomic
def open_incident(
    *,
    title: str,
    type_: IncidentType,
    system: System | None,
    key: str,
    detected_at: datetime,
    by: Actor,
    technical: int | None = None,
    description: str = "",
    onset: datetime | None = None,
    restricted: bool = False,
    kind: IncidentKind = IncidentKind.REAL,
    because: str = "",
) -> Incident:
    """Write the incident, its protocol and its first timeline entries; the first page is due at once.

    Raises IntegrityError when an unresolved incident holds the group key already: the caller joins that one.
    """
    found = classify_new(type_, system, technical=technical)
    protocol = protocol_for(type_)
    now = clock.now()
    incident = Incident.objects.create(
        number=next_number("incident"),
        kind=kind,
        title=title[:TITLE_LIMIT],
        description=description,
        system=system,
        type=type_,
        group_key=key,
        restricted=restricted,
        declared_by=by.person,
        severity=found.severity,
        severity_reason=found.reason,
        technical=technical,
        onset=onset,
        detected_at=detected_at,
        chain=frozen_chain(system),
        protocol_slug=protocol.slug,
        protocol_version=protocol.version,
        next_page_at=now,
        changed_at=now,
    )
    ProtocolStep.objects.bulk_create(
        ProtocolStep(
            incident=incident,
            position=position,
            key=step.key,
            phase=step.phase,
            title=step.title,
            body=step.body,
            optional=step.optional,
        )
        for position, step in enumerate(for_severity(protocol, found.severity), start=1)
    )
    record(
        incident,
        "opened",
        {
            "title": incident.title,
            "type": type_,
            "severity": found.severity.name,
            "reason": found.reason,
            "system": system.slug if system else "",
            "because": because,
            "protocol": f"{protocol.slug}@{protocol.version}",
        },
        by=by,
        at=detected_at,
    )
    return incident


@transaction.atomic
def declare(
    *,
    title: str,
    system: System | None,
    by: Actor,
    type_: IncidentType | None = None,
    description: str = "",
    onset: datetime | None = None,
    restricted: bool = False,
    kind: IncidentKind = IncidentKind.REAL,
) -> Incident:
    """Anyone who is signed in may pull the cord: a title and a system are enough.

    Signals of the same system and type join it, unless an incident of theirs is open already. Without a type it
    counts as a technical failure until somebody says otherwise.
    """
    by.must_be(OrgRole.REPORTER, "declare incidents")
    title = title.strip()
    if not title:
        raise Invalid("Say in a few words what is wrong.", field="title")
    if len(title) > TITLE_LIMIT:
        raise Invalid(f"The title is longer than {TITLE_LIMIT} characters; put the rest below.", field="title")
    now = clock.now()
    if onset is not None and onset > now:
        raise Invalid("It cannot have begun in the future.", field="onset")
    type_ = type_ or IncidentType.TECHNICAL_FAILURE
    own_key = f"declared:{ids.new()}"
    shared = group_key(system.pk, type_, "", kind=kind) if system and not restricted else own_key
    taken = Incident.objects.filter(group_key=shared, state__in=UNRESOLVED).exists()
    facts: dict[str, Any] = {
        "title": title,
        "type_": type_,
        "system": system,
        "detected_at": now,
        "by": by,
        "description": description.strip(),
        "onset": onset,
        "restricted": restricted,
        "kind": kind,
        "because": "declared",
    }
    try:
        with transaction.atomic():
            incident = open_incident(key=own_key if taken else shared, **facts)
    except IntegrityError:
        # Somebody else's incident took the shared key between the look and the write.
        incident = open_incident(key=own_key, **facts)
    if restricted and by.person is not None:
        RoleAssignment.objects.create(incident=incident, role=RoleAssignment.Role.RESPONDER, person=by.person)
    return incident
