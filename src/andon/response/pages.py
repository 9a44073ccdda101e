"""The incident page and everything that is done from it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django import forms as django_forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from andon.containment.evidence.queries import listed as preserved
from andon.incidents import actions
from andon.incidents.models import Incident, SeverityLowering
from andon.incidents.policy import access_incident, must_respond
from andon.kit.errors import Missing, Refused
from andon.kit.forms import refuse
from andon.kit.numbers import whole
from andon.people.http import actor_of
from andon.people.policy import Actor
from andon.practice.severity import Severity
from andon.practice.words import ContainmentKind, HarmDimension, IncidentType
from andon.response import acknowledging, assessing, containing, duties, forms, naming, opening, promising, resolving
from andon.response.screen import Screen, entries

OLDER = 200


@require_GET
def incident(request: HttpRequest, number: int) -> HttpResponse:
    """The page of one incident."""
    by = actor_of(request)
    return render(request, "response/incident.html", Screen(access_incident(by, number), by).context())


@require_GET
def timeline(request: HttpRequest, number: int) -> HttpResponse:
    """The earlier part of a long timeline, `?before=<seq>` pages back."""
    found = access_incident(actor_of(request), number)
    shown = entries(found, limit=OLDER, before=whole(request.GET.get("before", "")))
    older = f"?before={shown[-1]['seq']}" if shown and shown[-1]["seq"] > 1 else ""
    return render(request, "response/timeline.html", {"incident": found, "entries": shown, "older_url": older})


@require_http_methods(["GET", "POST"])
def declare(request: HttpRequest) -> HttpResponse:
    """Pull the cord."""
    by = actor_of(request)
    form = forms.DeclareForm(request.POST or None, initial={"system": request.GET.get("system")})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            opened = opening.declare(
                title=given["title"],
                system=given["system"],
                type_=IncidentType(given["type"]) if given["type"] else None,
                description=given["description"],
                onset=given["onset"],
                restricted=given["restricted"],
                by=by,
            )
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, f"{opened.ref} is open, and its chain is being paged.")
            return redirect("incident", opened.number)
    return render(request, "response/declare.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
def acknowledge(request: HttpRequest, number: int) -> HttpResponse:
    """Somebody has it."""
    by = actor_of(request)
    found = access_incident(by, number)
    try:
        acknowledging.acknowledge(found, by=by, via="page")
    except Refused as refused:
        messages.warning(request, refused.what)
    return redirect("incident", number)


def _act(
    request: HttpRequest,
    number: int,
    *,
    form_class: Callable[..., django_forms.Form],
    do: Callable[[Incident, Actor, dict[str, Any]], object],
    title: str,
    intro: str,
    submit: str,
    done: str,
    initial: Callable[[Incident], Mapping[str, Any]] | None = None,
    keep_first: bool = False,
) -> HttpResponse:
    """One act with a form of its own: shown on GET, done on POST, then back to the incident.

    With `keep_first` it alters the system, so that evidence is kept before it: offered where nothing is kept yet.
    """
    by = actor_of(request)
    found = access_incident(by, number)
    must_respond(by, found, "act on incidents")
    form = form_class(request.POST or None, initial=dict(initial(found)) if initial else None)
    if request.method == "POST" and form.is_valid():
        try:
            do(found, by, form.cleaned_data)
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, done)
            return redirect("incident", number)
    unkept = keep_first and not preserved(found)
    context = {"incident": found, "form": form, "title": title, "intro": intro, "submit": submit, "unkept": unkept}
    return render(request, "response/act.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def contain(request: HttpRequest, number: int) -> HttpResponse:
    """Record how the harm was stopped."""
    return _act(
        request,
        number,
        form_class=forms.ContainForm,
        do=lambda incident, by, given: containing.contain(
            incident, kind=ContainmentKind(given["kind"]), note=given["note"], at=given["at"], by=by
        ),
        title="Contain",
        intro="Stop the harm first. Whatever a rollback would destroy is preserved before it, not after.",
        submit="Record the containment",
        done="Contained. Diagnosis is open now.",
        keep_first=True,
    )


@require_http_methods(["GET", "POST"])
def waive(request: HttpRequest, number: int) -> HttpResponse:
    """Say that there is nothing to contain."""
    return _act(
        request,
        number,
        form_class=forms.ReasonForm,
        do=lambda incident, by, given: containing.waive_containment(incident, reason=given["reason"], by=by),
        title="Nothing to contain",
        intro="Diagnosis opens, and the record says that nothing was contained and why.",
        submit="Waive containment",
        done="Containment is waived. Diagnosis is open now.",
    )


@require_http_methods(["GET", "POST"])
def keep(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Say that an audience was told, or what became of a duty."""
    found = access_incident(actor_of(request), number)
    title, choices = promising.title_of(found, key), duties.choices(found, key)
    if choices:
        return _act(
            request,
            number,
            form_class=partial(forms.DutyForm, choices),
            do=lambda incident, by, given: duties.settle(incident, key=key, given=given, by=by),
            title=title,
            intro=duties.intro(found, key),
            submit="Note it",
            done="Noted.",
        )
    return _act(
        request,
        number,
        form_class=forms.KeepForm,
        do=lambda incident, by, given: promising.keep(incident, key=key, note=given["note"], at=given["at"], by=by),
        title=title,
        intro="The protocol promised it by a time. Andon sends nothing here: it keeps your word that it was done.",
        submit="It is done",
        done="Noted, and its clock has stopped.",
    )


