"""Teams: the list, one team, who is in it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.kit.errors import Refused
from andon.people import actions, queries
from andon.people.forms import MemberForm, TeamForm, tell
from andon.people.http import actor_of
from andon.people.models import Membership
from andon.practice.words import OrgRole


@require_safe
def teams(request: HttpRequest) -> HttpResponse:
    """All teams."""
    by = actor_of(request)
    return render(request, "people/teams.html", {"teams": queries.teams(by), "may_create": by.may(OrgRole.LEAD)})


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """A new team."""
    by = actor_of(request)
    by.must_be(OrgRole.LEAD, "create teams")
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.create_team(name=form.cleaned_data["name"], by=by)
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, f"{made} was created. Take people into it.")
            return redirect("team", made.slug)
    return render(request, "people/team_create.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
def team(request: HttpRequest, slug: str) -> HttpResponse:
    """One team."""
    return _team(request, slug)


def _team(
    request: HttpRequest, slug: str, *, rename: TeamForm | None = None, join: MemberForm | None = None
) -> HttpResponse:
    by = actor_of(request)
    found = queries.team(by, slug)
    wrong = bool((rename and rename.errors) or (join and join.errors))
    return render(
        request,
        "people/team.html",
        {
            "team": found,
            "memberships": found.memberships.select_related("person").order_by("person__name"),
            "manages": queries.manages(by, found),
            "rename_form": rename or TeamForm(initial={"name": found.name}),
            "member_form": join or MemberForm(),
        },
        status=422 if wrong else 200,
    )


@require_POST
def rename(request: HttpRequest, slug: str) -> HttpResponse:
    """Call a team something else."""
    by = actor_of(request)
    found = queries.team(by, slug)
    form = TeamForm(request.POST)
    if not form.is_valid():
        return _team(request, slug, rename=form)
    actions.rename_team(found, name=form.cleaned_data["name"], by=by)
    messages.success(request, f"The team is called {found} now.")
    return redirect("team", slug)


@require_POST
def add_member(request: HttpRequest, slug: str) -> HttpResponse:
    """Take somebody into a team."""
    by = actor_of(request)
    found = queries.team(by, slug)
    form = MemberForm(request.POST)
    if not form.is_valid():
        return _team(request, slug, join=form)
    person = form.cleaned_data["person"]
    actions.add_member(found, person, role=Membership.Role(form.cleaned_data["role"]), by=by)
    messages.success(request, f"{person} is in {found} now.")
    return redirect("team", slug)


@require_POST
def remove_member(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Take somebody out of a team."""
    by = actor_of(request)
    found, person = queries.team(by, slug), queries.person(by, pk)
    actions.remove_member(found, person, by=by)
    messages.success(request, f"{person} is no longer in {found}.")
    return redirect("team", slug) if queries.may_see_people(by) else redirect("teams")
