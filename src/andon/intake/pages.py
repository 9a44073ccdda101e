"""Pages of what was heard and who speaks."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.intake import actions, queries, trying, wording
from andon.intake.adapters import adapters, help_text
from andon.intake.events import Group, Sender
from andon.intake.forms import ChangeForm, CreateForm
from andon.intake.models import Delivery, Integration, Signal
from andon.intake.policy import access_integration, access_signal, may_manage, may_see_bodies, must_manage
from andon.intake.queries import Activity, SignalFilter
from andon.kit import clock, markdown
from andon.kit.charts import bars
from andon.kit.cursor import page
from andon.kit.errors import Refused
from andon.kit.forms import refuse
from andon.kit.outdated import go_on, when_outdated
from andon.people.http import actor_of
from andon.people.policy import Actor
from andon.practice.words import IncidentType, OrgRole
from andon.registry.models import System

UNPROCESSABLE = 422
TOKEN_PLACE = "TOKEN"  # noqa: S105  what stands in a snippet where the token belongs


@require_safe
def signals(request: HttpRequest) -> HttpResponse:
    """The signals that the viewer may know of, by the filters in the address."""
    by, given = actor_of(request), request.GET
    wanted = SignalFilter(
        status=given.get("status", ""),
        system=given.get("system", ""),
        integration=given.get("integration", ""),
        unrouted=given.get("unrouted") == "1",
        quiet=given.get("quiet") == "1",
    )
    found = page(queries.signals(by, wanted), cursor=given.get("cursor"))
    return render(
        request,
        "intake/signals.html",
        {
            "signals": [{"row": row, "why": wording.why_there(row)} for row in found.items],
            "next_cursor": found.next_cursor,
            "first_page": not given.get("cursor"),
            "filters": _filters(wanted),
            "filtered": wanted != SignalFilter(),
        },
    )


def _filters(wanted: SignalFilter) -> list[dict[str, Any]]:
    """What the list can be narrowed to."""
    return [
        _filter("status", "Status", wanted.status, Signal.Status.choices),
        _filter("system", "System", wanted.system, System.objects.values_list("slug", "name").order_by("name")),
        _filter("integration", "From", wanted.integration, Integration.objects.values_list("slug", "name")),
        _filter("unrouted", "System known", "1" if wanted.unrouted else "", [("1", "No: unrouted")]),
        _filter("quiet", "Rules", "1" if wanted.quiet else "", [("1", "Kept quiet by one")]),
    ]


def _filter(name: str, label: str, chosen: str, choices: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    options = [("", "Any"), *choices]
    return {
        "name": name,
        "label": label,
        "options": [{"value": value, "label": words, "on": value == chosen} for value, words in options],
    }


@require_safe
def signal(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One signal: what it says, where it went and why, and the requests that brought it."""
    by = actor_of(request)
    row = access_signal(by, pk)
    return render(
        request,
        "intake/signal.html",
        {
            "signal": row,
            "type_hint": IncidentType(row.type_hint).label if row.type_hint else "",
            "why_this": wording.why_this_signal(row),
            "why_there": wording.why_there(row),
            "why_nowhere": wording.why_nowhere(row),
            "by_rules": wording.by_rules(row),
            "silence_url": wording.silencing(row) if by.may(OrgRole.RESPONDER) else "",
            "earlier": queries.earlier_episodes(by, row),
            "deliveries": _as_it_came(by, row),
            "notes": row.notes.all(),
        },
    )


def _as_it_came(by: Actor, row: Signal) -> list[tuple[str, Delivery, str]]:
    """The requests that brought a signal: which each was, if there are several to tell apart, and its body."""
    found = queries.deliveries_of(by, row)
    was = {row.echo_delivery: "Counted nowhere", row.last_delivery: "Newest", row.first_delivery: "First"}
    apart = len(found) > 1 or any(was[each.pk] == "Counted nowhere" for each in found)
    return [(was[each.pk] if apart else "", each, queries.body_as_text(each)) for each in found]