@require_http_methods(["GET", "POST"])
def resolve(request: HttpRequest, number: int) -> HttpResponse:
    """It is over."""
    marked, unmarked = resolving.still_firing(access_incident(actor_of(request), number))
    warning = f" Signals that still fire: {marked + unmarked}." if marked + unmarked else ""
    if marked:
        warning += f" Of {marked} the sender says when it began: they page nobody again until it begins anew."
    if unmarked:
        warning += f" Of {unmarked} it does not: if they are heard again, that is a new incident."
    return _act(
        request,
        number,
        form_class=forms.ResolveForm,
        do=lambda incident, by, given: resolving.resolve(incident, summary=given["summary"], by=by),
        title="Resolve",
        intro="The pages stop. For S1 to S3 a review is drafted from the timeline." + warning,
        submit="Resolve the incident",
        done="Resolved.",
    )


@require_http_methods(["GET", "POST"])
def reopen(request: HttpRequest, number: int) -> HttpResponse:
    """It goes on after all."""
    return _act(
        request,
        number,
        form_class=forms.ReasonForm,
        do=lambda incident, by, given: resolving.reopen(incident, reason=given["reason"], by=by),
        title="Reopen",
        intro="The chain is paged from its first step, and containment starts over.",
        submit="Reopen the incident",
        done="Reopened. The chain is being paged.",
    )


@require_http_methods(["GET", "POST"])
def close(request: HttpRequest, number: int) -> HttpResponse:
    """Put it to rest."""

    class CloseForm(django_forms.Form):
        reason = django_forms.CharField(
            label="Why without a published review?", required=False, widget=django_forms.Textarea(attrs={"rows": 3})
        )

    return _act(
        request,
        number,
        form_class=CloseForm,
        do=lambda incident, by, given: resolving.close(incident, reason=given["reason"], by=by),
        title="Close",
        intro="Nothing is deleted. A reason is needed only if its review is not published.",
        submit="Close the incident",
        done="Closed.",
    )


@require_http_methods(["GET", "POST"])
def note(request: HttpRequest, number: int) -> HttpResponse:
    """Write on the timeline."""
    return _act(
        request,
        number,
        form_class=forms.NoteForm,
        do=lambda incident, by, given: actions.add_note(incident, text=given["text"], by=by),
        title="Note",
        intro="What you see, what was decided. Markdown works.",
        submit="Add note",
        done="Noted.",
    )


@require_http_methods(["GET", "POST"])
def link(request: HttpRequest, number: int) -> HttpResponse:
    """Tie a dashboard, a call or a ticket to the incident."""
    return _act(
        request,
        number,
        form_class=forms.LinkForm,
        do=lambda incident, by, given: actions.add_link(incident, title=given["title"], url=given["url"], by=by),
        title="Add a link",
        intro="A dashboard, a call, a ticket, a document.",
        submit="Add the link",
        done="Link added.",
    )


@require_http_methods(["GET", "POST"])
def role(request: HttpRequest, number: int) -> HttpResponse:
    """Give somebody a role."""
    return _act(
        request,
        number,
        form_class=forms.RoleForm,
        do=lambda incident, by, given: actions.assign_role(incident, role=given["role"], person=given["person"], by=by),
        title="Assign a role",
        intro="There is one lead; naming another hands the lead over.",
        initial=lambda _incident: {"role": request.GET.get("role", "")},
        submit="Assign the role",
        done="The role is assigned.",
    )


@require_http_methods(["GET", "POST"])
def onset(request: HttpRequest, number: int) -> HttpResponse:
    """Estimate when it began."""
    return _act(
        request,
        number,
        form_class=forms.OnsetForm,
        do=lambda incident, by, given: assessing.estimate_onset(
            incident, onset=given["onset"], low=given["low"], high=given["high"], why=given["why"], by=by
        ),
        title="Estimate the onset",
        intro="When it began, before anybody saw it. An interval says how sure that is.",
        submit="Set the onset",
        done="The onset is set.",
        initial=lambda i: {"onset": i.onset, "low": i.onset_low, "high": i.onset_high},
    )


@require_http_methods(["GET", "POST"])
def change_type(request: HttpRequest, number: int) -> HttpResponse:
    """Reclassify."""
    return _act(
        request,
        number,
        form_class=forms.TypeForm,
        do=lambda incident, by, given: assessing.change_type(
            incident,
            type_=IncidentType(given["type"]),
            secondary=[IncidentType(value) for value in given["secondary"]],
            by=by,
        ),
        title="Change the type",
        intro="What is done stays done; the steps still to do become those of the new type's protocol.",
        submit="Change the type",
        done="The type is changed.",
        initial=lambda i: {"type": i.type, "secondary": i.secondary_types},
    )


