"""Makes the message of a page from its incident: what is wrong, why you, and what to do first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from andon.incidents.models import Incident, ProtocolStep
from andon.kit import clock, ids
from andon.paging import links
from andon.paging.message import About, Also, Message
from andon.paging.models import Page
from andon.people.models import ContactPoint
from andon.practice import walltime
from andon.practice.words import IncidentKind, Phase

LATE = timedelta(minutes=5)
"""A page that is sent later than this after it was due says since when it has been due."""
OLD = timedelta(days=1)
"""A page of an incident that has been open for longer says since when."""
_STEPS_SHOWN = 3
_LONGEST_NUMBER = 9  # digits of an incident's number


def page(row: Page, steps: Mapping[UUID, Sequence[str]]) -> Message:
    """What a page says, with those that travel in its message (`row.others`), each incident once.

    Asks the database nothing: the rows come with their incident, system and person; `steps` are `first_steps`.
    """
    newest = {one.incident_id: one for one in sorted((row, *row.others), key=lambda one: one.created_at)}
    lead, *others = sorted(newest.values(), key=lambda one: (one.incident.severity, one.incident.number))
    about = _about(lead.incident)
    return Message(
        key=row.message_key,
        kind="page",
        at=row.created_at,
        to=row.person.name,
        headline=_joint_headline([lead, *others]) if others else _headline(lead, about),
        why=f"{_headline(lead, about)}. {_why(lead)}" if others else _why(lead),
        first=tuple(steps.get(lead.incident_id, ())),
        link=links.url(lead),
        link_label=_link_label(lead) if others else "Look and acknowledge",
        about=about,
        thread="" if others else f"incident-{lead.incident_id.hex}",
        also=tuple(_also(one, _about(one.incident)) for one in others),
    )


def _also(row: Page, about: About) -> Also:
    return Also(_headline(row, about), _why(row), links.url(row), _link_label(row), about)


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


def broken(point: ContactPoint, other: ContactPoint) -> Message:
    """What a person is told by `other` when `point` broke: their own, or somebody's whom they administer."""
    own, name = point.person_id == other.person_id, point.person.name
    whom = "you" if own else name
    does = "Send a test from your account page and confirm it, or remove the contact point."
    if not own:
        does = f"{name} sends a test from their account page and confirms it, or removes the contact point."
    at = point.broken_at or clock.now()
    path = reverse("account") + "#contact-points" if own else reverse("person", args=[point.person_id])
    return Message(
        key=ids.digest(f"broken/{point.pk}/{at.isoformat()}/{other.pk}")[:32],
        kind="broken",
        at=at,
        to=other.person.name,
        headline=f"Andon can no longer reach {whom} by {point.get_kind_display()}",
        why=f"{(point.broken_reason or 'It took no message').rstrip('.')}. Pages do not go there any more, and the "
        f"systems that rely on {whom} are not ready. {does}",
        link=settings.BASE_URL + path,
        link_label="Look at your contact points" if own else f"Look at {name}",
    )


def incident_url(incident: Incident) -> str:
    """The incident's page, where one signs in."""
    return settings.BASE_URL + reverse("incident", args=[incident.number])


def number_of(url: str) -> int | None:
    """The number of the incident whose page this is, as `incident_url` gives it; None for anything else."""
    number = url.rpartition("/")[2]
    if not (number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER):
        return None
    return int(number) if url == settings.BASE_URL + reverse("incident", args=[int(number)]) else None


def _headline(row: Page, about: About) -> str:
    """The incident in one line; where the page is late, since when it has been due: it must not look like a new one."""
    late = f", due since {_when(row.send_after, row)}," if _is_late(row) else ""
    return f"{_drill([row])}[{about.severity}] {about.ref}{late} {about.system}: {about.title}"


def _joint_headline(rows: Sequence[Page]) -> str:
    """All incidents of a message in one line, by name; the worst severity first."""
    refs = ", ".join(f"[{row.incident.level.name}] {row.incident.ref}" for row in rows)
    return f"{_drill(rows)}{len(rows)} incidents wait for you: {refs}"


def _drill(rows: Sequence[Page]) -> str:
    return "DRILL " if all(row.incident.kind == IncidentKind.DRILL for row in rows) else ""


def _link_label(row: Page) -> str:
    return f"Look at {row.incident.ref} and acknowledge"


def _why(row: Page) -> str:
    """Why this person is paged, and why so late if it is."""
    words = f"You are paged because: {row.reason}."
    opened = row.incident.created_at
    if clock.now() - opened > OLD:
        words += f" The incident has been open since {_when(opened, row)}."
    if not _is_late(row):
        return words
    since = f" This page has been due since {_when(row.send_after, row)}"
    return f"{words}{since} and was {row.why_held}." if row.held else f"{words}{since}; Andon could not send it before."


def _is_late(row: Page) -> bool:
    return clock.now() - row.send_after > LATE


def _when(at: datetime, row: Page) -> str:
    """An instant as the person reads it."""
    try:
        zone = walltime.zone(row.person.time_zone)
    except ValueError:
        zone = walltime.zone("UTC")
    return at.astimezone(zone).strftime("%a %d %b %H:%M %Z")


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


def first_steps(incidents: Iterable[UUID]) -> Mapping[UUID, Sequence[str]]:
    """What to do first in each incident: the next steps up to containment. Diagnosis is not for a lock screen."""
    steps: dict[UUID, list[str]] = defaultdict(list)
    todo = ProtocolStep.objects.filter(
        incident__in=set(incidents), phase__in=[Phase.PRESERVE, Phase.CONTAIN], state=ProtocolStep.State.TODO
    )
    for incident, title in todo.order_by("incident", "position").values_list("incident", "title"):
        if len(steps[incident]) < _STEPS_SHOWN:
            steps[incident].append(title)
    return steps
