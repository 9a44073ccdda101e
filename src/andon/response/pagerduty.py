"""People act in PagerDuty: whoever acknowledges Andon's incident there has it here.

PagerDuty says who by a name alone. The act is that of whom Andon paged there for this incident, with their own rights;
where it paged several, that of the one who goes by that name. What cannot count here stands on the timeline, once.
"""

import unicodedata
from enum import StrEnum

from django.db import transaction

from andon.incidents.models import Incident
from andon.incidents.timeline import hold, record
from andon.intake.signing import TOLERANCE
from andon.kit.errors import Refused
from andon.paging import compose
from andon.paging.adapters.pagerduty.webhooks import Did, Event
from andon.paging.models import Page
from andon.people.models import ChannelKind, Person
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State, awaits_person
from andon.response.acknowledging import acknowledge

_KINDS = ("acknowledged", "said_in_pagerduty")
_CHANGES = ("reopened", "severity_raised")
"""What an acknowledgement from before it does not speak of."""


class Heard(StrEnum):
    """What became of an event here."""

    ACKNOWLEDGED = "acknowledged"
    NOTED = "noted"
    IGNORED = "ignored"


@transaction.atomic
def hear(event: Event) -> Heard:
    """Do what somebody did in PagerDuty, as far as it can count here; an event that comes again changes nothing."""
    number = compose.number_of(event.key)
    found = Incident.objects.filter(number=number).first() if number is not None else None
    if found is None or event.at < found.created_at - TOLERANCE:  # it speaks of another with that number
        return Heard.IGNORED
    held = hold(found.pk)
    if State(held.state) not in UNRESOLVED or _was_heard(held, event):
        return Heard.IGNORED
    if not awaits_person(State(held.state), acknowledged=held.acknowledged_at is not None):
        if event.did is Did.ACKNOWLEDGED:
            return Heard.IGNORED
        return _note(held, event, "late" if _is_late(held, event) else "verify")
    return _take(held, event)


def _take(held: Incident, event: Event) -> Heard:
    """Acknowledge it; resolving it there is somebody's having it, too, and says nothing of how that was verified."""
    paged = _paged(held)
    person = _meant(paged, event.name)
    if _is_late(held, event):
        return _note(held, event, "late")
    if person is None:
        return _note(held, event, "unclear" if paged else "unknown")
    try:
        taken = acknowledge(held, by=Actor.of(person), via="pagerduty", there=_told(event, by=person))
    except Refused:
        return Heard.IGNORED  # they may no longer act on it, or it stands otherwise by now
    if event.did is Did.RESOLVED:
        _note(taken, event, "verify")
    return Heard.ACKNOWLEDGED


def _was_heard(held: Incident, event: Event) -> bool:
    return held.timeline.filter(kind__in=_KINDS, body__event=event.id).exists()


def _is_late(held: Incident, event: Event) -> bool:
    """Whether it speaks of the incident as it was before it was reopened or got worse."""
    change = held.timeline.filter(kind__in=_CHANGES).order_by("-seq").first()
    return change is not None and event.at <= change.recorded_at


def _paged(held: Incident) -> list[Person]:
    """Whom Andon paged in PagerDuty for this incident, by a contact point that is still theirs."""
    went = Page.objects.filter(
        incident=held, channel=ChannelKind.PAGERDUTY, attempts__gt=0, person__is_active=True,
        contact_point__verified_at__isnull=False, contact_point__removed_at=None,
    )  # fmt: skip
    return list({page.person_id: page.person for page in went.select_related("person")}.values())


def _meant(paged: list[Person], name: str) -> Person | None:
    if len(paged) == 1:
        return paged[0]
    named = [person for person in paged if _same(person.name, name)]
    return named[0] if len(named) == 1 else None


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def _told(event: Event, *, by: Person | None = None) -> dict[str, str]:
    """PagerDuty's marks of the event and of who did it there, and their name where it is not that of `by`.

    Of somebody who is known here the key in place of the name, which can be erased: bodies stay for good.
    """
    told = {"event": event.id} | ({"user": event.user} if event.user else {})
    if not event.name or (by is not None and _same(by.name, event.name)):
        return told
    known = [str(key) for key, name in Person.objects.values_list("pk", "name") if _same(name, event.name)]
    if not known:
        return told | {"name": event.name}
    return told | {"person": known[0]} if len(known) == 1 else told


def _note(held: Incident, event: Event, why: str) -> Heard:
    body = {"did": str(event.did), "why": why} | _told(event)
    record(held, "said_in_pagerduty", body, by=Actor.engine())
    return Heard.NOTED
