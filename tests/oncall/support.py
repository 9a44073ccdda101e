"""What the tests of on call share."""

from datetime import UTC, date, datetime
from datetime import time as at_time

from django.test import Client

from andon.kit import ids
from andon.oncall.models import Layer, LayerParticipant, Schedule
from andon.people.models import ApiToken


def make_schedule(slug, *people, zone="Europe/Berlin", cadence="daily", start=date(2026, 3, 2), **fields):
    """A schedule that has always had this one rotation, handing over at nine."""
    schedule = Schedule.objects.create(slug=slug, name=slug.capitalize(), time_zone=zone)
    layer = Layer.objects.create(
        schedule=schedule,
        position=1,
        time_zone=zone,
        start_date=start,
        handover=at_time(9),
        cadence=cadence,
        **fields,
    )
    for position, person in enumerate(people):
        LayerParticipant.objects.create(layer=layer, position=position, person=person)
    return schedule


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def wall(text):
    return datetime.fromisoformat(text)


class Api:
    """The API as one person's token sees it."""

    def __init__(self, person, *scopes):
        token = ids.new_token("andon_pat")
        ApiToken.objects.create(
            person=person,
            name="tests",
            prefix=token[:12],
            digest=ids.digest(token),
            scopes=list(scopes or ("oncall:write", "systems:write")),
        )
        self.client = Client(headers={"Authorization": f"Bearer {token}"})

    def __call__(self, method, path, **body):
        sent = {"data": body, "content_type": "application/json"} if method != "get" else {"data": body}
        return getattr(self.client, method)(f"/api/v1{path}", **sent)
