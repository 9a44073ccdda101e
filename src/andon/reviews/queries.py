"""Reads of reviews and of the actions that come of them. Who may see an incident sees its review and actions."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet

from andon.handbook.loader import ReviewSection
from andon.handbook.queries import handbook_at
from andon.incidents.policy import visible
from andon.kit import clock
from andon.kit.numbers import whole
from andon.people.models import Organisation, Person
from andon.people.policy import Actor
from andon.practice.words import IncidentRole
from andon.reviews.models import Action, Review, SectionVersion, Signature


def office_zone() -> ZoneInfo:
    """The zone in which the organisation's days are counted."""
    return ZoneInfo(Organisation.objects.values_list("time_zone", flat=True).first() or "UTC")


def today() -> date:
    """The organisation's day."""
    return clock.now().astimezone(office_zone()).date()


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """When a day is over in `zone`: an action due on it is overdue from then on."""
    return datetime.combine(day + timedelta(days=1), time(), zone)


@dataclass(frozen=True)
class Section:
    """A section as it stands: its newest version, and how many there are."""

    latest: SectionVersion
    versions: int


@dataclass(frozen=True)
class ActionFilter:
    """Which actions to list. Empty leaves a question open.

    Attributes:
        state: A state; `open` ones are those still to do.
        due: `overdue`, or `week` for due within seven days or overdue; open actions alone.
        owner: `me`, or the key of a person.
        review: The number of an incident.
    """

    state: str = ""
    due: str = ""
    owner: str = ""
    review: str = ""

    def of(self, rows: QuerySet[Action], by: Actor) -> QuerySet[Action]:
        """Those of `rows` that answer every question; a value that nothing has finds none."""
        if self.state:
            rows = rows.filter(state=self.state)
        if self.due:
            ahead = {"overdue": -1, "week": 7}.get(self.due)
            open_ = rows.filter(state=Action.State.OPEN)
            rows = rows.none() if ahead is None else open_.filter(due_on__lte=today() + timedelta(days=ahead))
        if self.owner == "me":
            rows = rows.filter(owner=by.person)
        elif self.owner:
            key = _key(self.owner)
            rows = rows.filter(owner=key) if key else rows.none()
        if self.review:
            number = whole(self.review)
            rows = rows.none() if number is None else rows.filter(review__incident__number=number)
        return rows


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def reviews(by: Actor, state: str = "") -> QuerySet[Review]:
    """The reviews of incidents the actor may know of, counted: `to_do` and `all_actions`."""
    rows = Review.objects.filter(incident__in=visible(by).order_by().values("pk"))
    if state == "overdue":
        rows = rows.exclude(state=Review.State.PUBLISHED).filter(due_at__lt=clock.now())
    elif state:
        rows = rows.filter(state=state)
    return rows.select_related("incident", "incident__system", "owner").annotate(
        to_do=Count("actions", filter=Q(actions__state=Action.State.OPEN)), all_actions=Count("actions")
    )


def actions(by: Actor) -> QuerySet[Action]:
    """The actions of incidents the actor may know of, soonest due first."""
    return (
        Action.objects.filter(review__incident__in=visible(by).order_by().values("pk"))
        .select_related("review__incident__system", "owner", "state_by")
        .order_by("due_on", "number")
    )


def overdue(by: Actor) -> QuerySet[Action]:
    """The open actions past their day that the actor may know of."""
    return ActionFilter(due="overdue").of(actions(by), by)


def sections(review: Review) -> list[Section]:
    """Every section as it stands, in order."""
    found: dict[str, Section] = {}
    for row in review.section_versions.select_related("by").order_by("position", "key", "version"):
        found[row.key] = Section(row, found[row.key].versions + 1 if row.key in found else 1)
    return list(found.values())


def versions(review: Review, key: str) -> list[SectionVersion]:
    """Every version of one section, newest first; none where there is no such section."""
    return list(review.section_versions.filter(key=key).select_related("by").order_by("-version"))


@dataclass(frozen=True)
class SignOff:
    """A role that signs a review off: who signed it, whether that was of the present text, and who could."""

    role: IncidentRole
    row: Signature | None
    stands: bool
    holders: tuple[Person, ...]

    @property
    def says(self) -> str:
        """What is lacking, in a sentence; empty where it stands."""
        if self.stands:
            return ""
        named = " or ".join(str(one) for one in self.holders)
        if not named:
            return f"Nobody holds the role {self.role.words} in the incident: assign it on the incident's page."
        again = " again: it was rewritten since" if self.row else ""
        return f"{named} signs it as {self.role.words}{again}."


def text_of(parts: Iterable[Section]) -> str:
    """The SHA-256 of a review's sections as somebody has them before them, by key and version."""
    stands = [f"{one.latest.key}:{one.latest.version}" for one in parts]
    return hashlib.sha256("\n".join(stands).encode()).hexdigest()


def sign_offs(review: Review) -> list[SignOff]:
    """The roles that sign a review off, by the protocol of its incident; none where no review is asked for."""
    incident = review.incident
    asked = handbook_at(incident.edition_id).prescription(incident.incident_type, incident.level).asks.review
    if asked is None:
        return []
    text = text_of(sections(review))
    signed = {row.role: row for row in review.signatures.select_related("person")}
    held = list(incident.roles.filter(ended_at__isnull=True, person__is_active=True).select_related("person"))
    return [
        SignOff(
            role,
            row := signed.get(role),
            row is not None and row.text == text,
            tuple(one.person for one in held if one.role == role),
        )
        for role in asked.signs
    ]


def sections_left_out(review: Review) -> list[ReviewSection]:
    """The sections that this review does not have, of the handbook that its incident opened with: any may be added."""
    present = set(review.section_versions.values_list("key", flat=True))
    return [section for section in handbook_at(review.incident.edition_id).sections if section.key not in present]
