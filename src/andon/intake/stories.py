"""The stories of what is heard: for each fingerprint what is on record, and what becomes of it by what is said now.

Decided by `andon.practice.grouping.dedup`; read and written by `recording`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from andon.intake.events import Event
from andon.practice import grouping
from andon.practice.grouping import DedupAction, DedupDecision, DedupReason, SignalStatus

PAST_EPISODES: Final = 20
FIRING, RESOLVED = SignalStatus.FIRING.value, SignalStatus.RESOLVED.value
ON_RECORD: Final = (
    "s.id, s.integration_id, s.fingerprint, s.status, s.episode, s.past_episodes, s.ended_before, s.title, "
    "s.system_hint, s.type_hint, s.severity_hint, s.count, s.first_at, s.let_go_at, s.ends_at"
)
"""What is read of a signal `s`, for `Line.known`."""
FIRST_AT, LET_GO_AT, ENDS_AT = 12, 13, 14
"""Their places in such a row."""


class Line(msgspec.Struct, gc=False):
    """A signal's row while a batch is decided. Keys are as the driver wants them."""

    id: Any
    integration: Any
    fingerprint: str
    status: str
    episode: str
    past_episodes: list[str]
    ended_before: list[str]
    title: str
    system_hint: str
    type_hint: str
    severity_hint: int | None
    count: int
    was: int = 0  # the count as it was read
    let_go: bool = False  # its incident was resolved while it fired
    ends_at: datetime | None = None  # of what has ended, by its sender's clock: see `Signal.ends_at`
    first_at: datetime | None = None  # of new rows alone
    first_delivery: Any = None  # as above
    last_delivery: Any = None
    reason: str | None = None  # None = as it was
    event: Event | None = None  # the one whose words are to be written; None = as they were
    changed: bool = False
    due: bool = False  # to be routed
    echoes: int = 0  # events of this batch that changed nothing, and were judged by it
    echo_reason: str | None = None  # of the newest of them
    echo_delivery: Any = None  # as above

    @classmethod
    def known(cls, row: Sequence[Any]) -> "Line":
        """A row that was read (see `ON_RECORD`)."""
        line = cls(*row[:FIRST_AT])
        line.was, line.let_go = line.count, row[LET_GO_AT] is not None
        line.ends_at = _instant(row[ENDS_AT])
        line.past_episodes, line.ended_before = _listed(line.past_episodes), _listed(line.ended_before)
        return line


def _listed(stored: Any) -> list[str]:
    """A JSON list as the driver gives it: text, or decoded already; mostly empty."""
    if stored == "[]":
        return []
    return msgspec.json.decode(stored, type=list[str]) if isinstance(stored, str) else list(stored)


def _instant(stored: Any) -> datetime | None:
    """A time as the driver gives it: aware, or as SQLite keeps it, text in UTC without a zone."""
    return datetime.fromisoformat(stored).replace(tzinfo=UTC) if isinstance(stored, str) else stored


class Brought(msgspec.Struct, gc=False):
    """What the events of one delivery share; keys as the driver wants them."""

    integration: Any
    delivery: Any
    at: datetime


