"""Systems: the list with its readiness lamps, one system, its stage, what it stands on."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.kit import clock
from andon.kit.errors import Refused
from andon.people.forms import tell
from andon.people.http import actor_of
from andon.people.models import Team
from andon.people.policy import Actor
from andon.practice.words import Criticality, RiskClass, Stage
from andon.registry import actions, parts, policy, queries
from andon.registry.filters import SystemFilter
from andon.registry.forms import DependencyForm, StageForm, SystemForm
from andon.registry.models import System

_PER_PAGE = 50
_CHANGES = 8


@require_safe
def systems(request: HttpRequest) -> HttpResponse:
    """The register, filtered by its address, each system with its readiness."""
    by = actor_of(request)
    policy.must_view(by)
    asked = {name: request.GET.get(name, "") for name in ("q", "stage", "criticality", "risk_class", "team")}
    page = Paginator(SystemFilter(**asked).of(queries.systems()), _PER_PAGE).get_page(request.GET.get("page"))
    verdicts = queries.readiness_of(page.object_list, clock.now(), timezone.get_current_timezone())
    return render(
        request,
        "registry/systems.html",
        {
            "rows": [(row, verdicts[row.pk]) for row in page.object_list],
            "page": page,
            "asked": asked,
            "filtered": any(asked.values()),
            "filters": _filters(asked),
            "may_edit": policy.may_edit(by),
        },
    )


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Register a system."""
    by = actor_of(request)
    policy.must_edit(by, "register systems")
    form = SystemForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.register(by=by, facts=form.facts())
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, f"{made} is in the register, in development.")
            return redirect("system", made.slug)
    context = {"form": form, "title": "Register a system", "submit": "Register the system"}
    return render(request, "registry/system_form.html", context, status=422 if form.errors else 200)


@require_safe
def system(request: HttpRequest, slug: str) -> HttpResponse:
    """One system."""
    by = actor_of(request)
    return _system(request, by, policy.access_system(by, slug))


def _system(request: HttpRequest, by: Actor, found: System, *, stage_form: StageForm | None = None) -> HttpResponse:
    now = clock.now()
    verdict = queries.readiness(found, now, timezone.get_current_timezone())
    dependencies = found.dependencies.select_related("component").order_by("component__name")
    may_edit = policy.may_edit(by)
    return render(
        request,
        "registry/system.html",
        {
            "system": found,
            "verdict": verdict,
            "override": queries.override_of(found, verdict),
            "on_call": queries.on_call_for([found], now)[0],
            "dependencies": dependencies,
            "changes": queries.changes_of(found)[:_CHANGES],
            "stages": found.stage_changes.select_related("by"),
            "parts": parts.of(by, found),
            "may_edit": may_edit,
            "stage_form": stage_form
            or StageForm(
                system=found,
                may_override=policy.may_override(by),
                initial={"to": _following(Stage(found.stage))},
            ),
            "dependency_form": DependencyForm(system=found) if may_edit else None,
        },
        status=422 if stage_form and stage_form.errors else 200,
    )


@require_safe
def changes(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything that changed about a system, newest first."""
    by = actor_of(request)
    found = policy.access_system(by, slug)
    listed = Paginator(queries.changes_of(found), _PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "registry/changes.html", {"system": found, "page": listed})


@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Change what the register says of a system."""
    by = actor_of(request)
    found = policy.access_system(by, slug)
    policy.must_edit(by, "change systems")
    form = SystemForm(request.POST if request.method == "POST" else None, system=found)
    if request.method == "POST" and form.is_valid():
        try:
            actions.change(by=by, system=found, facts=form.facts())
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, "The register was changed.")
            return redirect("system", slug)
    context = {"form": form, "title": f"Change {found.name}", "submit": "Save", "system": found}
    return render(request, "registry/system_form.html", context, status=422 if form.errors else 200)


@require_POST
def move_stage(request: HttpRequest, slug: str) -> HttpResponse:
    """Move a system to another stage."""
    by = actor_of(request)
    found = policy.access_system(by, slug)
    policy.must_edit(by, "move systems")
    form = StageForm(request.POST, system=found, may_override=policy.may_override(by))
    if form.is_valid():
        to = Stage(form.cleaned_data["to"])
        try:
            actions.move_stage(by=by, system=found, to=to, override_reason=form.cleaned_data.get("override_reason", ""))
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, f"{found} is in {to.words} now.")
            return redirect("system", slug)
    return _system(request, by, found, stage_form=form)


@require_POST
def depend(request: HttpRequest, slug: str) -> HttpResponse:
    """Say that a system stands on a component."""
    by = actor_of(request)
    found = policy.access_system(by, slug)
    component = policy.access_component(by, request.POST.get("component", ""))
    actions.depend(by=by, system=found, component=component, purpose=request.POST.get("purpose", ""))
    messages.success(request, f"{found} stands on {component}.")
    return redirect("system", slug)


@require_POST
def stop_depending(request: HttpRequest, slug: str, component: str) -> HttpResponse:
    """Say that a system no longer stands on a component."""
    by = actor_of(request)
    found = policy.access_system(by, slug)
    actions.stop_depending(by=by, system=found, component=policy.access_component(by, component))
    messages.success(request, f"{found} no longer stands on it.")
    return redirect("system", slug)


def _following(stage: Stage) -> Stage:
    """The stage that usually comes next."""
    order: list[Stage] = [*Stage, Stage.PILOT]  # what was retired comes back by way of a pilot
    return order[order.index(stage) + 1]


def _filters(asked: dict[str, str]) -> list[dict[str, Any]]:
    teams = [(team.slug, str(team)) for team in Team.objects.all()]
    words = (
        ("stage", "Stage", Stage.choices()),
        ("criticality", "Criticality", Criticality.choices()),
        ("risk_class", "Risk class", RiskClass.choices()),
        ("team", "Team", teams),
    )
    return [
        {
            "name": name,
            "label": label,
            "options": [
                {"value": value, "label": text, "on": asked[name] == value} for value, text in [("", "Any"), *choices]
            ],
        }
        for name, label, choices in words
    ]
