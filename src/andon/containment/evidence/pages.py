"""The evidence of an incident: what is kept, what could not be collected, and the archive to take along."""

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from andon.containment.evidence import actions, giving, queries
from andon.containment.evidence.models import Preservation
from andon.containment.evidence.policy import access_item, may_take
from andon.incidents.policy import access_incident
from andon.kit.errors import Conflict, Invalid, Missing
from andon.people.http import actor_of
from andon.practice.words import OrgRole


@require_safe
def evidence(request: HttpRequest, number: int) -> HttpResponse:
    """What is kept of an incident."""
    by = actor_of(request)
    incident = access_incident(by, number)
    found = queries.listed(incident)
    gone = queries.erased(item.digest for one in found for item in one.kept)
    context = {
        "incident": incident,
        "found": [(one, [(item, gone.get(item.digest)) for item in one.kept]) for one in reversed(found)],
        "missing": queries.still_missing(incident),
        "may_take": may_take(by, incident),
        "may_erase": by.may(OrgRole.ADMIN),
    }
    return render(request, "evidence/evidence.html", context)


@require_POST
def preserve(request: HttpRequest, number: int) -> HttpResponse:
    """Keep evidence by hand, without a lever."""
    by = actor_of(request)
    incident = access_incident(by, number)
    made = queries.of_row(actions.preserve(incident, why=Preservation.Why.HAND, by=by))
    messages.success(request, f"{len(made.kept)} things are kept{_lost(made)}.")
    return redirect("evidence", number)


@require_POST
def collect_missing(request: HttpRequest, number: int) -> HttpResponse:
    """Try again what could not be collected."""
    by = actor_of(request)
    incident = access_incident(by, number)
    try:
        made = queries.of_row(actions.collect_missing(incident, by=by))
    except (Conflict, Invalid, Missing) as refused:
        messages.warning(request, refused.what)
    else:
        messages.success(request, f"{len(made.kept)} more are kept{_lost(made)}.")
    return redirect("evidence", number)


def _lost(made: queries.Listed) -> str:
    return f"; {len(made.missing)} could not be collected, see below" if made.missing else ""


@require_POST
def archive(request: HttpRequest, number: int) -> HttpResponse | FileResponse:
    """Everything that is kept, as one archive; the timeline says who took it."""
    by = actor_of(request)
    incident = access_incident(by, number)
    try:
        made = giving.archive_of(incident, by=by)
    except (Conflict, Invalid, Missing) as refused:
        messages.warning(request, refused.what)
        return redirect("evidence", number)
    return FileResponse(made, as_attachment=True, filename=f"{incident.ref}-evidence.zip")


@require_POST
def item(request: HttpRequest, number: int, which: int, name: str) -> HttpResponse:
    """One thing, as it was kept; the timeline says who took it."""
    by = actor_of(request)
    found = access_item(by, number, which, name)
    try:
        body = giving.bytes_of(found, by=by)
    except (Conflict, Invalid, Missing) as refused:
        messages.warning(request, refused.what)
        return redirect("evidence", number)
    return HttpResponse(
        body,
        content_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{found.name}"'},
    )


@require_POST
def erase(request: HttpRequest, number: int, which: int, name: str) -> HttpResponse:
    """Empty one thing by right, or take the rows about one person out of it."""
    by = actor_of(request)
    found = access_item(by, number, which, name)
    column, value, reason = (request.POST.get(one, "").strip() for one in ("column", "value", "reason"))
    try:
        if column or value:
            actions.erase_rows(found, column=column, value=value, reason=reason, by=by)
            messages.success(request, f"The rows about this person are erased from {name}; its digest stays.")
        else:
            actions.erase(found, reason=reason, by=by)
            messages.success(request, f"{name} is erased; its digest stays.")
    except (Conflict, Invalid, Missing) as refused:
        messages.warning(request, refused.what)
    return redirect("evidence", number)
