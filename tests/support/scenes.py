"""Incidents as they stand at some point, made through the actions that people take."""

from typing import Any

from andon.incidents.actions import assign_role
from andon.incidents.models import Incident
from andon.kit import ids
from andon.people.models import ApiToken, Person
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, IncidentType
from andon.response import acknowledging, containing, duties, opening, resolving
from andon.reviews import actions as reviews
from andon.reviews.models import Review
from andon.reviews.queries import sections, sign_offs, text_of
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


def decide_duties(incident: Incident, cast: Cast) -> None:
    """No duty applies, says Lena."""
    for row in duties.undecided(incident):
        duties.does_not_apply(incident, key=row.key, reason="We built it ourselves.", by=Actor.of(cast.lena))


def publish(incident: Incident, cast: Cast) -> Review:
    """Its review, handed in, signed by whoever the protocol says and published by Omar."""
    lena, omar = Actor.of(cast.lena), Actor.of(cast.omar)
    review = reviews.access_review(lena, incident.number)
    reviews.move(review, to=Review.State.IN_REVIEW, by=lena)
    sign(review, cast)
    return reviews.move(review, to=Review.State.PUBLISHED, by=omar)


def sign(review: Review, cast: Cast) -> None:
    """Signed in every role that its protocol says: by Lena, who is given those that nobody holds."""
    lena = Actor.of(cast.lena)
    for one in sign_offs(review):
        if not one.holders:
            assign_role(review.incident, role=one.role, person=cast.lena, by=lena)
        by = Actor.of(one.holders[0]) if one.holders else lena
        reviews.sign(review, role=one.role, seen=text_of(sections(review)), by=by)


def token(person: Person, *scopes: str) -> dict[str, str]:
    """Headers with a personal token that has these scopes."""
    secret = ids.new_token("andon_pat")
    ApiToken.objects.create(person=person, name="test", prefix=secret[:16], digest=ids.digest(secret), scopes=scopes)
    return {"Authorization": f"Bearer {secret}"}
