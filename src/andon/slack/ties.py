"""What Slack hears from the slices below: news of incidents, and that a person was erased."""

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from andon.incidents.models import TimelineEntry
from andon.incidents.timeline import recorded
from andon.people.models import Person
from andon.people.ties import person_erased
from andon.slack import actions, queries
from andon.slack.models import Job


@receiver(recorded, dispatch_uid="andon.slack.follow")
def follow(entries: Sequence[TimelineEntry], **_signal: Any) -> None:
    """Write down, with the news, what is owed to Slack; nothing where Slack is not set up."""
    settings = queries.settings()
    if settings is not None:
        actions.follow(entries, settings)


@receiver(person_erased, dispatch_uid="andon.slack.forget")
def forget(person: Person, **_signal: Any) -> None:
    """Where their direct messages are: those stay as they stand."""
    Job.objects.filter(page__person=person).delete()
