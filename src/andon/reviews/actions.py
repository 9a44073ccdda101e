"""What is done with a review and with the actions that come of it."""

from datetime import date

from django.db import IntegrityError, transaction

from andon.incidents.actions import next_number
from andon.incidents.models import Incident
from andon.incidents.policy import access_incident, must_respond, visible
from andon.incidents.timeline import hold, record
from andon.kit import clock
from andon.kit.errors import Conflict, Forbidden, Invalid, Missing
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.words import IncidentRole, OrgRole
from andon.reviews import drafting, queries
from andon.reviews.models import Action, Review, SectionVersion, Signature

SECTION_LIMIT = 100_000
TITLE_LIMIT = 120
ACTION_TITLE_LIMIT = 200


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
def open_review(incident: Incident, *, by: Actor) -> Review:
    """Draft a review by hand, where none was drafted by itself: that of an incident milder than S3."""
    must_respond(by, incident, "open reviews")
    held = hold(incident.pk)
    if State(held.state) in UNRESOLVED:
        raise Conflict(f"{held.ref} is not resolved yet. Its review is drafted from what happened until then.")
    return drafting.draft(held, by=by)


@transaction.atomic
def add_section(review: Review, *, by: Actor, key: str = "", title: str = "") -> SectionVersion:
    """Add a section at the end: one of the handbook by its `key`, or one of its own with a `title`."""
    must_respond(by, review.incident, "edit reviews")
    hold(review.incident_id)
    _must_be_open(review)
    offered = {section.key: section for section in queries.sections_left_out(review)}
    title = title.strip()
    if key and key not in offered:
        raise Invalid(f"The handbook has no section {key!r}, or the review has it already.", field="key")
    if not key and not title:
        raise Invalid("Give the section a title, or choose one of the handbook's.", field="title")
    if len(title) > TITLE_LIMIT:
        raise Invalid(f"The title is longer than {TITLE_LIMIT} characters.", field="title")
    known = offered.get(key)
    last = review.section_versions.order_by("-position").values_list("position", flat=True).first() or 0
    return SectionVersion.objects.create(
        review=review,
        key=known.key if known else f"own-{last + 1}",
        title=known.title if known else title,
        prompt=known.prompt if known else "",
        position=last + 1,
        version=1,
        by=by.person,
    )


def _must_be_open(review: Review) -> None:
    """Raise `Conflict` where readers rely on the review as it was published."""
    if Review.objects.filter(pk=review.pk, state=Review.State.PUBLISHED).exists():
        raise Conflict("The review is published. Take it back to review first; its readers must be able to tell.")


@transaction.atomic
def edit_section(review: Review, *, key: str, body: str, seen_version: int, by: Actor) -> SectionVersion:
    """Write a section anew. `seen_version` is the version the writer began from; a newer one is never overwritten."""
    must_respond(by, review.incident, "edit reviews")
    latest = review.section_versions.filter(key=key).order_by("-version").first()
    if latest is None:
        raise Missing(f"The review has no section {key!r}.")
    hold(review.incident_id)
    _must_be_open(review)
    body = body.replace("\r\n", "\n").rstrip()
    if len(body) > SECTION_LIMIT:
        raise Invalid(f"The section is longer than {SECTION_LIMIT:,} characters. Link to a document.", field="body")
    changed = Conflict(
        f"Somebody else changed “{latest.title}” meanwhile. Look at their text, put the two together, and save again.",
        code="version-conflict",
    )
    if latest.version != seen_version:
        raise changed
    if latest.body.rstrip() == body:
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
def sign(review: Review, *, role: IncidentRole, seen: str, by: Actor) -> Signature:
    """Stand by a review as it is, in a role that its protocol asks to sign it and that the signer holds.

    `seen` is the text that the signer read (`queries.text_of`): nobody signs what they have not seen.
    """
    must_respond(by, review.incident, "sign reviews")
    person = by.must_be_person("sign a review")
    incident = hold(review.incident_id)
    if not Review.objects.filter(pk=review.pk, state=Review.State.IN_REVIEW).exists():
        raise Conflict("A review is signed while it is in review: handed in, and not yet published.")
    wanted = next((one for one in queries.sign_offs(review) if one.role is role), None)
    if wanted is None:
        raise Invalid(f"Its protocol does not ask for a signature as {role.words}.", field="role")
    if person not in wanted.holders:
        raise Forbidden(f"You do not hold the role {role.words} in {incident.ref}. {wanted.says}")
    if wanted.stands and wanted.row is not None:
        return wanted.row
    text = queries.text_of(queries.sections(review))
    if seen != text:
        raise Conflict("It was rewritten since you read it. Read it again, and sign that.", code="version-conflict")
    made = Signature.objects.create(review=review, role=role, person=person, text=text)
    record(incident, "review_signed", {"role": role.words}, by=by)
    return made


def _must_be_signed(review: Review) -> None:
    lacking = [one.says for one in queries.sign_offs(review) if not one.stands]
    if lacking:
        raise Conflict(f"It is not signed off yet. {' '.join(lacking)}", code="not-signed")


@transaction.atomic
def move(review: Review, *, to: Review.State, by: Actor) -> Review:
    """Hand a draft in for review, publish it once every role that signs it off has, or take it back."""
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
    if published:
        _must_be_signed(review)
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
    incident = hold(review.incident_id)
    _check_action(incident, title=title, owner=owner)
    if due_on < queries.today():
        raise Invalid("The day it is due has passed already.", field="due_on")
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


def _check_action(incident: Incident, *, title: str, owner: Person) -> None:
    """Refuse an action that says nothing, or that its owner could not do or even see."""
    if not title.strip():
        raise Invalid("Say what is to be done.", field="title")
    if len(title.strip()) > ACTION_TITLE_LIMIT:
        raise Invalid(f"The title is longer than {ACTION_TITLE_LIMIT} characters; put the rest below.", field="title")
    if not owner.is_active:
        raise Invalid(f"{owner} is no longer active; name somebody who can do it.", field="owner")
    if not visible(Actor.of(owner)).filter(pk=incident.pk).exists():
        raise Invalid(f"{owner} may not see {incident.ref}; give them a role in it first.", field="owner")


@transaction.atomic
def change_action(
    action: Action,
    *,
    title: str,
    owner: Person,
    due_on: date,
    by: Actor,
    description: str = "",
    verification: str = "",
) -> Action:
    """Say an open action differently, hand it to somebody else, or give it another day; the timeline keeps both."""
    must_respond(by, action.review.incident, "change actions")
    incident = hold(action.review.incident_id)
    before = Action.objects.select_related("owner").get(pk=action.pk)
    _check_action(incident, title=title, owner=owner)
    if due_on != before.due_on and due_on < queries.today():
        raise Invalid("The day it is due has passed already.", field="due_on")
    after = {
        "title": title.strip(),
        "owner": owner,
        "due_on": due_on,
        "description": description.strip(),
        "verification": verification.strip(),
    }
    changed = [name for name, value in after.items() if getattr(before, name) != value]
    if not changed:
        return before
    if Action.objects.filter(pk=action.pk, state=Action.State.OPEN).update(**after) != 1:
        raise Conflict(f"{action.ref} is no longer open. Open it again before you change it.")
    body = {"ref": action.ref, "title": after["title"], "person": str(owner.pk), "changed": changed}
    days = {"due_before": before.due_on.isoformat(), "due_on": due_on.isoformat()} if "due_on" in changed else {}
    record(incident, "action_changed", body | days, by=by)
    action.refresh_from_db()
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
