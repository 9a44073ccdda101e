"""The one page of this slice: try a contact point, and say what came of it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from andon.kit.errors import Conflict
from andon.paging import trying
from andon.paging.channel import Outcome, Receipt
from andon.people.http import actor_of


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
