"""What every page is given."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from andon.people.models import Person
from andon.people.policy import Actor
from andon.web import lamps


def shell(request: HttpRequest) -> dict[str, Any]:
    """The lamps and the notice of a signed-in person, read only if the page shows them; nobody else gets any."""
    person = getattr(request, "user", None)
    if not isinstance(person, Person):
        return {}
    by = Actor.of(person)
    return {"lamps": SimpleLazyObject(lambda: lamps.lamps(by)), "notice": SimpleLazyObject(lamps.notice)}