@require_http_methods(["GET", "POST"])
def set_system(request: HttpRequest, number: int) -> HttpResponse:
    """Say which system it is about."""
    found = access_incident(actor_of(request), number)
    seen = " It is restricted: the owner of the system and whoever is paged will see it." if found.restricted else ""
    return _act(
        request,
        number,
        form_class=forms.SystemForm,
        do=lambda incident, by, given: naming.set_system(
            incident, given["system"], why=given["why"], known=given["known"], by=by
        ),
        title="Which system is it about?",
        intro="Its chain is paged, unless whoever is on call there has it already; its levers are offered." + seen,
        submit="Set the system",
        done="Noted. What goes by its system follows.",
        initial=lambda i: {"system": i.system, "known": naming.slug_of(i)},
    )


@require_POST
def restrict(request: HttpRequest, number: int) -> HttpResponse:
    """Show it to those involved only, or to everyone again."""
    by = actor_of(request)
    found = actions.restrict(access_incident(by, number), restricted=bool(request.POST.get("restricted")), by=by)
    shown = "those involved only" if found.restricted else "everyone who may see incidents"
    messages.success(request, f"{found.ref} is shown to {shown}.")
    return redirect("incident", number)


@require_POST
def step(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Mark a step of the protocol done."""
    by = actor_of(request)
    found = access_incident(by, number)
    try:
        actions.finish_step(found, key=key, by=by)
    except Refused as refused:
        messages.warning(request, refused.what)
    return redirect("incident", number)


@require_POST
def step_waive(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Waive a step of the protocol with a reason."""
    by = actor_of(request)
    found = access_incident(by, number)
    reason = request.POST.get("reason", "").strip()
    try:
        if not reason:
            messages.warning(request, "A step is waived with a reason; nothing was changed.")
        else:
            actions.finish_step(found, key=key, by=by, waive_reason=reason)
    except Refused as refused:
        messages.warning(request, refused.what)
    return redirect("incident", number)


SEVERITY_FORMS: Mapping[str, type[forms.SeverityForm]] = {
    "technical": forms.TechnicalForm,
    "harm": forms.HarmForm,
    "raise": forms.RaiseForm,
    "lower": forms.LowerForm,
}


@require_http_methods(["GET", "POST"])
def severity(request: HttpRequest, number: int) -> HttpResponse:
    """Assess: technical impact, harm by dimension, raise, ask to lower. One page, four small forms."""
    by = actor_of(request)
    found = access_incident(by, number)
    which = request.POST.get("form", "")
    bound = {
        name: form_class(
            request.POST if name == which else None,
            initial=_initial(name, found),
            auto_id=f"{name}-%s",
            level=found.level,
            viewer=by.person,
        )
        for name, form_class in SEVERITY_FORMS.items()
    }
    form = bound.get(which)
    if request.method == "POST" and form is not None and form.is_valid():
        try:
            _assess(which, found, by, form.cleaned_data)
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, "Recorded.")
            return redirect("incident_severity", number)
    found.refresh_from_db()
    context = {
        "incident": found,
        "forms": bound,
        "classification": assessing.classification_of(found),
        "scores": [(dimension, assessing.scores_of(found).get(dimension)) for dimension in HarmDimension],
        "lowering": found.lowerings.filter(state=SeverityLowering.State.ASKED).first(),
        "viewer": by.person,
    }
    return render(request, "response/severity.html", context, status=422 if form is not None and form.errors else 200)


def _initial(name: str, found: Incident) -> dict[str, Any]:
    return {"technical": found.technical} if name == "technical" else {}


def _assess(which: str, found: Incident, by: Actor, given: dict[str, Any]) -> None:
    if which == "technical":
        assessing.score_technical(found, value=given["technical"], by=by)
    elif which == "harm":
        dimension = HarmDimension(given["dimension"])
        assessing.score_harm(found, dimension=dimension, value=given["value"], evidence=given["evidence"], by=by)
    elif which == "raise":
        assessing.raise_severity(found, to=Severity(given["to"]), reason=given["reason"], by=by)
    else:
        to = Severity(given["to"])
        assessing.ask_to_lower(found, to=to, reason=given["reason"], approver=given["approver"], by=by)


@require_POST
def decide_lowering(request: HttpRequest, number: int) -> HttpResponse:
    """The named approver decides."""
    by = actor_of(request)
    found = access_incident(by, number)
    asked = found.lowerings.filter(state=SeverityLowering.State.ASKED).first()
    if asked is None:
        raise Missing("Nobody is asking for a lower severity here any more.")
    assessing.decide_lowering(asked, approve=request.POST.get("decision") == "approve", by=by)
    messages.success(request, "Decided.")
    return redirect("incident", number)
