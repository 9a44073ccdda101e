"""Levers from the incident page: pulled, agreed to, refused, taken back, undone. Each act returns to the incident."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from andon.containment import actions, offering
from andon.containment.models import Lever, Pull
from andon.containment.policy import access_pull, must_pull
from andon.incidents.models import Incident
from andon.incidents.policy import access_incident
from andon.kit.errors import Conflict, Invalid, Missing
from andon.people.http import actor_of
from andon.people.policy import Actor


@require_safe
def lever(request: HttpRequest, number: int, lever: int) -> HttpResponse:
    """Another lever than the first: what it will do, and its button."""
    by = actor_of(request)
    incident = access_incident(by, number)
    must_pull(by, incident)
    offer = next((one for one in offering.offers(incident) if one.lever.number == lever), None)
    if offer is None:
        raise Missing(f"LEVER-{lever} cannot be pulled for {incident.ref}.")
    context = {
        "incident": incident,
        "offer": offer,
        "explanation": offering.explanation(offer, incident),
        "effect": offering.effect(offer, incident),
    }
    return render(request, "response/lever.html", context)


@require_POST
def pull(request: HttpRequest, number: int, lever: int) -> HttpResponse:
    """Pull it."""
    return _act(
        request, number, lambda by, incident: actions.pull(_lever(incident, lever), incident, by=by, why=_why(request))
    )


@require_POST
def agree(request: HttpRequest, number: int, pull: int) -> HttpResponse:
    """Agree to a pull that waits for a word."""
    return _act(request, number, lambda by, incident: actions.approve(_pull(by, incident, pull), by=by))


@require_POST
def decline(request: HttpRequest, number: int, pull: int) -> HttpResponse:
    """Refuse it, with a reason."""
    return _act(
        request, number, lambda by, incident: actions.decline(_pull(by, incident, pull), reason=_why(request), by=by)
    )


@require_POST
def withdraw(request: HttpRequest, number: int, pull: int) -> HttpResponse:
    """Take it back before it acts."""
    return _act(
        request, number, lambda by, incident: actions.withdraw(_pull(by, incident, pull), reason=_why(request), by=by)
    )


@require_POST
def undo(request: HttpRequest, number: int, pull: int) -> HttpResponse:
    """Bring back what held before."""
    return _act(request, number, lambda by, incident: actions.undo(_pull(by, incident, pull), by=by, why=_why(request)))


def _act(request: HttpRequest, number: int, do: Callable[[Actor, Incident], object]) -> HttpResponse:
    """One act; what stands against it is said on the incident's page, where it can be decided anew."""
    by = actor_of(request)
    incident = access_incident(by, number)
    must_pull(by, incident)
    try:
        do(by, incident)
    except (Conflict, Invalid) as refused:
        messages.warning(request, refused.what)
    return redirect("incident", number)


def _why(request: HttpRequest) -> str:
    return request.POST.get("reason", "")[:2000]


def _lever(incident: Incident, number: int) -> Lever:
    """A lever of the incident's system. Whoever may act on the incident may pull it, whatever else they may see."""
    found = Lever.objects.filter(system=incident.system_id, number=number).first()
    if found is None:
        raise Missing(f"The system of {incident.ref} has no lever LEVER-{number}.")
    return found


def _pull(by: Actor, incident: Incident, number: int) -> Pull:
    found = access_pull(by, number)
    if found.incident_id != incident.pk:
        raise Missing(f"{incident.ref} has no pull PULL-{number}.")
    return found
