"""What the judge knows from outside and has seen so far, and what it finds."""

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Violation:
    """A promise that was broken."""

    promise: int
    what: str

    def __str__(self) -> str:
        return f"promise {self.promise}: {self.what}"


@dataclass
class Facts:
    """What is known from outside, and what was seen so far."""

    taken_posts: int = 0
    fired: set[tuple[tuple[str, str], str]] = field(default_factory=set)
    """Firings (key, episode) that were answered with 2xx."""
    swallowed: dict[tuple[tuple[str, str], str], str] = field(default_factory=dict)
    """Firings that were counted on a signal of a later episode, and its row."""
    paged_over_since: dict[str, int] = field(default_factory=dict)
    """Incidents that page nobody any more, and the step at which that was first seen."""
    resolved_since: dict[str, int] = field(default_factory=dict)
    """Incidents for which nobody is called any more either, and the step at which that was first seen."""
    sent_since: dict[str, int] = field(default_factory=dict)
    """Keys of pages that the tables call sent, and the step at which that was first seen."""
    told: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """By page: what the timelines say became of it (kind to incident)."""
