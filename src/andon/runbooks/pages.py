"""The library of runbooks, one runbook, and proposals to change it."""

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from andon.kit.errors import Refused
from andon.kit.forms import refuse
from andon.kit.markdown import render as markdown
from andon.kit.numbers import whole
from andon.people.http import actor_of
from andon.people.policy import Actor
from andon.practice.shelf import Freshness
from andon.practice.words import IncidentType, RunbookPhase, SystemKind
from andon.reviews.changes import changes
from andon.reviews.queries import today
from andon.runbooks import actions, policy, queries
from andon.runbooks.forms import OwnerForm, ProposalForm, TextForm
from andon.runbooks.models import Proposal
from andon.runbooks.queries import Standing

UNPROCESSABLE = 422
_RUNS: Final = 20

_BLANK: Final = """---
key: short-name-for-ever
title: What went wrong, in two or three words
summary: When to take this runbook, in a sentence.
owner: {owner}
types: [technical_failure]
minutes: 60
reviewed: {today}
---

## Contain

### Stop it first

```step
key: stop
```

How, and when it is done.

## Assess harm

### Count who was affected

```step
key: count
```

Of how many, since when.

## Diagnose

### Find what changed

```step
key: changes
```

Where to look first, and what rules it out.

## Resolve

### Put it right

```step
key: repair
```

How, and who has to agree.

## Verify

### See that it is over

```step
key: verify
```

On what figure, for how long.

## Communicate

### Tell those who depend on it

```step
key: tell
kind: notice
audience: Those who depend on it
```
"""


@require_safe
def library(request: HttpRequest) -> HttpResponse:
    """The runbooks: which there are, who keeps them right, which are used."""
    by, given = actor_of(request), request.GET
    rows = queries.library(by, off=given.get("state") == "retired")
    type_, system, state = given.get("type", ""), given.get("system", ""), given.get("state", "")
    shown = [row for row in rows if _fits(row, type_, system, state)]
    context = {
        "rows": shown,
        "total": len(rows),
        "filters": [
            _filter("type", "Type", type_, IncidentType.choices()),
            _filter("system", "System", system, SystemKind.choices()),
            _filter(
                "state", "State", state,
                [("stale", "Review overdue"), ("used", "Used"), ("unused", "Never used"),
                 ("proposed", "With proposals"), ("retired", "Off the shelf")],
            ),
        ],
        "filtered": bool(type_ or system or state),
        "may_manage": policy.may_manage(by),
    }  # fmt: skip
    return render(request, "runbooks/library.html", context)


def _filter(name: str, label: str, chosen: str, offered: list[tuple[str, str]]) -> dict[str, Any]:
    options = [{"value": value, "label": text, "on": value == chosen} for value, text in [("", "Any"), *offered]]
    return {"name": name, "label": label, "options": options}


def _fits(row: Standing, type_: str, system: str, state: str) -> bool:
    book = row.shelved.runbook
    asked = {
        "": True,
        "retired": True,
        "stale": row.freshness is Freshness.STALE,
        "used": row.use.runs > 0,
        "unused": row.use.runs == 0,
        "proposed": row.proposals > 0,
    }
    kinds = not system or not book.systems or system in book.systems
    return (not type_ or type_ in book.types) and kinds and asked.get(state, False)


@require_safe
def runbook(request: HttpRequest, key: str) -> HttpResponse:
    """One runbook: what it says, who keeps it right, where it was used."""
    by = actor_of(request)
    standing = queries.standing(by, key)
    found = standing.shelved
    book = found.runbook
    row = found.row
    context = {
        "standing": standing,
        "found": found,
        "book": book,
        "row": row,
        "intro": markdown(book.intro),
        "phases": [
            {
                "label": phase.label,
                "steps": [{"step": step, "body": markdown(step.body)} for step in book.steps if step.phase is phase],
            }
            for phase in RunbookPhase
        ],
        "titles": {step.key: step.title for step in book.steps},
        "runs": list(queries.runs_of(by, key)[:_RUNS]),
        "proposals": queries.proposals_of(by, found)[:_RUNS],
        "lacks": queries.lacks_of(by, key, most=_RUNS),
        "may_propose": policy.may_propose(by),
        "may_decide": policy.may_decide(by, row),
        "may_manage": policy.may_manage(by),
        "owner_form": OwnerForm(initial={"owner": row.owner_id if row else None}),
        "differs": bool(found.shipped) and found.shipped != found.text,
        "retired": found.is_off,
    }
    return render(request, "runbooks/runbook.html", context)


