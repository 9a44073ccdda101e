"""What the tests of on call share."""

from datetime import UTC, date, datetime
from datetime import time as at_time

from andon.oncall.models import Layer, LayerParticipant, Schedule


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
