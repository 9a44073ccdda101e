"""The address that PagerDuty's webhooks call: every request is verified by its signature before anything in it is read.

What is not understood is answered as taken: PagerDuty switches a webhook off whose requests are refused.
"""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import RawPostDataException
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from andon.kit.errors import Refused
from andon.paging.adapters.pagerduty import webhooks
from andon.paging.providers.queries import settings_of
from andon.people.models import ChannelKind
from andon.response import pagerduty


@login_not_required
@csrf_exempt  # nothing rides on a cookie here: PagerDuty signs what it sends
@never_cache
@require_POST
def events(request: HttpRequest) -> HttpResponse:
    """What somebody did in PagerDuty.

    401 for what no known webhook signed, 413 for what is larger than any, 404 while no secret is kept here; 503 while
    nothing can be written, so that PagerDuty sends it again.
    """
    secrets = _secrets()
    if not secrets:
        return JsonResponse({"error": "No webhook of PagerDuty is set up here."}, status=404)
    body = _body(request)
    if len(body) > webhooks.LARGEST:
        return JsonResponse({"error": "This is larger than any webhook of PagerDuty."}, status=413)
    if not webhooks.is_genuine(body, request.headers.get("X-PagerDuty-Signature", ""), secrets):
        return JsonResponse({"error": "The signature is missing or does not fit."}, status=401)
    event = webhooks.read(body)
    return JsonResponse({"outcome": pagerduty.hear(event) if event else pagerduty.Heard.IGNORED}, status=202)


def _body(request: HttpRequest) -> bytes:
    """The body as it was signed; empty for a form that was read before, which PagerDuty does not send."""
    try:
        return request.body
    except RawPostDataException:
        return b""


def _secrets() -> str:
    try:
        return settings_of(ChannelKind.PAGERDUTY)["webhook_secrets"]
    except Refused:
        return ""
