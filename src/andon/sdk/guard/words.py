"""The words of the kill switch: which modes there are, how sure a process is of its own, and what it reads."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What a guarded system may do. All but `ON` are containments, which never expire by themselves."""

    ON = "on"  # it decides, as always
    OFF = "off"  # it decides nothing; callers are refused
    SAFE = "safe"  # the fallback decides: rules, the earlier model, a fixed answer
    REVIEW = "review"  # it proposes, and a person decides
    LIMIT = "limit"  # it decides for a share of its requests, or at most so many a second

    @property
    def contains(self) -> bool:
        """Whether this mode holds the system back."""
        return self is not Mode.ON


class State(StrEnum):
    """How sure the process is of its mode."""

    LIVE = "live"  # Andon said so within `max_stale`
    STALE = "stale"  # Andon said so, longer ago
    NO_STATE = "no_state"  # Andon has never said anything that could be believed


STALE_MODES = (Mode.ON, Mode.SAFE, Mode.REVIEW, Mode.OFF)
"""What a process may do when it has not heard of Andon for too long: go on, or hold itself back."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much a limited system decides: exactly one of the two.

    Attributes:
        share: Which share of the requests, from 0 to 1.
        per_second: How many requests a second, in each process.
    """

    share: float | None = None
    per_second: float | None = None

    def as_json(self) -> dict[str, float]:
        """As it goes over the wire."""
        return {"share": self.share} if self.share is not None else {"per_second": self.per_second or 0.0}

    def __str__(self) -> str:
        if self.share is not None:
            return f"{self.share * 100:g} % of requests"
        return f"{self.per_second:g} requests a second in each process"


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the switch, all of it of one instant.

    Attributes:
        mode: What the system may do now.
        state: How sure that is.
        revision: Which revision of the switch says so; 0 when none does.
        limit: How much it decides; None unless the mode is `limit`.
    """

    mode: Mode
    state: State
    revision: int
    limit: Limit | None = None


class Contained(RuntimeError):  # noqa: N818  reads as what it is
    """The system is held back, and nothing was given that answers in its place. `reading` says how."""

    def __init__(self, system: str, reading: Reading) -> None:
        super().__init__(f"{system} is contained (mode {reading.mode}, revision {reading.revision}).")
        self.system, self.reading = system, reading
