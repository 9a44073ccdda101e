"""Kill switches over the API: everything the screens can do."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Status

from andon.incidents.policy import access_incident
from andon.kit import clock
from andon.people.api_auth import caller
from andon.people.policy import Actor
from andon.registry.policy import access_system
from andon.switch import actions, queries
from andon.switch.actions import Setting
from andon.switch.policy import access_replica, access_switch, access_token, must_manage
from andon.switch.shapes import (
    GuardTokenIn,
    GuardTokenMade,
    GuardTokenOut,
    RevisionOut,
    StalenessIn,
    SwitchIn,
    SwitchOut,
)

systems = Router(tags=["kill switch"])

READ, WRITE = "switches:read", "switches:write"


@systems.get("/{slug}/switch", response=SwitchOut)
def get_switch(request: HttpRequest, slug: str) -> Any:
    """Read what a system may do now, and which of its processes apply it."""
    by = caller(request, READ)
    return _one(by, slug)


@systems.post("/{slug}/switch", response=SwitchOut)
def set_switch(request: HttpRequest, slug: str, given: SwitchIn) -> Any:
    """Set what a system may do. Its processes hear of it at once."""
    by = caller(request, WRITE)
    incident = access_incident(by, given.incident) if given.incident is not None else None
    setting = Setting(given.mode, given.reason, given.limit, given.until, incident)
    actions.set_mode(access_system(by, slug), setting, by=by, expected=given.expected)
    return _one(by, slug)


@systems.put("/{slug}/switch/staleness", response=SwitchOut)
def change_staleness(request: HttpRequest, slug: str, given: StalenessIn) -> Any:
    """Say how long a process that hears nothing goes on with `on`, and what it does then."""
    by = caller(request, WRITE)
    actions.change_staleness(
        access_system(by, slug), max_stale_seconds=given.max_stale_seconds, on_stale=given.on_stale, by=by,
        expected=given.expected,
    )  # fmt: skip
    return _one(by, slug)


@systems.get("/{slug}/switch/revisions", response=list[RevisionOut])
def list_switch_revisions(request: HttpRequest, slug: str) -> Any:
    """List what the switch was set to, newest first; the newest 200."""
    by = caller(request, READ)
    rows = list(queries.revisions(access_switch(by, slug))[:200])
    incidents = queries.shown_incidents(by, rows)
    return [RevisionOut.of(row, incidents) for row in rows]


@systems.delete("/{slug}/switch/replicas/{uuid:pk}", response={204: None})
def forget_replica(request: HttpRequest, slug: str, pk: UUID) -> Any:
    """Count a silent replica no more, which is known to be gone."""
    by = caller(request, WRITE)
    actions.forget_replica(access_replica(by, access_system(by, slug), pk), by=by)
    return Status(204, None)


@systems.get("/{slug}/switch/tokens", response=list[GuardTokenOut])
def list_guard_tokens(request: HttpRequest, slug: str) -> Any:
    """List the guard tokens of a system, newest first."""
    by = caller(request, READ)
    must_manage(by, "see guard tokens")
    return [GuardTokenOut.of(row) for row in queries.tokens(access_system(by, slug))]


@systems.post("/{slug}/switch/tokens", response={201: GuardTokenMade})
def make_guard_token(request: HttpRequest, slug: str, given: GuardTokenIn) -> Any:
    """Make a guard token. It is shown once; the system gets its switch with the first one."""
    by = caller(request, WRITE)
    minted = actions.make_token(access_system(by, slug), name=given.name, by=by)
    told = GuardTokenOut.of(minted.row)
    return Status(201, GuardTokenMade(**told.dict(), token=minted.token, sent=minted.sent))


@systems.delete("/{slug}/switch/tokens/{uuid:pk}", response={204: None})
def revoke_guard_token(request: HttpRequest, slug: str, pk: UUID) -> Any:
    """Make a guard token stop working at once."""
    by = caller(request, WRITE)
    actions.revoke_token(access_token(by, access_system(by, slug), pk), by=by)
    return Status(204, None)


def _one(by: Actor, slug: str) -> SwitchOut:
    return SwitchOut.of(queries.seen(access_switch(by, slug), clock.now()), by)
