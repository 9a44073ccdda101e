"""Pages for administrators: the pace of a channel."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from andon.paging import actions, queries
from andon.paging.forms import PaceForm
from andon.paging.providers.queries import find as channel_of
from andon.people.http import actor_of
from andon.practice.words import OrgRole


@never_cache
@require_http_methods(["GET", "POST"])
def channel_pace(request: HttpRequest, kind: str) -> HttpResponse:
    """The pace of a channel; POST sets it."""
    by = actor_of(request)
    by.must_be(OrgRole.ADMIN, "change the pace of pages")
    which = channel_of(kind)
    pace = queries.pace_in_force(which)
    form = PaceForm.of(pace.pace, request.POST if request.method == "POST" else None)
    if form.is_valid():
        facts = form.cleaned_data
        actions.set_pace(which, person=facts["person_a_minute"], everybody=facts["channel_a_minute"], by=by)
        messages.success(request, f"Set. {queries.pace_in_force(which).words}")
        return redirect("channel", kind=kind)
    shown = {"kind": which, "pace": pace, "form": form}
    return render(request, "paging/pace.html", shown, status=422 if form.errors else 200)


@require_POST
def channel_pace_reset(request: HttpRequest, kind: str) -> HttpResponse:
    """Go back to the pace that Andon brings."""
    which = channel_of(kind)
    actions.reset_pace(which, by=actor_of(request))
    messages.success(request, f"Andon's own pace holds again. {queries.pace_in_force(which).words}")
    return redirect("channel", kind=kind)
