"""The page of a system's kill switch: what holds, which processes apply it, setting it, tokens."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from andon.kit import clock
from andon.kit.errors import Refused
from andon.kit.forms import refuse
from andon.people.http import actor_of
from andon.people.policy import Actor
from andon.practice.words import SwitchMode
from andon.registry.models import System
from andon.registry.policy import access_system
from andon.switch import actions, policy, queries
from andon.switch.forms import GuardTokenForm, StalenessForm, SwitchForm
from andon.switch.shapes import who

UNPROCESSABLE = 422
SHOWN = 20
"""Revisions on the page."""


@require_http_methods(["GET", "POST"])
def switch(request: HttpRequest, slug: str) -> HttpResponse:
    """A system's switch; posting sets it."""
    by = actor_of(request)
    policy.must_view(by)
    system = access_system(by, slug)
    row = queries.switch_of(system)
    if row is None or request.method != "POST":
        return _page(request, by, system)
    form = SwitchForm(request.POST, by=by, switch=row)
    if form.is_valid():
        try:
            done = actions.set_mode(system, form.setting(), by=by, expected=form.cleaned_data["expected"])
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, f"{system} is {done.what_mode.words}. Its processes are being told.")
            return redirect("switch", slug)
    return _page(request, by, system, form=form)


@require_POST
def staleness(request: HttpRequest, slug: str) -> HttpResponse:
    """Say how long `on` lasts unheard."""
    by = actor_of(request)
    policy.must_manage(by, "say how long a system goes on unheard")
    system = access_system(by, slug)
    form = StalenessForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            actions.change_staleness(
                system, max_stale_seconds=given["max_stale_seconds"], on_stale=SwitchMode(given["on_stale"]), by=by,
                expected=given["expected"],
            )  # fmt: skip
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, "Its processes are told how long to go on unheard.")
            return redirect("switch", slug)
    return _page(request, by, system, staleness=form)


@require_POST
def make_token(request: HttpRequest, slug: str) -> HttpResponse:
    """A guard token, shown once, in the answer."""
    by = actor_of(request)
    policy.must_manage(by, "make guard tokens")
    system = access_system(by, slug)
    form = GuardTokenForm(request.POST)
    if form.is_valid():
        minted = actions.make_token(system, name=form.cleaned_data["name"], by=by)
        return render(request, "switch/token_made.html", {"minted": minted, "system": system})
    return _page(request, by, system, token=form)


@require_POST
def revoke_token(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Make a guard token stop working."""
    by = actor_of(request)
    found = policy.access_token(by, access_system(by, slug), pk)
    actions.revoke_token(found, by=by)
    messages.success(request, f"The token {found} was revoked. Processes that hold it hear nothing more.")
    return redirect("switch", slug)


@require_POST
def forget_replica(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Count a silent replica no more."""
    by = actor_of(request)
    found = policy.access_replica(by, access_system(by, slug), pk)
    actions.forget_replica(found, by=by)
    messages.success(request, f"{found.host} is counted no more. If it speaks again, it is there again.")
    return redirect("switch", slug)


def _page(request: HttpRequest, by: Actor, system: System, **forms: Form) -> HttpResponse:
    row = queries.switch_of(system)
    context: dict[str, Any] = {
        "system": system,
        "seen": queries.seen(row, clock.now()) if row else None,
        "may_contain": policy.may_contain(by),
        "may_manage": policy.may_manage(by),
        "tokens": queries.tokens(system) if policy.may_manage(by) else [],
        "token": forms.get("token") or GuardTokenForm(),
    }
    if row is not None:
        revisions = list(queries.revisions(row)[:SHOWN])
        incidents = queries.shown_incidents(by, revisions)
        context |= {
            "says": f"{row.what_mode.label}{f' to {row.limit}' if row.limit else ''}",
            "form": forms.get("form") or SwitchForm(by=by, switch=row),
            "staleness": forms.get("staleness") or StalenessForm.of(row),
            "on_stale": SwitchMode(row.on_stale),
            "revisions": [
                {"row": one, "who": who(one), "incident": incidents.get(one.incident_id)} for one in revisions
            ],
        }
    return render(request, "switch/switch.html", context, status=UNPROCESSABLE if forms else 200)
