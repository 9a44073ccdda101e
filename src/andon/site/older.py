"""What a server does on whose database a newer version of Andon works."""

from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from andon.api import problems
from andon.engine import beats, locks
from andon.kit.errors import Outdated

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


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
        """Answer 503 to what may write; a view that is asked by no browser may have an answer, or a way, of its own."""
        if request.method in _READS:
            return None
        of_api = request.path.startswith("/api/")
        try:
            if not locks.newer():
                return None
        except (OperationalError, InterfaceError) as error:  # nobody knows whether it may: nothing is changed
            if of_api:
                return problems.database(request, error)
            raise
        if spoken := getattr(view, "when_outdated", None):
            said: HttpResponse | None = spoken(request)
            return said
        refusal = Outdated(beats.OUTDATED)
        answer = (
            problems.of(refusal)
            if of_api
            else render(request, "refused.html", {"refusal": refusal}, status=refusal.status)
        )
        answer.headers["Retry-After"] = "30"
        return answer
