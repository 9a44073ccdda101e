"""Levers: those of a system, one lever and its form, its dry run and rehearsals, and one pull as it goes."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.containment import actions, adapters, policy, queries
from andon.containment.actions.pulls import why_not_undoable
from andon.containment.forms import LeverForm
from andon.containment.lever import LeverAdapter
from andon.containment.models import Lever, Pull, Target
from andon.kit.crypto import readable
from andon.kit.errors import Conflict, Invalid, Refused
from andon.kit.forms import refuse
from andon.kit.markdown import render as markdown
from andon.kit.outdated import go_on, when_outdated
from andon.people.http import actor_of
from andon.people.policy import Actor
from andon.practice.containment import BEFORE_THE_ACT, PullState
from andon.registry.models import System
from andon.registry.policy import access_system

UNPROCESSABLE = 422
_PER_PAGE = 50
_SHOWN = 10
_LONGEST_WHY = 2000
_LONGEST_NUMBER = 18  # digits that every database holds
FROM_INCIDENT = "incident"
"""What a button on an incident's page sends as `from`, so that it leads back there."""


def known_of(request: HttpRequest) -> int | None:
    """The newest pull that whoever pressed a button had seen, as `Offer.fields` sends it; None where none is said."""
    known = request.POST.get("known", "")
    return int(known) if known.isascii() and known.isdigit() and len(known) < _LONGEST_NUMBER else None


@require_safe
def levers(request: HttpRequest) -> HttpResponse:
    """Every lever, with how fit it is; those of one system with `?system=`."""
    by = actor_of(request)
    slug = request.GET.get("system", "")
    system = access_system(by, slug) if slug else None
    page = Paginator(queries.levers(by, system), _PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "system": system,
        "rows": queries.standings(by, page.object_list),
        "page": page,
        "may_prepare": policy.may_prepare(by),
    }
    return render(request, "containment/levers.html", context)


@require_safe
def choose(request: HttpRequest, slug: str) -> HttpResponse:
    """Which kind of lever to prepare for a system."""
    by = actor_of(request)
    policy.must_prepare(by, "prepare a lever")
    system = access_system(by, slug)
    return render(request, "containment/choose.html", {"system": system, "kinds": adapters.all_of_them()})


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    """Prepare a lever."""
    by = actor_of(request)
    policy.must_prepare(by, "prepare a lever")
    system = access_system(by, slug)
    if kind not in adapters.kinds():
        raise Http404
    adapter = adapters.find(kind)
    form = LeverForm(request.POST or None, adapter=adapter)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.create_lever(system, kind, form.facts(), by=by)
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, f"{made.ref} is prepared. Try what it would change, then rehearse it.")
            return redirect("lever", made.number)
    return _form(request, form, adapter, system, None)


@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, number: int) -> HttpResponse:
    """Change a lever."""
    by = actor_of(request)
    row = policy.access_lever(by, number)
    policy.must_prepare(by, "change this lever")
    if row.adapter not in adapters.kinds():
        raise Http404
    adapter = adapters.find(row.adapter)
    form = LeverForm(request.POST or None, adapter=adapter, lever=row)
    if request.method == "POST" and form.is_valid():
        try:
            changed = actions.change_lever(row, form.facts(), by=by)
        except Refused as refused:
            refuse(form, refused)
        else:
            again = "" if changed.rehearsed_revision == changed.revision else " Rehearse it again."
            messages.success(request, f"{changed.ref} is changed.{again}")
            return redirect("lever", number)
    return _form(request, form, adapter, row.system, row)


def _form(
    request: HttpRequest, form: LeverForm, adapter: LeverAdapter, system: System, row: Lever | None
) -> HttpResponse:
    context = {
        "form": form,
        "adapter": adapter,
        "system": system,
        "row": row,
        "help": markdown(adapters.help_text(adapter.kind)),
        "probe_open": bool(row and row.probe) or not adapter.looks or any(f.errors for f in form.probe_part),
        "drill_open": bool(row and row.drill_settings) or any(f.errors for f in form.drill_part),
    }
    return render(request, "containment/form.html", context, status=UNPROCESSABLE if form.errors else 200)


@require_safe
def lever(request: HttpRequest, number: int) -> HttpResponse:
    """One lever: what it does, whether it can be counted on, when it was rehearsed and pulled."""
    by = actor_of(request)
    return _lever(request, policy.access_lever(by, number))


