"""The address that Slack calls: every request is verified by its signature before anything in it is read."""

from json import JSONDecodeError

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import RawPostDataException
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from slack_bolt.adapter.django import SlackRequestHandler
from slack_sdk.signature import Clock, SignatureVerifier

from andon.kit import clock
from andon.slack import listening, queries


class _HouseClock(Clock):
    """The clock by which a signature is too old."""

    def now(self) -> float:
        """Unix seconds."""
        return clock.now().timestamp()


@login_not_required
@csrf_exempt  # nothing rides on a cookie here: Slack signs what it sends
@never_cache
@require_POST
def events(request: HttpRequest) -> HttpResponse:
    """Buttons, forms, shortcuts and events.

    401 for what Slack did not sign within the last five minutes, 400 for what is no JSON.
    """
    settings = queries.settings()
    if settings is None:
        return JsonResponse({"error": "Slack is not set up here."}, status=404)
    if not _is_signed(request, settings["signing_secret"]):
        return JsonResponse({"error": "The signature does not fit, or is too old."}, status=401)
    try:
        return SlackRequestHandler(listening.app()).handle(request)
    except JSONDecodeError:
        return JsonResponse({"error": "This is signed, and is no JSON."}, status=400)


def _is_signed(request: HttpRequest, secret: str) -> bool:
    """Slack's signature over the body and the time (docs.slack.dev/authentication/verifying-requests-from-slack)."""
    given = request.headers
    try:
        return SignatureVerifier(secret, _HouseClock()).is_valid(
            request.body, given.get("X-Slack-Request-Timestamp"), given.get("X-Slack-Signature")
        )
    except (ValueError, TypeError, RawPostDataException):  # no number, no text, no such form: not by Slack
        return False
