"""What rules say while signals are routed. Whatever is wrong with a rule, signals go on: then without it.

A fault of a rule's own (or of ours, in them) is logged and costs a page too many, never one too few. Only a database
that is away is raised: nothing could be routed then anyway.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from django.db import DatabaseError

from andon.intake.actions import ByRules
from andon.intake.models import Signal
from andon.practice.grouping import HELD, RouteAction, RouteReason, route
from andon.practice.rules import RuleKind
from andon.rules import actions as rules
from andon.rules import queries
from andon.rules.book import Book, Effect, Read, Standing, Verdict

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Ruling:
    """The rules in force, for the signals of one round, which are told by `about` before any is read."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._mine: frozenset[UUID] = frozenset()
        self._book = _or(Book([]), lambda: Book.at(now))
        self._reads: dict[UUID, Read] = {}

    @property
    def empty(self) -> bool:
        """Whether there is no rule."""
        return self._book.empty

    @property
    def goes_by_signals(self) -> bool:
        """Whether some rule decides on a signal by what was heard before it."""
        return any(self._book.of(kind) for kind in (RuleKind.INHIBITION, RuleKind.THRESHOLD))

    def about(self, signals: Sequence[Signal]) -> None:
        """Prepare to read these: what they name is asked for once."""
        self._reader, self._mine = self._book.reader(signals), frozenset(signal.pk for signal in signals)

    def read(self, signal: Signal) -> Read:
        """What a signal counts as. Raises what its own words make impossible."""
        if signal.pk not in self._reads:
            mapped = _or(None, lambda: self._reader(signal))
            self._reads[signal.pk] = mapped or Book([]).reader([signal])(signal)
        return self._reads[signal.pk]

    def remember(self) -> None:
        """Note what rules go by, of the signals that were read."""
        if not self._book.empty:
            _or(None, lambda: rules.remember(self._book, list(self._reads.values()), self._now))

    def turn(self) -> "Turn":
        """One try at deciding these signals; another try begins with another turn."""
        quiet = [pk for pk, read in self._reads.items() if _opens_none(read)]
        return Turn(self._book, self.read, self._now, mine=self._mine, quiet=quiet)

    def held_open(self, signals: Sequence[Signal]) -> timedelta | None:
        """How long the incident of these signals, which have ended, waits for them to come again."""
        return self._book.hold_open([self.read(signal) for signal in signals])


class Turn:
    """One try at deciding: what is held in it explains nothing to what comes after."""

    def __init__(
        self,
        book: Book,
        read: Callable[[Signal], Read],
        now: datetime,
        *,
        mine: Collection[UUID] = (),
        quiet: Sequence[UUID] = (),
    ) -> None:
        self._book, self._read, self._now, self._mine, self._quiet = book, read, now, mine, quiet
        self._verdicts: dict[UUID, Verdict] = {}

    def holds(self, signal: Signal) -> RouteReason | None:
        """Why a signal that would open an incident is kept from it; None if nothing keeps it."""
        if self._book.empty:
            return None
        if signal.pk not in self._verdicts:
            self._verdicts[signal.pk] = _or(Verdict(), lambda: self._ask(signal))
        holding = self._verdicts[signal.pk].holding
        return holding.hold.reason if holding else None

    def alive(self, signal: Signal) -> bool:
        """Whether a signal is a heartbeat."""
        return not self._book.empty and _or(False, lambda: self._book.alive(self._read(signal)))  # noqa: FBT003

    def _ask(self, signal: Signal) -> Verdict:
        verdict = self._book.hold(self._read(signal), self._now, explains=self._explaining, counts=queries.counted)
        # What this round has taken up is decided in it; touched now, it would look as if news had come in meanwhile.
        rules.let_go(verdict, self._now, besides=self._mine)
        return verdict

    def _explaining(self, one: Standing, key: str, signal: Signal) -> Signal | None:
        held = [pk for pk, verdict in self._verdicts.items() if verdict.holding]
        held += self._quiet
        free = [pk for pk, verdict in self._verdicts.items() if not verdict.holding]
        return queries.explaining(one, key, signal, held=held, free=free)

    def reason_of(self, signal: Signal, reason: RouteReason) -> str:
        """Why a signal belongs to no incident: if it ended while it was held, what held it."""
        return signal.reason_joined if self._ended_held(signal) and reason is RouteReason.ENDED else reason.value

    def _ended_held(self, signal: Signal) -> bool:
        return bool(signal.held_by) and not self._read(signal).fires and signal.reason_joined in HELD

    def outcome(self, signal: Signal, *, held: bool) -> ByRules | None:
        """What is to be kept on a signal of what rules did; None where that is nothing, now and before."""
        read = self._read(signal)
        verdict = self._verdicts.get(signal.pk, Verdict())
        holding = verdict.holding if held else None
        after = self._book.closes_after(read) if read.fires else None
        if after is None and self._book.empty and (signal.rules, signal.held_by, signal.close_at) == (None, None, None):
            return None  # as for almost every signal where no rule stands
        close_at = signal.last_at + after if after is not None else None
        if self._ended_held(signal):  # what held it stays, for whoever asks why nothing came of it
            return ByRules(signal.rules or (), held_by=signal.held_by)
        # What held it before stays readable once it is let go: why nothing came of it until then.
        past = [] if holding else [told for told in signal.rules or () if told["effect"] == Effect.HELD][-1:]
        found = ByRules(
            (*read.told, *verdict.told, *past),
            held_by=holding.by if holding else None,
            again_at=holding.hold.again_at if holding else None,
            again_count=holding.hold.again_count if holding else None,
            close_at=close_at,
        )
        before = ByRules(tuple(signal.rules or ()), signal.held_by, None, signal.look_at_count, signal.close_at)
        return None if found == before == ByRules(close_at=before.close_at) else found


def _opens_none(read: Read) -> bool:
    """Whether a signal without an incident opens none by itself, as a hazard does."""
    decision = route(read.severity, read.system is not None, None, resolved=not read.fires)
    return read.signal.incident_id is None and decision.action is RouteAction.RECORD


def _or(otherwise: T, ask: Callable[[], T]) -> T:
    """What is asked for; or what to do with instead, where that goes wrong for another reason than the database."""
    try:
        return ask()
    except DatabaseError:
        raise
    except Exception:  # noqa: BLE001  whatever it is, signals go on without rules
        _log.exception("rules could not be asked; signals are routed without them")
        return otherwise
