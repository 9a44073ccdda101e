"""Signals and their senders over the API."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from andon.intake import actions, queries, shapes, trying
from andon.intake.policy import access_integration, access_signal
from andon.intake.queries import SignalFilter
from andon.intake.shapes import (
    ActivityOut,
    DeliveryOut,
    IntegrationChange,
    IntegrationIn,
    IntegrationMade,
    IntegrationOut,
    SignalDetail,
    SignalOut,
    SignalPage,
    SignalQuery,
    SignalTrialOut,
    TrialIn,
)
from andon.kit import clock
from andon.kit.cursor import page
from andon.kit.outdated import go_on, when_outdated
from andon.people.api_auth import caller
from andon.practice.words import OrgRole

signals = Router(tags=["signals"])
integrations = Router(tags=["integrations"])

READ, WRITE = "signals:read", "signals:write"


@signals.get("", response=SignalPage)
def list_signals(request: HttpRequest, given: Query[SignalQuery]) -> Any:
    """List signals, newest first.

    Those of restricted incidents are there for whoever may see the incident.
    """
    by = caller(request, READ)
    wanted = SignalFilter(**given.dict(exclude={"cursor", "limit"}))
    found = page(queries.signals(by, wanted), cursor=given.cursor, limit=given.limit)
    return {"items": [SignalOut.of(row) for row in found.items], "next_cursor": found.next_cursor}


@signals.get("/{uuid:key}", response=SignalDetail)
def get_signal(request: HttpRequest, key: UUID) -> Any:
    """Read one signal."""
    return SignalDetail.of(access_signal(caller(request, READ), key))


@integrations.get("", response=list[IntegrationOut])
def list_integrations(request: HttpRequest) -> Any:
    """List who speaks to this Andon."""
    caller(request, READ).must_be(OrgRole.VIEWER, "see integrations")
    return shapes.listed(list(queries.integrations()))


@integrations.post("", response={201: IntegrationMade})
def create_integration(request: HttpRequest, given: IntegrationIn) -> Any:
    """Set up a sender. The answer holds its token, this once."""
    by = caller(request, WRITE)
    row, token = actions.create_integration(
        slug=given.slug,
        name=given.name,
        kind=given.kind,
        system=shapes.find_named_system(given.system),
        type_=given.type,
        resolves_incidents=given.resolves_incidents,
        secret=given.secret,
        options=given.options,
        by=by,
    )
    return shapes.made(row, token)


@integrations.get("/{slug}", response=IntegrationOut)
def get_integration(request: HttpRequest, slug: str) -> Any:
    """Read one sender."""
    return IntegrationOut.of(access_integration(caller(request, READ), slug))


@integrations.patch("/{slug}", response=IntegrationOut)
def change_integration(request: HttpRequest, slug: str, given: IntegrationChange) -> Any:
    """Change a sender; what is left out stays."""
    by = caller(request, WRITE)
    row = access_integration(by, slug)
    rule = row.resolves_incidents if given.resolves_incidents is None else given.resolves_incidents
    changed = actions.change_integration(
        row,
        name=row.name if given.name is None else given.name,
        system=row.system if given.system is None else shapes.find_named_system(given.system),
        type_=row.settings.get("type", "") if given.type is None else given.type,
        resolves_incidents=rule,
        secret=given.secret,
        options=given.options,
        by=by,
    )
    return IntegrationOut.of(changed)


@integrations.post("/{slug}/token", response=IntegrationMade)
def rotate_token(request: HttpRequest, slug: str) -> Any:
    """Make a new token; the old one stops within a few seconds. The answer holds it, this once."""
    by = caller(request, WRITE)
    row = access_integration(by, slug)
    return shapes.made(row, actions.rotate_token(row, by=by))


@integrations.post("/{slug}/disable", response=IntegrationOut)
def disable_integration(request: HttpRequest, slug: str) -> Any:
    """Take no more from a sender."""
    by = caller(request, WRITE)
    return IntegrationOut.of(actions.disable_integration(access_integration(by, slug), by=by))


@integrations.post("/{slug}/enable", response=IntegrationOut)
def enable_integration(request: HttpRequest, slug: str) -> Any:
    """Listen to a sender again."""
    by = caller(request, WRITE)
    return IntegrationOut.of(actions.enable_integration(access_integration(by, slug), by=by))


@integrations.get("/{slug}/activity", response=ActivityOut)
def get_activity(request: HttpRequest, slug: str) -> Any:
    """How a sender is heard: its health, and its requests of the last 24 hours."""
    return ActivityOut.of(queries.activity(access_integration(caller(request, READ), slug), clock.now()))


@integrations.post("/{slug}/test", response=SignalTrialOut)
@when_outdated(go_on)
def send_test_signal(request: HttpRequest, slug: str, given: TrialIn) -> Any:
    """Say what Andon would make of a body of this sender.

    Nothing of it is kept, no incident opens and nobody is paged.
    """
    by = caller(request, WRITE)
    return SignalTrialOut.of(trying.try_signal(access_integration(by, slug), by=by, body=given.body))


@integrations.get("/{slug}/rejected", response=list[DeliveryOut])
def list_rejected(request: HttpRequest, slug: str) -> Any:
    """The newest requests of a sender that were not understood, or not wholly, as they came; for responders and up."""
    by = caller(request, READ)
    by.must_be(OrgRole.RESPONDER, "read raw deliveries")
    return [DeliveryOut.of(row) for row in queries.rejected(by, access_integration(by, slug))]
