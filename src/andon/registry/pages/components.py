"""Components: what systems stand on, and which systems a trouble there would reach."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from andon.kit.errors import Refused
from andon.people.forms import tell
from andon.people.http import actor_of
from andon.registry import actions, policy, queries
from andon.registry.forms import ComponentForm


@require_safe
def components(request: HttpRequest) -> HttpResponse:
    """All components."""
    by = actor_of(request)
    policy.must_view(by)
    return render(
        request,
        "registry/components.html",
        {"components": queries.components(), "may_edit": policy.may_edit(by)},
    )


@require_safe
def component(request: HttpRequest, slug: str) -> HttpResponse:
    """One component, and the systems that stand on it."""
    by = actor_of(request)
    found = policy.access_component(by, slug)
    dependents = found.dependencies.select_related("system__owner").order_by("system__name")
    return render(
        request,
        "registry/component.html",
        {"component": found, "dependents": dependents, "may_edit": policy.may_edit(by)},
    )


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Register a component."""
    by = actor_of(request)
    policy.must_edit(by, "register components")
    form = ComponentForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.add_component(by=by, facts=form.facts())
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, f"{made} is in the register.")
            return redirect("component", made.slug)
    context = {"form": form, "title": "Register a component", "submit": "Register the component"}
    return render(request, "registry/component_form.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Change what the register says of a component."""
    by = actor_of(request)
    found = policy.access_component(by, slug)
    policy.must_edit(by, "change components")
    initial = {name: getattr(found, name) for name in ComponentForm.base_fields}
    form = ComponentForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            actions.change_component(by=by, component=found, facts=form.facts())
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, "The register was changed.")
            return redirect("component", slug)
    context = {"form": form, "title": f"Change {found.name}", "submit": "Save", "component": found}
    return render(request, "registry/component_form.html", context, status=422 if form.errors else 200)
