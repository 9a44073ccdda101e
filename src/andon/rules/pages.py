"""Pages of rules: what is in force, one rule with its versions, and a draft that is tried before it is kept."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.intake import wording as intake_wording
from andon.kit import clock, expressions
from andon.kit.errors import Forbidden, Refused
from andon.kit.forms import refuse
from andon.kit.outdated import go_on_trying, when_outdated
from andon.people.http import actor_of
from andon.people.policy import Actor
from andon.practice.rules import RuleKind
from andon.registry.models import System
from andon.rules import actions, book, policy, queries, wording
from andon.rules.forms import FORMS, RuleForm
from andon.rules.models import Rule
from andon.rules.queries import RuleFilter
from andon.rules.trial import Trial
from andon.rules.trying import try_rule

UNPROCESSABLE = 422
_ORDERED = {RuleKind.MAPPING, RuleKind.AUTO_CLOSE}  # kinds of which the first that says something decides
_PREFILLED = ("name", "expression", "system")  # what a link to a new rule may bring along


@require_safe
def rules(request: HttpRequest) -> HttpResponse:
    """The rules in force, or those that are over, by kind in the order in which they are asked."""
    by, given, now = actor_of(request), request.GET, clock.now()
    wanted = RuleFilter(given.get("kind", ""), given.get("system", ""), given.get("ended") == "1")
    rows = list(queries.rules(by, wanted, now))
    held = queries.holding([row.number for row in rows])
    until = {quiet.rule.pk: quiet.ends for quiet in queries.quiet_now(now)}
    groups: dict[RuleKind, list[dict[str, Any]]] = {}
    for row in rows:
        shown = _shown(row) | {"holding": held[row.number], "on_until": until.get(row.pk)}
        groups.setdefault(row.what, []).append(shown)
    return render(
        request,
        "rules/rules.html",
        {
            "kinds": [
                {"kind": kind, "does": wording.DOES[kind], "rules": groups[kind]} for kind in RuleKind if kind in groups
            ],
            "filters": _filters(wanted),
            "filtered": wanted != RuleFilter(),
            "ended": wanted.ended,
            "may_make": policy.may_silence(by),
        },
    )


def _shown(row: Rule) -> dict[str, Any]:
    return {
        "row": row,
        "says": wording.summary(row.what, row.settings),
        "fault": "" if row.ended_at else book.fault(row),
        "which": row.expression or "every signal",
        "beat": getattr(row, "heartbeat", None),
    }


def _filters(wanted: RuleFilter) -> list[dict[str, Any]]:
    systems = System.objects.filter(rules__isnull=False).distinct().order_by("name").values_list("slug", "name")
    offered = (
        ("kind", "Kind", wanted.kind, [("", "Any"), *RuleKind.choices()]),
        ("system", "System", wanted.system, [("", "Any"), *systems]),
        ("ended", "State", "1" if wanted.ended else "", [("", "In force"), ("1", "Over")]),
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
def choose(request: HttpRequest) -> HttpResponse:
    """Which kind of rule to make."""
    by = actor_of(request)
    _must_make(by)
    kinds = list(RuleKind) if policy.may_manage(by) else [RuleKind.SILENCE]
    offered = [{"kind": kind, "does": wording.DOES[kind], "url": reverse("rule_create", args=[kind])} for kind in kinds]
    return render(request, "rules/choose.html", {"kinds": offered})


def _must_make(by: Actor) -> None:
    if not policy.may_silence(by):
        raise Forbidden("Leads make rules, and responders silence systems of theirs. Ask a lead to make it.")


@when_outdated(go_on_trying)
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, kind: str) -> HttpResponse:
    """Make a rule, or try the draft first."""
    by = actor_of(request)
    _must_make(by)
    if kind not in set(RuleKind):
        raise Http404
    what = RuleKind(kind)
    if what is not RuleKind.SILENCE and not policy.may_manage(by):
        raise Forbidden("Leads make rules; as a responder you can silence a system of yours for up to a day.")
    brought = {name: request.GET[name] for name in _PREFILLED if request.GET.get(name)}
    form = FORMS[what](request.POST, by=by) if request.method == "POST" else FORMS[what](by=by, initial=brought)
    return _kept_or_tried(request, by, form, None)


@when_outdated(go_on_trying)
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, number: int) -> HttpResponse:
    """Let a rule say something else, or try that first."""
    by = actor_of(request)
    row = policy.access_rule(by, number)
    policy.must_change(by, row, "change this rule")
    kind = FORMS[row.what]
    form = kind(request.POST, by=by) if request.method == "POST" else kind.of(row, by=by)
    return _kept_or_tried(request, by, form, row)


def _kept_or_tried(request: HttpRequest, by: Actor, form: RuleForm, row: Rule | None) -> HttpResponse:
    """Answer a form: keep what it says, or show what that would have done."""
    trial: Trial | None = None
    tries = "also" in request.POST
    if tries:
        form.needs_no_words()
    if request.method == "POST" and form.is_valid():
        try:
            if tries:
                trial = try_rule(form.facts(), clock.now(), by=by, instead_of=row)
            else:
                return _keep(request, by, form, row)
        except Refused as refused:
            refuse(form, refused)
    context = {
        "form": form,
        "kind": form.kind,
        "does": wording.DOES[form.kind],
        "row": row,
        "trial": trial,
        "vocabulary": [(name, meaning.replace("`", "")) for name, meaning in expressions.FIELDS.items()],
        "tried_on": queries.TRIED_ON,
    }
    return render(request, "rules/form.html", context, status=UNPROCESSABLE if form.errors else 200)


def _keep(request: HttpRequest, by: Actor, form: RuleForm, row: Rule | None) -> HttpResponse:
    if row is None:
        made = actions.create_rule(form.facts(), by=by)
        messages.success(request, f"{made.ref} is in force.")
        return redirect("rule", made.number)
    facts = form.facts()
    changed = actions.change_rule(row, facts, by=by, seen_version=form.cleaned_data.get("seen_version"))
    messages.success(request, f"{changed.ref} is changed, to version {changed.version}.")
    return redirect("rule", changed.number)


@require_safe
def rule(request: HttpRequest, number: int) -> HttpResponse:
    """One rule: what it says, what it keeps quiet, and what it said before."""
    by, now = actor_of(request), clock.now()
    row = policy.access_rule(by, number)
    quiet = next((one for one in queries.quiet_now(now) if one.rule.pk == row.pk), None)
    versions = [
        {
            "row": one,
            "says": wording.summary(row.what, one.facts["settings"]),
            "facts": one.facts,
            "ends_at": datetime.fromisoformat(one.facts["ends_at"]) if one.facts["ends_at"] else None,
        }
        for one in row.versions.select_related("by")
    ]
    return render(
        request,
        "rules/rule.html",
        {
            **_shown(row),
            "does": wording.DOES[row.what],
            "on_until": quiet.ends if quiet else None,
            "over": row.ended_at or (row.ends_at if row.ends_at and row.ends_at <= now else None),
            "holding": queries.holding([row.number])[row.number],
            "held": [{"row": signal, "why": intake_wording.why_there(signal)} for signal in queries.held_by(by, row)],
            "versions": versions,
            "may_change": policy.may_change(by, row) and row.ended_at is None,
            "ordered": row.what in _ORDERED and policy.may_manage(by) and row.ended_at is None,
        },
    )


@require_POST
def end(request: HttpRequest, number: int) -> HttpResponse:
    """End a rule."""
    by = actor_of(request)
    row = actions.end_rule(policy.access_rule(by, number), by=by)
    messages.success(request, f"{row.ref} is over. What it kept quiet and still fires is routed now.")
    return redirect("rule", number)


@require_POST
def move(request: HttpRequest, number: int) -> HttpResponse:
    """Ask a rule before or after its neighbour."""
    by = actor_of(request)
    actions.move_rule(policy.access_rule(by, number), earlier=request.POST.get("to") == "earlier", by=by)
    return redirect("rules")
