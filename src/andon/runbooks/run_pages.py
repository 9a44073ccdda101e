"""Runs: chosen and begun on an incident, gone through step by step, ended, and what was missing."""

from collections.abc import Callable

from django.contrib import messages
from django.db.models import Case, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.containment import actions as containment
from andon.containment.pages import known_of
from andon.containment.policy import must_pull
from andon.incidents.policy import access_incident, must_respond
from andon.kit.errors import Invalid, Missing, Refused
from andon.kit.forms import refuse
from andon.people.http import actor_of
from andon.practice.words import OrgRole, StepState
from andon.runbooks import actions, asking, levers, policy, queries, shelf
from andon.runbooks.actions.proposing import with_step
from andon.runbooks.forms import EndForm, FeedbackForm, MissingStepForm, ProposalForm
from andon.runbooks.models import Feedback
from andon.runbooks.pages import UNPROCESSABLE, proposed
from andon.runbooks.screen import Screen
from andon.runbooks.shelf import parsed


@require_safe
def choose(request: HttpRequest, number: int) -> HttpResponse:
    """Which runbook to run on an incident: those that fit first, then all."""
    by = actor_of(request)
    incident = access_incident(by, number)
    must_respond(by, incident, "run runbooks")
    offers = queries.offers(incident, most=5)
    fitting = {one.runbook.key for one in offers.fits}
    others = [one.runbook for key, one in shelf.shelf().items() if key not in fitting]
    runs = queries.on_incident(by, incident)
    context = {"incident": incident, "offers": offers, "others": others, "runs": runs}
    return render(request, "runbooks/choose.html", context)


