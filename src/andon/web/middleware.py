"""What every request passes through that is Andon's own."""

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from andon.kit import nul
from andon.kit.errors import Refused
from andon.people.models import Person
from andon.web import lamps


class ViewersZone:
    """Show times in the viewer's zone while the request runs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Activate the person's zone, UTC for everyone else."""
        zone = request.user.time_zone if isinstance(request.user, Person) else "UTC"
        try:
            timezone.activate(zoneinfo.ZoneInfo(zone))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            timezone.activate(zoneinfo.ZoneInfo("UTC"))
        try:
            return self.get_response(request)
        finally:
            timezone.deactivate()


class ForgetAfterWriting:
    """Whoever changes something sees it in the lamps of the next page, not the answer of a moment ago."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Drop what is kept after a request that may have written."""
        response = self.get_response(request)
        if request.method not in {"GET", "HEAD", "OPTIONS"}:
            lamps.forget()
        return response


class NoNul:
    """A NUL in an address or a form is refused here, since the databases disagree about it. The API has its own way."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, _view: object, _args: object, _kwargs: object) -> HttpResponse | None:
        """Answer 400 before a view asks the database."""
        if request.path.startswith("/api/") or not (nul.in_address(request) or nul.in_form(request)):
            return None
        return render(request, "400.html", status=400)


class RefusalsInWords:
    """A refusal becomes a page that says what happened and what to do, with the right status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer a `Refused`; anything else goes on to Django."""
        if not isinstance(exception, Refused):
            return None
        return render(request, "refused.html", {"refusal": exception}, status=exception.status)
