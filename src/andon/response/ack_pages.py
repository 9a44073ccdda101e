"""The page behind the link in a message: it shows the incident in short, and one big button.

Opening it changes nothing, because mail scanners and link previews open every link. The button acts, without a
session: the link itself is the credential, for one person and one incident, and works once. A program that presses it,
the notification of a browser, asks for JSON and gets the same in two sentences.
"""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from andon.incidents.models import Incident, ProtocolStep
from andon.incidents.timeline import hold
from andon.kit import clock
from andon.kit.errors import Refused
from andon.paging import actions as paging
from andon.paging import links
from andon.paging import queries as outbox
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State, awaits_person
from andon.practice.words import Phase
from andon.response.acknowledging import acknowledge

_FIRST_STEPS = 3


@login_not_required
@csrf_exempt  # nothing rides on a cookie here: whoever can make this request holds the link, which is the credential
@never_cache
@vary_on_headers("Accept")
@require_http_methods(["GET", "HEAD", "POST"])
def ack_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows, POST acknowledges and comes back to GET; a program is told at once how it stands."""
    try:
        ticket = links.read(token)
    except links.Expired:
        return _say(request, "expired", status=410)
    page = outbox.of_ticket(ticket) if ticket else None
    if page is None:
        return _say(request, "unknown", status=404)
    if request.method != "POST":
        return _show(request, page)
    try:
        _acknowledge(page)
    except Refused as refused:
        page.incident.refresh_from_db()
        page.refresh_from_db(fields=["acknowledged_at", "state"])
        return _show(request, page, refused=refused, status=refused.status)
    if _in_json(request):
        page.incident.refresh_from_db()
        return _show(request, page)
    return _private(redirect("ack_link", token=token))


@transaction.atomic
def _acknowledge(page: Page) -> None:
    """Use the link up and acknowledge, both or neither.

    The incident is held before its page is touched, as everywhere: a receiver that clicks at once meets the engine
    writing that the page went out, and the two would wait for each other.
    """
    hold(page.incident_id)
    paging.use_link(page, clock.now())
    acknowledge(page.incident, by=Actor.of(page.person), via="link")


def _show(request: HttpRequest, page: Page, *, refused: Refused | None = None, status: int = 200) -> HttpResponse:
    """The incident in short, with the button while it is of use."""
    incident = page.incident
    waits = awaits_person(State(incident.state), acknowledged=incident.acknowledged_at is not None)
    context = {
        "incident": incident,
        "page": page,
        "refused": refused,
        "stands": _stands(page, waits=waits),
        "steps": _first(incident),
    }
    with timezone.override(_zone(page)):
        return _say(request, "shown", status=status, **context)


def _zone(page: Page) -> ZoneInfo:
    """Times are read by the person whom the link is for, signed in or not."""
    try:
        return ZoneInfo(page.person.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _stands(page: Page, *, waits: bool) -> str:
    """Which of the sentences of the page is true."""
    if page.incident.acknowledged_at is not None:
        return "yours" if page.incident.acknowledged_by_id == page.person_id else "theirs"
    if not waits:
        return "over"
    if page.state == Page.State.CANCELLED:
        return "cancelled"
    return "used" if page.acknowledged_at is not None else "waits"


def _first(incident: Incident) -> list[str]:
    """The next steps up to containment."""
    todo = incident.steps.filter(phase__in=[Phase.PRESERVE, Phase.CONTAIN], state=ProtocolStep.State.TODO)
    return list(todo.values_list("title", flat=True)[:_FIRST_STEPS])


def _say(request: HttpRequest, what: str, *, status: int, **context: Any) -> HttpResponse:
    if _in_json(request):
        said, then = _sentences(what, **context)
        return _private(
            JsonResponse({"stands": context.get("stands", what), "said": said, "then": then}, status=status)
        )
    return _private(render(request, "response/ack.html", {"what": what, **context}, status=status))


def _in_json(request: HttpRequest) -> bool:
    return request.method == "POST" and request.headers.get("Accept", "") == "application/json"


def _sentences(what: str, **shown: Any) -> tuple[str, str]:
    """How it stands and what is to be done, for a notification; `shown` as for the page."""
    if what == "expired":
        return "This page is too old to acknowledge here", "Sign in and look at the incident."
    if what == "unknown":
        return "This page does not work any more", "Sign in and look at the incident."
    incident: Incident = shown["incident"]
    nothing = "There is nothing for you to do."
    if State(incident.state) not in UNRESOLVED:
        return f"{incident.ref} is {incident.state}", nothing
    match shown["stands"]:
        case "yours":
            first = "Open it." if incident.held else "First: open it, and contain it."
            return f"You have {incident.ref}", f"Nobody else is paged. {first}"
        case "theirs":
            return f"{incident.acknowledged_by or 'Somebody'} has {incident.ref}", nothing
    refused: Refused | None = shown["refused"]
    why = f"{refused.what} " if refused else ""
    return f"Nobody has {incident.ref} yet", f"{why}Open the incident and acknowledge it there."


def _private(response: HttpResponse) -> HttpResponse:
    """The address is a credential: it goes into no referrer and no index."""
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
