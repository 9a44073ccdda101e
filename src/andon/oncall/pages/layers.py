"""The layers of a schedule: rotations and imported calendars."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from andon.kit import clock
from andon.kit.errors import Invalid, Missing, Refused
from andon.oncall import actions, calendars, policy, queries
from andon.oncall.calendars import NotMatched
from andon.oncall.forms import ImportForm, RotationForm, people_choices
from andon.oncall.models import Layer
from andon.people.forms import tell
from andon.people.http import actor_of


@require_http_methods(["GET", "POST"])
def layer(request: HttpRequest, slug: str, position: int | None = None) -> HttpResponse:
    """A new rotation on top, or a new version of one."""
    by = actor_of(request)
    schedule = policy.access_schedule(by, slug)
    policy.must_edit(by, "change schedules")
    present = _present(slug, queries.present_layers(schedule), position)
    if request.method == "POST":
        form = RotationForm(request.POST, people=_choices(present))
    elif present is not None:
        form = RotationForm.of(present, people_choices())
    else:
        start = {"time_zone": schedule.time_zone, "start_date": timezone.localdate(clock.now()), "handover": "09:00"}
        form = RotationForm(people=people_choices(), initial=start)
    if request.method == "POST" and form.is_valid():
        try:
            actions.set_rotation(
                by=by,
                schedule=schedule,
                facts=form.facts(),
                position=position,
                replaces=form.cleaned_data["replaces"],
            )
        except Refused as refused:
            tell(form, refused)
        else:
            messages.success(request, "The layer holds from now on. Who was on call until now stays as it was.")
            return redirect("schedule", slug)
    context = {"form": form, "schedule": schedule, "layer": present}
    return render(request, "oncall/layer.html", context, status=422 if form.errors else 200)


@require_POST
def remove(request: HttpRequest, slug: str, position: int) -> HttpResponse:
    """End a layer now."""
    by = actor_of(request)
    schedule = policy.access_schedule(by, slug)
    actions.remove_layer(by=by, schedule=schedule, position=position)
    messages.success(request, "The layer ends now. Who was on call until now stays as it was.")
    return redirect("schedule", slug)


@require_http_methods(["GET", "POST"])
def import_calendar(request: HttpRequest, slug: str) -> HttpResponse:
    """Import an iCalendar file as a layer; events that mean nobody here are listed and hold it back."""
    by = actor_of(request)
    schedule = policy.access_schedule(by, slug)
    policy.must_edit(by, "import calendars")
    posted = request.method == "POST"
    sent = (request.POST, request.FILES) if posted else ()
    form = ImportForm(*sent, layers=queries.present_layers(schedule))
    unmatched = []
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            text = form.text()
            if not text:
                raise Invalid("Choose a file, or paste its text.", field="file")
            made, found = calendars.import_calendar(
                by=by, schedule=schedule, text=text, position=given["position"], leave_out=given["leave_out"]
            )
        except NotMatched as refused:
            unmatched = refused.unmatched
            form.add_error(None, "Some events mean nobody here, so nothing was imported. They are listed above.")
        except Refused as refused:
            tell(form, refused)
        else:
            left = f" {len(found.unmatched)} kinds of event were left out." if found.unmatched else ""
            messages.success(request, f"{len(found.shifts)} shifts were imported as {made.name}.{left}")
            return redirect("schedule", slug)
    context = {"form": form, "schedule": schedule, "unmatched": unmatched}
    return render(request, "oncall/import.html", context, status=422 if form.errors else 200)


def _present(slug: str, layers: list[Layer], position: int | None) -> Layer | None:
    if position is None:
        return None
    for one in layers:
        if one.position == position:
            if one.kind == Layer.Kind.CALENDAR:
                raise Invalid("An imported calendar is changed where it comes from. Import it again.")
            return one
    raise Missing(f"The schedule {slug} has no layer {position} (any more).")


def _choices(present: Layer | None) -> list[tuple[str, str]]:
    """Who can be chosen; whoever took turns before stays choosable, so that the action says who has left."""
    choices = people_choices()
    known = {key for key, _ in choices}
    turns = present.participants.all() if present else []
    return choices + [(str(t.person_id), str(t.person)) for t in turns if str(t.person_id) not in known]
