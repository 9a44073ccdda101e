"""What a server does on whose database a newer version of Andon works."""

from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from andon.api import problems
from andon.engine import locks
from andon.kit import outdated
from andon.kit.errors import Outdated

RETRY_AFTER = "30"
"""Seconds after which a program may try again: by then another replica may answer it, or this one is updated."""


class OlderThanTheRules:
    """A server that is older than the rules of the database changes nothing: it would get the newer rows wrong.

    Signals do not pass here and are taken: every newer version reads those that were kept before it came. See
    docs/adr/0014.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, _args: object, _kwargs: object) -> HttpResponse | None:
        """Answer 503 to what may write; a view may say otherwise of itself (`kit.outdated`)."""
        answer = outdated.said_by(view)
        if answer is None and request.method in outdated.READS:
            return None
        of_api = request.path.startswith("/api/")
        try:
            if not locks.newer():
                return None
        except (OperationalError, InterfaceError) as error:  # nobody knows whether it may: nothing is changed
            if of_api:
                return problems.database(request, error)
            raise
        try:
            return (answer or outdated.by_method)(request)
        except Outdated as refusal:
            return _refused(request, refusal, of_api=of_api)


def _refused(request: HttpRequest, refusal: Outdated, *, of_api: bool) -> HttpResponse:
    said = (
        problems.of(refusal) if of_api else render(request, "refused.html", {"refusal": refusal}, status=refusal.status)
    )
    said.headers["Retry-After"] = RETRY_AFTER
    return said