@require_safe
def integrations(request: HttpRequest) -> HttpResponse:
    """Who speaks to this Andon."""
    by = actor_of(request)
    by.must_be(OrgRole.VIEWER, "see integrations")
    kinds = {kind: adapter.title for kind, adapter in adapters().items()}
    rows = [{"row": row, "kind": kinds.get(row.kind, row.kind)} for row in queries.integrations()]
    return render(request, "intake/integrations.html", {"integrations": rows, "may_manage": may_manage(by)})


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Choose a kind of sender, then set one up; the answer shows its token, once."""
    by = actor_of(request)
    must_manage(by, "set up integrations")
    kind = request.POST.get("kind") or request.GET.get("kind", "")
    if kind not in adapters():
        return render(
            request, "intake/kinds.html", {"kinds": _kinds(), "unknown": kind}, status=UNPROCESSABLE if kind else 200
        )
    form = CreateForm(kind, request.POST or None, initial={"kind": kind})
    if request.method == "POST" and form.is_valid():
        try:
            made, token = actions.create_integration(**form.facts(), by=by)
        except Refused as refused:
            refuse(form, refused)
        else:
            return _with_token(request, by, made, token, f"{made.name} is set up")
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "intake/create.html", {"form": form, "sender": adapters()[kind]}, status=status)


def _kinds() -> list[tuple[str, list[Sender]]]:
    """The kinds of sender by group, in the groups' fixed order."""
    groups: dict[str, list[Sender]] = {name: [] for name in get_args(Group)}
    for adapter in adapters().values():
        groups[adapter.group].append(adapter)
    return [(name, found) for name, found in groups.items() if found]


@require_http_methods(["GET", "POST"])
def integration(request: HttpRequest, slug: str) -> HttpResponse:
    """One sender: its address, what to paste there, what it sends, what was not understood; POST changes it."""
    by = actor_of(request)
    row = access_integration(by, slug)
    form = ChangeForm.of(row, request.POST if request.method == "POST" else None)
    if request.method == "POST":
        must_manage(by, "change integrations")
        if form.is_valid():
            try:
                actions.change_integration(row, **form.facts(), by=by)
            except Refused as refused:
                refuse(form, refused)
            else:
                messages.success(request, "Changed.")
                return redirect("integration", slug=slug)
    return render(
        request, "intake/integration.html", _shown(by, row, form), status=UNPROCESSABLE if form.errors else 200
    )


def address_of(integration: Integration) -> str:
    """Where its signals are sent to."""
    return f"{settings.BASE_URL}/intake/{integration.kind}/{integration.slug}"


@when_outdated(go_on)
@require_POST
def test(request: HttpRequest, slug: str) -> HttpResponse:
    """What Andon would make of a body from this sender; nothing of it stays."""
    by = actor_of(request)
    row = access_integration(by, slug)
    trial = trying.try_signal(row, by=by, body=request.POST.get("body", ""))
    return render(request, "intake/tested.html", {"integration": row, "trial": trial})


def _drawn(activity: Activity) -> bars.BarsView | None:
    """The last 24 hours as bars; None where nothing came."""
    if not activity.hours:
        return None
    zone = timezone.get_current_timezone()
    return bars.bars(activity.hours, every=timedelta(hours=1), noun="requests", zone=zone)


def _shown(by: Actor, row: Integration, form: ChangeForm, token: str = "") -> dict[str, Any]:
    adapter = adapters().get(row.kind)
    text = help_text(row.kind, address=address_of(row), token=token or TOKEN_PLACE) if adapter else ""
    counted = queries.integrations().filter(pk=row.pk).first()
    activity = queries.activity(row, clock.now())
    return {
        "activity": activity,
        "bars": _drawn(activity),
        "lost_changes": queries.changes_of_unknown_systems(row),
        "sample": trying.sample(row.kind).body.decode() if adapter and may_manage(by) else "",
        "integration": row,
        "counted": counted,
        "kind": adapter.title if adapter else row.kind,
        "address": address_of(row),
        "help": markdown.render(text),
        "may_manage": may_manage(by),
        "form": form,
        "may_see_bodies": may_see_bodies(by, row),
        "rejected": [(each, queries.body_as_text(each)) for each in queries.rejected(by, row)],
    }


def _with_token(request: HttpRequest, by: Actor, row: Integration, token: str, title: str) -> HttpResponse:
    """The one answer that holds the token; it is not to be kept by anything on the way."""
    shown = {**_shown(by, row, ChangeForm.of(row), token), "token": token, "heading": title}
    answer = render(request, "intake/token.html", shown)
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
def rotate(request: HttpRequest, slug: str) -> HttpResponse:
    """A new token; the answer shows it, once."""
    by = actor_of(request)
    row = access_integration(by, slug)
    token = actions.rotate_token(row, by=by)
    return _with_token(request, by, row, token, f"{row.name} has a new token")


@require_POST
def disable(request: HttpRequest, slug: str) -> HttpResponse:
    """Take no more from this sender."""
    by = actor_of(request)
    row = actions.disable_integration(access_integration(by, slug), by=by)
    messages.success(request, f"{row.name} is disabled: within a few seconds its signals are refused.")
    return redirect("integration", slug=slug)


@require_POST
def enable(request: HttpRequest, slug: str) -> HttpResponse:
    """Listen to this sender again."""
    by = actor_of(request)
    row = actions.enable_integration(access_integration(by, slug), by=by)
    messages.success(request, f"{row.name} is heard again.")
    return redirect("integration", slug=slug)