class Story(msgspec.Struct, gc=False):
    """What is on record, and decided so far, about one fingerprint of an integration."""

    open: Line | None = None
    last: Line | None = None
    ended: frozenset[str] = frozenset()
    lines: tuple[Line, ...] = ()

    def knows_open(self, line: Line) -> None:
        """It fires, says the record."""
        self.lines += (line,)
        self.open = line
        if line.ended_before:
            self.ended |= {*line.ended_before}

    def knows_past(self, line: Line) -> None:
        """It is of an earlier firing, says the record; told oldest first. The one that fires may be among them."""
        if any(line.id == known.id for known in self.lines):
            return
        if line.status == FIRING:  # somebody was quicker, between two looks at the record
            self.knows_open(line)
            return
        self.lines += (line,)
        self._ends(line)

    def hear(self, event: Event, brought: Brought) -> None:
        """Fold one event into it."""
        let_go = self.open is not None and self.open.let_go
        decision = grouping.dedup(
            self.open,
            self.last,
            event,
            ended_episodes=self.ended,
            let_go=let_go,
            began_at=event.at,
            ended_at=self.last.ends_at if self.last else None,
        )
        if decision.keep and not event.passing:
            if self.open is not None:
                over = DedupDecision(DedupAction.RESOLVE, DedupReason.RESOLVED_HERE, self.open.episode)
                self._resolves(self.open, over, brought, at=None)
            self._begins(event, decision, brought)
        elif self.open is not None and decision.action is DedupAction.REPEAT:
            _repeats(self.open, event, decision, brought)
        elif self.open is not None and decision.action is DedupAction.RESOLVE:
            self._resolves(self.open, decision, brought, at=event.at)
        elif decision.echo and not (event.passing and self.open is None):
            # That all is well is said with every run of a check: it is news only while something fires on after it.
            self._echoes(event, decision, brought)

    def _echoes(self, event: Event, decision: DedupDecision, brought: Brought) -> None:
        """Note that it was heard and changed nothing: where its episode is on record, else on what is open or was last.

        By the name that a signal goes by and no earlier one: so it is the same however events fall into batches, which
        know more of a fingerprint's past if it is their own.
        """
        its_own = (line for line in self.lines if event.episode and line.episode == event.episode)
        line = next(its_own, self.open or self.last)
        if line is None:
            raise AssertionError("What changes nothing was judged by something that is on record.")
        line.echoes += 1
        line.echo_reason, line.echo_delivery = decision.reason.value, brought.delivery

    def _begins(self, event: Event, decision: DedupDecision, brought: Brought) -> None:
        """A new row: something fires, or has ended before it was heard to fire."""
        fires = decision.action is DedupAction.NEW
        at, last = brought.at, self.last
        if self.lines and (fresh := sum(line.first_at is not None for line in self.lines)):
            at += timedelta(microseconds=fresh)  # several in one batch keep their order
        line = Line(
            None,  # given when it is written
            brought.integration,
            event.fingerprint,
            FIRING if fires else RESOLVED,
            decision.episode,
            [],
            [*last.ended_before, *last.past_episodes][-PAST_EPISODES:] if last else [],
            event.title,
            event.system_hint,
            event.type_hint,
            event.severity_hint,
            int(fires),
            ends_at=None if fires else grouping.newest_end(event.at, brought.at, last.ends_at if last else None),
            first_at=at,
            first_delivery=brought.delivery,
            last_delivery=brought.delivery,
            reason=decision.reason.value,
            event=event,
            due=True,
        )
        self.lines += (line,)
        if fires:
            self.open = line
        else:
            self._ends(line)

    def _resolves(self, line: Line, decision: DedupDecision, brought: Brought, *, at: datetime | None) -> None:
        """It is over; `at` is when its end came about, as its sender says, None where nobody said so."""
        line.status = RESOLVED
        line.ends_at = grouping.newest_end(at, brought.at)
        _rename(line, decision.episode)
        line.last_delivery = brought.delivery
        line.reason = decision.reason.value
        line.changed = line.due = True
        self.open = None
        self._ends(line)

    def _ends(self, line: Line) -> None:
        self.last = line
        self.ended |= {name for name in (line.episode, *line.past_episodes, *line.ended_before) if name}


def _repeats(line: Line, event: Event, decision: DedupDecision, brought: Brought) -> None:
    """The same again: counted; what the sender now says otherwise is taken over, and a worse severity never undone."""
    line.count += 1
    line.last_delivery = brought.delivery
    if decision.reason is DedupReason.SENDER_RESTARTED:
        _rename(line, decision.episode)
        line.reason = decision.reason.value
        line.changed = True
    if event.title != line.title:
        line.title, line.event, line.changed = event.title, event, True
    severity = line.severity_hint
    if event.severity_hint is not None and (severity is None or event.severity_hint < severity):
        severity = event.severity_hint
    system, type_ = event.system_hint or line.system_hint, event.type_hint or line.type_hint
    if severity != line.severity_hint or system != line.system_hint or type_ != line.type_hint:
        line.system_hint, line.type_hint, line.severity_hint = system, type_, severity
        line.event, line.changed, line.due = event, True, True


def _rename(line: Line, episode: str) -> None:
    """Go by another episode; the name before is remembered, so that its late doubles are known."""
    if episode != line.episode:
        if line.episode:
            line.past_episodes = [*line.past_episodes, line.episode][-PAST_EPISODES:]
        line.episode = episode
