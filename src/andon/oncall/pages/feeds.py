"""A person's calendar feed."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from andon.oncall import actions, calendars
from andon.people.http import actor_of


@login_not_required
@require_safe
def calendar_feed(_request: HttpRequest, token: str) -> HttpResponse:
    """A person's shifts for their calendar program, which cannot sign in: the address is the secret."""
    answer = HttpResponse(calendars.feed(token), content_type="text/calendar; charset=utf-8")
    answer["Cache-Control"] = "private, max-age=900"
    answer["Content-Disposition"] = 'inline; filename="on-call.ics"'
    return answer


@require_POST
def new(request: HttpRequest) -> HttpResponse:
    """A new address, shown this once."""
    token = actions.new_feed(by=actor_of(request))
    answer = render(request, "oncall/feed.html", {"url": settings.BASE_URL + reverse("calendar_feed", args=[token])})
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """The address stops to work."""
    actions.stop_feed(by=actor_of(request))
    messages.success(request, "Your calendar address no longer works.")
    return redirect("schedules")
