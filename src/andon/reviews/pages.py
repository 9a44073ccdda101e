"""Reviews: the list, one review, its sections and their versions. Actions have pages of their own."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.incidents.policy import access_incident, may_respond, must_respond
from andon.kit.errors import Invalid, Missing, Refused
from andon.kit.forms import refuse
from andon.kit.markdown import render as markdown
from andon.people.http import actor_of
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.words import IncidentRole, OrgRole
from andon.reviews import actions, queries
from andon.reviews.actions import access_review
from andon.reviews.changes import changes
from andon.reviews.forms import ActionForm, AddSectionForm, SectionForm
from andon.reviews.models import Action, Review, SectionVersion
from andon.reviews.queries import Section

PER_PAGE = 50
ACTIONS_SECTION = "actions"


@require_safe
def reviews(request: HttpRequest) -> HttpResponse:
    """The reviews of incidents the viewer may know of."""
    state = request.GET.get("state", "")
    rows = queries.reviews(actor_of(request), state).order_by("-created_at")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    choices = [("", "Any"), *Review.State.choices, ("overdue", "Overdue")]
    options = [{"value": value, "label": label, "on": value == state} for value, label in choices]
    context = {"page": page, "state": state, "filters": [{"name": "state", "label": "State", "options": options}]}
    return render(request, "reviews/reviews.html", context)


@require_safe
def review(request: HttpRequest, number: int) -> HttpResponse:
    """One review; where there is none yet, the offer to draft it."""
    by = actor_of(request)
    incident = access_incident(by, number)
    if not Review.objects.filter(incident=incident).exists():
        over = State(incident.state) not in UNRESOLVED
        context = {"incident": incident, "may": over and may_respond(by, incident), "over": over}
        return render(request, "reviews/none.html", context)
    found = access_review(by, number)
    may = may_respond(by, incident)
    rows = action_rows(queries.actions(by).filter(review=found))
    stands = queries.sections(found)
    sections = [_part(section, has_actions=bool(rows)) for section in stands]
    empty = sum(part["empty"] for part in sections)
    return render(
        request,
        "reviews/review.html",
        {
            "review": found,
            "incident": incident,
            "sections": sections,
            "lists_actions": any(part["lists_actions"] for part in sections),
            "empty": empty,
            "next": _next(found, by, empty=empty) if may else None,
            "may_edit": may and found.state != Review.State.PUBLISHED,
            "may": may,
            "text": queries.text_of(stands),
            "signs": queries.sign_offs(found) if found.state != Review.State.DRAFT else [],
            "actions": rows,
            "action_form": ActionForm(),
            "section_form": AddSectionForm(found),
        },
    )


def _part(section: Section, *, has_actions: bool) -> dict[str, Any]:
    """A section as the page shows it; the handbook's section on actions is where their list stands."""
    latest = section.latest
    lists_actions = latest.key == ACTIONS_SECTION
    return {
        "section": latest,
        "versions": section.versions,
        "html": markdown(latest.body),
        "prompt": markdown(latest.prompt),
        "lists_actions": lists_actions,
        "empty": not latest.body.strip() and not (lists_actions and has_actions),
    }


def _next(found: Review, by: Actor, *, empty: int) -> dict[str, Any] | None:
    """The next move of a review: what it is called, what it does, and the way back."""
    url = reverse("review_move", args=[found.incident.number])
    sections = "one section is empty" if empty == 1 else f"{empty} sections are empty"
    if found.state == Review.State.DRAFT:
        return {
            "heading": "Write it, then hand it in" if empty else "Hand it in: every section is written",
            "why": f"{sections.capitalize()} still." if empty else "Others read it before a lead publishes it.",
            "label": "Hand in for review",
            "url": url,
            "to": Review.State.IN_REVIEW,
        }
    if found.state == Review.State.IN_REVIEW:
        back = {"label": "Take back to draft", "to": Review.State.DRAFT}
        signs = queries.sign_offs(found)
        if mine := next((one for one in signs if not one.stands and by.person in one.holders), None):
            return {
                "heading": f"Read it, and sign it as {mine.role.words}",
                "why": f"{sections.capitalize()}. " * bool(empty) + "A lead publishes it once every role has signed.",
                "label": f"Sign as {mine.role.words}",
                "url": url,
                "sign": mine.role,
                "back": back,
            }
        if lacking := [one.says for one in signs if not one.stands]:
            return {"heading": "It waits to be signed off", "why": " ".join(lacking), "url": url, "back": back}
        if not by.may(OrgRole.LEAD):
            why = "A lead publishes it. Until then everybody who responded can still write."
            return {"heading": "Read it, and say what is missing", "why": why, "url": url, "back": back}
        said = f"{sections.capitalize()}. " if empty else ""
        why = f"{said}Everybody who may see the incident reads it then, and nothing is rewritten without being told."
        label = "Publish the review"
        return {"heading": "Publish it", "why": why, "label": label, "url": url, "to": "published", "back": back}
    return None


