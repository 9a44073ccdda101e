"""Runbooks, runs and proposals over the API: everything the screens can do."""

from difflib import unified_diff
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from andon.incidents.policy import access_incident, must_respond
from andon.kit.cursor import page
from andon.kit.errors import Invalid, Missing
from andon.people import queries as people
from andon.people.api_auth import caller
from andon.people.models import Person
from andon.people.policy import Actor
from andon.runbooks import actions, asking, policy, queries, shelf
from andon.runbooks.actions.proposing import with_step
from andon.runbooks.models import Proposal, Run
from andon.runbooks.shapes import (
    AcceptIn,
    DeclineIn,
    DrawIn,
    EndIn,
    FeedbackIn,
    FitOut,
    OwnerIn,
    ProposalIn,
    ProposalOut,
    ProposalPage,
    ProposalQuery,
    RunbookDetail,
    RunbookIn,
    RunbookOut,
    RunbookVersionOut,
    RunDetail,
    RunIn,
    RunOut,
    RunPage,
    RunQuery,
    SettleIn,
)

runbooks = Router(tags=["runbooks"])
runs = Router(tags=["runbooks"])
proposals = Router(tags=["runbooks"])
incidents = Router(tags=["runbooks"])

READ, WRITE = "runbooks:read", "runbooks:write"


@runbooks.get("", response=list[RunbookOut])
def list_runbooks(request: HttpRequest, *, off: bool = False) -> Any:
    """List the runbooks on the shelf with their use, or those `off` it."""
    return [RunbookOut.of(one) for one in queries.library(caller(request, READ), off=off)]


@runbooks.post("", response={201: RunbookDetail})
def write_runbook(request: HttpRequest, given: RunbookIn) -> Any:
    """Put a runbook of one's own on the shelf. A mistake in its text is named by its line."""
    by = caller(request, WRITE)
    return RunbookDetail.of(queries.standing(by, actions.write(given.text, by=by).runbook.key))


@runbooks.get("/{slug:key}", response=RunbookDetail)
def get_runbook(request: HttpRequest, key: str) -> Any:
    """Read one runbook: what it says, who keeps it right, how it is used."""
    return RunbookDetail.of(queries.standing(caller(request, READ), key))


@runbooks.get("/{slug:key}/versions", response=list[RunbookVersionOut])
def list_versions(request: HttpRequest, key: str) -> Any:
    """List every text of a runbook that is kept, newest first; none while nobody used or changed it."""
    by = caller(request, READ)
    return [RunbookVersionOut.of(row) for row in queries.versions_of(by, queries.standing(by, key).shelved)]


@runbooks.put("/{slug:key}/owner", response=RunbookOut)
def name_owner(request: HttpRequest, key: str, given: OwnerIn) -> Any:
    """Name who answers for a runbook here."""
    by = caller(request, WRITE)
    actions.give_owner(key, person=_person(by, given.owner) if given.owner else None, by=by)
    return RunbookOut.of(queries.standing(by, key))


@runbooks.post("/{slug:key}/reviewed", response=RunbookOut)
def mark_reviewed(request: HttpRequest, key: str) -> Any:
    """Say that it was read through today and is right."""
    by = caller(request, WRITE)
    actions.mark_reviewed(key, by=by)
    return RunbookOut.of(queries.standing(by, key))


@runbooks.post("/{slug:key}/retire", response=RunbookOut)
def retire(request: HttpRequest, key: str) -> Any:
    """Take a runbook off the shelf. Its runs and versions stay."""
    by = caller(request, WRITE)
    actions.retire(key, by=by)
    return RunbookOut.of(queries.standing(by, key))


@runbooks.post("/{slug:key}/put-back", response=RunbookOut)
def put_back(request: HttpRequest, key: str) -> Any:
    """Put a runbook that was taken off the shelf back on it."""
    by = caller(request, WRITE)
    actions.put_back(key, by=by)
    return RunbookOut.of(queries.standing(by, key))


@runbooks.post("/{slug:key}/proposals", response={201: ProposalOut})
def propose(request: HttpRequest, key: str, given: ProposalIn) -> Any:
    """Propose another text for a runbook, or a step that was missing in it."""
    by = caller(request, WRITE)
    run = policy.access_run(by, given.run) if given.run is not None else None
    if (given.step is None) == (not given.text):
        raise Invalid("Send the whole text, or a step to be put into it: one of the two.", field="text")
    text = given.text
    if given.step is not None:
        step = given.step
        text = with_step(_shown(by, key, run), after=step.after, title=step.title, body=step.body)
    return _proposal(actions.propose(key, text=text, why=given.why, by=by, run=run), by)


def _shown(by: Actor, key: str, run: Run | None) -> str:
    """The text of a runbook that a step is put into: whoever ran it may read it, else viewers and up."""
    if run is None:
        policy.must_view(by)
    return shelf.one(key).text


@incidents.get("/{int:number}/runbooks", response=list[FitOut])
def suggest(request: HttpRequest, number: int) -> Any:
    """List the runbooks for an incident: those that its protocol asks for first, then those that fit."""
    incident = access_incident(caller(request, READ), number)
    return [FitOut.of(fit) for fit in queries.offers(incident, most=None).fits]


