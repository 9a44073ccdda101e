"""The signed-in person behind a request, typed."""

from django.http import HttpRequest

from andon.kit.errors import Forbidden
from andon.people.models import Person
from andon.people.policy import Actor


def person_of(request: HttpRequest) -> Person:
    """The signed-in person. Pages demand sign-in by middleware; this says so to the type checker and to mistakes."""
    if not isinstance(request.user, Person):
        raise Forbidden("Sign in first.")
    return request.user


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person as an actor."""
    return Actor.of(person_of(request))
