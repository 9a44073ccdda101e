"""One's own account: name and zone, how to be reached, personal tokens, signing in."""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from andon.kit.errors import Missing, Refused
from andon.kit.outdated import go_on, when_outdated
from andon.people import actions, queries, ties
from andon.people.forms import (
    ContactPointChangeForm,
    ContactPointForm,
    ProfileForm,
    QuietHoursForm,
    TokenForm,
    tell,
)
from andon.people.http import actor_of, person_of
from andon.people.models import ChannelKind, ContactPoint

THEMES = ("", "light", "dark")
_YEAR = 365 * 24 * 3600


@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """Everything about one's own account on one page."""
    return _account(request)


def _account(request: HttpRequest, **forms_in_hand: forms.Form) -> HttpResponse:
    """The page, with a form that needs another look in place of its empty one."""
    person = person_of(request)
    context: dict[str, Any] = {
        "person": person,
        "profile_form": ProfileForm.of(person),
        "quiet_form": QuietHoursForm.of(person),
        "contact_form": ContactPointForm(initial={"address": ""}),
        "token_form": TokenForm(),
        "contact_points": queries.own_contact_points(person),
        "tokens": queries.own_tokens(person),
        "memberships": person.memberships.select_related("team"),
        "parts": ties.account_parts,
        "single_sign_on": bool(settings.OIDC_ISSUER),
    }
    wrong = any(form.errors for form in forms_in_hand.values())
    return render(request, "people/account.html", context | forms_in_hand, status=422 if wrong else 200)


def addresses(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  a view's signature
    """Where allauth would manage several e-mail addresses: an account has one, and an administrator vouched for it."""
    return redirect("account")


@require_POST
def change_profile(request: HttpRequest) -> HttpResponse:
    """Name and time zone."""
    person = person_of(request)
    form = ProfileForm.of(person, request.POST)
    if form.is_valid():
        try:
            actions.change_profile(person, by=actor_of(request), **form.cleaned_data)
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, "Your name and time zone are saved.")
            return redirect("account")
    return _account(request, profile_form=form)


@require_POST
def set_quiet_hours(request: HttpRequest) -> HttpResponse:
    """When pages of mild incidents wait."""
    person = person_of(request)
    form = QuietHoursForm.of(person, request.POST)
    if form.is_valid():
        try:
            actions.set_quiet_hours(person, by=actor_of(request), **form.cleaned_data)
        except Refused as refused:
            tell(form, refused)
        else:
            said = f"Your quiet hours are {person.quiet_words}." if person.quiet_words else "You have no quiet hours."
            messages.success(request, said)
            return redirect("account")
    return _account(request, quiet_form=form)


@when_outdated(go_on)
@require_POST
def change_theme(request: HttpRequest) -> HttpResponse:
    """Light, dark, or as the system has it. It is the browser's own, so it lives in a cookie."""
    chosen = request.POST.get("theme", "")
    response = redirect("account")
    if chosen in THEMES[1:]:
        response.set_cookie("andon_theme", chosen, max_age=_YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
    else:
        response.delete_cookie("andon_theme", samesite="Lax")
    return response


@when_outdated(go_on)
@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """End all sessions but this one."""
    person = person_of(request)
    actions.sign_out_everywhere(person, by=actor_of(request))
    update_session_auth_hash(request, person)
    messages.success(request, "Every other session has ended. This one goes on.")
    return redirect("account")


@never_cache
@require_POST
def add_contact_point(request: HttpRequest) -> HttpResponse:
    """A further way to be reached."""
    form = ContactPointForm(request.POST)
    if form.is_valid():
        facts = form.cleaned_data
        try:
            reach = actions.add_contact_point(
                person_of(request),
                kind=ChannelKind(facts["kind"]),
                address=facts["address"],
                label=facts["label"],
                delay_minutes=facts["delay_minutes"],
                by=actor_of(request),
            )
        except Refused as refused:
            tell(form, refused)
        else:
            if reach.secret:  # shown once, in the answer
                return render(request, "people/webhook_added.html", {"reach": reach})
            messages.success(request, f"{reach.contact_point} was added.{_then(reach.contact_point)}")
            return redirect("account")
    return _account(request, contact_form=form)


def _then(contact_point: ContactPoint) -> str:
    return "" if contact_point.verified_at else " Send a test and confirm it, so that pages go there."


def _own_contact_point(request: HttpRequest, pk: UUID) -> ContactPoint:
    found = queries.own_contact_points(person_of(request)).filter(pk=pk).first()
    if found is None:
        raise Missing("You have no such contact point.")
    return found


@require_POST
def change_contact_point(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Its label and delay."""
    found = _own_contact_point(request, pk)
    form = ContactPointChangeForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Not saved: the delay is a whole number of minutes, 0 to 1440.")
        return redirect("account")
    actions.change_contact_point(found, by=actor_of(request), **form.cleaned_data)
    messages.success(request, f"{found} is saved.")
    return redirect("account")


@require_POST
def remove_contact_point(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop being reached by it."""
    found = _own_contact_point(request, pk)
    actions.remove_contact_point(found, by=actor_of(request))
    messages.success(request, f"{found} was removed. No page goes there any more.")
    return redirect("account")


@never_cache
@require_POST
def make_token(request: HttpRequest) -> HttpResponse:
    """A personal token, shown once, in the answer."""
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            minted = actions.make_token(
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                days=form.lasts(),
                by=actor_of(request),
            )
        except Refused as refused:
            tell(form, refused)
        else:
            return render(request, "people/token_made.html", {"minted": minted})
    return _account(request, token_form=form)


@require_POST
def revoke_token(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Make a token stop working."""
    found = queries.own_tokens(person_of(request)).filter(pk=pk).first()
    if found is None:
        raise Missing("You have no such token.")
    actions.revoke_token(found, by=actor_of(request))
    messages.success(request, f"The token {found} was revoked. Whatever used it is refused from now on.")
    return redirect("account")
