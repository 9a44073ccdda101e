"""Incidents over the API: lists, one incident, its timeline, and what may be done to it at any time.

Declaring, acknowledging, containing and resolving are in `andon.response.api`, under the same addresses.
"""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from andon.incidents import actions, queries
from andon.incidents.describe import describe
from andon.incidents.models import Incident, Link, RoleAssignment
from andon.incidents.policy import access_incident, visible
from andon.incidents.queries import IncidentFilter
from andon.incidents.shapes import (
    EntryOut,
    IncidentDetail,
    IncidentOut,
    IncidentPage,
    IncidentQuery,
    LinkIn,
    LinkOut,
    NoteIn,
    ProtocolStepOut,
    RestrictIn,
    RoleIn,
    RoleOut,
    TimelinePage,
    TimelineQuery,
    WaiveIn,
)
from andon.kit.cursor import MOST, page
from andon.kit.errors import Invalid, Missing
from andon.kit.numbers import whole
from andon.people import queries as people
from andon.people.api_auth import caller
from andon.people.policy import Actor

__all__ = ["IncidentOut", "router"]

router = Router(tags=["incidents"])

READ, WRITE = "incidents:read", "incidents:write"


@router.get("", response=IncidentPage)
def list_incidents(request: HttpRequest, given: Query[IncidentQuery]) -> Any:
    """List incidents, newest first.

    Restricted ones are there for those involved alone.
    """
    by = caller(request, READ)
    wanted = IncidentFilter(**given.dict(exclude={"cursor", "limit"}))
    found = page(queries.with_roles(queries.listed(by, wanted)), cursor=given.cursor, limit=given.limit)
    return {"items": [IncidentOut.of(row) for row in found.items], "next_cursor": found.next_cursor}


@router.get("/{int:number}", response=IncidentDetail)
def get_incident(request: HttpRequest, number: int) -> Any:
    """Read one incident with its roles, steps, links and scores."""
    return IncidentDetail.of(_complete(caller(request, READ), number))


@router.get("/{int:number}/timeline", response=TimelinePage)
def timeline(request: HttpRequest, number: int, given: Query[TimelineQuery]) -> Any:
    """Read the timeline of an incident, oldest first.

    It only ever grows: keep the last `next_cursor`, or the last `seq`, as `cursor` to read what came since.
    """
    incident = access_incident(caller(request, READ), number)
    if not 1 <= given.limit <= MOST:
        raise Invalid(f"limit must be between 1 and {MOST}, not {given.limit}.", field="limit")
    newest_first = given.order == "newest"
    rows = incident.timeline.order_by("-seq" if newest_first else "seq")
    if given.cursor:
        seq = whole(given.cursor)
        if seq is None:
            raise Invalid("This cursor is no number of an entry. Leave it out to begin at the first.", field="cursor")
        rows = rows.filter(**{"seq__lt" if newest_first else "seq__gt": seq})
    found = list(rows[: given.limit + 1])
    items = found[: given.limit]
    return {
        "items": [EntryOut.of(row, line) for row, line in zip(items, describe(items), strict=True)],
        "next_cursor": str(items[-1].seq) if len(found) > given.limit else None,
    }


@router.post("/{int:number}/notes", response={201: EntryOut})
def add_note(request: HttpRequest, number: int, payload: NoteIn) -> Any:
    """Write a note on the timeline."""
    by = caller(request, WRITE)
    entry = actions.add_note(access_incident(by, number), text=payload.text, at=payload.at, by=by)
    return EntryOut.of(entry, describe([entry])[0])


@router.post("/{int:number}/roles", response={201: RoleOut})
def assign_role(request: HttpRequest, number: int, payload: RoleIn) -> Any:
    """Give somebody a role; naming a lead hands the lead over."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    person = people.people(by).filter(pk=payload.person).first()
    if person is None:
        raise Invalid("There is no such person, or you may not see them.", field="person")
    return RoleOut.of(actions.assign_role(incident, role=payload.role, person=person, by=by))


@router.delete("/{int:number}/roles/{uuid:key}", response={204: None})
def end_role(request: HttpRequest, number: int, key: UUID) -> None:
    """Take a role back."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    row = RoleAssignment.objects.filter(incident=incident, pk=key).first()
    if row is None:
        raise Missing(f"{incident.ref} has no such role.")
    actions.end_role(row, by=by)


@router.post("/{int:number}/links", response={201: LinkOut})
def add_link(request: HttpRequest, number: int, payload: LinkIn) -> Any:
    """Tie something elsewhere to the incident."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    return LinkOut.of(actions.add_link(incident, title=payload.title, url=payload.url, by=by))


@router.delete("/{int:number}/links/{uuid:key}", response={204: None})
def remove_link(request: HttpRequest, number: int, key: UUID) -> None:
    """Take a link off the incident; its timeline keeps that it was there."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    row = Link.objects.filter(incident=incident, pk=key).first()
    if row is None:
        raise Missing(f"{incident.ref} has no such link.")
    actions.remove_link(row, by=by)


@router.post("/{int:number}/steps/{slug:key}/done", response=ProtocolStepOut)
def finish_step(request: HttpRequest, number: int, key: str) -> Any:
    """Mark a step of the protocol done; diagnosis waits until containment is done or waived."""
    by = caller(request, WRITE)
    return ProtocolStepOut.of(actions.finish_step(access_incident(by, number), key=key, by=by))


@router.post("/{int:number}/steps/{slug:key}/waive", response=ProtocolStepOut)
def waive_step(request: HttpRequest, number: int, key: str, payload: WaiveIn) -> Any:
    """Waive a step of the protocol with a reason."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    if not payload.reason.strip():
        raise Invalid("Say why the step is not done.", field="reason")
    return ProtocolStepOut.of(actions.finish_step(incident, key=key, waive_reason=payload.reason, by=by))


@router.post("/{int:number}/steps/{slug:key}/reopen", response=ProtocolStepOut)
def reopen_step(request: HttpRequest, number: int, key: str) -> Any:
    """Put a step back among those to do."""
    by = caller(request, WRITE)
    return ProtocolStepOut.of(actions.reopen_step(access_incident(by, number), key=key, by=by))


@router.put("/{int:number}/restricted", response=IncidentOut)
def restrict(request: HttpRequest, number: int, payload: RestrictIn) -> Any:
    """Show the incident to those involved alone, or to everyone again."""
    by = caller(request, WRITE)
    return IncidentOut.of(actions.restrict(access_incident(by, number), restricted=payload.restricted, by=by))


def _complete(by: Actor, number: int) -> Incident:
    """The incident as `IncidentDetail` needs it, if the actor may know of it."""
    incident = queries.complete(visible(by)).filter(number=number).first()
    if incident is None:
        raise Missing(f"There is no incident INC-{number}, or you may not see it.")
    return incident
