"""People act by phone: by answering a text message, or by pressing a key in a call. Every answer is in words.

Who answers is known by the number that the message went to, and acts with their own rights. They can speak of the
incidents for which that number was paged, and of no others.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from andon.incidents.models import Incident
from andon.incidents.timeline import hold
from andon.kit.errors import Refused
from andon.paging.adapters.sms.replies import Reply, Wish, read
from andon.paging.models import Page
from andon.people.models import ChannelKind, ContactPoint
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State, awaits_person
from andon.response.acknowledging import acknowledge
from andon.response.resolving import resolve

HELP = "Answer 4 to acknowledge, resolve and how that was verified, or status; name the incident if several wait: 4 42."
_NAMED = 5


def answer(number: str, text: str) -> str:
    """Do what somebody asks for by text message, and say what came of it. Empty for a number that nobody has here."""
    points = [
        point.pk
        for point in ContactPoint.objects.filter(
            kind=ChannelKind.SMS, verified_at__isnull=False, removed_at=None, person__is_active=True
        )
        if point.address == number  # encrypted, so that the database cannot look
    ]
    if not points:
        return ""
    reply = read(text)
    if reply.wish is Wish.HELP:
        return HELP
    pages = _latest_pages(points)
    meant = _meant(pages, reply)
    if isinstance(meant, str):
        return meant
    return _status(meant.incident) if reply.wish is Wish.STATUS else _do(meant, reply)


def _latest_pages(points: Sequence[UUID]) -> list[Page]:
    """The newest page of each incident that went to these contact points, the newest incident first."""
    went = Page.objects.filter(contact_point__in=points, attempts__gt=0).order_by("-created_at")
    rows = went.select_related("incident__system", "incident__acknowledged_by", "person")[:500]
    newest: dict[UUID, Page] = {}
    for page in rows:
        newest.setdefault(page.incident_id, page)
    return sorted(newest.values(), key=lambda page: page.incident.number, reverse=True)


def _meant(pages: list[Page], reply: Reply) -> Page | str:
    """The page of the incident that is meant, or a sentence that asks which."""
    if reply.number is not None:
        named = [page for page in pages if page.incident.number == reply.number]
        return named[0] if named else f"You were not paged here for INC-{reply.number}. {HELP}"
    going_on = [page for page in pages if State(page.incident.state) in UNRESOLVED]
    waiting = [page for page in going_on if _waits(page.incident)]
    choice = waiting if reply.wish is Wish.ACKNOWLEDGE and waiting else going_on
    if len(choice) == 1:
        return choice[0]
    if not choice:
        return "Nothing that you were paged for here goes on."
    refs = ", ".join(page.incident.ref for page in choice[:_NAMED])
    if more := len(choice[_NAMED:]):
        refs += f" and {more} more"
    return f"{len(choice)} incidents go on: {refs}. Name one, such as: {reply.wish} {choice[0].incident.number}"


def _do(page: Page, reply: Reply) -> str:
    try:
        if reply.wish is Wish.ACKNOWLEDGE:
            return take(page, via="sms")
        resolve(page.incident, summary=reply.words, by=Actor.of(page.person))
    except Refused as refused:
        return f"{page.incident.ref}: {refused.what}"
    return f"{page.incident.ref} is resolved. Thank you."


@transaction.atomic
def take(page: Page, *, via: str) -> str:
    """Acknowledge on behalf of whom the page is for; raises `Refused` in words, with the state, when it cannot be."""
    acknowledge(hold(page.incident_id), by=Actor.of(page.person), via=via)
    return f"You have {page.incident.ref}. First: open it, and contain it."


def take_all(pages: Sequence[Page], *, via: str) -> str:
    """Acknowledge every incident that these pages of one message are about; what cannot be taken says how it stands."""
    said = []
    for page in {page.incident_id: page for page in pages}.values():
        try:
            said.append(take(page, via=via))
        except Refused as refused:
            said.append(f"{page.incident.ref}: {refused.what}")
    return " ".join(said)


def _status(incident: Incident) -> str:
    has_it = f", {incident.acknowledged_by} has it" if incident.acknowledged_by else ""
    waits = ", nobody has it yet" if _waits(incident) else ""
    system = f" {incident.system.name}" if incident.system else ""
    return f"{incident.ref} {incident.level.name}{system}: {State(incident.state).label.lower()}{has_it}{waits}."


def _waits(incident: Incident) -> bool:
    return awaits_person(State(incident.state), acknowledged=incident.acknowledged_at is not None)
