"""What the API takes and gives about kill switches, their replicas and tokens."""

from datetime import datetime
from uuid import UUID

from ninja import Field, Schema

from andon.kit.shapes import Given
from andon.people.policy import Actor
from andon.practice.words import ReplicaStanding, SwitchMode
from andon.sdk.guard.words import Limit
from andon.switch.models import GuardToken, Revision
from andon.switch.queries import Seen, Standing, shown_incidents


class LimitOut(Schema):
    """How much a limited system decides: one of the two."""

    share: float | None = Field(None, description="Which share of the requests, 0 to 1.")
    per_second: float | None = Field(None, description="How many requests a second, in each process.")

    @classmethod
    def of(cls, limit: Limit | None) -> "LimitOut | None":
        """The limit as the API says it."""
        return None if limit is None else cls(share=limit.share, per_second=limit.per_second)


class ReplicaOut(Schema):
    """A process of the system, and what it last said."""

    id: UUID
    instance: str
    host: str
    version: str
    runtime: str
    revision: int = Field(description="The revision that it applies.")
    mode: str = Field(description="How it acts.")
    state: str = Field(description="How sure it is: live, stale or no_state.")
    applied_at: datetime
    heard_at: datetime
    stands: ReplicaStanding
    says: str
    refused: int | None = Field(description="A revision of Andon's that it refuses, for it has heard a later one.")

    @classmethod
    def of(cls, one: Standing) -> "ReplicaOut":
        """The replica as the API says it."""
        names = (
            "instance", "host", "version", "runtime", "revision", "mode", "state", "applied_at", "heard_at", "refused",
        )  # fmt: skip
        given = {name: getattr(one.row, name) for name in names}
        return cls(**given, id=one.row.pk, stands=one.stands, says=one.stands.words)


class RevisionOut(Schema):
    """One setting of a switch."""

    revision: int
    mode: SwitchMode
    limit: LimitOut | None
    at: datetime
    by: str
    reason: str
    until: str
    incident: str | None

    @classmethod
    def of(cls, row: Revision, incidents: dict[object, str]) -> "RevisionOut":
        """The revision as the API says it; an incident that the caller may not see is left out."""
        return cls(
            revision=row.number, mode=row.what_mode, limit=LimitOut.of(row.limit), at=row.created_at, by=who(row),
            reason=row.reason, until=row.until, incident=incidents.get(row.incident_id),
        )  # fmt: skip


class SwitchOut(Schema):
    """A system's kill switch as it stands, and its replicas."""

    system: str
    name: str
    mode: SwitchMode
    says: str
    limit: LimitOut | None
    revision: int
    since: datetime
    by: str
    reason: str
    until: str
    incident: str | None
    max_stale_seconds: int = Field(description="How long a process that hears nothing goes on with `on`.")
    on_stale: SwitchMode = Field(description="What it does then.")
    replicas_say: str
    applies_everywhere: bool | None = Field(description="null where it cannot be told: one is silent, or none is there")
    replicas: list[ReplicaOut]

    @classmethod
    def of(cls, seen: Seen, by: Actor) -> "SwitchOut":
        """The switch as the API says it."""
        row = seen.switch
        newest = RevisionOut.of(seen.newest, shown_incidents(by, [seen.newest]))
        limit = f" to {row.limit}" if row.limit else ""
        return cls(
            system=row.system.slug, name=row.system.name, mode=row.what_mode, says=f"{row.what_mode.words}{limit}",
            limit=newest.limit, revision=row.number, since=newest.at, by=newest.by, reason=newest.reason,
            until=newest.until, incident=newest.incident, max_stale_seconds=row.max_stale_seconds,
            on_stale=SwitchMode(row.on_stale), replicas_say=seen.says, applies_everywhere=seen.tally.everywhere,
            replicas=[ReplicaOut.of(one) for one in seen.replicas],
        )  # fmt: skip


class SwitchIn(Given):
    """What a switch is to say."""

    mode: SwitchMode
    reason: str
    share: float | None = Field(None, description="With `limit`: which share of the requests, from 0 to less than 1.")
    per_second: float | None = Field(None, description="With `limit`: how many a second, in each process.")
    until: str = ""
    incident: int | None = Field(None, description="Number of the incident that it is for.")
    expected: int | None = Field(None, description="Only if the switch is at this revision; else 409.")

    @property
    def limit(self) -> Limit | None:
        """The figure that was given, if any."""
        given = self.share is not None or self.per_second is not None
        return Limit(share=self.share, per_second=self.per_second) if given else None


class StalenessIn(Given):
    """How long a process that hears nothing goes on."""

    max_stale_seconds: int
    on_stale: SwitchMode
    expected: int | None = None


class GuardTokenIn(Given):
    """A guard token to be made."""

    name: str


class GuardTokenOut(Schema):
    """A guard token, without what it is."""

    id: UUID
    name: str
    made_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: GuardToken) -> "GuardTokenOut":
        """The token as the API says it."""
        return cls(id=row.pk, name=row.name, made_at=row.created_at, revoked_at=row.revoked_at)


class GuardTokenMade(GuardTokenOut):
    """A new guard token, shown once."""

    token: str = Field(description="The whole, for the SDK.")
    sent: str = Field(description="The part that is sent: all that a client of OFREP needs.")


def who(row: Revision) -> str:
    """Who set a revision, in words."""
    if row.by is not None:
        return str(row.by)
    return {"engine": "Andon", "operator": "Operator"}.get(row.actor, "Somebody")
