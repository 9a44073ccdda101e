"""Pages for administrators: every channel, what it needs, whether it can be used."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.kit import markdown
from andon.kit.errors import Refused
from andon.kit.forms import refuse
from andon.paging import adapters
from andon.paging import queries as outbox
from andon.paging.channel import Outcome
from andon.paging.providers import actions, queries, trying
from andon.paging.providers.forms import SettingsForm
from andon.people.http import actor_of
from andon.people.models import ChannelKind
from andon.practice.words import OrgRole

UNPROCESSABLE = 422


@require_safe
def channels(request: HttpRequest) -> HttpResponse:
    """Every channel and how it stands."""
    actor_of(request).must_be(OrgRole.ADMIN, "see how channels are set up")
    rows = [_row(kind) for kind in queries.known()]
    return render(request, "paging/channels.html", {"channels": rows})


@never_cache
@require_http_methods(["GET", "POST"])
def channel(request: HttpRequest, kind: str) -> HttpResponse:
    """One channel: what it needs and how it stands; POST keeps its settings."""
    by = actor_of(request)
    by.must_be(OrgRole.ADMIN, "set up channels")
    which = queries.find(kind)
    setup = adapters.setup(which)
    form = SettingsForm(setup, queries.kept(which).settings, request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            actions.set_up(which, form.given(), by=by)
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, f"{which.label} is set up. Send a test to see that it works.")
            return redirect("channel", kind=kind)
    shown = _row(which) | {
        "form": form,
        "help": markdown.render(adapters.help_text(which, base=settings.BASE_URL)),
        "same_as": ChannelKind(setup.same_as) if setup.same_as else None,
        "pace": outbox.pace_in_force(which),
        "own": trying.own_contact_points(which, by),
    }
    return render(request, "paging/channel.html", shown, status=UNPROCESSABLE if form.errors else 200)


@require_POST
def disable(request: HttpRequest, kind: str) -> HttpResponse:
    """Send nothing over it any more."""
    which = queries.find(kind)
    actions.disable(which, by=actor_of(request))
    messages.success(request, f"{which.label} is switched off. Nothing is sent over it, and nobody can add it.")
    return redirect("channel", kind=kind)


@require_POST
def enable(request: HttpRequest, kind: str) -> HttpResponse:
    """Use it again."""
    which = queries.find(kind)
    actions.enable(which, by=actor_of(request))
    messages.success(request, f"{which.label} is switched on, with the settings that it had.")
    return redirect("channel", kind=kind)


@require_POST
def test(request: HttpRequest, kind: str) -> HttpResponse:
    """Send a test to oneself."""
    which = queries.find(kind)
    try:
        receipt = trying.try_channel(which, by=actor_of(request))
    except Refused as refused:
        messages.error(request, refused.what)
    else:
        if receipt.outcome is Outcome.SENT:
            messages.success(request, "The test message is out. Open the link in it to confirm that it reached you.")
        else:
            messages.error(request, f"The test message did not get out. {receipt.reason}")
    return redirect("channel", kind=kind)


def _row(kind: ChannelKind) -> dict[str, Any]:
    kept = queries.kept(kind)
    return {
        "kind": kind,
        "setup": adapters.setup(kind),
        "standing": queries.standing(kind),
        "missing": queries.missing(kind),
        "changed_at": kept.changed_at,
        "disabled": kept.disabled_at is not None,
    }