@require_POST
def begin(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Begin a runbook on an incident; where it is being run already, go on with that."""
    by = actor_of(request)
    incident = access_incident(by, number)
    try:
        run = actions.begin(incident, key=key, by=by)
    except Refused as refused:
        if refused.status == 403:  # noqa: PLR2004  who may not is told so by the page for that
            raise
        messages.warning(request, refused.what)
        going = next((one for one in queries.on_incident(by, incident) if one.runbook.key == key), None)
        return redirect("run", going.number) if going and refused.code == "run-going" else redirect("incident", number)
    return redirect("run", run.number)


@require_safe
def run(request: HttpRequest, number: int) -> HttpResponse:
    """A run: the step to do now, then every step."""
    by = actor_of(request)
    found = policy.access_run(by, number)
    context = Screen(found, by).context()
    context |= {"reads_library": by.may(OrgRole.VIEWER), "end_form": EndForm()}
    if context["may"] and not context["going"]:
        mine = context["mine"]
        initial = {"helped": mine.helped, "missing": mine.missing} if mine else None
        context["feedback_form"] = FeedbackForm(initial=initial)
    return render(request, "runbooks/run.html", context)


@require_POST
def settle(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Say what became of a step. A decision's button sends its outcome."""
    by = actor_of(request)
    found = policy.access_run(by, number)
    given = request.POST
    state = given.get("state", StepState.DONE)

    def do() -> None:
        if state not in set(StepState):
            raise Invalid(f"A step cannot be {state}.", field="state")
        actions.settle(
            found, key=key, state=StepState(state), note=given.get("note", "") or given.get("reason", ""),
            outcome=given.get("outcome", ""), by=by,
        )  # fmt: skip

    return _done(request, number, do)


@require_POST
def pull(request: HttpRequest, number: int, key: str, lever: int) -> HttpResponse:
    """Pull a lever that a step asks for; the step is settled once it is seen to hold."""
    by = actor_of(request)
    found = policy.access_run(by, number)
    must_pull(by, found.incident)

    def do() -> None:
        step = parsed(found.version.text).step(key)
        offers = levers.fitting(step, found.incident) if step is not None else []
        asked = next((one.lever for one in offers if one.lever.number == lever), None)
        if asked is None:
            raise Missing(f"LEVER-{lever} cannot be pulled for this step of {found.ref}.")
        why = request.POST.get("reason", "")[:2000]
        containment.pull(asked, found.incident, by=by, why=why, known=known_of(request))

    return _done(request, number, do)


@require_POST
def again(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Open a settled step again."""
    by = actor_of(request)
    found = policy.access_run(by, number)
    return _done(request, number, lambda: actions.again(found, key=key, by=by))


@require_POST
def draw(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Ask the decision log what a query asks, and keep the answer with the run."""
    by = actor_of(request)
    found = policy.access_run(by, number)
    must_respond(by, found.incident, "look at decision logs from a run")

    def do() -> None:
        step = parsed(found.version.text).step(key)
        if step is None:
            raise Invalid(f"{found.ref} has no step {key!r}.")
        asked = asking.fitted(step, queries.logs_of(found.incident.system), by=request.POST.get("by", ""))
        actions.keep_seen(found, key=key, seen=asking.look(step, asked, found.incident), by=by)

    return _done(request, number, do, at=f"#step-{key}")


@require_POST
def end(request: HttpRequest, number: int) -> HttpResponse:
    """Finish a run, or stop it before its end."""
    by = actor_of(request)
    found = policy.access_run(by, number)
    given = request.POST
    stops = given.get("how") == "stop"
    return _done(request, number, lambda: actions.end(found, finished=not stops, note=given.get("note", ""), by=by))


@require_POST
def feedback(request: HttpRequest, number: int) -> HttpResponse:
    """Say whether it helped, and what was missing."""
    by = actor_of(request)
    found = policy.access_run(by, number)
    form = FeedbackForm(request.POST)
    if not form.is_valid():
        messages.warning(request, "Say whether it helped: yes, partly or no.")
        return redirect("run", number)
    given = form.cleaned_data
    actions.give_feedback(found, helped=Feedback.Helped(given["helped"]), missing=given["missing"], by=by)
    messages.success(request, "Thank you. What was missing can become a step now.")
    return redirect("run_missing" if given["missing"].strip() else "run", number)


@require_http_methods(["GET", "HEAD", "POST"])
def missing(request: HttpRequest, number: int) -> HttpResponse:
    """Make what was missing a step of the runbook: first where and what, then the whole text, then it is proposed."""
    by = actor_of(request)
    found = policy.access_run(by, number)
    must_respond(by, found.incident, "propose changes to runbooks")
    now = shelf.one(found.runbook.key)
    if request.method == "POST" and "why" in request.POST:
        return proposed(request, ProposalForm(request.POST), now.key, by, now.runbook.title, run=found)
    mine = Case(When(by=by.person, then=0), default=1)
    said = found.feedback.exclude(missing="").order_by(mine, "created_at").first()
    form = MissingStepForm(now.runbook, request.POST or None, initial={"body": said.missing if said else ""})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            text = with_step(now.text, after=given["after"], title=given["title"], body=given["body"])
        except Refused as refused:
            refuse(form, refused)
        else:
            whole_ = ProposalForm(initial={"text": text, "why": f"Missing in a run: {given['title']}"[:500]})
            context = {"form": whole_, "title": f"Change “{now.runbook.title}”", "submit": "Propose the change"}
            return render(request, "runbooks/form.html", context | {"key": now.key, "run": found})
    context = {"form": form, "title": "Make it a step", "submit": "Put it into the text", "key": now.key, "run": found}
    return render(request, "runbooks/form.html", context, status=UNPROCESSABLE if form.errors else 200)


def _done(request: HttpRequest, number: int, do: Callable[[], object], at: str = "") -> HttpResponse:
    """Do it and go back to the run; what was refused is said there."""
    try:
        do()
    except Refused as refused:
        if refused.status == 403:  # noqa: PLR2004  who may not is told so by the page for that
            raise
        messages.warning(request, refused.what)
    response = redirect("run", number)
    response["Location"] += at or "#now"
    return response
