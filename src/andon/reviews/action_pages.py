"""Improvement actions: the list, one action, adding and changing one, and moving it on."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.incidents.policy import may_respond, must_respond
from andon.kit.errors import Refused
from andon.kit.forms import refuse
from andon.kit.markdown import render as markdown
from andon.people.http import actor_of
from andon.people.policy import Actor
from andon.reviews import actions, queries
from andon.reviews.actions import access_action, access_review
from andon.reviews.forms import ActionForm, MoveActionForm
from andon.reviews.models import Action
from andon.reviews.pages import PER_PAGE, action_rows
from andon.reviews.queries import ActionFilter

ANY = "any"
"""The state of a list that leaves none out; without a state the list shows the open ones."""


@require_safe
def actions_list(request: HttpRequest) -> HttpResponse:
    """The actions the viewer may know of: the open ones, soonest due first, unless the address asks otherwise."""
    by = actor_of(request)
    given = request.GET
    state = given.get("state", Action.State.OPEN)
    wanted = ActionFilter(
        state="" if state == ANY else state,
        due=given.get("due", ""),
        owner=given.get("owner", ""),
        review=given.get("review", ""),
    )
    page = Paginator(wanted.of(queries.actions(by), by), PER_PAGE).get_page(given.get("page"))
    filters = [
        _filter("state", "State", state, [*Action.State.choices, (ANY, "Any")]),
        _filter("due", "Due", wanted.due, [("", "Any time"), ("overdue", "Overdue"), ("week", "Within a week")]),
        _filter("owner", "Owner", wanted.owner, [("", "Anyone"), ("me", "Me")]),
    ]
    filtered = wanted != ActionFilter(state=Action.State.OPEN)
    context = {"page": page, "rows": action_rows(page), "filters": filters, "filtered": filtered}
    return render(request, "reviews/actions.html", context)


def _filter(name: str, label: str, chosen: str, choices: list[tuple[str, str]]) -> dict[str, Any]:
    options = [{"value": value, "label": words, "on": value == chosen} for value, words in choices]
    return {"name": name, "label": label, "options": options}


@require_safe
def action(request: HttpRequest, number: int) -> HttpResponse:
    """One action."""
    by = actor_of(request)
    return _action(request, access_action(by, number), by)


def _action(request: HttpRequest, found: Action, by: Actor, *, problem: str = "") -> HttpResponse:
    responds = may_respond(by, found.review.incident)
    owns = by.person is not None and by.person.pk == found.owner_id
    context = {
        "action": found,
        "incident": found.review.incident,
        "description": markdown(found.description),
        "verification": markdown(found.verification),
        "due_at": queries.end_of(found.due_on, queries.office_zone()),
        "overdue": found.state == Action.State.OPEN and found.due_on < queries.today(),
        "moves": _moves(found, owns=owns) if responds or owns else [],
        "may_change": responds and found.state == Action.State.OPEN,
        "problem": problem,
    }
    return render(request, "reviews/action.html", context, status=422 if problem else 200)


def _moves(found: Action, *, owns: bool) -> list[dict[str, Any]]:
    """What may become of an action now; the first is the one that brings it on."""
    done = {"to": "done", "label": "Mark as done", "primary": True}
    drop = {"to": "dropped", "label": "Drop it", "effect": "Nobody works on it any more. It can be opened again."}
    again = {"to": "open", "label": "Open it again", "effect": "It is still to be done, by the same owner and day."}
    verify = {"to": "verified", "label": "Confirm that it worked", "primary": True}
    moves: dict[Action.State, list[dict[str, Any]]] = {
        Action.State.OPEN: [done, drop],
        Action.State.DONE: [again] if owns else [verify, again],
        Action.State.VERIFIED: [again],
        Action.State.DROPPED: [again],
    }
    return moves[Action.State(found.state)]


@require_POST
def move_action(request: HttpRequest, number: int) -> HttpResponse:
    """Mark an action done, verified, dropped or open again."""
    by = actor_of(request)
    found = access_action(by, number)
    form = MoveActionForm(request.POST)
    if not form.is_valid():
        return _action(request, found, by, problem="An action is open, done, verified or dropped.")
    try:
        moved = actions.move_action(
            found, to=Action.State(form.cleaned_data["to"]), reason=form.cleaned_data["reason"], by=by
        )
    except Refused as refused:
        return _action(request, found, by, problem=refused.what)
    messages.success(request, f"{moved.ref} is {moved.get_state_display().lower()} now.")
    return redirect("action", number)


@require_http_methods(["GET", "HEAD", "POST"])
def add_action(request: HttpRequest, number: int) -> HttpResponse:
    """Add an action to a review."""
    by = actor_of(request)
    review = access_review(by, number)
    must_respond(by, review.incident, "add actions")
    form = ActionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.add_action(review, by=by, **form.cleaned_data)
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, f"{made.ref} is {made.owner}'s, due on {made.due_on:%d %B %Y}.")
            return redirect("review", number)
    context = {"review": review, "incident": review.incident, "form": form}
    words = {"title": "Add an action", "submit": "Add the action"}
    return render(request, "reviews/form.html", context | words, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def change_action(request: HttpRequest, number: int) -> HttpResponse:
    """Say an action differently, hand it over, or give it another day."""
    by = actor_of(request)
    found = access_action(by, number)
    must_respond(by, found.review.incident, "change actions")
    names = ("title", "owner", "due_on", "description", "verification")
    form = ActionForm(request.POST or None, initial={name: getattr(found, name) for name in names})
    if request.method == "POST" and form.is_valid():
        try:
            actions.change_action(found, by=by, **form.cleaned_data)
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, f"{found.ref} is changed.")
            return redirect("action", number)
    context = {"review": found.review, "incident": found.review.incident, "form": form, "action": found}
    words = {"title": f"Change {found.ref}", "submit": "Save the action"}
    return render(request, "reviews/form.html", context | words, status=422 if form.errors else 200)
