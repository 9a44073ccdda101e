"""The way in: the first administrator's link, invitations, and links that confirm a contact point."""

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from andon.kit.errors import Refused
from andon.people import actions, queries
from andon.people.actions.contacts import contact_point_of
from andon.people.forms import EntranceForm, tell
from andon.people.models import Invitation

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """The first start: who administers Andon here."""
    return _enter(request, queries.invitation_by_token(token, setup=True))


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Somebody invited makes their account."""
    return _enter(request, queries.invitation_by_token(token, setup=False))


def _enter(request: HttpRequest, found: Invitation) -> HttpResponse:
    organisation = queries.organisation()
    zone = organisation.time_zone if organisation else "UTC"
    form = EntranceForm(request.POST or None, invitation=found, zone=zone)
    if request.method == "POST" and form.is_valid():
        facts = form.cleaned_data
        try:
            person = actions.take_invitation(
                found,
                email=facts["email"],
                name=facts["name"],
                password=facts["password"],
                time_zone=facts["time_zone"],
                organisation=facts.get("organisation", ""),
                came_by_mail=queries.came_by_mail(found, request.GET.get("mail", "")),
            )
        except Refused as refused:
            tell(form, refused)
        else:
            login(request, person, backend=_BACKEND)
            messages.success(request, f"Welcome, {person.name}. Check below how Andon can reach you.")
            return redirect("account")
    return render(
        request,
        "people/entrance.html",
        {"form": form, "invitation": found, "organisation": organisation},
        status=422 if form.errors else 200,
    )


@login_not_required
@csrf_exempt  # nothing rides on a cookie here: the link is the credential, and a notification's click posts it too
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_contact_point(request: HttpRequest, token: str) -> HttpResponse:
    """The link of a test message. GET shows, so that a link preview confirms nothing; POST confirms."""
    found = actions.verify_contact_point(token) if request.method == "POST" else contact_point_of(token)
    said = "people/contact_confirmed.html" if found.works else "people/contact_confirm.html"
    return render(request, said, {"contact_point": found})
