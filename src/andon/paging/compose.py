"""Makes the message of a page from its incident: what is wrong, why you, and what to do first."""

from uuid import UUID

from django.conf import settings
from django.urls import reverse

from andon.incidents.models import Incident, ProtocolStep
from andon.kit import clock, ids
from andon.paging import links
from andon.paging.message import About, Message
from andon.paging.models import Page
from andon.people.models import ContactPoint
from andon.practice.words import IncidentKind, Phase

_STEPS_SHOWN = 3


def page(row: Page) -> Message:
    """What a page says. Reads the incident's next steps; `row` comes with its incident, system and person."""
    incident = row.incident
    about = _about(incident)
    drill = "DRILL " if incident.kind == IncidentKind.DRILL else ""
    return Message(
        key=row.key,
        kind="page",
        at=row.created_at,
        to=row.person.name,
        headline=f"{drill}[{about.severity}] {about.ref} {about.system}: {about.title}",
        why=f"You are paged because: {row.reason}.",
        first=_first(incident.pk),
        link=links.url(row),
        link_label="Look and acknowledge",
        about=about,
        thread=f"incident-{incident.pk.hex}",
    )


def test(point: ContactPoint, link: str) -> Message:
    """A message that shows whether a contact point works; its link says that it arrived."""
    return Message(
        key=ids.new().hex,
        kind="test",
        at=clock.now(),
        to=point.person.name,
        headline="Andon: does this reach you?",
        why="You, or an administrator, asked Andon to try this contact point. Pages will look like this message.",
        link=link,
        link_label="Yes, it reached me",
    )


def incident_url(incident: Incident) -> str:
    """The incident's page, where one signs in."""
    return settings.BASE_URL + reverse("incident", args=[incident.number])


def _about(incident: Incident) -> About:
    return About(
        ref=incident.ref,
        title=incident.title,
        severity=incident.level.name,
        type=incident.incident_type.words,
        system=incident.system.name if incident.system else "No system known",
        kind=incident.kind,
        url=incident_url(incident),
        opened_at=incident.created_at,
    )


def _first(incident: UUID) -> tuple[str, ...]:
    """The next steps up to containment: evidence, then stopping the harm. Diagnosis is not for a lock screen."""
    steps = ProtocolStep.objects.filter(
        incident=incident, phase__in=[Phase.PRESERVE, Phase.CONTAIN], state=ProtocolStep.State.TODO
    )
    return tuple(steps.order_by("position").values_list("title", flat=True)[:_STEPS_SHOWN])
