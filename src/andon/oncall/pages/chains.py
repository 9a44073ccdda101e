"""Chains: the list, one chain, its steps."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.kit import clock
from andon.kit.errors import Forbidden, Refused
from andon.oncall import chains as actions
from andon.oncall import policy, queries
from andon.oncall.forms import ChainForm, target_choices
from andon.people.forms import tell
from andon.people.http import actor_of


@require_safe
def chains(request: HttpRequest) -> HttpResponse:
    """Every chain in use, and which one is the fallback."""
    by = actor_of(request)
    policy.must_view(by)
    rows = [(row, queries.chain_json(row)["steps"]) for row in queries.chains()]
    return render(
        request,
        "oncall/chains.html",
        {"rows": rows, "may_edit": policy.may_edit(by), "fallback": any(row.is_fallback for row, _ in rows)},
    )


@require_safe
def chain(request: HttpRequest, slug: str) -> HttpResponse:
    """One chain: whom each step reaches now."""
    by = actor_of(request)
    found = policy.access_chain(by, slug)
    steps = queries.freeze(found)["steps"]
    every = [target for step in steps for target in step["targets"]]
    now = clock.now()
    reached = queries.people_reached_each(every, now)
    reachable = queries.reachable({r.person.pk for each in reached.values() for r in each})
    waited = 0
    shown = []
    for step in steps:
        people = queries.once(r for target in step["targets"] for r in reached[target["id"]])
        known = [(r, r.person.pk in reachable) for r in people]
        shown.append({**step, "after": waited, "people": known, "silent": not any(works for _, works in known)})
        waited += step["wait_minutes"]
    return render(
        request,
        "oncall/chain.html",
        {
            "chain": found,
            "steps": shown,
            "minutes": waited,
            "systems": found.systems.order_by("name"),
            "may_edit": policy.may_edit(by) and not found.archived_at,
        },
    )


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """A new chain."""
    by = actor_of(request)
    policy.must_edit(by, "make chains")
    form = ChainForm(request.POST if request.method == "POST" else None, targets=target_choices())
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            made = actions.create_chain(by=by, name=given["name"], steps=form.facts(), repeats=given["repeats"])
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, f"{made} was made.")
            return redirect("chain", made.slug)
    context = {"form": form, "title": "A new chain", "submit": "Make the chain"}
    return render(request, "oncall/chain_form.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Put other steps in place."""
    by = actor_of(request)
    found = policy.access_chain(by, slug)
    policy.must_edit(by, "change chains")
    targets = target_choices()
    form = ChainForm(request.POST, targets=targets) if request.method == "POST" else ChainForm.of(found, targets)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            actions.change_chain(by=by, chain=found, name=given["name"], steps=form.facts(), repeats=given["repeats"])
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, "The chain was changed. Open incidents go on with the chain as it was.")
            return redirect("chain", slug)
    context = {"form": form, "title": f"Change {found.name}", "submit": "Save", "chain": found}
    return render(request, "oncall/chain_form.html", context, status=422 if form.errors else 200)


@require_POST
def make_fallback(request: HttpRequest, slug: str) -> HttpResponse:
    """Make it the organisation's fallback."""
    by = actor_of(request)
    found = actions.make_fallback(by=by, chain=policy.access_chain(by, slug))
    messages.success(request, f"{found} is the fallback: asked when any chain ends without an answer.")
    return redirect("chain", slug)


@require_POST
def archive(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a chain out of use."""
    by = actor_of(request)
    found = policy.access_chain(by, slug)
    try:
        actions.archive_chain(by=by, chain=found)
    except Forbidden:
        raise
    except Refused as refused:
        messages.error(request, refused.what)
        return redirect("chain", slug)
    messages.success(request, f"{found} is archived.")
    return redirect("chains")
