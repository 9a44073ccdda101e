"""On call over the API: everything the screens can do."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from ninja import Router, Schema

from andon.kit import clock
from andon.kit.cursor import DEFAULT, page
from andon.kit.errors import Invalid
from andon.kit.instants import Instant
from andon.oncall import actions, calendars, policy, queries
from andon.oncall import chains as chain_actions
from andon.oncall.facts import find_person, find_team
from andon.oncall.shapes import (
    CalendarIn,
    ChainIn,
    ChainOut,
    FeedOut,
    GapOut,
    ImportOut,
    LayerOut,
    OverrideIn,
    RotationIn,
    ScheduleChange,
    ScheduleDetail,
    ScheduleIn,
    ScheduleOut,
    ShiftOut,
    ShiftOverrideOut,
    UnmatchedOut,
)
from andon.people.api_auth import caller

schedules = Router(tags=["schedules"])
chains = Router(tags=["chains"])
feeds = Router(tags=["on call"])

_AHEAD = timedelta(days=30)
_LONGEST = timedelta(days=400)


class SchedulePage(Schema):
    """A page of schedules."""

    items: list[ScheduleOut]
    next_cursor: str | None


class ChainPage(Schema):
    """A page of chains."""

    items: list[ChainOut]
    next_cursor: str | None


@schedules.get("", response=SchedulePage)
def list_schedules(request: HttpRequest, cursor: str | None = None, limit: int = DEFAULT) -> Any:
    """The schedules in use, newest first."""
    policy.must_view(caller(request, "oncall:read"))
    found = page(queries.schedules(), cursor=cursor, limit=limit)
    return {"items": [ScheduleOut.of(row) for row in found.items], "next_cursor": found.next_cursor}


@schedules.post("", response={201: ScheduleOut})
def create_schedule(request: HttpRequest, given: ScheduleIn) -> Any:
    """Make a schedule with nobody in it yet."""
    by = caller(request, "oncall:write")
    policy.must_edit(by, "make schedules")
    row = actions.create_schedule(
        by=by, name=given.name, time_zone=given.time_zone, slug=given.slug, team=find_team(given.team)
    )
    return ScheduleOut.of(row)


@schedules.get("/{slug}", response=ScheduleDetail)
def get_schedule(request: HttpRequest, slug: str) -> Any:
    """A schedule: who is on call, its layers and overrides, and its gaps in the next 30 days."""
    schedule = policy.access_schedule(caller(request, "oncall:read"), slug)
    now = clock.now()
    found = queries.rotas_of([schedule], now, now + _AHEAD)[schedule.pk]
    held, following = found.on_call(now), found.next(now)
    return ScheduleDetail(
        **ScheduleOut.of(schedule).dict(),
        now=ShiftOut.of(held) if held else None,
        next=ShiftOut.of(following) if following else None,
        layers=[LayerOut.of(row) for row in queries.present_layers(schedule)],
        overrides=[ShiftOverrideOut.of(row) for row in queries.overrides_ahead(schedule, now)],
        gaps=[GapOut(starts=gap.starts, ends=gap.ends) for gap in found.gaps(now, now + _AHEAD)],
    )


@schedules.patch("/{slug}", response=ScheduleOut)
def change_schedule(request: HttpRequest, slug: str, given: ScheduleChange) -> Any:
    """Rename a schedule, show it in another zone, or give it to another team."""
    by = caller(request, "oncall:write")
    schedule = policy.access_schedule(by, slug)
    policy.must_edit(by, "change schedules")
    row = actions.change_schedule(
        by=by,
        schedule=schedule,
        name=schedule.name if given.name is None else given.name,
        time_zone=given.time_zone or schedule.time_zone,
        team=find_team(given.team) if "team" in given.model_fields_set else schedule.team,
    )
    return ScheduleOut.of(row)


@schedules.delete("/{slug}", response={204: None})
def archive_schedule(request: HttpRequest, slug: str) -> Any:
    """Take a schedule out of use. Refused while a chain asks it."""
    by = caller(request, "oncall:write")
    actions.archive_schedule(by=by, schedule=policy.access_schedule(by, slug))


@schedules.get("/{slug}/shifts", response=list[ShiftOut])
def list_shifts(request: HttpRequest, slug: str, start: Instant | None = None, end: Instant | None = None) -> Any:
    """Who is, was or will be on call between two instants; the next 30 days when left out."""
    schedule = policy.access_schedule(caller(request, "oncall:read"), slug)
    start, end = _range(start, end)
    return [ShiftOut.of(shift) for shift in queries.shifts_between(schedule, start, end)]


@schedules.get("/{slug}/gaps", response=list[GapOut])
def list_gaps(request: HttpRequest, slug: str, start: Instant | None = None, end: Instant | None = None) -> Any:
    """When nobody is on call between two instants; the next 30 days when left out."""
    schedule = policy.access_schedule(caller(request, "oncall:read"), slug)
    start, end = _range(start, end)
    return [GapOut(starts=gap.starts, ends=gap.ends) for gap in queries.gaps_between(schedule, start, end)]


@schedules.get("/{slug}/layers", response=list[LayerOut])
def list_layers(request: HttpRequest, slug: str) -> Any:
    """All versions of all layers, past ones too."""
    schedule = policy.access_schedule(caller(request, "oncall:read"), slug)
    return [LayerOut.of(row) for row in schedule.layers.prefetch_related("participants__person", "shifts")]


@schedules.post("/{slug}/layers", response={201: LayerOut})
def add_layer(request: HttpRequest, slug: str, given: RotationIn) -> Any:
    """Put a rotation on top of the layers, from now on."""
    by = caller(request, "oncall:write")
    schedule = policy.access_schedule(by, slug)
    policy.must_edit(by, "change schedules")
    return LayerOut.of(actions.set_rotation(by=by, schedule=schedule, facts=given.facts()))


@schedules.put("/{slug}/layers/{int:position}", response=LayerOut)
def set_layer(request: HttpRequest, slug: str, position: int, given: RotationIn) -> Any:
    """Begin a new version of a layer now; who was on call until now stays as it was."""
    by = caller(request, "oncall:write")
    schedule = policy.access_schedule(by, slug)
    policy.must_edit(by, "change schedules")
    row = actions.set_rotation(
        by=by, schedule=schedule, facts=given.facts(), position=position, replaces=given.replaces
    )
    return LayerOut.of(row)


@schedules.delete("/{slug}/layers/{int:position}", response={204: None})
def remove_layer(request: HttpRequest, slug: str, position: int) -> Any:
    """End a layer now."""
    by = caller(request, "oncall:write")
    actions.remove_layer(by=by, schedule=policy.access_schedule(by, slug), position=position)


@schedules.post("/{slug}/calendar", response={201: ImportOut})
def import_calendar(request: HttpRequest, slug: str, given: CalendarIn) -> Any:
    """Import an iCalendar file as a layer. Events that mean nobody here are named, and refused unless left out."""
    by = caller(request, "oncall:write")
    layer, found = calendars.import_calendar(
        by=by,
        schedule=policy.access_schedule(by, slug),
        text=given.calendar,
        position=given.position,
        name=given.name,
        leave_out=given.leave_out,
    )
    unmatched = [UnmatchedOut(summary=one.summary, starts=one.starts, why=one.why) for one in found.unmatched]
    return ImportOut(layer=LayerOut.of(layer), unmatched=unmatched)


@schedules.post("/{slug}/overrides", response={201: ShiftOverrideOut})
def take_over(request: HttpRequest, slug: str, given: OverrideIn) -> Any:
    """Put somebody on call over all layers: yourself, or anybody if you are a lead."""
    by = caller(request, "oncall:write")
    schedule = policy.access_schedule(by, slug)
    row = actions.take_over(
        by=by,
        schedule=schedule,
        person=find_person(given.person) if given.person else by.must_be_person("take over"),
        starts_local=given.starts_local,
        ends_local=given.ends_local,
        time_zone=given.time_zone or schedule.time_zone,
    )
    return ShiftOverrideOut.of(row)


@schedules.delete("/{slug}/overrides/{uuid:key}", response=ShiftOverrideOut)
def cancel_override(request: HttpRequest, slug: str, key: UUID) -> Any:
    """Cancel an override; one that runs ends now."""
    by = caller(request, "oncall:write")
    override = policy.access_override(by, policy.access_schedule(by, slug), key)
    return ShiftOverrideOut.of(actions.cancel_override(by=by, override=override))


@chains.get("", response=ChainPage)
def list_chains(request: HttpRequest, cursor: str | None = None, limit: int = DEFAULT) -> Any:
    """The chains in use, newest first."""
    policy.must_view(caller(request, "oncall:read"))
    found = page(queries.chains(), cursor=cursor, limit=limit)
    return {"items": [ChainOut.of(row) for row in found.items], "next_cursor": found.next_cursor}


@chains.post("", response={201: ChainOut})
def create_chain(request: HttpRequest, given: ChainIn) -> Any:
    """Make a chain."""
    by = caller(request, "oncall:write")
    policy.must_edit(by, "make chains")
    row = chain_actions.create_chain(
        by=by, name=given.name, steps=given.facts(), repeats=given.repeats, slug=given.slug
    )
    return ChainOut.of(row)


@chains.get("/{slug}", response=ChainOut)
def get_chain(request: HttpRequest, slug: str) -> Any:
    """A chain with its steps."""
    return ChainOut.of(policy.access_chain(caller(request, "oncall:read"), slug))


@chains.put("/{slug}", response=ChainOut)
def change_chain(request: HttpRequest, slug: str, given: ChainIn) -> Any:
    """Put other steps in place. Open incidents go on with the chain as it was."""
    by = caller(request, "oncall:write")
    chain = policy.access_chain(by, slug)
    policy.must_edit(by, "change chains")
    row = chain_actions.change_chain(by=by, chain=chain, name=given.name, steps=given.facts(), repeats=given.repeats)
    return ChainOut.of(row)


@chains.post("/{slug}/fallback", response=ChainOut)
def make_fallback(request: HttpRequest, slug: str) -> Any:
    """Make it the organisation's fallback."""
    by = caller(request, "oncall:write")
    return ChainOut.of(chain_actions.make_fallback(by=by, chain=policy.access_chain(by, slug)))


@chains.delete("/{slug}", response={204: None})
def archive_chain(request: HttpRequest, slug: str) -> Any:
    """Take a chain out of use. Refused for the fallback, and while a system has it."""
    by = caller(request, "oncall:write")
    chain_actions.archive_chain(by=by, chain=policy.access_chain(by, slug))


@feeds.post("/feed", response={201: FeedOut})
def new_feed(request: HttpRequest) -> Any:
    """Make a new address for your calendar feed; the one before stops to work."""
    token = actions.new_feed(by=caller(request, "oncall:write"))
    return FeedOut(url=settings.BASE_URL + reverse("calendar_feed", args=[token]))


@feeds.delete("/feed", response={204: None})
def stop_feed(request: HttpRequest) -> Any:
    """Stop your calendar feed."""
    actions.stop_feed(by=caller(request, "oncall:write"))


def _range(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    start = start or clock.now()
    end = end or start + _AHEAD
    if not start < end <= start + _LONGEST:
        raise Invalid(f"The end is after the start, by at most {_LONGEST.days} days.", field="end")
    return start, end
