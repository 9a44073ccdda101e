"""What the API forgets when a person is erased."""

from typing import Any

from django.dispatch import receiver

from andon.api.models import KeptAnswer
from andon.people.models import Person
from andon.people.ties import person_erased


@receiver(person_erased, dispatch_uid="andon.api.kept-answers")
def forget(person: Person, **_signal: Any) -> None:
    """The answers kept for their Idempotency-Keys."""
    KeptAnswer.objects.filter(person=person).delete()
