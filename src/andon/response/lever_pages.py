"""A lever is pulled from the page of its incident, and nowhere else in a browser; then that page says how it goes.

What is done about a pull afterwards is its own (`containment.pages`).
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from andon.containment import actions, offering
from andon.containment.models import Lever
from andon.containment.pages import known_of
from andon.containment.policy import must_pull
from andon.incidents.models import Incident
from andon.incidents.policy import access_incident
from andon.kit.errors import Conflict, Invalid, Missing
from andon.people.http import actor_of


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
    """Pull it; what stands against it is said on the incident's page, where it can be decided anew."""
    by = actor_of(request)
    incident = access_incident(by, number)
    must_pull(by, incident)
    try:
        why = request.POST.get("reason", "")[:2000]
        actions.pull(_lever(incident, lever), incident, by=by, why=why, known=known_of(request))
    except (Conflict, Invalid) as refused:
        messages.warning(request, refused.what)
    return redirect("incident", number)


def _lever(incident: Incident, number: int) -> Lever:
    """A lever of the incident's system. Whoever may act on the incident may pull it, whatever else they may see."""
    found = Lever.objects.filter(system=incident.system_id, number=number).first()
    if found is None:
        raise Missing(f"The system of {incident.ref} has no lever LEVER-{number}.")
    return found
