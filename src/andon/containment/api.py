"""Levers, rehearsals and pulls over the API: everything the screens can do. Only a person's token pulls."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from andon.containment import actions, adapters, queries
from andon.containment.models import Lever, Pull, Target
from andon.containment.policy import access_lever, access_pull
from andon.containment.shapes import (
    FieldOut,
    KindOut,
    LeverChange,
    LeverIn,
    LeverOut,
    LeverPage,
    LeverQuery,
    LeverTrialOut,
    PullIn,
    PullOut,
    PullPage,
    PullQuery,
    RehearsalOut,
    RehearseIn,
    TryIn,
    WhyIn,
)
from andon.incidents.policy import access_incident
from andon.kit.cursor import page
from andon.kit.outdated import go_on, when_outdated
from andon.people.api_auth import caller
from andon.people.policy import Actor
from andon.registry.policy import access_system

levers = Router(tags=["levers"])
pulls = Router(tags=["levers"])

READ, WRITE = "levers:read", "levers:write"


@levers.get("/kinds", response=list[KindOut])
def list_kinds(request: HttpRequest) -> Any:
    """List the kinds of levers that there are adapters for, with their settings."""
    caller(request, READ)
    return [
        KindOut(
            kind=one.kind,
            title=one.title,
            line=one.line,
            does=sorted(one.does),
            undoes=one.undoes,
            looks=one.looks,
            fields=[
                FieldOut(
                    name=f.name,
                    label=f.label,
                    help=f.help,
                    secret=f.secret,
                    required=f.required,
                    default=f.default,
                    choices=[value for value, _ in f.choices],
                )
                for f in one.fields
            ],
        )
        for one in adapters.all_of_them()
    ]


@levers.get("", response=LeverPage)
def list_levers(request: HttpRequest, given: Query[LeverQuery]) -> Any:
    """List levers, newest first, with how fit each is."""
    by = caller(request, READ)
    system = access_system(by, given.system) if given.system else None
    found = page(queries.levers(by, system, ended=given.ended), cursor=given.cursor, limit=given.limit)
    return {
        "items": [LeverOut.of(one) for one in queries.standings(by, found.items)],
        "next_cursor": found.next_cursor,
    }


@levers.post("", response={201: LeverOut})
def create_lever(request: HttpRequest, given: LeverIn) -> Any:
    """Prepare a lever for a system. Rehearse it next."""
    by = caller(request, WRITE)
    system = access_system(by, given.system)
    return _lever(by, actions.create_lever(system, given.adapter, given.facts(), by=by))


@levers.get("/{int:number}", response=LeverOut)
def get_lever(request: HttpRequest, number: int) -> Any:
    """Read one lever."""
    by = caller(request, READ)
    return _lever(by, access_lever(by, number))


@levers.patch("/{int:number}", response=LeverOut)
def change_lever(request: HttpRequest, number: int, given: LeverChange) -> Any:
    """Change a lever. What it acts on changed: rehearse it again."""
    by = caller(request, WRITE)
    row = access_lever(by, number)
    return _lever(by, actions.change_lever(row, given.facts(row), by=by))


@levers.post("/{int:number}/end", response=LeverOut)
def end_lever(request: HttpRequest, number: int) -> Any:
    """Take a lever out of use. A pull that is under way goes on."""
    by = caller(request, WRITE)
    return _lever(by, actions.end_lever(access_lever(by, number), by=by))


@levers.post("/{int:number}/try", response=LeverTrialOut)
@when_outdated(go_on)
def try_lever(request: HttpRequest, number: int, given: TryIn) -> Any:
    """Ask what a pull would change now. Changes nothing."""
    by = caller(request, WRITE)
    target = Target.DRILL if given.drill else Target.REAL
    return LeverTrialOut.of(actions.dry_run(access_lever(by, number), by=by, target=target))


@levers.post("/{int:number}/rehearse", response={202: RehearsalOut})
def rehearse_lever(request: HttpRequest, number: int, given: RehearseIn) -> Any:
    """Rehearse it: pulled, seen to take effect, undone, seen to be gone. The engine does it from here on."""
    by = caller(request, WRITE)
    return RehearsalOut.of(actions.rehearse(access_lever(by, number), by=by, on_real=given.on_real))


@levers.get("/{int:number}/rehearsals", response=list[RehearsalOut])
def list_rehearsals(request: HttpRequest, number: int) -> Any:
    """List the last 50 rehearsals of a lever, newest first."""
    by = caller(request, READ)
    return [RehearsalOut.of(row) for row in queries.rehearsals(by, access_lever(by, number))[:50]]


@levers.post("/{int:number}/pull", response={202: PullOut})
def pull_lever(request: HttpRequest, number: int, given: PullIn) -> Any:
    """Pull it for an incident. Where nobody else must agree the engine begins at once; the pull says how it goes."""
    by = caller(request, WRITE)
    incident = access_incident(by, given.incident)
    return _pull(actions.pull(access_lever(by, number), incident, by=by, why=given.why, on_real=given.on_real))


@pulls.get("", response=PullPage)
def list_pulls(request: HttpRequest, given: Query[PullQuery]) -> Any:
    """List pulls, newest first."""
    by = caller(request, READ)
    lever = access_lever(by, given.lever) if given.lever is not None else None
    incident = access_incident(by, given.incident) if given.incident is not None else None
    rows = queries.pulls(by, lever=lever, incident=incident).prefetch_related("trail")
    found = page(rows, cursor=given.cursor, limit=given.limit)
    return {"items": [PullOut.of(row) for row in found.items], "next_cursor": found.next_cursor}


@pulls.get("/{int:number}", response=PullOut)
def get_pull(request: HttpRequest, number: int) -> Any:
    """Read one pull: how far it has come, and what was seen."""
    return _pull(access_pull(caller(request, READ), number))


@pulls.post("/{int:number}/approve", response=PullOut)
def approve_pull(request: HttpRequest, number: int) -> Any:
    """Agree to a pull that waits for it."""
    by = caller(request, WRITE)
    return _pull(actions.approve(access_pull(by, number), by=by))


@pulls.post("/{int:number}/decline", response=PullOut)
def decline_pull(request: HttpRequest, number: int, given: WhyIn) -> Any:
    """Refuse a pull that waits to be agreed to."""
    by = caller(request, WRITE)
    return _pull(actions.decline(access_pull(by, number), reason=given.reason, by=by))


@pulls.post("/{int:number}/withdraw", response=PullOut)
def withdraw_pull(request: HttpRequest, number: int, given: WhyIn) -> Any:
    """Take a pull back, until it acts."""
    by = caller(request, WRITE)
    return _pull(actions.withdraw(access_pull(by, number), reason=given.reason, by=by))


@pulls.post("/{int:number}/undo", response={202: PullOut})
def undo_pull(request: HttpRequest, number: int, given: WhyIn) -> Any:
    """Bring back what held before: a pull of its own, with the same approval."""
    by = caller(request, WRITE)
    return _pull(actions.undo(access_pull(by, number), by=by, why=given.reason))


def _lever(by: Actor, row: Lever) -> LeverOut:
    (one,) = queries.standings(by, [row])
    return LeverOut.of(one)


def _pull(row: Pull) -> PullOut:
    return PullOut.of(access_pull(Actor.engine(), row.number))  # whoever asks has reached it already