def _lever(request: HttpRequest, row: Lever, **more: Any) -> HttpResponse:
    by = actor_of(request)
    (standing,) = queries.standings(by, [row])
    adapter = adapters.find(row.adapter) if row.adapter in adapters.kinds() else None
    context = {
        "lever": row,
        "standing": standing,
        "adapter": adapter,
        "settings": _shown(row, adapter),
        "rehearsals": queries.rehearsals(by, row)[:_SHOWN],
        "rehearsing": queries.has_open_rehearsal(row),
        "targets": _targets(by, row),
        "pulls": queries.pulls(by, lever=row).filter(rehearsal=None)[:_SHOWN],
        "may_prepare": policy.may_prepare(by) and row.ended_at is None,
        "may_rehearse": policy.may_rehearse(by, row.system) and row.ended_at is None,
    }
    return render(request, "containment/lever.html", context | more)


def _targets(by: Actor, row: Lever) -> list[Target]:
    """On what the viewer may rehearse it."""
    real = policy.may_rehearse_on_real(by, row)
    return [target for target in queries.targets(row) if real or target is not Target.REAL]


def _shown(row: Lever, adapter: LeverAdapter | None) -> list[dict[str, str]]:
    """The settings as people read them; of a secret only that it is kept."""
    if adapter is None:
        return []
    if not readable(row.settings):
        return [{"label": "Settings", "value": "cannot be read: their key is missing"}]
    return [
        {"label": one.label, "value": "kept, not shown" if one.secret else row.settings[one.name]}
        for one in adapter.fields
        if one.name in row.settings
    ]


@when_outdated(go_on)
@require_POST
def try_(request: HttpRequest, number: int) -> HttpResponse:
    """Say what a pull would change now; nothing is changed."""
    by = actor_of(request)
    row = policy.access_lever(by, number)
    target = Target.DRILL if request.POST.get("target") == Target.DRILL else Target.REAL
    return _lever(request, row, trial=actions.dry_run(row, by=by, target=target), trial_target=target)


@require_POST
def rehearse(request: HttpRequest, number: int) -> HttpResponse:
    """Rehearse it; on the real target only where the button that was pressed says so."""
    by = actor_of(request)
    made = actions.rehearse(policy.access_lever(by, number), by=by, on_real=request.POST.get("target") == Target.REAL)
    return redirect("pull", made.pulls.get().number)


@require_POST
def end(request: HttpRequest, number: int) -> HttpResponse:
    """Take it out of use."""
    by = actor_of(request)
    row = actions.end_lever(policy.access_lever(by, number), by=by)
    messages.success(request, f"{row.ref} is out of use. Its pulls stay.")
    return redirect("system", row.system.slug)


@require_safe
def show_pull(request: HttpRequest, number: int) -> HttpResponse:
    """One pull: how far it has come, what was seen, what can be done about it. It follows by itself."""
    by = actor_of(request)
    row = policy.access_pull(by, number)
    may = row.incident is not None and policy.may_pull(by, row.incident)
    rehearsal = row.rehearsal
    context = {
        "pull": row,
        "stages": queries.stages(row),
        "trail": row.trail.all(),
        "approvals": row.approvals.select_related("person"),
        "undone_by": row.undone_by.order_by("-number").first(),
        "may_agree": may and policy.may_agree(by, row),
        "may_refuse": may and row.phase is PullState.ASKED and row.asked_by != by.person,
        "may_withdraw": may and row.phase in BEFORE_THE_ACT,
        "undo": may and not why_not_undoable(row),
        "goes_on": row.is_open or (rehearsal is not None and rehearsal.state == rehearsal.State.RUNNING),
    }
    return render(request, "containment/pull.html", context)


@require_POST
def approve(request: HttpRequest, number: int) -> HttpResponse:
    """Agree to it."""
    return _act(request, number, lambda by, row: actions.approve(row, by=by))


@require_POST
def decline(request: HttpRequest, number: int) -> HttpResponse:
    """Refuse it, with a reason."""
    return _act(request, number, lambda by, row: actions.decline(row, reason=_why(request), by=by))


@require_POST
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    """Take it back before it acts."""
    return _act(request, number, lambda by, row: actions.withdraw(row, reason=_why(request), by=by))


@require_POST
def undo(request: HttpRequest, number: int) -> HttpResponse:
    """Bring back what held before."""
    return _act(request, number, lambda by, row: actions.undo(row, by=by, why=_why(request)))


def _act(request: HttpRequest, number: int, do: Callable[[Actor, Pull], Pull]) -> HttpResponse:
    """One act on a pull; what stands against it is said where its button was, where it can be decided anew."""
    by = actor_of(request)
    row = policy.access_pull(by, number)
    try:
        row = do(by, row)
    except (Conflict, Invalid) as refused:
        messages.warning(request, refused.what)
    if request.POST.get("from") == FROM_INCIDENT and row.incident is not None:
        return redirect("incident", row.incident.number)
    return redirect("pull", row.number)


def _why(request: HttpRequest) -> str:
    return request.POST.get("reason", "")[:_LONGEST_WHY]
