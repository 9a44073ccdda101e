"""Decision logs: connected, looked at, changed, let go; and the watches that are proposed for one."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.kit.crypto import unless_sealed
from andon.kit.errors import Refused
from andon.kit.forms import refuse
from andon.people.http import actor_of
from andon.registry.policy import access_system
from andon.watch import actions, policy, queries, suggestions
from andon.watch.actions.proposing import create_proposed
from andon.watch.forms import LogForm
from andon.watch.models import Log
from andon.watch.reading.places import shown

UNPROCESSABLE = 422


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, slug: str) -> HttpResponse:
    """Connect a decision log of a system."""
    by = actor_of(request)
    policy.must_manage(by, "connect a decision log")
    system = access_system(by, slug)
    form = LogForm(request.POST or None, initial={"segment_columns": ", ".join(system.groups)})
    if request.method == "POST" and form.is_valid():
        try:
            log = actions.create_log(form.facts(system), by=by)
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, f"“{log}” is connected. It has {len(log.columns)} columns.")
            return redirect("log_suggest", log.pk)
    return _form(request, form, {"system": system, "log": None})


@require_safe
def log(request: HttpRequest, key: UUID) -> HttpResponse:
    """One decision log: where it lies, its columns, the watches on it."""
    by = actor_of(request)
    row = policy.access_log(by, key)
    context = {
        "log": row,
        "place": shown(unless_sealed(row.source, "cannot be read: its key is missing; give it again")),
        "engine": row.get_engine_display(),
        "roles": _roles(row),
        "watches": queries.watches(by).filter(log=row),
        "may_manage": policy.may_manage(by) and row.ended_at is None,
    }
    return render(request, "watch/log.html", context)


def _roles(row: Log) -> list[tuple[str, str]]:
    """Columns by the part that they play, those that the log names."""
    parts = ("time", "output", "score", "label", "label_time", "subject", "key")
    named = [(part.replace("_", " ").capitalize(), getattr(row, f"{part}_column")) for part in parts]
    zone = [("Times without a zone", row.time_zone)]
    groups = [("Groups", ", ".join(row.segment_columns))]
    return [(part, column) for part, column in named[:1] + zone + named[1:] + groups if column]


@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, key: UUID) -> HttpResponse:
    """Let a log lie elsewhere, or name its columns otherwise."""
    by = actor_of(request)
    row = policy.access_log(by, key)
    policy.must_manage(by, "change a decision log")
    form = LogForm(request.POST).changing() if request.method == "POST" else LogForm.of(row)
    if request.method == "POST" and form.is_valid():
        try:
            actions.change_log(row, form.facts(row.system), by=by)
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, f"“{row}” is changed.")
            return redirect("log", key)
    return _form(request, form, {"system": row.system, "log": row})


def _form(request: HttpRequest, form: LogForm, context: dict[str, Any]) -> HttpResponse:
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "watch/log_form.html", {"form": form, **context}, status=status)


@require_POST
def end(request: HttpRequest, key: UUID) -> HttpResponse:
    """Let a log go, with its connection string."""
    by = actor_of(request)
    row = policy.access_log(by, key)
    try:
        actions.end_log(row, by=by)
    except Refused as refused:
        messages.error(request, refused.what)
        return redirect("log", key)
    messages.success(request, f"“{row}” is let go. Its connection string is erased.")
    return redirect("system", row.system.slug)


@require_http_methods(["GET", "POST"])
def suggest(request: HttpRequest, key: UUID) -> HttpResponse:
    """What could be watched on a log; those that are chosen are made."""
    by = actor_of(request)
    row = policy.access_log(by, key)
    if request.method == "POST":
        made = create_proposed(row, request.POST.getlist("key"), by=by)
        if not made:
            messages.warning(request, "Nothing was chosen that is not watched already.")
            return redirect("log_suggest", key)
        names = ", ".join(watch.ref for watch in made)
        messages.success(request, f"{names}: made, and reading the log's history now.")
        return redirect("system", row.system.slug)
    found = suggestions.suggest(row, by=by)
    return render(
        request,
        "watch/suggest.html",
        {
            "log": row,
            "found": found,
            "free": [offer for offer in found.offers if offer.made is None],
            "may_manage": policy.may_manage(by) and row.ended_at is None,
        },
    )
