"""Decision logs, watches, their windows and their alarms over the API: everything the screens can do."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from andon.kit.cursor import page
from andon.kit.outdated import go_on, when_outdated
from andon.people.api_auth import caller
from andon.people.policy import Actor
from andon.watch import actions, past, queries, suggestions
from andon.watch.actions.proposing import create_proposed
from andon.watch.alarm_shapes import AlarmOut, AlarmPage
from andon.watch.models import EVERYTHING, Watch
from andon.watch.policy import access_alarm, access_log, access_watch
from andon.watch.queries import WatchFilter
from andon.watch.segments import segment_key
from andon.watch.shapes import (
    AlarmQuery,
    Chosen,
    LogChange,
    LogIn,
    LogOut,
    SuggestionOut,
    WatchChange,
    WatchIn,
    WatchOut,
    WatchPage,
    WatchQuery,
    WatchTrialOut,
    WindowOut,
    WindowQuery,
    find_system,
)

watches = Router(tags=["watches"])
alarms = Router(tags=["watches"])
logs = Router(tags=["watches"])

READ, WRITE = "watches:read", "watches:write"


@watches.get("", response=WatchPage)
def list_watches(request: HttpRequest, given: Query[WatchQuery]) -> Any:
    """List watches, newest first."""
    by = caller(request, READ)
    wanted = WatchFilter(
        system=given.system, kind=given.kind or "", ended=given.ended, alarmed=given.alarmed, stale=given.stale
    )
    found = page(queries.watches(by, wanted), cursor=given.cursor, limit=given.limit)
    return {"items": _said(by, found.items), "next_cursor": found.next_cursor}


@watches.post("", response={201: WatchOut})
def create_watch(request: HttpRequest, given: WatchIn) -> Any:
    """Make a watch. It reads its history first, and alarms only for what is not over."""
    by = caller(request, WRITE)
    return _one(by, actions.create_watch(given.facts(), by=by))


@watches.post("/try", response=WatchTrialOut)
@when_outdated(go_on)
def try_draft(request: HttpRequest, given: WatchIn) -> Any:
    """Try a watch on its log before it is made. The log is read for it; nothing is written."""
    by = caller(request, READ)
    return WatchTrialOut.of(past.try_draft(by, given.facts()))


@watches.get("/{int:number}", response=WatchOut)
def get_watch(request: HttpRequest, number: int) -> Any:
    """Read one watch."""
    by = caller(request, READ)
    return _one(by, access_watch(by, number))


@watches.patch("/{int:number}", response=WatchOut)
def change_watch(request: HttpRequest, number: int, given: WatchChange) -> Any:
    """Let a watch say something else. What changes what is counted lets it read everything anew."""
    by = caller(request, WRITE)
    row = access_watch(by, number)
    return _one(by, actions.change_watch(row, given.facts(row), by=by, seen_version=given.version))


@watches.post("/{int:number}/pause", response=WatchOut)
def pause_watch(request: HttpRequest, number: int) -> Any:
    """Run it no more until it is resumed."""
    by = caller(request, WRITE)
    return _one(by, actions.pause_watch(access_watch(by, number), by=by))


@watches.post("/{int:number}/resume", response=WatchOut)
def resume_watch(request: HttpRequest, number: int) -> Any:
    """Run it again, from where it stopped."""
    by = caller(request, WRITE)
    return _one(by, actions.resume_watch(access_watch(by, number), by=by))


@watches.post("/{int:number}/run", response=WatchOut)
def run_watch(request: HttpRequest, number: int) -> Any:
    """Run it at once instead of when its next window is over."""
    by = caller(request, WRITE)
    return _one(by, actions.run_soon(access_watch(by, number), by=by))


@watches.post("/{int:number}/end", response=WatchOut)
def end_watch(request: HttpRequest, number: int) -> Any:
    """Stop it for good. Its windows and alarms stay."""
    by = caller(request, WRITE)
    return _one(by, actions.end_watch(access_watch(by, number), by=by))


@watches.get("/{int:number}/try", response=WatchTrialOut)
def try_watch(request: HttpRequest, number: int) -> Any:
    """Go through the history of a watch: which alarms there would have been, beside which incidents."""
    by = caller(request, READ)
    return WatchTrialOut.of(past.try_watch(by, access_watch(by, number)))


@watches.post("/{int:number}/try", response=WatchTrialOut)
@when_outdated(go_on)
def try_change(request: HttpRequest, number: int, given: WatchChange) -> Any:
    """Try a change before it is kept: on the windows of the watch, or on its log where it counts something else."""
    by = caller(request, READ)
    row = access_watch(by, number)
    return WatchTrialOut.of(past.try_change(by, row, given.facts(row)))


@watches.get("/{int:number}/windows", response=list[WindowOut])
def list_windows(request: HttpRequest, number: int, given: Query[WindowQuery]) -> Any:
    """What the newest windows held, oldest first."""
    by = caller(request, READ)
    segment = EVERYTHING if given.segment is None else segment_key(tuple(given.segment))
    row = access_watch(by, number)
    found = queries.windows(by, row, segment=segment, since=given.since, limit=given.limit)
    return [WindowOut.of(one) for one in found]


@alarms.get("", response=AlarmPage)
def list_alarms(request: HttpRequest, given: Query[AlarmQuery]) -> Any:
    """List alarms, newest first. Those of restricted incidents are there for whoever may see the incident."""
    by = caller(request, READ)
    row = access_watch(by, given.watch) if given.watch is not None else None
    system = find_system(given.system) if given.system else None
    rows = queries.alarms(by, watch=row, system=system, open_only=given.open)
    found = page(rows, cursor=given.cursor, limit=given.limit)
    return {"items": [AlarmOut.of(one) for one in found.items], "next_cursor": found.next_cursor}


@alarms.get("/{int:number}", response=AlarmOut)
def get_alarm(request: HttpRequest, number: int) -> Any:
    """Read one alarm."""
    return AlarmOut.of(access_alarm(caller(request, READ), number))


@logs.get("", response=list[LogOut])
def list_logs(request: HttpRequest, system: str = "") -> Any:
    """List the decision logs that are connected, of one system if given."""
    by = caller(request, READ)
    return [LogOut.of(row) for row in queries.logs(by, find_system(system) if system else None)]


@logs.post("", response={201: LogOut})
def create_log(request: HttpRequest, given: LogIn) -> Any:
    """Connect a decision log. It is opened once, for its columns."""
    by = caller(request, WRITE)
    return LogOut.of(actions.create_log(given.facts(), by=by))


@logs.get("/{uuid:key}", response=LogOut)
def get_log(request: HttpRequest, key: UUID) -> Any:
    """Read one decision log."""
    return LogOut.of(access_log(caller(request, READ), key))


@logs.patch("/{uuid:key}", response=LogOut)
def change_log(request: HttpRequest, key: UUID, given: LogChange) -> Any:
    """Let a log lie elsewhere, or name its columns otherwise. Without `source` the one there is stays."""
    by = caller(request, WRITE)
    row = access_log(by, key)
    return LogOut.of(actions.change_log(row, given.facts(row), by=by))


@logs.post("/{uuid:key}/end", response=LogOut)
def end_log(request: HttpRequest, key: UUID) -> Any:
    """Let a log go; its connection string is erased."""
    by = caller(request, WRITE)
    row = access_log(by, key)
    actions.end_log(row, by=by)
    return LogOut.of(access_log(by, key))


@logs.get("/{uuid:key}/suggest", response=SuggestionOut)
def suggest(request: HttpRequest, key: UUID) -> Any:
    """Propose watches that fit the columns of a log, with what each could detect. The log is read for it."""
    by = caller(request, READ)
    return SuggestionOut.of(suggestions.suggest(access_log(by, key), by=by))


@logs.post("/{uuid:key}/suggest", response={201: list[WatchOut]})
def create_suggested(request: HttpRequest, key: UUID, given: Chosen) -> Any:
    """Make proposed watches: those that are named, or all that there are not yet."""
    by = caller(request, WRITE)
    return _said(by, create_proposed(access_log(by, key), given.keys, by=by))


def _one(by: Actor, row: Watch) -> WatchOut:
    return WatchOut.of(row, queries.alarms(by, watch=row, open_only=True).first())


def _said(by: Actor, rows: Any) -> list[WatchOut]:
    """Watches with the alarms that go on, read at once."""
    going = queries.going(by, rows)
    return [WatchOut.of(row, going.get(row.pk)) for row in rows]
