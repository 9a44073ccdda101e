"""Who there is: the list, one person, invitations."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.kit.errors import Missing, Refused
from andon.kit.outdated import go_on, when_outdated
from andon.people import actions, mail, queries, ties
from andon.people.forms import InviteForm, RoleForm, tell
from andon.people.http import actor_of
from andon.people.models import Invitation
from andon.practice.words import OrgRole


@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Everyone, and who is invited."""
    by = actor_of(request)
    rows = queries.people(by)
    words = request.GET.get("q", "").strip()
    if words:
        rows = rows.filter(Q(name__icontains=words) | Q(email__icontains=words))
    inactive = request.GET.get("state") == "inactive"
    administers = by.may(OrgRole.ADMIN)
    return render(
        request,
        "people/people.html",
        {
            "people": rows.filter(is_active=not inactive),
            "inactive": inactive,
            "words": words,
            "administers": administers,
            "invitations": queries.open_invitations() if administers else [],
        },
    )


@require_safe
def person(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One person: what they do here, how they can be reached, and what an administrator may change."""
    return _person(request, pk)


def _person(request: HttpRequest, pk: UUID, form: RoleForm | None = None) -> HttpResponse:
    by = actor_of(request)
    found = queries.person(by, pk)
    administers = by.may(OrgRole.ADMIN)
    return render(
        request,
        "people/person.html",
        {
            "person": found,
            "is_you": by.person == found,
            "administers": administers,
            "role_form": form or RoleForm(initial={"role": found.role}),
            "losses": ties.losses(found) if administers and found.is_active else [],
            "contact_points": queries.own_contact_points(found),
            "memberships": found.memberships.select_related("team"),
        },
        status=422 if form and form.errors else 200,
    )


@require_POST
def change_role(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Give a person another role."""
    by = actor_of(request)
    found = queries.person(by, pk)
    form = RoleForm(request.POST)
    if form.is_valid():
        try:
            actions.change_role(found, OrgRole(form.cleaned_data["role"]), by=by)
        except Refused as refused:
            if refused.status == 403:  # noqa: PLR2004  Forbidden: a page of its own, not a remark on a form
                raise
            tell(form, refused)
        else:
            messages.success(request, f"{found} is {found.org_role.words} now.")
            return redirect("person", pk)
    return _person(request, pk, form)


@require_POST
def deactivate(request: HttpRequest, pk: UUID) -> HttpResponse:
    """End a person's access."""
    by = actor_of(request)
    found = queries.person(by, pk)
    _say_uncovered(request, actions.deactivate(found, by=by))
    messages.success(request, f"{found} can no longer sign in. Their sessions and tokens have stopped.")
    return redirect("person", pk)


@require_POST
def reactivate(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Let a person back in."""
    found = actions.reactivate(queries.person(actor_of(request), pk), by=actor_of(request))
    messages.success(request, f"{found} can sign in again.")
    return redirect("person", pk)


@require_POST
def erase(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Erase a person for good."""
    by = actor_of(request)
    found = queries.person(by, pk)
    name = str(found)
    _say_uncovered(request, actions.erase(found, by=by))
    messages.success(request, f"{name} was erased. Timelines keep what was done, without saying who.")
    return redirect("people")


@when_outdated(go_on)
@require_POST
def sign_out(request: HttpRequest, pk: UUID) -> HttpResponse:
    """End all of a person's sessions."""
    by = actor_of(request)
    found = queries.person(by, pk)
    actions.sign_out_everywhere(found, by=by)
    messages.success(request, f"{found} was signed out everywhere.")
    return redirect("person", pk)


def _say_uncovered(request: HttpRequest, sentences: list[str]) -> None:
    for sentence in sentences:
        messages.warning(request, sentence)


@never_cache
@require_http_methods(["GET", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    """Invite somebody; the link is shown once, in the answer, because it is kept nowhere."""
    by = actor_of(request)
    by.must_be(OrgRole.ADMIN, "invite people")
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        facts = form.cleaned_data
        try:
            invited = actions.invite(email=facts["email"], role=OrgRole(facts["role"]), team=facts["team"], by=by)
        except Refused as refused:
            tell(form, refused)
        else:
            why_not = mail.send_invitation(invited)
            return render(request, "people/invited.html", {"invited": invited, "why_not": why_not})
    return render(request, "people/invite.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Make an invitation's link stop working."""
    by = actor_of(request)
    by.must_be(OrgRole.ADMIN, "withdraw invitations")
    actions.withdraw_invitation(_invitation(pk), by=by)
    messages.success(request, "The invitation was withdrawn; its link no longer works.")
    return redirect("people")


def _invitation(pk: UUID) -> Invitation:
    found = Invitation.objects.filter(pk=pk).first()
    if found is None:
        raise Missing("There is no such invitation.")
    return found
