"""Who may see what was heard, and who may set up who speaks."""

from uuid import UUID

from django.db.models import Q, QuerySet

from andon.incidents import policy as incidents
from andon.intake.models import Integration, Signal
from andon.kit.errors import Missing
from andon.people.policy import Actor
from andon.practice.words import OrgRole


def visible_signals(by: Actor) -> QuerySet[Signal]:
    """The signals that the actor may know of: viewers and up, and of a restricted incident's only who may see it."""
    by.must_be(OrgRole.VIEWER, "see signals")
    rows = Signal.objects.select_related("integration", "system", "incident")
    if by.person is None or by.may(OrgRole.ADMIN):
        return rows
    seen = incidents.visible(by).filter(restricted=True).values("pk")
    return rows.filter(Q(incident__isnull=True) | Q(incident__restricted=False) | Q(incident__in=seen))


def access_signal(by: Actor, pk: UUID) -> Signal:
    """The signal with this id, if the actor may know of it."""
    signal = visible_signals(by).filter(pk=pk).first()
    if signal is None:
        raise Missing("There is no such signal, or you may not see it.")
    return signal


def may_see_bodies(by: Actor, integration: Integration) -> bool:
    """Whether the actor may read the raw deliveries of an integration: responders and up.

    One request can speak of many alerts. Where any of this sender's belong to a restricted incident that the actor may
    not see, its raw deliveries are not for them at all.
    """
    if not by.may(OrgRole.RESPONDER):
        return False
    hidden = Signal.objects.filter(integration=integration, incident__restricted=True)
    return not hidden.exclude(incident__in=incidents.visible(by).values("pk")).exists()


def may_manage(by: Actor) -> bool:
    """Whether the actor may set up integrations."""
    return by.may(OrgRole.LEAD)


def must_manage(by: Actor, doing: str) -> None:
    """Raise `Forbidden` unless the actor may set up integrations: leads and up."""
    by.must_be(OrgRole.LEAD, doing)


def access_integration(by: Actor, slug: str) -> Integration:
    """The integration with this slug, if the actor may see integrations: viewers and up."""
    by.must_be(OrgRole.VIEWER, "see integrations")
    integration = Integration.objects.select_related("system").filter(slug=slug).first()
    if integration is None:
        raise Missing(f"There is no integration {slug!r}.")
    return integration
