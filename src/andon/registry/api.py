"""The register over the API: everything the screens can do."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema

from andon.kit import clock
from andon.kit.cursor import DEFAULT, page
from andon.kit.instants import Instant
from andon.oncall import queries as oncall_queries
from andon.oncall.policy import access_schedule
from andon.oncall.policy import must_view as must_view_oncall
from andon.oncall.shapes import NowAndNextOut
from andon.people.api_auth import caller
from andon.registry import actions, policy, queries
from andon.registry.filters import SystemFilter
from andon.registry.models import Component, System
from andon.registry.shapes import (
    ChangeEventIn,
    ChangeEventOut,
    ComponentIn,
    ComponentOut,
    DependencyOut,
    FindingOut,
    OnCallForOut,
    OnCallOut,
    PurposeIn,
    ReadinessOut,
    ReadinessOverrideOut,
    StageChangeOut,
    StageIn,
    SystemChange,
    SystemDetail,
    SystemIn,
    SystemOut,
)

systems = Router(tags=["systems"])
components = Router(tags=["components"])
oncall = Router(tags=["on call"])


class SystemPage(Schema):
    """A page of systems."""

    items: list[SystemOut]
    next_cursor: str | None


class ComponentPage(Schema):
    """A page of components."""

    items: list[ComponentOut]
    next_cursor: str | None


class ChangeEventPage(Schema):
    """A page of changes."""

    items: list[ChangeEventOut]
    next_cursor: str | None


class SystemQuery(Schema):
    """Which systems to list."""

    q: str = ""
    stage: str = ""
    criticality: str = ""
    risk_class: str = ""
    owner: str = ""
    team: str = ""
    cursor: str | None = None
    limit: int = DEFAULT


@systems.get("", response=SystemPage)
def list_systems(request: HttpRequest, given: Query[SystemQuery]) -> Any:
    """The systems of the register, newest first."""
    policy.must_view(caller(request, "systems:read"))
    wanted = SystemFilter(**given.dict(exclude={"cursor", "limit"}))
    found = page(wanted.of(queries.systems()), cursor=given.cursor, limit=given.limit)
    verdicts = queries.readiness_of(found.items, clock.now())
    return {
        "items": [SystemOut.of(row, verdicts[row.pk]) for row in found.items],
        "next_cursor": found.next_cursor,
    }


@systems.post("", response={201: SystemDetail})
def register(request: HttpRequest, given: SystemIn) -> Any:
    """Put a system into the register."""
    by = caller(request, "systems:write")
    policy.must_edit(by, "register systems")
    row = actions.register(by=by, facts=given.facts(), slug=given.slug, stage=given.stage)
    return _detail(row)


@systems.get("/{slug}", response=SystemDetail)
def get_system(request: HttpRequest, slug: str) -> Any:
    """A system, with what stands against its readiness and what it stands on."""
    return _detail(policy.access_system(caller(request, "systems:read"), slug))


@systems.patch("/{slug}", response=SystemDetail)
def change(request: HttpRequest, slug: str, given: SystemChange) -> Any:
    """Change what the register says of a system."""
    by = caller(request, "systems:write")
    system = policy.access_system(by, slug)
    policy.must_edit(by, "change systems")
    return _detail(actions.change(by=by, system=system, facts=given.on(system)))


@systems.get("/{slug}/readiness", response=ReadinessOut)
def get_readiness(request: HttpRequest, slug: str) -> Any:
    """Whether a system is ready for production, and everything that stands against it."""
    system = policy.access_system(caller(request, "systems:read"), slug)
    return ReadinessOut.of(queries.readiness(system, clock.now()))


@systems.post("/{slug}/stage", response=StageChangeOut)
def move_stage(request: HttpRequest, slug: str, given: StageIn) -> Any:
    """Move a system to another stage. Production is refused until it is ready, or overridden with a reason."""
    by = caller(request, "systems:write")
    system = policy.access_system(by, slug)
    row = actions.move_stage(by=by, system=system, to=given.to, override_reason=given.override_reason)
    return StageChangeOut.of(row)


@systems.get("/{slug}/stages", response=list[StageChangeOut])
def list_stages(request: HttpRequest, slug: str) -> Any:
    """Every move of a system from stage to stage, latest first."""
    system = policy.access_system(caller(request, "systems:read"), slug)
    return [StageChangeOut.of(row) for row in system.stage_changes.select_related("by")]


@systems.get("/{slug}/changes", response=ChangeEventPage)
def list_changes(request: HttpRequest, slug: str, cursor: str | None = None, limit: int = DEFAULT) -> Any:
    """What changed about a system, in the order in which it was heard, newest first."""
    system = policy.access_system(caller(request, "systems:read"), slug)
    found = page(queries.changes_of(system), cursor=cursor, limit=limit)
    return {"items": [ChangeEventOut.of(row) for row in found.items], "next_cursor": found.next_cursor}


@systems.post("/{slug}/changes", response={201: ChangeEventOut})
def tell_change(request: HttpRequest, slug: str, given: ChangeEventIn) -> Any:
    """Say that something about a system changed, as a deploy script does: whoever diagnoses an incident sees it.

    It alarms nobody. The same `key` again is the same change, and answers with it.
    """
    by = caller(request, "systems:write")
    row = actions.tell_change(by=by, system=policy.access_system(by, slug), **given.dict())
    return ChangeEventOut.of(row)


@systems.put("/{slug}/components/{component}", response=SystemDetail)
def depend(request: HttpRequest, slug: str, component: str, given: PurposeIn) -> Any:
    """Say that a system stands on a component, and what for."""
    by = caller(request, "systems:write")
    system = policy.access_system(by, slug)
    actions.depend(by=by, system=system, component=policy.access_component(by, component), purpose=given.purpose)
    return _detail(system)


@systems.delete("/{slug}/components/{component}", response={204: None})
def stop_depending(request: HttpRequest, slug: str, component: str) -> Any:
    """Say that a system no longer stands on a component."""
    by = caller(request, "systems:write")
    system = policy.access_system(by, slug)
    actions.stop_depending(by=by, system=system, component=policy.access_component(by, component))


@components.get("", response=ComponentPage)
def list_components(request: HttpRequest, cursor: str | None = None, limit: int = DEFAULT) -> Any:
    """The components of the register, newest first."""
    policy.must_view(caller(request, "systems:read"))
    found = page(Component.objects.prefetch_related("systems"), cursor=cursor, limit=limit)
    return {"items": [ComponentOut.of(row) for row in found.items], "next_cursor": found.next_cursor}


@components.post("", response={201: ComponentOut})
def add_component(request: HttpRequest, given: ComponentIn) -> Any:
    """Put a component into the register."""
    by = caller(request, "systems:write")
    return ComponentOut.of(actions.add_component(by=by, facts=given.facts(), slug=given.slug))


@components.get("/{slug}", response=ComponentOut)
def get_component(request: HttpRequest, slug: str) -> Any:
    """A component, and the systems that stand on it."""
    return ComponentOut.of(policy.access_component(caller(request, "systems:read"), slug))


@components.put("/{slug}", response=ComponentOut)
def change_component(request: HttpRequest, slug: str, given: ComponentIn) -> Any:
    """Change what the register says of a component."""
    by = caller(request, "systems:write")
    component = policy.access_component(by, slug)
    return ComponentOut.of(actions.change_component(by=by, component=component, facts=given.facts()))


@oncall.get("", response=OnCallOut)
def who_is_on_call(request: HttpRequest, system: str = "", schedule: str = "", at: Instant | None = None) -> Any:
    """Who is on call now (or at an instant) and next: for a system, a schedule, or for all."""
    by = caller(request, "oncall:read")
    must_view_oncall(by)
    at = at or clock.now()
    asked = [policy.access_system(by, system)] if system else [] if schedule else queries.covered()
    boards = [access_schedule(by, schedule)] if schedule else [] if system else oncall_queries.schedules()
    return OnCallOut(
        at=at,
        systems=[OnCallForOut.of(row) for row in queries.on_call_for(asked, at)],
        schedules=[NowAndNextOut.of(row) for row in oncall_queries.board(boards, at)],
    )


def _detail(row: System) -> SystemDetail:
    verdict = queries.readiness(row, clock.now())
    override = queries.override_of(row, verdict)
    return SystemDetail(
        **SystemOut.of(row, verdict).dict(),
        findings=[FindingOut.of(finding) for finding in verdict.findings],
        override=ReadinessOverrideOut.of(override) if override else None,
        components=[
            DependencyOut(component=one.component.slug, name=one.component.name, purpose=one.purpose)
            for one in row.dependencies.select_related("component").order_by("component__name")
        ],
    )
