"""Incidents as they stand at some point, made through the actions that people take."""

from typing import Any

from andon.incidents.models import Incident
from andon.kit import ids
from andon.people.models import ApiToken, Person
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, IncidentType
from andon.response import acknowledging, containing, opening, resolving
from tests.support.cast import Cast


def declared(cast: Cast, title: str = "Approvals fell", **facts: Any) -> Incident:
    """Declared by Lena, for the credit scorer unless said otherwise."""
    facts = {"system": cast.credit_scorer, "by": Actor.of(cast.lena), "type_": IncidentType.FAIRNESS_VIOLATION} | facts
    return opening.declare(title=title, **facts)


def acknowledged(cast: Cast, title: str = "Approvals fell", **facts: Any) -> Incident:
    return acknowledging.acknowledge(declared(cast, title, **facts), by=Actor.of(cast.lena), via="page")


def contained(cast: Cast, title: str = "Approvals fell", **facts: Any) -> Incident:
    incident = acknowledged(cast, title, **facts)
    return containing.contain(
        incident, kind=ContainmentKind.ROLL_BACK, note="rolled back to v6", by=Actor.of(cast.lena)
    )


def resolved(cast: Cast, title: str = "Approvals fell", **facts: Any) -> Incident:
    return resolving.resolve(
        contained(cast, title, **facts), summary="Two batches in the band.", by=Actor.of(cast.lena)
    )


def token(person: Person, *scopes: str) -> dict[str, str]:
    """Headers with a personal token that has these scopes."""
    secret = ids.new_token("andon_pat")
    ApiToken.objects.create(person=person, name="test", prefix=secret[:16], digest=ids.digest(secret), scopes=scopes)
    return {"Authorization": f"Bearer {secret}"}
