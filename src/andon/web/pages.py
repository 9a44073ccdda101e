"""Pages that belong to no slice: home, the lamp bar, and what to say when a page cannot be shown."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

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


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  Django's signature
    """400 in words."""
    return render(request, "400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  Django's signature
    """403 in words."""
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  Django's signature
    """404 in words."""
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500 in words, from a template that needs nothing that may be broken."""
    return render(request, "500.html", status=500)
