"""Who is who in Slack, and which incident a place in Slack belongs to."""

from collections.abc import Mapping

from django.db.models import Q, QuerySet

from andon.incidents.models import Incident
from andon.incidents.policy import visible
from andon.kit.crypto import readable
from andon.kit.errors import Conflict, Missing
from andon.paging.models import Page
from andon.paging.providers import queries as providers
from andon.paging.providers.queries import Standing
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from andon.slack.models import Job


def settings() -> Mapping[str, str] | None:
    """What an administrator set up; None while Slack cannot be used. Asks the database every few seconds at most."""
    if providers.standing(ChannelKind.SLACK) is not Standing.READY:
        return None
    return providers.settings_of(ChannelKind.SLACK)


def person_of(*, team: str, member: str) -> Person:
    """The person whose confirmed contact point this member of the workspace is.

    Raises `Missing` for somebody whom Andon does not know, `Conflict` where several people claim to be that member.
    """
    kept = settings()
    if kept is None or team != kept["team"]:
        raise Missing("This workspace is not the one that Andon here belongs to.")
    people = {point.person for point in _points() if point.address == member}
    if not people:
        raise Missing(
            "Andon does not know who you are in Slack. Add Slack under “How you are paged” on your account page, with "
            f"the member ID {member}, and confirm its test message."
        )
    if len(people) > 1:
        raise Conflict(
            "Several people in Andon have confirmed your Slack account as theirs, so nothing was done in anybody's "
            "name. All but you remove it on their account page."
        )
    return people.pop()


def members_of(incident: Incident) -> tuple[str, ...]:
    """Slack's IDs of those who have or had a role in the incident, were paged for it or have it, and may see it."""
    involved = Q(person__incident_roles__incident=incident) | Q(person__pages__incident=incident)
    points = _points().filter(involved | Q(person=incident.acknowledged_by_id)).distinct()
    known = [point for point in points if readable(point.address)]
    return tuple(sorted({point.address for point in known if _may_see(point.person, incident)}))


def _may_see(person: Person, incident: Incident) -> bool:
    return visible(Actor.of(person)).filter(pk=incident.pk).exists()


def _points() -> QuerySet[ContactPoint]:
    confirmed = ContactPoint.objects.filter(kind=ChannelKind.SLACK, removed_at=None, verified_at__isnull=False)
    return confirmed.filter(person__is_active=True).select_related("person")


def incidents_in_message(job: Job, incident: Incident) -> list[Incident]:
    """The incidents that the message of a page is about: mild ones may travel together. The worst comes first."""
    bundle = job.page.bundle if job.page else ""
    if not bundle:
        return [incident]
    together = Incident.objects.filter(pages__bundle=bundle, pages__state=Page.State.SENT).distinct()
    rows = together.select_related("system", "acknowledged_by").order_by("severity", "number")
    return list(rows) or [incident]


def incident_at(by: Actor, channel: str, ts: str = "") -> Incident:
    """The incident that a channel, or a message of ours in one, belongs to, if the actor may see it; else `Missing`."""
    places = Job.objects.filter(channel=channel)
    found = places.filter(kind=Job.Kind.ROOM).first() or (ts and _of_message(channel, ts)) or None
    incident = visible(by).filter(pk=found.incident_id).first() if found and found.incident_id else None
    if incident is None:
        raise Missing("Nothing here belongs to an incident that you may see. Use it in the channel of an incident.")
    return incident


def _of_message(channel: str, ts: str) -> Job | None:
    messages = Job.objects.filter(channel=channel, incident__isnull=False)
    return next((job for job in messages if job.known.get("ts") == ts), None)
