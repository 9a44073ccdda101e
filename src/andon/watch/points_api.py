"""Numbers pushed over the API: to one watch, or to all watches of a system that go by a metric."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema

from andon.kit.shapes import Given
from andon.people.api_auth import caller
from andon.registry.policy import access_system
from andon.watch import actions
from andon.watch.actions.pushing import MOST, Batch, Outcome, Point
from andon.watch.policy import access_watch

watches = Router(tags=["points"])
systems = Router(tags=["points"])

WRITE = "points:write"


class PointIn(Given):
    """Sums over some time of one segment."""

    at: datetime = Field(
        description="When that time began: ISO 8601 with its zone, or Unix time. The window it lies in counts it."
    )
    n: int = Field(ge=0, le=MOST, description="How many observations.")
    total: float = Field(description="Their sum: of a rate, how many had the event; of a count, how many events.")
    squares: float | None = Field(None, description="The sum of their squares. Only a mean needs it.")
    segment: dict[str, str] = Field(
        default_factory=dict, description="Values by name. Names that a watch does not go by are left out."
    )


class PointsIn(Given):
    """A batch, counted whole or not at all. Sent again under the same key, it is counted once."""

    instance: str = Field(min_length=1, max_length=100, description="Who counted: a name for the process or the job.")
    sequence: int = Field(
        ge=0, le=2**62, description="Which of its batches this is. With the first window it is the batch's key."
    )
    points: list[PointIn] = Field(min_length=1)
    seconds: int | None = Field(None, ge=1, description="How long the time of a point is; for people to read.")

    def batch(self) -> Batch:
        """The batch as the actions take it."""
        points = [Point(one.at, one.n, one.total, one.squares, one.segment) for one in self.points]
        return Batch(self.instance, self.sequence, points)


class MetricPointsIn(PointsIn):
    """A batch of one metric of a system."""

    metric: str = Field(min_length=1, max_length=60, description="What was counted, as watches of the system name it.")


class PointsOut(Schema):
    """What became of a batch."""

    counted: int = Field(description="Watches that counted it.")
    repeated: int = Field(description="Watches that had counted it before, and did not count it again.")

    @classmethod
    def of(cls, outcome: Outcome) -> "PointsOut":
        """The outcome as the API says it."""
        return cls(counted=outcome.counted, repeated=outcome.repeated)


@watches.post("/{int:number}/points", response=PointsOut)
def push_points(request: HttpRequest, number: int, given: PointsIn) -> Any:
    """Push numbers to a watch that reads no decision log.

    They are added to what its windows hold. Leads, and whoever answers for its system.
    """
    by = caller(request, WRITE)
    return PointsOut.of(actions.push(access_watch(by, number), given.batch(), by=by))


@systems.post("/{slug}/points", response=PointsOut)
def push_metric(request: HttpRequest, slug: str, given: MetricPointsIn) -> Any:
    """Push numbers of a metric to all watches of a system that go by it: what `andon.sdk.count` sends.

    Leads, and whoever answers for the system.
    """
    by = caller(request, WRITE)
    return PointsOut.of(actions.push_metric(access_system(by, slug), given.metric, given.batch(), by=by))
