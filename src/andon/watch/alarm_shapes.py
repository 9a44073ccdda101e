"""What the API gives of alarms."""

from datetime import datetime
from typing import Any

from ninja import Field, Schema

from andon.watch.models import Alarm


class AlarmOut(Schema):
    """A detector's verdict that something has changed."""

    number: int
    ref: str
    watch: int
    system: str
    raised_at: datetime
    window_start: datetime = Field(description="The window that decided it.")
    window_end: datetime
    direction: str
    baseline: float
    observed: float | None = Field(description="The same measure since the onset.")
    statistic: float
    threshold: float
    onset_low: datetime | None
    onset_at: datetime | None
    onset_high: datetime | None
    onset_shape: str
    affected: int | None = Field(description="Rows beyond what was to be expected, since the onset.")
    drivers: list[dict[str, Any]]
    sides: list[dict[str, Any]] = Field(
        description="Of a gap: the group that moved, or whose bet led where `moved` is false, and its other side."
    )
    incident: int | None
    recovered_at: datetime | None
    given_up: str = Field(description="ended or changed: its watch was, so it is not known to be over. Else empty.")

    @classmethod
    def of(cls, row: Alarm) -> "AlarmOut":
        """The alarm as the API says it."""
        plain = (
            "number", "ref", "raised_at", "window_start", "window_end", "direction", "baseline", "observed",
            "statistic", "threshold", "onset_low", "onset_at", "onset_high", "onset_shape", "affected",
            "drivers", "recovered_at", "given_up",
        )  # fmt: skip
        incident = row.signal.incident if row.signal is not None else None
        return cls(
            **{name: getattr(row, name) for name in plain},
            watch=row.watch.number,
            system=row.watch.system.slug,
            sides=row.figures.get("sides", []),
            incident=incident.number if incident is not None else None,
        )


class AlarmPage(Schema):
    """A page of alarms."""

    items: list[AlarmOut]
    next_cursor: str | None
