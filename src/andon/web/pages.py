"""Pages that belong to no slice: home, the lamp bar, and what to say when a page cannot be shown."""

import sys

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from andon.engine import beats
from andon.kit import clock
from andon.people.http import actor_of
from andon.web import lamps as lamp_bar
from andon.web import queries


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """What is burning, which clocks run, who is on call, what is uncovered, what is overdue."""
    found = queries.home(actor_of(request), timezone.get_current_timezone())
    return render(request, "web/home.html", found)


@require_safe
@never_cache
def lamps(request: HttpRequest) -> HttpResponse:
    """The lamp bar alone, as it stands."""
    return render(request, "components/lamps.html", {"lamps": lamp_bar.lamps_now(actor_of(request))})


@login_not_required
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """This process answers; whether it can work is `readyz`'s question."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
@never_cache
def readyz(_request: HttpRequest) -> HttpResponse:
    """Whether this process can do its work: the database answers. 503 otherwise.

    What the engine does is said beside it and changes no status: a server without an engine still keeps every signal,
    and so does one that is older than the engine.
    """
    try:
        engine = beats.status(clock.now())
    except DatabaseError:
        return JsonResponse({"status": "the database does not answer"}, status=503)
    return JsonResponse({"status": "ok", "engine": {"healthy": engine.healthy, "says": engine.sentence}})


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  Django's signature
    """400 in words."""
    return render(request, "400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  Django's signature
    """403 in words."""
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  Django's signature
    """404 in words."""
    return render(request, "404.html", status=404)


def server_error(_request: HttpRequest) -> HttpResponse:
    """500 in words; 503 when the database does not answer. Neither template asks anything that may be gone."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return HttpResponse(loader.render_to_string("503.html"), status=503, headers={"Retry-After": "5"})
    return HttpResponse(loader.render_to_string("500.html"), status=500)