def action_rows(rows: Any) -> list[dict[str, Any]]:
    """Actions as lists show them, each with whether it is overdue."""
    day, zone = queries.today(), queries.office_zone()
    return [
        {
            "row": row,
            "due_at": queries.end_of(row.due_on, zone),
            "overdue": row.state == Action.State.OPEN and row.due_on < day,
        }
        for row in rows
    ]


@require_POST
def open_review(request: HttpRequest, number: int) -> HttpResponse:
    """Draft a review by hand."""
    by = actor_of(request)
    actions.open_review(access_incident(by, number), by=by)
    messages.success(request, "The review is drafted from the timeline.")
    return redirect("review", number)


@require_POST
def move(request: HttpRequest, number: int) -> HttpResponse:
    """Hand in, publish or take back."""
    by = actor_of(request)
    found = access_review(by, number)
    to = request.POST.get("to", "")
    if to not in Review.State.values:
        raise Invalid(f"A review cannot become {to!r}.", field="to")
    try:
        moved = actions.move(found, to=Review.State(to), by=by)
    except Refused as refused:
        messages.warning(request, refused.what)
    else:
        messages.success(request, f"The review is {moved.get_state_display().lower()} now.")
    return redirect("review", number)


@require_POST
def sign(request: HttpRequest, number: int) -> HttpResponse:
    """Sign it off in a role."""
    by = actor_of(request)
    found = access_review(by, number)
    role = request.POST.get("role", "")
    if role not in set(IncidentRole):
        raise Invalid(f"There is no role {role!r} in an incident.", field="role")
    try:
        actions.sign(found, role=IncidentRole(role), seen=request.POST.get("seen", ""), by=by)
    except Refused as refused:
        if refused.status == 403:  # noqa: PLR2004  who may not is told so by the page for that
            raise
        messages.warning(request, refused.what)
    else:
        messages.success(request, "Signed. What is rewritten from here on has to be signed anew.")
    return redirect("review", number)


@require_POST
def add_section(request: HttpRequest, number: int) -> HttpResponse:
    """Add a section."""
    by = actor_of(request)
    found = access_review(by, number)
    form = AddSectionForm(found, request.POST)
    if form.is_valid():
        try:
            made = actions.add_section(found, key=form.cleaned_data["key"], title=form.cleaned_data["title"], by=by)
        except Refused as refused:
            refuse(form, refused)
        else:
            return redirect(f"{reverse('review', args=[number])}#section-{made.key}")
    context = {"review": found, "incident": found.incident, "form": form, "title": "Add a section"}
    return render(request, "reviews/form.html", context | {"submit": "Add the section"}, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def section(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Write a section. Whoever saved first is never overwritten: the later writer sees both texts."""
    by = actor_of(request)
    found = access_review(by, number)
    must_respond(by, found.incident, "edit reviews")
    latest = _latest(found, key)
    form = SectionForm(request.POST or None, initial={"body": latest.body, "seen_version": latest.version})
    context = {"review": found, "incident": found.incident, "section": latest, "prompt": markdown(latest.prompt)}
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            actions.edit_section(found, key=key, body=given["body"], seen_version=given["seen_version"], by=by)
        except Refused as refused:
            refuse(form, refused)
            if refused.code == "version-conflict":
                # What they saved is shown beside; saving again replaces it, knowingly.
                theirs = _latest(found, key)
                resumed = SectionForm({"body": given["body"], "seen_version": theirs.version})
                refuse(resumed, refused)
                shown = {"form": resumed, "section": theirs, "theirs": markdown(theirs.body)}
                return render(request, "reviews/section.html", context | shown, status=409)
        else:
            return redirect(f"{reverse('review', args=[number])}#section-{key}")
    return render(request, "reviews/section.html", context | {"form": form}, status=422 if form.errors else 200)


def _latest(found: Review, key: str) -> SectionVersion:
    rows = queries.versions(found, key)
    if not rows:
        raise Missing(f"The review has no section {key!r}.")
    return rows[0]


@require_safe
def history(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Every version of a section: who wrote it, when, and what changed."""
    found = access_review(actor_of(request), number)
    rows = queries.versions(found, key)
    if not rows:
        raise Missing(f"The review has no section {key!r}.")
    before = [*(row.body for row in rows[1:]), ""]
    versions = [
        {"row": row, "lines": changes(earlier, row.body), "html": markdown(row.body), "drafted": row.by is None}
        for row, earlier in zip(rows, before, strict=True)
    ]
    context = {"review": found, "incident": found.incident, "section": rows[0], "versions": versions}
    return render(request, "reviews/history.html", context)
