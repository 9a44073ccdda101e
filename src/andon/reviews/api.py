"""Reviews and their actions over the API: everything the screens can do."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from andon.incidents.policy import access_incident
from andon.kit.cursor import page
from andon.kit.errors import Invalid, Missing
from andon.people import queries as people
from andon.people.api_auth import caller
from andon.people.models import Person
from andon.people.policy import Actor
from andon.reviews import actions as acts
from andon.reviews import queries
from andon.reviews.actions import access_action, access_review
from andon.reviews.models import Review
from andon.reviews.queries import ActionFilter, Section
from andon.reviews.shapes import (
    ActionChange,
    ActionIn,
    ActionMove,
    ActionOut,
    ActionPage,
    ActionQuery,
    NewSection,
    ReviewDetail,
    ReviewMove,
    ReviewOut,
    ReviewPage,
    ReviewQuery,
    ReviewVersionOut,
    SectionIn,
    SectionOut,
    SignatureOut,
    SignIn,
)

reviews = Router(tags=["reviews"])
actions = Router(tags=["reviews"])

READ, WRITE = "reviews:read", "reviews:write"


@reviews.get("", response=ReviewPage)
def list_reviews(request: HttpRequest, given: Query[ReviewQuery]) -> Any:
    """List reviews, newest first."""
    by = caller(request, READ)
    rows = queries.reviews(by, given.state).select_related("published_by")
    found = page(rows, cursor=given.cursor, limit=given.limit)
    return {"items": [ReviewOut.of(row) for row in found.items], "next_cursor": found.next_cursor}


@reviews.get("/{int:number}", response=ReviewDetail)
def get_review(request: HttpRequest, number: int) -> Any:
    """Read the review of an incident with its sections and actions."""
    by = caller(request, READ)
    return _detail(access_review(by, number), by)


@reviews.post("/{int:number}", response={201: ReviewDetail})
def open_review(request: HttpRequest, number: int) -> Any:
    """Draft the review of a resolved incident by hand; the one there is already stays as it is."""
    by = caller(request, WRITE)
    acts.open_review(access_incident(by, number), by=by)
    return _detail(access_review(by, number), by)


@reviews.post("/{int:number}/move", response=ReviewOut)
def move(request: HttpRequest, number: int, payload: ReviewMove) -> Any:
    """Hand a review in, publish it, or take it back.

    409 with the code `not-signed` says whose signature is lacking.
    """
    by = caller(request, WRITE)
    return ReviewOut.of(acts.move(access_review(by, number), to=payload.to, by=by))


@reviews.post("/{int:number}/sign", response=ReviewDetail)
def sign(request: HttpRequest, number: int, payload: SignIn) -> Any:
    """Sign a review that is in review, in a role that its protocol asks for and that you hold in the incident.

    409 with the code `version-conflict` says that it was rewritten after `seen`: read it again.
    """
    by = caller(request, WRITE)
    acts.sign(access_review(by, number), role=payload.role, seen=payload.seen, by=by)
    return _detail(access_review(by, number), by)


@reviews.post("/{int:number}/sections", response={201: SectionOut})
def add_section(request: HttpRequest, number: int, payload: NewSection) -> Any:
    """Add a section at the end."""
    by = caller(request, WRITE)
    made = acts.add_section(access_review(by, number), key=payload.key, title=payload.title, by=by)
    return SectionOut.at_present(Section(made, 1))


@reviews.put("/{int:number}/sections/{slug:key}", response=SectionOut)
def edit_section(request: HttpRequest, number: int, key: str, payload: SectionIn) -> Any:
    """Write a section anew.

    409 with the code `version-conflict` says that somebody else saved after `seen_version`: read theirs first.
    """
    by = caller(request, WRITE)
    review = access_review(by, number)
    acts.edit_section(review, key=key, body=payload.body, seen_version=payload.seen_version, by=by)
    found = queries.versions(review, key)
    return SectionOut.at_present(Section(found[0], len(found)))


@reviews.get("/{int:number}/sections/{slug:key}/versions", response=list[ReviewVersionOut])
def versions(request: HttpRequest, number: int, key: str) -> Any:
    """Read every version of a section, newest first."""
    found = queries.versions(access_review(caller(request, READ), number), key)
    if not found:
        raise Missing(f"The review has no section {key!r}.")
    return [ReviewVersionOut.of(row) for row in found]


@reviews.post("/{int:number}/actions", response={201: ActionOut})
def add_action(request: HttpRequest, number: int, payload: ActionIn) -> Any:
    """Add an improvement action to a review."""
    by = caller(request, WRITE)
    review = access_review(by, number)
    given = payload.dict(exclude={"owner"})
    made = acts.add_action(review, owner=_owner(by, payload.owner), by=by, **given)
    return ActionOut.of(made, queries.today())


@actions.get("", response=ActionPage)
def list_actions(request: HttpRequest, given: Query[ActionQuery]) -> Any:
    """List improvement actions, newest first."""
    by = caller(request, READ)
    wanted = ActionFilter(**given.dict(exclude={"cursor", "limit"}))
    found = page(wanted.of(queries.actions(by), by), cursor=given.cursor, limit=given.limit)
    today = queries.today()
    return {"items": [ActionOut.of(row, today) for row in found.items], "next_cursor": found.next_cursor}


@actions.get("/{int:number}", response=ActionOut)
def get_action(request: HttpRequest, number: int) -> Any:
    """Read one action."""
    return ActionOut.of(access_action(caller(request, READ), number), queries.today())


@actions.patch("/{int:number}", response=ActionOut)
def change_action(request: HttpRequest, number: int, payload: ActionChange) -> Any:
    """Say an open action differently, hand it over, or give it another day."""
    by = caller(request, WRITE)
    found = access_action(by, number)
    given = payload.dict(exclude={"owner"}, exclude_none=True)
    kept = {name: getattr(found, name) for name in ("title", "due_on", "description", "verification")}
    owner = _owner(by, payload.owner) if payload.owner else found.owner
    return ActionOut.of(acts.change_action(found, owner=owner, by=by, **(kept | given)), queries.today())


@actions.post("/{int:number}/move", response=ActionOut)
def move_action(request: HttpRequest, number: int, payload: ActionMove) -> Any:
    """Mark an action done, verified (by somebody other than its owner), dropped or open again."""
    by = caller(request, WRITE)
    found = access_action(by, number)
    return ActionOut.of(acts.move_action(found, to=payload.to, reason=payload.reason, by=by), queries.today())


def _owner(by: Actor, key: UUID) -> Person:
    found = people.people(by).filter(pk=key).first()
    if found is None:
        raise Invalid("There is no such person, or you may not see them.", field="owner")
    return found


def _detail(review: Review, by: Actor) -> ReviewDetail:
    today, sections = queries.today(), queries.sections(review)
    return ReviewDetail(
        **ReviewOut.of(review).model_dump(),
        signatures=[SignatureOut.of(one) for one in queries.sign_offs(review)],
        sections=[SectionOut.at_present(section) for section in sections],
        text=queries.text_of(sections),
        actions=[ActionOut.of(row, today) for row in queries.actions(by).filter(review=review)],
    )