@require_safe
def history(request: HttpRequest, key: str) -> HttpResponse:
    """Every version that is kept, and what changed in it."""
    by = actor_of(request)
    standing = queries.standing(by, key)
    rows = queries.versions_of(by, standing.shelved)
    before = [*(row.text for row in rows[1:]), *[""][: len(rows)]]
    versions = [
        {"row": row, "lines": changes(earlier, row.text) if earlier else []}
        for row, earlier in zip(rows, before, strict=True)
    ]
    shipped = standing.shelved.shipped
    ours = changes(shipped, standing.shelved.text) if shipped and shipped != standing.shelved.text else []
    context = {"standing": standing, "book": standing.shelved.runbook, "versions": versions, "ours": ours}
    return render(request, "runbooks/history.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def write(request: HttpRequest) -> HttpResponse:
    """Put a runbook of one's own on the shelf."""
    by = actor_of(request)
    policy.must_view(by)
    blank = _BLANK.format(owner=by.person.email if by.person else "", today=today().isoformat())
    form = TextForm(request.POST or None, initial={"text": blank})
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.write(form.cleaned_data["text"], by=by)
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, f"“{made.title}” stands on the shelf.")
            return redirect("runbook", made.runbook.key)
    context = {"form": form, "title": "Write a runbook", "submit": "Put it on the shelf", "key": ""}
    return render(request, "runbooks/form.html", context, status=UNPROCESSABLE if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def propose(request: HttpRequest, key: str) -> HttpResponse:
    """Propose another text."""
    by = actor_of(request)
    standing = queries.standing(by, key)
    form = ProposalForm(request.POST or None, initial={"text": standing.shelved.text})
    return proposed(request, form, key, by, standing.shelved.runbook.title)


def proposed(
    request: HttpRequest, form: ProposalForm, key: str, by: Actor, title: str, *, run: Any = None
) -> HttpResponse:
    """The form of a proposal: sent if it can be, shown else."""
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.propose(key, text=form.cleaned_data["text"], why=form.cleaned_data["why"], by=by, run=run)
        except Refused as refused:
            refuse(form, refused)
        else:
            messages.success(request, "The change is proposed. The runbook's owner decides.")
            return redirect("proposal", made.number) if policy.may_propose(by) else redirect("run", run.number)
    context = {"form": form, "title": f"Change “{title}”", "submit": "Propose the change", "key": key, "run": run}
    return render(request, "runbooks/form.html", context, status=UNPROCESSABLE if form.errors else 200)


@require_safe
def proposal(request: HttpRequest, number: int) -> HttpResponse:
    """A proposal as a difference, to be accepted or declined."""
    by = actor_of(request)
    found = policy.access_proposal(by, number)
    compared = queries.compared(found)
    shelved, open_ = compared.shelved, found.state == Proposal.State.OPEN
    run = policy.visible_runs(by).filter(pk=found.run_id).first() if found.run_id else None
    context = {
        "proposal": found,
        "book": shelved.runbook,
        "lines": changes(compared.against, found.text),
        "now": compared.now,
        "moved": open_ and shelved.text != found.base.text,
        "run": run,
        "from_file": shelved.from_file,
        "may_decide": open_ and policy.may_decide(by, found.runbook),
    }
    return render(request, "runbooks/proposal.html", context)


@require_POST
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """Accept a proposal, or decline it with a reason."""
    by = actor_of(request)
    found = policy.access_proposal(by, number)
    accept = request.POST.get("decision") == "accept"
    seen = whole(request.POST.get("seen", "")) or 0
    try:
        decided = actions.decide(found, accept=accept, by=by, seen=seen, reason=request.POST.get("reason", ""))
    except Refused as refused:
        messages.warning(request, refused.what)
    else:
        into = "Put the text below into its file, and apply the handbook." if accept and not decided.made else ""
        messages.success(request, f"{decided.get_state_display()}. {into}".strip())
    return redirect("proposal", number)


@require_POST
def owner(request: HttpRequest, key: str) -> HttpResponse:
    """Name who answers for it here."""
    by = actor_of(request)
    form = OwnerForm(request.POST)
    if form.is_valid():
        _said(request, lambda: actions.give_owner(key, person=form.cleaned_data["owner"], by=by), "The owner is named.")
    return redirect("runbook", key)


_ACTS: Final[dict[str, tuple[Callable[..., object], str]]] = {
    "reviewed": (actions.mark_reviewed, "Marked as reviewed today."),
    "retire": (actions.retire, "It is off the shelf. Its runs and versions stay."),
    "put-back": (actions.put_back, "It is back on the shelf."),
}


@require_POST
def act(request: HttpRequest, key: str, act: str) -> HttpResponse:
    """Mark it reviewed, take it off the shelf, put it back."""
    by = actor_of(request)
    if act not in _ACTS:
        raise Http404
    do, done = _ACTS[act]
    _said(request, lambda: do(key, by=by), done)
    return redirect("runbook", key)


def _said(request: HttpRequest, do: Callable[[], object], done: str) -> None:
    try:
        do()
    except Refused as refused:
        if refused.status == 403:  # noqa: PLR2004  who may not is told so by the page for that
            raise
        messages.warning(request, refused.what)
    else:
        messages.success(request, done)
