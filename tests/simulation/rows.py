"""Rows as the judge reads them, in SQL of its own; what has not changed since the last look is not made or judged again."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.simulation.store import at, decoded, key

T = TypeVar("T")
Raw = tuple[Any, ...]

UNRESOLVED = {"open", "acknowledged", "contained"}
SIGNALS = (
    "SELECT id, integration_id, fingerprint, status, episode, past_episodes, incident_id, route_at, count, "
    "severity_hint, system_hint, held_by, dedup_reason, last_at, resolved_at FROM intake_signal ORDER BY id"
)
INCIDENTS = (
    "SELECT id, number, state, group_key, declared_by_id, acknowledged_at, next_page_at, chain_round, chain_step, "
    "on_fallback, timeline_count, severity FROM incidents_incident ORDER BY number"
)
RULES = (
    "SELECT rule.kind, system.slug, rule.ends_at FROM rules_rule rule JOIN registry_system system "
    "ON system.id = rule.system_id WHERE rule.ended_at IS NULL"
)
PAGES = "SELECT id, incident_id, key, bundle, state, due_at, reason FROM paging_page ORDER BY id"
TIMELINES = "SELECT hash FROM incidents_timelineentry ORDER BY incident_id, seq"
NEXT_LOOK = "SELECT min(look_at) FROM incidents_promise"
OWED = (
    "SELECT incident.number, promise.key, promise.due_at, promise.look_at FROM incidents_promise promise "
    "JOIN incidents_incident incident ON incident.id = promise.incident_id "
    "WHERE (incident.state IN ('open', 'acknowledged', 'contained') "
    "OR (promise.kind = 'duty' AND incident.state <> 'closed')) "
    "AND promise.applies AND promise.kept_at IS NULL AND promise.missed_at IS NULL "
    "AND promise.due_at IS NOT NULL AND promise.kind <> 'review'"
)
"""What an incident promised and has neither kept nor missed; a duty by law is owed after it is resolved, too."""
UNWATCHED = f"{OWED} AND (promise.look_at IS NULL OR promise.look_at > promise.due_at)"
"""Of it, what nobody would look at by when it is due."""
MISSED = "missed: "
CALLS = (MISSED, "it got worse: ")
"""What the reason of a page says that may go out after somebody acknowledged."""
CALLED_FOR_NOTHING = (
    "SELECT page.id FROM paging_page page WHERE page.state IN ('pending', 'sending') "
    "AND replace(page.reason, 'missed: ', '') <> page.reason "
    "AND NOT EXISTS (SELECT 1 FROM incidents_promise promise WHERE promise.incident_id = page.incident_id "
    "AND promise.missed_at IS NOT NULL)"
)
"""Pages that say something was missed, of incidents that missed nothing."""


class Rows(dict[str, T]):
    """One table, by key.

    Attributes:
        changed: What was new or different in the last look: each with what it was before, None for a new one.
        gone: The keys of what was there before it and no more.
    """

    def __init__(self, make: Callable[[Raw], T]) -> None:
        super().__init__()
        self._make = make
        self._raw: dict[Any, Raw] = {}
        self.changed: dict[str, tuple[T, T | None]] = {}
        self.gone: Collection[str] = ()

    def look(self, rows: Sequence[Raw]) -> None:
        """Take over what the table says now."""
        raw, self._raw = self._raw, {row[0]: row for row in rows}
        self.changed = {}
        for row in rows:
            if raw.get(row[0]) != row:
                name = key(row[0])
                self.changed[name] = (made := self._make(row)), self.get(name)
                self[name] = made
        self.gone = [key(name) for name in raw.keys() - self._raw.keys()] if len(self) > len(rows) else ()
        for name in self.gone:
            del self[name]


@dataclass
class Signal:
    id: str
    key: tuple[str, str]
    firing: bool
    names: set[str]
    incident: str
    route_at: datetime | None
    count: int
    severity: int | None
    system: str
    held: bool
    gone_quiet_after: timedelta | None

    @classmethod
    def of(cls, row: Raw) -> "Signal":
        last_at, resolved_at = at(row[13]), at(row[14])
        quiet = row[12] == "gone_quiet" and last_at and resolved_at
        return cls(
            key(row[0]), (key(row[1]), row[2]), row[3] == "firing", {row[4], *decoded(row[5])} - {""},
            key(row[6]), at(row[7]), row[8], row[9], row[10], row[11] is not None,
            resolved_at - last_at if quiet else None,
        )  # fmt: skip

    @property
    def wants_somebody(self) -> bool:
        """Whether it fires and is bad enough for an incident, by its sender's own words."""
        mild = 5 if self.system != "nobody-knows" else 4
        return self.firing and (self.severity is None or self.severity < mild)


@dataclass
class Incident:
    id: str
    number: int
    state: str
    group: str
    declared: bool
    acknowledged: bool
    next_page_at: datetime | None
    place: tuple[int, int, bool]
    entries: int
    mild: bool

    @classmethod
    def of(cls, row: Raw) -> "Incident":
        return cls(
            key(row[0]), row[1], row[2], row[3], row[4] is not None, row[5] is not None, at(row[6]),
            (row[7], row[8], bool(row[9])), row[10], row[11] >= 4,
        )  # fmt: skip

    @property
    def unresolved(self) -> bool:
        return self.state in UNRESOLVED

    @property
    def awaits(self) -> bool:
        return self.unresolved and not self.acknowledged


@dataclass
class Page:
    id: str
    incident: str
    key: str
    bundle: str
    state: str
    due_at: datetime | None
    reason: str
    called: bool
    """Whether it was sent though somebody had acknowledged: something promised was not done in time, or it got worse."""

    @classmethod
    def of(cls, row: Raw) -> "Page":
        return cls(
            key(row[0]), key(row[1]), row[2], row[3], row[4], at(row[5]), row[6], any(word in row[6] for word in CALLS)
        )

    @property
    def of_lever(self) -> bool:
        """Whether it was sent because of a pull that asks for a word, or did not work."""
        return "(PULL-" in self.reason

    @property
    def message(self) -> str:
        """The key of the message in which it travels: its own, or that of those it travels with."""
        return self.bundle or self.key