@runs.get("", response=RunPage)
def list_runs(request: HttpRequest, given: Query[RunQuery]) -> Any:
    """List runs, newest first."""
    by = caller(request, READ)
    rows = policy.visible_runs(by)
    if given.incident is not None:
        rows = rows.filter(incident=access_incident(by, given.incident))
    if given.runbook:
        rows = rows.filter(runbook__key=given.runbook)
    if given.state:
        rows = rows.filter(state=given.state)
    found = page(rows, cursor=given.cursor, limit=given.limit)
    return {"items": [RunOut.of(row) for row in found.items], "next_cursor": found.next_cursor}


@runs.post("", response={201: RunDetail})
def begin_run(request: HttpRequest, given: RunIn) -> Any:
    """Begin a runbook on an incident. 409 with the code `run-going` says that it is being run there already."""
    by = caller(request, WRITE)
    run = actions.begin(access_incident(by, given.incident), key=given.runbook, by=by)
    return _run(by, run.number)


@runs.get("/{int:number}", response=RunDetail)
def get_run(request: HttpRequest, number: int) -> Any:
    """Read a run: every step, who did what when, what was skipped and why, and how long each took."""
    return _run(caller(request, READ), number)


@runs.post("/{int:number}/steps/{slug:key}", response=RunDetail)
def settle_step(request: HttpRequest, number: int, key: str, given: SettleIn) -> Any:
    """Say what became of a step: done, skipped with the reason, failed with what happened."""
    by = caller(request, WRITE)
    run = policy.access_run(by, number)
    actions.settle(run, key=key, state=given.state, note=given.note, outcome=given.outcome, by=by)
    return _run(by, number)


@runs.post("/{int:number}/steps/{slug:key}/again", response=RunDetail)
def open_again(request: HttpRequest, number: int, key: str) -> Any:
    """Open a settled step again; what was said of it stays as its earlier turn."""
    by = caller(request, WRITE)
    actions.again(policy.access_run(by, number), key=key, by=by)
    return _run(by, number)


@runs.post("/{int:number}/steps/{slug:key}/draw", response=RunDetail)
def draw(request: HttpRequest, number: int, key: str, given: DrawIn) -> Any:
    """Ask the decision log what a query asks, and keep the aggregates with the run."""
    by = caller(request, WRITE)
    run = policy.access_run(by, number)
    must_respond(by, run.incident, "look at decision logs from a run")
    step = shelf.parsed(run.version.text).step(key)
    if step is None:
        raise Missing(f"{run.ref} has no step {key!r}.")
    asked = asking.fitted(step, queries.logs_of(run.incident.system), by=given.by)
    actions.keep_seen(run, key=key, seen=asking.look(step, asked, run.incident), by=by)
    return _run(by, number)


@runs.post("/{int:number}/end", response=RunDetail)
def end_run(request: HttpRequest, number: int, given: EndIn) -> Any:
    """Finish a run, or stop it before its end."""
    by = caller(request, WRITE)
    actions.end(policy.access_run(by, number), finished=given.finished, note=given.note, by=by)
    return _run(by, number)


@runs.post("/{int:number}/feedback", response=RunDetail)
def give_feedback(request: HttpRequest, number: int, given: FeedbackIn) -> Any:
    """Say whether the runbook helped, and what was missing. Said twice, it is said anew."""
    by = caller(request, WRITE)
    actions.give_feedback(policy.access_run(by, number), helped=given.helped, missing=given.missing, by=by)
    return _run(by, number)


@proposals.get("", response=ProposalPage)
def list_proposals(request: HttpRequest, given: Query[ProposalQuery]) -> Any:
    """List proposals to change runbooks, newest first."""
    by = caller(request, READ)
    rows = queries.proposals(by, runbook=given.runbook, state=given.state)
    found = page(rows, cursor=given.cursor, limit=given.limit)
    return {"items": [_proposal(row, by) for row in found.items], "next_cursor": found.next_cursor}


@proposals.get("/{int:number}", response=ProposalOut)
def get_proposal(request: HttpRequest, number: int) -> Any:
    """Read one proposal with its difference."""
    by = caller(request, READ)
    return _proposal(policy.access_proposal(by, number), by)


@proposals.post("/{int:number}/accept", response=ProposalOut)
def accept(request: HttpRequest, number: int, given: AcceptIn) -> Any:
    """Accept a proposal: it becomes the next version.

    409 with the code `version-conflict` says that the runbook changed after `seen`: look at the difference again.
    """
    by = caller(request, WRITE)
    found = policy.access_proposal(by, number)
    return _proposal(actions.decide(found, accept=True, seen=given.seen, by=by), by)


@proposals.post("/{int:number}/decline", response=ProposalOut)
def decline(request: HttpRequest, number: int, given: DeclineIn) -> Any:
    """Decline a proposal with a reason."""
    by = caller(request, WRITE)
    found = policy.access_proposal(by, number)
    return _proposal(actions.decide(found, accept=False, seen=0, reason=given.reason, by=by), by)


def _run(by: Actor, number: int) -> RunDetail:
    return RunDetail.whole(policy.access_run(by, number))


def _proposal(row: Proposal, by: Actor) -> ProposalOut:
    found = queries.compared(row)
    diff = "\n".join(unified_diff(found.against.split("\n"), row.text.split("\n"), "now", "proposed", lineterm=""))
    run = policy.visible_runs(by).filter(pk=row.run_id).first() if row.run_id else None
    return ProposalOut.of(row, now=found.now, diff=diff, run=run.number if run else None)


def _person(by: Actor, key: str) -> Person:
    try:
        found = people.people(by).filter(pk=UUID(key)).first()
    except ValueError:
        found = None
    if found is None:
        raise Invalid("There is no such person, or you may not see them.", field="owner")
    return found
