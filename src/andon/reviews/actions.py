"""What is done with a review and with the actions that come of it."""

from datetime import date

from django.db import IntegrityError, transaction

from andon.incidents.actions import next_number
from andon.incidents.policy import access_incident, must_respond
from andon.incidents.timeline import hold, record
from andon.kit import clock
from andon.kit.errors import Conflict, Forbidden, Invalid, Missing
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from andon.reviews.models import Action, Review, SectionVersion


def access_review(by: Actor, number: int) -> Review:
    """The review of the incident with this number, if the actor may see the incident."""
    incident = access_incident(by, number)
    review = Review.objects.select_related("incident", "incident__system", "owner").filter(incident=incident).first()
    if review is None:
        raise Missing(f"{incident.ref} has no review yet. One is drafted when it resolves.")
    return review


def access_action(by: Actor, number: int) -> Action:
    """The action with this number, if the actor may see its incident."""
    action = Action.objects.select_related("review__incident", "owner").filter(number=number).first()
    if action is None:
        raise Missing(f"There is no action ACT-{number}, or you may not see it.")
    access_incident(by, action.review.incident.number)
    return action


@transaction.atomic
def edit_section(review: Review, *, key: str, body: str, seen_version: int, by: Actor) -> SectionVersion:
    """Write a section anew. `seen_version` is the version the writer began from; a newer one is never overwritten."""
    must_respond(by, review.incident, "edit reviews")
    latest = review.section_versions.filter(key=key).order_by("-version").first()
    if latest is None:
        raise Missing(f"The review has no section {key!r}.")
    if review.state == Review.State.PUBLISHED:
        raise Conflict("The review is published. Take it back to review first; its readers must be able to tell.")
    changed = Conflict(
        f"Somebody else changed “{latest.title}” meanwhile. Copy your text, look at theirs, and put the two together."
    )
    if latest.version != seen_version:
        raise changed
    if latest.body == body:
        return latest
    try:
        with transaction.atomic():
            return SectionVersion.objects.create(
                review=review,
                key=key,
                title=latest.title,
                prompt=latest.prompt,
                position=latest.position,
                version=latest.version + 1,
                body=body,
                by=by.person,
            )
    except IntegrityError as error:
        raise changed from error


@transaction.atomic
def move(review: Review, *, to: Review.State, by: Actor) -> Review:
    """Hand a draft in for review, publish it, or take it back."""
    allowed = {
        Review.State.DRAFT: {Review.State.IN_REVIEW},
        Review.State.IN_REVIEW: {Review.State.DRAFT, Review.State.PUBLISHED},
        Review.State.PUBLISHED: {Review.State.IN_REVIEW},
    }
    must_respond(by, review.incident, "move reviews on")
    if Review.State.PUBLISHED in {to, Review.State(review.state)}:
        by.must_be(OrgRole.LEAD, "publish reviews or take them back")
    before = Review.State(review.state)
    if to not in allowed[before]:
        raise Conflict(f"A review goes from draft to in review to published; this one is {before.label.lower()}.")
    incident = hold(review.incident_id)
    published = to == Review.State.PUBLISHED
    moved = Review.objects.filter(pk=review.pk, state=before).update(
        state=to,
        published_at=clock.now() if published else None,
        published_by=by.person if published else None,
    )
    if moved != 1:
        raise Conflict("Somebody else moved the review on meanwhile.")
    record(incident, "review_published" if published else "review_moved", {"before": before, "after": to}, by=by)
    review.refresh_from_db()
    return review


@transaction.atomic
def add_action(
    review: Review,
    *,
    title: str,
    owner: Person,
    due_on: date,
    by: Actor,
    description: str = "",
    verification: str = "",
) -> Action:
    """An improvement action: somebody's, by a day, and verifiable."""
    must_respond(by, review.incident, "add actions")
    if not title.strip():
        raise Invalid("Say what is to be done.", field="title")
    if not owner.is_active:
        raise Invalid(f"{owner} is no longer active; name somebody who can do it.", field="owner")
    if due_on < clock.now().date():
        raise Invalid("The day it is due has passed already.", field="due_on")
    incident = hold(review.incident_id)
    action = Action.objects.create(
        number=next_number("action"),
        review=review,
        title=title.strip(),
        description=description.strip(),
        verification=verification.strip(),
        owner=owner,
        due_on=due_on,
    )
    record(incident, "action_added", {"ref": action.ref, "title": action.title, "person": str(owner.pk)}, by=by)
    return action


@transaction.atomic
def move_action(action: Action, *, to: Action.State, by: Actor, reason: str = "") -> Action:
    """Mark an action done, verified (by somebody other than its owner), dropped with a reason, or open again."""
    allowed = {
        Action.State.OPEN: {Action.State.DONE, Action.State.DROPPED},
        Action.State.DONE: {Action.State.VERIFIED, Action.State.OPEN},
        Action.State.VERIFIED: {Action.State.OPEN},
        Action.State.DROPPED: {Action.State.OPEN},
    }
    if by.person is None or by.person.pk != action.owner_id:
        must_respond(by, action.review.incident, "move actions on")
    before = Action.State(action.state)
    if to not in allowed[before]:
        raise Conflict(f"{action.ref} is {before.label.lower()}; it cannot become {to.label.lower()} from there.")
    if to == Action.State.VERIFIED and by.person is not None and by.person.pk == action.owner_id:
        raise Forbidden("Somebody other than its owner verifies an action.")
    if to in {Action.State.DROPPED, Action.State.OPEN} and not reason.strip():
        raise Invalid("Say why.", field="reason")
    moved = Action.objects.filter(pk=action.pk, state=before).update(
        state=to, state_reason=reason.strip(), state_by=by.person, state_at=clock.now()
    )
    if moved != 1:
        raise Conflict("Somebody else moved this action on meanwhile.")
    incident = hold(action.review.incident_id)
    body = {"ref": action.ref, "title": action.title, "before": before, "after": to, "reason": reason.strip()}
    record(incident, "action_moved", body, by=by)
    action.refresh_from_db()
    return action
