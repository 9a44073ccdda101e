"""Evidence of an incident over the API: everything that its page can do."""

from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponse
from ninja import Router

from andon.containment.evidence import actions, giving, queries
from andon.containment.evidence.models import Preservation
from andon.containment.evidence.policy import access_item
from andon.containment.evidence.shapes import EraseIn, PreservationOut, VerifiedOut
from andon.containment.evidence.verifying import verify
from andon.incidents.policy import access_incident
from andon.people.api_auth import caller

router = Router(tags=["evidence"])

READ, WRITE = "incidents:read", "incidents:write"


@router.get("/{int:number}/evidence", response=list[PreservationOut])
def list_evidence(request: HttpRequest, number: int) -> Any:
    """List what is kept of an incident, each time that evidence was preserved, and what could not be collected."""
    found = queries.listed(access_incident(caller(request, READ), number))
    return [PreservationOut.of(one) for one in found]


@router.post("/{int:number}/evidence", response={201: PreservationOut})
def preserve_evidence(request: HttpRequest, number: int) -> Any:
    """Preserve evidence by hand, without a lever. It takes at most ten seconds; what hangs is listed as missing."""
    by = caller(request, WRITE)
    made = actions.preserve(access_incident(by, number), why=Preservation.Why.HAND, by=by)
    return PreservationOut.of(queries.of_row(made))


@router.post("/{int:number}/evidence/missing", response={201: PreservationOut})
def collect_missing_evidence(request: HttpRequest, number: int) -> Any:
    """Try again what could not be collected before."""
    by = caller(request, WRITE)
    made = actions.collect_missing(access_incident(by, number), by=by)
    return PreservationOut.of(queries.of_row(made))


@router.get("/{int:number}/evidence/verify", response=VerifiedOut)
def verify_evidence(request: HttpRequest, number: int) -> Any:
    """Recompute every digest, from the timeline's entries to each byte that is kept."""
    problems = verify(access_incident(caller(request, READ), number))
    return {"intact": not problems, "problems": [one.problem for one in problems]}


@router.post("/{int:number}/evidence/archive", response={200: bytes})
def export_evidence(request: HttpRequest, number: int) -> FileResponse:
    """Take everything that is kept along as one zip, with manifest.json and SHA256SUMS. The timeline says who did."""
    by = caller(request, WRITE)
    incident = access_incident(by, number)
    made = giving.archive_of(incident, by=by)
    return FileResponse(
        made, as_attachment=True, filename=f"{incident.ref}-evidence.zip", content_type="application/zip"
    )


@router.post("/{int:number}/evidence/{int:which}/{name}", response={200: bytes})
def take_item(request: HttpRequest, number: int, which: int, name: str) -> HttpResponse:
    """Take one thing along, as it was kept. The timeline says who did."""
    by = caller(request, WRITE)
    body = giving.bytes_of(access_item(by, number, which, name), by=by)
    return HttpResponse(body, content_type="application/octet-stream")


@router.post("/{int:number}/evidence/{int:which}/{name}/erase", response={204: None})
def erase_item(request: HttpRequest, number: int, which: int, name: str, payload: EraseIn) -> None:
    """Empty one thing by right, or take the rows about one person out of it. Administrators only.

    Its digest stays, and the timeline says so.
    """
    by = caller(request, WRITE)
    item = access_item(by, number, which, name)
    if payload.column:
        actions.erase_rows(item, column=payload.column, value=payload.value, reason=payload.reason, by=by)
    else:
        actions.erase(item, reason=payload.reason, by=by)
