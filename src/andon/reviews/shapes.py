"""What the API takes and gives about reviews and actions."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from ninja import Field, Schema

from andon.incidents.shapes import short
from andon.kit.shapes import Given, its_values
from andon.oncall.shapes import PersonShort
from andon.practice.words import IncidentRole
from andon.reviews.models import Action, Review, SectionVersion
from andon.reviews.queries import Section, SignOff


class ReviewOut(Schema):
    """The review of an incident, which names it."""

    incident: int = Field(description="The number of its incident.")
    ref: str
    title: str
    severity: int
    state: str
    owner: PersonShort | None
    due_at: datetime
    published_at: datetime | None
    published_by: PersonShort | None
    drafted_at: datetime
    url: str = Field(description="The review's page, below the address of this Andon.")

    @classmethod
    def of(cls, row: Review) -> "ReviewOut":
        """The review as the API says it."""
        incident = row.incident
        return cls(
            incident=incident.number,
            ref=incident.ref,
            title=incident.title,
            severity=incident.severity,
            state=row.state,
            owner=short(row.owner),
            due_at=row.due_at,
            published_at=row.published_at,
            published_by=short(row.published_by),
            drafted_at=row.created_at,
            url=f"/reviews/{incident.number}",
        )


class SignatureOut(Schema):
    """A role that signs the review off."""

    role: str
    by: PersonShort | None = Field(description="Who signed last in that role.")
    at: datetime | None
    stands: bool = Field(description="Whether the present text was signed: what is rewritten is signed anew.")
    says: str = Field(description="What is lacking; empty where it stands.")

    @classmethod
    def of(cls, one: SignOff) -> "SignatureOut":
        """The signature as the API says it."""
        row = one.row
        return cls(
            role=one.role,
            by=short(row.person) if row else None,
            at=row.created_at if row else None,
            stands=one.stands,
            says=one.says,
        )


class ReviewVersionOut(Schema):
    """One version of a section, in Markdown. `by` is null for what Andon drafted."""

    key: str
    title: str
    version: int
    body: str
    by: PersonShort | None
    at: datetime

    @classmethod
    def of(cls, row: SectionVersion) -> "ReviewVersionOut":
        """The version as the API says it."""
        return cls(
            key=row.key, title=row.title, version=row.version, body=row.body, by=short(row.by), at=row.created_at
        )


class SectionOut(ReviewVersionOut):
    """A section as it stands: its newest version, what it has to answer, and how many versions there are."""

    prompt: str
    versions: int

    @classmethod
    def at_present(cls, section: Section) -> "SectionOut":
        """The section as the API says it."""
        newest = ReviewVersionOut.of(section.latest)
        return cls(**newest.model_dump(), prompt=section.latest.prompt, versions=section.versions)


class ActionOut(Schema):
    """An improvement action. It is overdue when it is open and its day has passed."""

    number: int
    ref: str
    incident: int
    title: str
    description: str
    verification: str
    owner: PersonShort
    due_on: date
    state: str
    state_reason: str
    state_by: PersonShort | None
    state_at: datetime | None
    overdue: bool

    @classmethod
    def of(cls, row: Action, today: date) -> "ActionOut":
        """The action as the API says it, on the organisation's day."""
        return cls(
            number=row.number,
            ref=row.ref,
            incident=row.review.incident.number,
            title=row.title,
            description=row.description,
            verification=row.verification,
            owner=PersonShort.of(row.owner),
            due_on=row.due_on,
            state=row.state,
            state_reason=row.state_reason,
            state_by=short(row.state_by),
            state_at=row.state_at,
            overdue=row.state == Action.State.OPEN and row.due_on < today,
        )


class ReviewDetail(ReviewOut):
    """A review with its sections and actions."""

    text: str = Field(description="A digest of what its sections say: send it as `seen` to sign that.")
    signatures: list[SignatureOut]
    sections: list[SectionOut]
    actions: list[ActionOut]


class ReviewPage(Schema):
    """A page of reviews, newest first."""

    items: list[ReviewOut]
    next_cursor: str | None


class ActionPage(Schema):
    """A page of actions, newest first."""

    items: list[ActionOut]
    next_cursor: str | None


class ReviewQuery(Schema):
    """Which reviews to list."""

    state: str = Field("", description="A state, or `overdue` for those not published in time.")
    cursor: str | None = None
    limit: int = 50


class ActionQuery(Schema):
    """Which actions to list."""

    state: str = ""
    due: str = Field("", description="`overdue`, or `week` for due within seven days or overdue; open ones alone.")
    owner: str = Field("", description="`me`, or the id of a person.")
    review: str = Field("", description="The number of an incident.")
    cursor: str | None = None
    limit: int = 50


class ReviewMove(Given):
    """Where the review goes: `draft`, `in_review` or `published`."""

    to: Annotated[Review.State, its_values(Review.State)]


class SignIn(Given):
    """In which role the review is signed, and what its signer read: the `text` of the review."""

    role: IncidentRole
    seen: str


class SectionIn(Given):
    """A section's text in Markdown, and the version that its writer began from."""

    body: str
    seen_version: int


class NewSection(Given):
    """One of the handbook's sections by its key, or one with a title of its own."""

    key: str = ""
    title: str = ""


class ActionIn(Given):
    """What is to be done, by whom, until when, and how somebody else can see that it worked."""

    title: str
    owner: UUID
    due_on: date
    description: str = ""
    verification: str = ""


class ActionChange(Given):
    """What to change of an open action; what is left out stays."""

    title: str | None = None
    owner: UUID | None = None
    due_on: date | None = None
    description: str | None = None
    verification: str | None = None


class ActionMove(Given):
    """Where the action goes: `done`, `verified`, `dropped` or `open`; the last two need a reason."""

    to: Annotated[Action.State, its_values(Action.State)]
    reason: str = ""
