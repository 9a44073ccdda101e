"""Schedules: who is on call in each now and next, one schedule in detail, taking over."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.kit import clock
from andon.kit.errors import Forbidden, Refused
from andon.oncall import actions, picture, policy, queries
from andon.oncall.facts import find_person
from andon.oncall.forms import OverrideForm, ScheduleForm, people_choices
from andon.oncall.models import Schedule
from andon.people.forms import tell
from andon.people.http import actor_of, person_of

_GAPS = timedelta(days=30)


@require_safe
def schedules(request: HttpRequest) -> HttpResponse:
    """Every schedule: who is on call now, who is next, and the first gap of the next 30 days."""
    by = actor_of(request)
    policy.must_view(by)
    now = clock.now()
    found = queries.rotas_of(queries.schedules(), now, now + _GAPS).values()
    rows = [
        {
            "schedule": rota.schedule,
            "now": rota.on_call(now),
            "next": rota.next(now),
            "gap": next(iter(rota.gaps(now, now + _GAPS)), None),
        }
        for rota in found
    ]
    return render(
        request,
        "oncall/schedules.html",
        {"rows": rows, "may_edit": policy.may_edit(by), "has_feed": bool(person_of(request).calendar_token_digest)},
    )


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """A new schedule."""
    by = actor_of(request)
    policy.must_edit(by, "make schedules")
    form = ScheduleForm(
        request.POST if request.method == "POST" else None, initial={"time_zone": person_of(request).time_zone}
    )
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.create_schedule(by=by, **form.facts())
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, f"{made} was made. Put people into it.")
            return redirect("layer_create", made.slug)
    return _form(request, form, "A new schedule", "Make the schedule")


@require_safe
def schedule(request: HttpRequest, slug: str) -> HttpResponse:
    """One schedule."""
    by = actor_of(request)
    found = policy.access_schedule(by, slug)
    now, zone = clock.now(), timezone.get_current_timezone_name()
    start, end = picture.window(now, zone)
    rota = queries.rotas_of([found], start, max(end, now + _GAPS))[found.pk]
    shifts, gaps = rota.shifts(start, end), rota.gaps(max(start, found.created_at), end)
    ahead: list[dict[str, Any]] = [
        {"starts": max(s.starts, start), "ends": s.ends, "shift": s} for s in shifts if s.ends > now
    ]
    ahead += [{"starts": g.starts, "ends": g.ends, "shift": None} for g in gaps if g.ends > now]
    return render(
        request,
        "oncall/schedule.html",
        {
            "schedule": found,
            "now": rota.on_call(now),
            "next": rota.next(now),
            "weeks": picture.weeks(shifts, gaps, now, zone, by.person),
            "legend": picture.legend(shifts, by.person),
            "zone_name": zone,
            "ahead": sorted(ahead, key=lambda row: row["starts"]),
            "quiet": sorted({f"{s.person}: {s.person.quiet_words}" for s in shifts if s.person.quiet_words}),
            "gaps": rota.gaps(now, now + _GAPS),
            "layers": queries.present_layers(found),
            "overrides": [
                {"row": row, "may_cancel": policy.may_cancel(by, row)} for row in queries.overrides_ahead(found, now)
            ],
            "chains": queries.chains_asking(found),
            "may_edit": policy.may_edit(by) and not found.archived_at,
            "may_take_over": policy.may_take_over(by) and not found.archived_at,
        },
    )


@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Rename a schedule, show it in another zone, give it to another team."""
    by = actor_of(request)
    found = policy.access_schedule(by, slug)
    policy.must_edit(by, "change schedules")
    initial = {"name": found.name, "time_zone": found.time_zone, "team": found.team_id}
    form = ScheduleForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            actions.change_schedule(by=by, schedule=found, **form.facts())
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, "The schedule was changed.")
            return redirect("schedule", slug)
    return _form(request, form, f"Change {found.name}", "Save", found)


@require_POST
def archive(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a schedule out of use."""
    by = actor_of(request)
    found = policy.access_schedule(by, slug)
    try:
        actions.archive_schedule(by=by, schedule=found)
    except Forbidden:
        raise
    except Refused as refused:
        messages.error(request, refused.what)
        return redirect("schedule", slug)
    messages.success(request, f"{found} is archived. Who was on call in it stays answerable.")
    return redirect("schedules")


@require_http_methods(["GET", "POST"])
def take_over(request: HttpRequest, slug: str) -> HttpResponse:
    """Take over for a while; a lead can put anybody on call."""
    by = actor_of(request)
    found = policy.access_schedule(by, slug)
    me = person_of(request)
    policy.must_take_over(by, me)
    people = people_choices() if policy.may_edit(by) else [(str(me.pk), str(me))]
    local = timezone.localtime(clock.now()).replace(tzinfo=None, second=0, microsecond=0)
    initial = {
        "person": str(me.pk),
        "starts_local": local,
        "ends_local": local + timedelta(hours=8),
        "time_zone": me.time_zone,
    }
    form = OverrideForm(request.POST if request.method == "POST" else None, people=people, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            row = actions.take_over(by=by, schedule=found, person=find_person(given.pop("person")), **given)
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, f"{row.person} takes over in {found}.")
            return redirect("schedule", slug)
    return _form(request, form, f"Take over in {found.name}", "Take over", found)


@require_POST
def cancel_override(request: HttpRequest, slug: str, key: UUID) -> HttpResponse:
    """Give back; an override that runs ends now."""
    by = actor_of(request)
    found = policy.access_schedule(by, slug)
    override = policy.access_override(by, found, key)
    try:
        actions.cancel_override(by=by, override=override)
    except Forbidden:
        raise
    except Refused as refused:
        messages.error(request, refused.what)
    else:
        messages.success(request, "The override is cancelled.")
    return redirect("schedule", slug)


def _form(request: HttpRequest, form: Any, title: str, submit: str, found: Schedule | None = None) -> HttpResponse:
    context = {
        "form": form,
        "title": title,
        "submit": submit,
        "schedule": found,
        "may_archive": isinstance(form, ScheduleForm) and found is not None,
    }
    return render(request, "oncall/schedule_form.html", context, status=422 if form.errors else 200)
