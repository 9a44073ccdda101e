"""The pages of this slice: try a contact point, turn pages on in a browser, and the worker that shows them there."""

from functools import cache
from importlib import resources
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from andon.kit.errors import Conflict, Refused
from andon.paging import adapters, trying
from andon.paging.adapters.push.subscription import Subscription
from andon.paging.channel import Outcome, Receipt
from andon.people.actions.browsers import turn_on_browser
from andon.people.http import actor_of, person_of
from andon.people.models import ContactPoint


@require_POST
def contact_point_test(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send a test message to one of one's own contact points (an administrator: anybody's), and come back."""
    try:
        receipt = trying.try_contact_point(pk, by=actor_of(request))
    except Conflict as refused:
        receipt = Receipt.retry(refused.what)
    if receipt.outcome is Outcome.SENT:
        messages.success(request, "The test message is out. Open the link in it to confirm that it reached you.")
    else:
        messages.error(request, f"The test message did not get out. {receipt.reason}")
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        return redirect(back)
    return redirect("account")


@login_not_required  # a browser fetches it again by itself, signed in or not; it holds nothing of anybody's
@require_safe
@never_cache  # an old worker must not outlive an upgrade
def push_worker(_request: HttpRequest) -> HttpResponse:
    """The service worker that shows pages as notifications; at the root, so that its scope is all of Andon."""
    return HttpResponse(_worker(), content_type="text/javascript; charset=utf-8")


@cache
def _worker() -> str:
    return (resources.files(adapters) / "push" / "worker.js").read_text(encoding="utf-8")


@require_POST
def push_turn_on(request: HttpRequest) -> HttpResponse:
    """Let pages appear in this browser: keep what it gave out, and send it a test whose click confirms it."""
    given = request.POST
    try:
        browser = Subscription.given(
            endpoint=given.get("endpoint", ""), p256dh=given.get("p256dh", ""), auth=given.get("auth", "")
        )
        by = actor_of(request)
        point = turn_on_browser(
            person_of(request), endpoint=browser.endpoint, keys=browser.secret, label=given.get("label", ""), by=by
        )
    except Refused as refused:
        messages.error(request, refused.what)
    else:
        _say_of_first_test(request, point)
    return redirect("account")


def _say_of_first_test(request: HttpRequest, point: ContactPoint) -> None:
    try:
        receipt = trying.try_contact_point(point.pk, by=actor_of(request))
    except Conflict as refused:
        receipt = Receipt.retry(refused.what)
    if receipt.outcome is Outcome.SENT:
        messages.success(request, "A test notification is on its way to this browser. Click it, and pages go there.")
    else:
        messages.error(request, f"This browser is on the list, but the test did not get out. {receipt.reason}")
