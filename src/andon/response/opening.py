"""An incident opens: by somebody's word, or by a signal that asks for one. Read top to bottom, this is how.

1. Classify: type and severity, with the sentence that says why; what is unknown counts at its plausible worst.
2. Freeze onto the incident the chain and the protocol as they stand now.
3. The next page is due at once; the engine takes the first step of the chain.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from andon.handbook.actions import edition_in_force
from andon.handbook.book import Handbook
from andon.handbook.queries import handbook_at, in_force
from andon.incidents.actions import next_numbers
from andon.incidents.models import Incident, Promise, ProtocolStep, RoleAssignment
from andon.incidents.timeline import News, drafted, write
from andon.kit import clock, db, ids
from andon.kit.errors import Invalid
from andon.oncall import queries as oncall
from andon.people.policy import Actor
from andon.practice.grouping import group_key
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.protocol import Prescription, Protocol
from andon.practice.severity import Assessment, Classification, Severity, classify
from andon.practice.words import Criticality, IncidentKind, IncidentType, OrgRole
from andon.registry.models import System
from andon.response import promising

UNKNOWN_CRITICALITY = Criticality.HIGH
"""What an incident without a known system counts as: unknown is not zero."""

TITLE_LIMIT = 200


def classify_new(
    type_: IncidentType,
    system: System | None,
    *,
    technical: int | None,
    contained: bool = False,
    handbook: Handbook | None = None,
) -> Classification:
    """The severity at opening: no harm is scored yet, so harm counts at its plausible worst.

    By this handbook, or the one in force.
    """
    return classify(
        Assessment(technical=technical),
        criticality=Criticality(system.criticality) if system else UNKNOWN_CRITICALITY,
        type=type_,
        contained=contained,
        table=(handbook or in_force()).severity.plausible_worst,
    )


def technical_from(hint: Severity | None) -> int | None:
    """A sender's severity says how bad things are technically (S1 is T4 … S5 is T0); of harm it knows nothing."""
    return None if hint is None else Severity.S5 - hint


def frozen_chains(systems: Iterable[System | None]) -> dict[UUID | None, dict[str, Any]]:
    """By the key of its system (None: no system is known): its chain and the organisation's fallback behind it, as now.

    A handful of queries however many systems; systems that share a chain share what is frozen of it.
    """
    chosen = {system.pk if system else None: system.chain_id if system else None for system in systems}
    fallback = oncall.fallback()
    behind = oncall.chain_json(fallback) if fallback is not None else None
    frozen = oncall.freeze_each({chain for chain in chosen.values() if chain is not None})
    found: dict[UUID | None, dict[str, Any]] = {}
    for system, chain in chosen.items():
        found[system] = dict(frozen[chain]) if chain is not None else oncall.freeze(None)
        if fallback is not None and behind is not None and chain != fallback.pk:
            found[system]["fallback"] = behind
    return found


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What is known when an incident opens.

    Attributes:
        key: Signals of this group join it.
        because: Who or what opened it.
        told: What else its timeline begins with: kinds of entries and their bodies.
    """

    title: str
    type_: IncidentType
    system: System | None
    key: str
    detected_at: datetime
    by: Actor
    technical: int | None = None
    description: str = ""
    onset: datetime | None = None
    onset_low: datetime | None = None
    onset_high: datetime | None = None
    restricted: bool = False
    kind: IncidentKind = IncidentKind.REAL
    because: str = ""
    told: Sequence[tuple[str, Mapping[str, Any]]] = ()


def open_incident(opening: Opening) -> Incident:
    """As `open_incidents`, for one."""
    return open_incidents([opening])[0]


@transaction.atomic
def open_incidents(openings: Sequence[Opening]) -> list[Incident]:
    """Write incidents, their protocols and their first timeline entries; the first page of each is due at once.

    The same few statements however many there are. Raises IntegrityError, and has opened none, when an unresolved
    incident holds one of the group keys already: the caller joins that one.
    """
    numbers = next_numbers("incident", len(openings))
    chains = frozen_chains(opening.system for opening in openings)
    edition = edition_in_force()
    handbook, office = handbook_at(edition.pk), promising.office_of(edition.pk)
    incidents: list[Incident] = []
    steps: list[tuple[Any, ...]] = []
    promises: list[tuple[Any, ...]] = []
    news: list[News] = []
    for number, opening in zip(numbers, openings, strict=True):
        found = classify_new(opening.type_, opening.system, technical=opening.technical, handbook=handbook)
        protocol = handbook.protocols[opening.type_]
        prescribed = handbook.prescription(opening.type_, found.severity)
        frozen = chains[opening.system.pk if opening.system else None]
        incident = _incident(opening, number, found, protocol, frozen)
        incident.edition_id = edition.pk
        incidents.append(incident)
        steps += _steps(incident, prescribed)
        promises += promising.rows_of(incident, prescribed, office)
        news.append(_opened(incident, opening, found.severity))
        news += [News(incident, kind, body, opening.by) for kind, body in opening.told]
    entries = drafted(news)
    db.insert_rows(incidents)
    db.insert_each(ProtocolStep, _STEP, steps)
    db.insert_each(Promise, promising.COLUMNS, promises)
    write(entries)
    return incidents


def _incident(
    opening: Opening, number: int, found: Classification, protocol: Protocol, chain: dict[str, Any]
) -> Incident:
    """The incident's row, unsaved."""
    now = clock.now()
    return Incident(
        number=number,
        kind=opening.kind,
        title=opening.title[:TITLE_LIMIT],
        description=opening.description,
        system=opening.system,
        type=opening.type_,
        group_key=opening.key,
        restricted=opening.restricted,
        declared_by=opening.by.person,
        severity=found.severity,
        severity_reason=found.reason,
        technical=opening.technical,
        onset_low=opening.onset_low,
        onset=opening.onset,
        onset_high=opening.onset_high,
        detected_at=opening.detected_at,
        chain=chain,
        protocol_slug=protocol.slug,
        protocol_version=protocol.version,
        next_page_at=now,
        changed_at=now,
    )


_STEP = ("id", "created_at", "incident", "position", "key", "phase", "title", "body", "optional", "state", "reason")


def _steps(incident: Incident, prescribed: Prescription) -> list[tuple[Any, ...]]:
    """The protocol's steps for this severity, as rows: a storm writes thousands of them."""
    todo, at = ProtocolStep.State.TODO, incident.created_at
    return [
        (ids.new(), at, incident.pk, position, step.key, step.phase, step.title, step.body, step.optional, todo, "")
        for position, step in enumerate(prescribed.steps, start=1)
    ]


def _opened(incident: Incident, opening: Opening, severity: Severity) -> News:
    """The first entry of the timeline."""
    body = {
        "title": incident.title,
        "type": opening.type_,
        "severity": severity.name,
        "reason": incident.severity_reason,
        "system": opening.system.slug if opening.system else "",
        "because": opening.because,
        "protocol": f"{incident.protocol_slug}@{incident.protocol_version}",
    }
    return News(incident, "opened", body, opening.by, opening.detected_at)


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
            incident = open_incident(Opening(key=own_key if taken else shared, **facts))
    except IntegrityError:
        # Somebody else's incident took the shared key between the look and the write.
        incident = open_incident(Opening(key=own_key, **facts))
    if restricted and by.person is not None:
        RoleAssignment.objects.create(incident=incident, role=RoleAssignment.Role.RESPONDER, person=by.person)
    return incident
