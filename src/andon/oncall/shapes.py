"""What the API takes and gives about on call."""

from datetime import date, datetime, time
from typing import Literal
from uuid import UUID

from ninja import Field, Schema

from andon.kit.instants import WallTime
from andon.kit.shapes import Given
from andon.oncall import facts, queries
from andon.oncall.models import Chain, Layer, Override, Schedule
from andon.oncall.queries import NowAndNext, OnCall
from andon.people.models import Person
from andon.practice.rotation import Cadence


class PersonShort(Schema):
    """A person, by key and name."""

    id: UUID
    name: str

    @classmethod
    def of(cls, person: Person) -> "PersonShort":
        """The person as the API says it."""
        return cls(id=person.pk, name=str(person))


class ShiftOut(Schema):
    """Somebody on call between two instants; `source` is a layer's name or "override"."""

    person: PersonShort
    starts: datetime
    ends: datetime
    source: str

    @classmethod
    def of(cls, shift: OnCall) -> "ShiftOut":
        """The shift as the API says it."""
        return cls(person=PersonShort.of(shift.person), starts=shift.starts, ends=shift.ends, source=shift.source)


class GapOut(Schema):
    """A time in which nobody is on call."""

    starts: datetime
    ends: datetime


class NowAndNextOut(Schema):
    """Who is on call in a schedule now, and who takes over next; null where nobody is."""

    schedule: str
    name: str
    now: ShiftOut | None
    next: ShiftOut | None

    @classmethod
    def of(cls, row: NowAndNext) -> "NowAndNextOut":
        """The row as the API says it."""
        return cls(
            schedule=row.schedule.slug,
            name=row.schedule.name,
            now=ShiftOut.of(row.now) if row.now else None,
            next=ShiftOut.of(row.next) if row.next else None,
        )


class ScheduleIn(Given):
    """A new schedule. Without `slug` one is made of the name."""

    name: str
    time_zone: str
    slug: str = ""
    team: str | None = Field(None, description="Short name or id of the team that answers for it.")


class ScheduleChange(Given):
    """What to change; what is left out stays."""

    name: str | None = None
    time_zone: str | None = None
    team: str | None = None


class ScheduleOut(Schema):
    """A schedule."""

    slug: str
    name: str
    time_zone: str
    team: str | None
    archived_at: datetime | None

    @classmethod
    def of(cls, row: Schedule) -> "ScheduleOut":
        """The row as the API says it."""
        return cls(
            slug=row.slug,
            name=row.name,
            time_zone=row.time_zone,
            team=row.team.slug if row.team else None,
            archived_at=row.archived_at,
        )


class RotationIn(Given):
    """People taking turns, in local wall time of `time_zone`."""

    participants: list[str] = Field(description="Ids or e-mail addresses, in the order of their turns.")
    time_zone: str
    start_date: date = Field(description="Date of the first hand-over.")
    handover: WallTime
    cadence: Cadence = Cadence.WEEKLY
    every: int = Field(1, description="How many days or weeks a turn lasts.")
    weekdays: list[int] = Field([], description="0 is Monday; empty is every day.")
    window_from: WallTime | None = None
    window_until: WallTime | None = None
    skip_inactive: bool = False
    name: str = ""
    replaces: str = Field("", description="Id of the version you changed; refused if another stands there by now.")

    def facts(self) -> facts.RotationFacts:
        """As the action takes it."""
        values = self.dict(exclude={"participants", "weekdays", "replaces"})
        return facts.RotationFacts(
            participants=tuple(facts.find_people(self.participants)), weekdays=tuple(self.weekdays), **values
        )


class LayerOut(Schema):
    """One version of one layer. Later positions win over earlier ones."""

    id: UUID
    position: int
    name: str
    kind: str
    time_zone: str
    start_date: date | None
    handover: time | None
    cadence: str
    every: int
    weekdays: list[int]
    window_from: time | None
    window_until: time | None
    skip_inactive: bool
    participants: list[PersonShort]
    shifts: int
    effective_from: datetime | None
    effective_until: datetime | None

    @classmethod
    def of(cls, row: Layer) -> "LayerOut":
        """The row as the API says it."""
        columns = {
            name: getattr(row, name) for name in cls.model_fields if name not in {"id", "participants", "shifts"}
        }
        turns = [PersonShort.of(turn.person) for turn in row.participants.all()]
        return cls(id=row.pk, participants=turns, shifts=len(row.shifts.all()), **columns)


class OverrideIn(Given):
    """Somebody takes over from one local time to another."""

    person: str | None = Field(None, description="Id or e-mail address; yourself when left out.")
    starts_local: datetime = Field(description="Local time without an offset.")
    ends_local: datetime
    time_zone: str | None = Field(None, description="The schedule's own when left out.")


class ShiftOverrideOut(Schema):
    """An override."""

    id: UUID
    person: PersonShort
    starts_local: datetime
    ends_local: datetime
    time_zone: str
    cancelled_at: datetime | None

    @classmethod
    def of(cls, row: Override) -> "ShiftOverrideOut":
        """The row as the API says it."""
        return cls(
            id=row.pk,
            person=PersonShort.of(row.person),
            starts_local=row.starts_local,
            ends_local=row.ends_local,
            time_zone=row.time_zone,
            cancelled_at=row.cancelled_at,
        )


class ScheduleDetail(ScheduleOut):
    """A schedule with its present layers, overrides that are not over, and gaps of the next 30 days."""

    now: ShiftOut | None
    next: ShiftOut | None
    layers: list[LayerOut]
    overrides: list[ShiftOverrideOut]
    gaps: list[GapOut]


class CalendarIn(Given):
    """An iCalendar file to import."""

    calendar: str = Field(description="The file's text, at most 1 MB.")
    position: int | None = Field(None, description="The layer it takes the place of; on top when left out.")
    name: str = ""
    leave_out: bool = Field(False, description="Import the rest although some events mean nobody here.")  # noqa: FBT003  Field's default


class UnmatchedOut(Schema):
    """An event that became no shift, and why."""

    summary: str
    starts: str
    why: str


class ImportOut(Schema):
    """What an import came to."""

    layer: LayerOut
    unmatched: list[UnmatchedOut]


class TargetIn(Given):
    """Whom a step reaches."""

    kind: Literal["person", "schedule", "team"]
    id: str = Field(description="An id; or an e-mail address or short name.")


class TargetOut(Schema):
    """Whom a step reaches."""

    kind: str
    id: str
    label: str


class StepIn(Given):
    """A step: everyone it reaches is paged at once, then the next step waits."""

    wait_minutes: int = 5
    targets: list[TargetIn]


class ChainStepOut(Schema):
    """A step."""

    wait_minutes: int
    targets: list[TargetOut]


class ChainIn(Given):
    """A chain; all of its steps are given, in order."""

    name: str
    repeats: int = 2
    steps: list[StepIn]
    slug: str = ""

    def facts(self) -> list[facts.StepFacts]:
        """The steps as the action takes them."""
        return [
            facts.StepFacts(step.wait_minutes, tuple(facts.find_target(t.kind, t.id) for t in step.targets))
            for step in self.steps
        ]


class ChainOut(Schema):
    """A chain."""

    slug: str
    name: str
    repeats: int
    is_fallback: bool
    archived_at: datetime | None
    steps: list[ChainStepOut]

    @classmethod
    def of(cls, row: Chain) -> "ChainOut":
        """The row as the API says it."""
        return cls(**queries.chain_json(row), is_fallback=row.is_fallback, archived_at=row.archived_at)


class FeedOut(Schema):
    """The address of one's calendar feed. Shown once; a new one ends the one before."""

    url: str
