"""Watches: what is watched and what is not, one watch with its pictures, what it would have done, and its form."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.kit import clock, spans
from andon.kit.errors import Refused
from andon.kit.forms import refuse
from andon.kit.outdated import go_on_trying, when_outdated
from andon.people.http import actor_of
from andon.people.policy import Actor
from andon.practice.words import WatchKind
from andon.registry.models import System
from andon.registry.policy import access_system
from andon.watch import actions, past, policy, queries, screen, sentences
from andon.watch.facts import BUDGET
from andon.watch.forms import WatchForm
from andon.watch.kinds import KINDS
from andon.watch.models import Watch
from andon.watch.queries import WatchFilter

UNPROCESSABLE = 422
_PER_PAGE = 50


@require_safe
def watches(request: HttpRequest) -> HttpResponse:
    """What is watched, and what is not."""
    by, given = actor_of(request), request.GET
    state = given.get("state", "")
    wanted = WatchFilter(
        system=given.get("system", ""), kind=given.get("kind", ""), ended=state == "ended",
        alarmed=state == "alarmed", stale=state == "stale",
    )  # fmt: skip
    page = Paginator(queries.watches(by, wanted), _PER_PAGE).get_page(given.get("page"))
    going = queries.going(by, page.object_list)
    rows = [
        {"row": row, "standing": sentences.standing(row, going.get(row.pk)), "every": sentences.every(row)}
        for row in page.object_list
    ]
    context = {
        "rows": rows,
        "page": page,
        "filters": _filters(wanted, state),
        "filtered": wanted != WatchFilter(),
        "unwatched": list(queries.unwatched(by)) if wanted == WatchFilter() else [],
        "may_manage": policy.may_manage(by),
    }
    return render(request, "watch/watches.html", context)


def _filters(wanted: WatchFilter, state: str) -> list[dict[str, Any]]:
    systems = System.objects.filter(watches__isnull=False).distinct().order_by("name").values_list("slug", "name")
    states = [("", "All that run"), ("alarmed", "In alarm"), ("stale", "Stale"), ("ended", "Ended")]
    offered = (
        ("state", "State", state, states),
        ("system", "System", wanted.system, [("", "Any"), *systems]),
        ("kind", "Kind", wanted.kind, [("", "Any"), *WatchKind.choices()]),
    )
    return [
        {
            "name": name,
            "label": label,
            "options": [{"value": value, "label": text, "on": value == chosen} for value, text in options],
        }
        for name, label, chosen, options in offered
    ]


@require_safe
def choose(request: HttpRequest, slug: str) -> HttpResponse:
    """Which kind of watch to make for a system."""
    by = actor_of(request)
    policy.must_manage(by, "make a watch")
    system = access_system(by, slug)
    kinds = [
        {"kind": kind, "line": KINDS[kind].line, "url": reverse("watch_create", args=[slug, kind])}
        for kind in WatchKind
    ]
    logs = queries.logs(by, system)
    return render(request, "watch/choose.html", {"system": system, "kinds": kinds, "logs": logs})


@when_outdated(go_on_trying)
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    """Make a watch, or try it on its log first."""
    by = actor_of(request)
    policy.must_manage(by, "make a watch")
    system = access_system(by, slug)
    if kind not in set(WatchKind):
        raise Http404
    form = WatchForm(request.POST or None, system=system, kind=WatchKind(kind))
    trial = None
    if request.method == "POST" and form.is_valid():
        try:
            if "also" in request.POST:
                trial = past.try_draft(by, form.facts())
            else:
                made = actions.create_watch(form.facts(), by=by)
                messages.success(request, f"{made.ref} is made, and reads its history now.")
                return redirect("watch", made.number)
        except Refused as refused:
            refuse(form, refused)
    return _form(request, form, None, trial)


@when_outdated(go_on_trying)
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, number: int) -> HttpResponse:
    """Let a watch say something else, or try that on its windows first."""
    by = actor_of(request)
    row = policy.access_watch(by, number)
    policy.must_manage(by, "change this watch")
    form = WatchForm(request.POST or None, system=row.system, kind=row.what_kind, watch=row)
    trial = None
    if request.method == "POST" and form.is_valid():
        try:
            if "also" in request.POST:
                trial = past.try_change(by, row, form.facts())
            else:
                seen = form.cleaned_data.get("seen_version")
                changed = actions.change_watch(row, form.facts(), by=by, seen_version=seen)
                messages.success(request, f"{changed.ref} is changed, to version {changed.version}.")
                return redirect("watch", number)
        except Refused as refused:
            refuse(form, refused)
    return _form(request, form, row, trial)


def _form(request: HttpRequest, form: WatchForm, row: Watch | None, trial: past.Trial | None = None) -> HttpResponse:
    context = {
        "form": form, "row": row, "system": form.system, "kind": form.kind, "line": KINDS[form.kind].line,
        "trial": trial, "unit": sentences.unit_of(row) if row else None,
        "budget": sentences.budget_means(BUDGET, row.window_minutes if row else KINDS[form.kind].window),
    }  # fmt: skip
    return render(request, "watch/form.html", context, status=UNPROCESSABLE if form.errors else 200)


@require_safe
def watch(request: HttpRequest, number: int) -> HttpResponse:
    """One watch: what it tests, what it saw, how it stands."""
    by = actor_of(request)
    row = policy.access_watch(by, number)
    shown = screen.Screen(by, row, whole=request.GET.get("windows") == "all")
    return render(request, "watch/watch.html", shown.context())


@require_safe
def try_(request: HttpRequest, number: int) -> HttpResponse:
    """What a watch would have done over its history, beside the incidents that there were."""
    by = actor_of(request)
    row = policy.access_watch(by, number)
    trial = past.try_watch(by, row)
    context = {
        "watch": row,
        "trial": trial,
        "picture": screen.trial_picture(by, row, trial),
        "may_manage": policy.may_manage(by),
    }
    return render(request, "watch/try.html", context)


@require_POST
def pause(request: HttpRequest, number: int) -> HttpResponse:
    """Run it no more until it is resumed."""
    row = actions.pause_watch(_access(request, number), by=actor_of(request))
    messages.success(request, f"{row.ref} is paused. What it misses is read when it is resumed.")
    return redirect("watch", number)


@require_POST
def resume(request: HttpRequest, number: int) -> HttpResponse:
    """Run it again."""
    row = actions.resume_watch(_access(request, number), by=actor_of(request))
    messages.success(request, f"{row.ref} runs again, from where it stopped.")
    return redirect("watch", number)


@require_POST
def run(request: HttpRequest, number: int) -> HttpResponse:
    """Run it at once."""
    row = actions.run_soon(_access(request, number), by=actor_of(request))
    at = actions.next_over(row, clock.now())
    if at is None:
        messages.success(request, f"{row.ref} is run within seconds, if the engine is.")
    else:
        zone = timezone.get_current_timezone()
        when = f"{spans.day(at, zone, beside=clock.now())} at {at.astimezone(zone):%H:%M}"
        messages.info(request, f"{row.ref} has nothing new to read: its next window is over, and read, on {when}.")
    return redirect("watch", number)


@require_POST
def as_they_come(request: HttpRequest, number: int) -> HttpResponse:
    """Let it count labels as they come instead of waiting for them."""
    row = actions.count_as_they_come(_access(request, number), by=actor_of(request))
    messages.success(
        request, f"{row.ref} counts labels as they come, as version {row.version}. It reads its log again."
    )
    return redirect("watch", number)


@require_POST
def end(request: HttpRequest, number: int) -> HttpResponse:
    """Stop it for good."""
    row = actions.end_watch(_access(request, number), by=actor_of(request))
    messages.success(request, f"{row.ref} is over. Its windows and alarms stay.")
    return redirect("watch", number)


def _access(request: HttpRequest, number: int) -> Watch:
    by: Actor = actor_of(request)
    return policy.access_watch(by, number)
