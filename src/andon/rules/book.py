"""The rules in force, and what they say of a signal. Nothing is written here.

A book is made for one round of routing and thrown away. Reading it costs one query; where no rule is in force, nothing
more than that.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Self

import structlog

from andon.intake import queries as heard
from andon.intake.adapters import adapters
from andon.intake.models import Integration, Signal
from andon.kit import expressions
from andon.kit.errors import Invalid
from andon.kit.expressions import Expression, Outcome
from andon.practice import rules as practice
from andon.practice.grouping import RouteReason
from andon.practice.rules import Hold, Reading, RuleKind
from andon.practice.severity import Severity
from andon.practice.windows import current
from andon.practice.words import IncidentType, Word
from andon.registry.models import System
from andon.rules.models import Rule
from andon.rules.settings import MappingSettings, shaped

Told = dict[str, Any]
"""What a rule did to a signal, as it is kept on it: which rule, in which version, and what."""

ERRORS_TOLD: Final = 5
_log = structlog.get_logger(__name__)


class Effect(Word):
    """What a rule did to a signal."""

    MAPPED = "mapped"
    HELD = "held"
    LET_THROUGH = "let_through"
    NOT_READ = "not_read", "could not say"


@dataclass(frozen=True)
class Standing:
    """A rule in force, with its expressions read."""

    rule: Rule
    settings: Any
    condition: Expression | None
    other: Expression | None = None

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """Raises `Invalid` if it cannot be read any more."""
        settings = shaped(rule.what, rule.settings)
        other = getattr(settings, "source", "") or getattr(settings, "system_from", "")
        condition = expressions.read(rule.expression) if rule.expression else None
        return cls(rule, settings, condition, expressions.read(other) if other else None)

    def ask(self, seen: Mapping[str, Any]) -> Outcome:
        """Whether the rule is about a signal."""
        bound = self.rule.system if self.rule.what is not RuleKind.HEARTBEAT else None
        if bound is not None and seen["system"] != bound.slug:
            return Outcome(value=False)
        return self.condition.ask(seen) if self.condition else Outcome(value=True)

    def told(self, effect: Effect, **more: Any) -> Told:
        """What is kept on the signal."""
        rule = self.rule
        name = {"rule": rule.number, "version": rule.version, "name": rule.name, "kind": rule.kind}
        return {**name, "effect": effect.value, **more}

    def ends(self, now: datetime) -> datetime | None:
        """Until when a silence or window that is on now lasts; None when it is not on."""
        week = getattr(self.settings, "weekly", None)
        if week is None:
            return self.rule.ends_at
        span = current(week.window, now)
        last = self.rule.ends_at
        return None if span is None or span.ends is None else min(span.ends, last) if last else span.ends


@dataclass(frozen=True)
class Read:
    """A signal, and what it counts as once the mappings have been asked."""

    signal: Signal
    system: System | None
    type: IncidentType
    severity: Severity | None
    seen: Mapping[str, Any]
    told: tuple[Told, ...] = ()

    @property
    def fires(self) -> bool:
        """Whether it goes on."""
        return self.signal.status == Signal.Status.FIRING

    @property
    def gathered(self) -> str:
        """What thresholds count together: its system, or its sender where that is not known."""
        return f"system:{self.system.pk}" if self.system else f"unrouted:{self.signal.integration_id}"


@dataclass(frozen=True)
class Holding:
    """A rule keeps a signal from opening an incident.

    Attributes:
        hold: Why, and when it is looked at again.
        by: What it waits for, as kept in `Signal.held_by`.
        told: As kept on the signal.
    """

    hold: Hold
    by: str
    told: Told


@dataclass(frozen=True)
class Verdict:
    """What the rules say about a signal that would open an incident.

    Attributes:
        holding: What keeps it from that; None = nothing does.
        told: What they did, as kept on the signal.
        lets_go: What waits for thresholds that it fills (`Signal.held_by`).
    """

    holding: Holding | None = None
    told: tuple[Told, ...] = ()
    lets_go: tuple[str, ...] = ()


Explains = Callable[[Standing, str, Signal], Signal | None]
"""The signal that explains another under a rule and key, if one fires."""
Counts = Callable[[Standing, str, datetime], int]
"""How many different signals were counted under a rule and key since a time."""


class Book:
    """The rules in force at one instant."""

    def __init__(self, standing: Sequence[Standing]) -> None:
        self._by_kind: dict[RuleKind, list[Standing]] = {}
        for one in standing:
            self._by_kind.setdefault(one.rule.what, []).append(one)

    @classmethod
    def at(cls, now: datetime) -> Self:
        """The rules in force now. One that cannot be read any more is left out, and said in the log."""
        return cls(list(_readable(row for row in _in_force() if row.runs(now))))

    @property
    def empty(self) -> bool:
        """Whether no rule is in force."""
        return not self._by_kind

    @property
    def all(self) -> list[Standing]:
        """All of them."""
        return [one for standing in self._by_kind.values() for one in standing]

    def of(self, kind: RuleKind) -> Sequence[Standing]:
        """The rules of a kind, in their order."""
        return self._by_kind.get(kind, ())

    def reader(self, signals: Iterable[Signal]) -> Callable[[Signal], Read]:
        """What reads each of these signals. The systems that they name are asked for once, here.

        In a book without rules nobody asks how rules see a signal, so it is not said.
        """
        register = _Register(heard.systems_named(signal.system_hint for signal in signals))
        if self.empty:
            return lambda signal: _unruled(signal, register)
        return lambda signal: self._read(signal, register)

    def read(self, signals: Sequence[Signal]) -> list[Read]:
        """What the signals count as, and how rules see them, be there some or not: a draft is asked about that."""
        register = _Register(heard.systems_named(signal.system_hint for signal in signals))
        return [self._read(signal, register) for signal in signals]

    def _read(self, signal: Signal, register: "_Register") -> Read:
        """A signal as the mappings leave it; a system that is not in the register is said, and sets nothing."""
        said, system = _said(signal, register.known)
        told: list[Told] = []
        known: list[Reading] = []
        now, seen = said, seen_of(signal, said)
        for one in self.of(RuleKind.MAPPING):
            outcome = one.ask(seen)
            _tell_error(one, outcome, told)
            if not outcome.holds:
                continue
            known.append(_finding(one, seen, told, register))
            before, now = now, practice.mapped(said, known)
            if changed := _differences(before, now):
                told.append(one.told(Effect.MAPPED, set=changed))
        found = register.get(now.system) if now.system != said.system else system
        severity = Severity(now.severity) if now.severity else None
        return Read(signal, found, IncidentType(now.type), severity, seen_of(signal, now), tuple(told))

    def hold(self, read: Read, now: datetime, *, explains: Explains, counts: Counts) -> Verdict:
        """Whether a rule keeps a signal from opening an incident.

        The kinds are asked in the order of `practice.rules.HOLDS`; the first rule that keeps the signal decides.
        """
        told: list[Told] = []
        lets_go: list[str] = []
        for kind in practice.HOLDS:
            for one in self.of(kind):
                outcome = one.ask(read.seen)
                _tell_error(one, outcome, told)
                if not outcome.holds:
                    continue
                match kind:
                    case RuleKind.HEARTBEAT:
                        holding: Holding | None = _holding(one, practice.sign_of_life(now))
                    case RuleKind.INHIBITION:
                        holding = _inhibited(one, read, now, explains)
                    case RuleKind.THRESHOLD:
                        holding = _counted(one, read, now, counts, lets_go)
                    case _:
                        holding = _silenced(one, read, now, told)
                if holding is not None:
                    if tallies := self._counted_meanwhile(one, read, now):
                        holding = replace(holding, told={**holding.told, "tallies": tallies})
                    return Verdict(holding, (*told, holding.told))
        return Verdict(None, tuple(told), tuple(lets_go))

    def _counted_meanwhile(self, holder: Standing, read: Read, now: datetime) -> dict[str, Any]:
        """What the thresholds of events that do not decide count of a signal, by the numbers of their rules.

        Without it a threshold that is asked again later would take all that was ever heard as heard then.
        """
        return {
            str(one.rule.number): _kept(_events(one, read.signal, now)[1])
            for one in self.of(RuleKind.THRESHOLD)
            if one.rule.number != holder.rule.number
            and one.settings.counting == practice.Counting.EVENTS
            and one.ask(read.seen).holds
        }

    def alive(self, read: Read) -> bool:
        """Whether a signal is a heartbeat."""
        return any(one.ask(read.seen).holds for one in self.of(RuleKind.HEARTBEAT))

    def hold_open(self, reads: Sequence[Read]) -> timedelta | None:
        """How long an incident of these signals stays open after the last of them: the longest that any rule says."""
        about = [one.settings.waits for one in self.of(RuleKind.HOLD_OPEN) if any(one.ask(r.seen).holds for r in reads)]
        return max(about, default=None)

    def closes_after(self, read: Read) -> timedelta | None:
        """After how long without a word a signal counts as ended: by the first rule about it, else by its sender."""
        one = self.closer(read)
        if one is not None:
            after: timedelta = one.settings.after
            return after
        adapter = adapters().get(read.signal.integration.kind)
        return adapter.auto_close if adapter else None

    def closer(self, read: Read) -> Standing | None:
        """The rule that says after how long a signal counts as ended: the first about it; None = its sender's kind."""
        return next((one for one in self.of(RuleKind.AUTO_CLOSE) if one.ask(read.seen).holds), None)


class _Register:
    """Systems by their short names, each asked for once."""

    def __init__(self, known: Mapping[str, System]) -> None:
        self.known: dict[str, System] = dict(known)
        self._strange: set[str] = set()

    def get(self, slug: str) -> System | None:
        """The system, or None."""
        if slug not in self.known and slug not in self._strange and "\0" not in slug:  # which PostgreSQL cannot ask
            self.known.update(heard.systems_named([slug]))
            if slug not in self.known:
                self._strange.add(slug)
        return self.known.get(slug)


def _in_force() -> Iterator[Rule]:
    return iter(Rule.objects.filter(ended_at=None).select_related("system").order_by("kind", "position", "number"))


def fault(rule: Rule) -> str:
    """Why a rule does nothing though it is in force: what it says cannot be read any more. Empty if it can."""
    try:
        Standing.of(rule)
    except Invalid as invalid:
        return invalid.what
    return ""


def faults() -> list[tuple[Rule, str]]:
    """The rules in force that do nothing, each with why."""
    return [(rule, why) for rule in _in_force() if (why := fault(rule))]


def _readable(rows: Iterator[Rule]) -> Iterator[Standing]:
    for row in rows:
        try:
            yield Standing.of(row)
        except Invalid as invalid:
            _log.error("a rule cannot be read and does nothing", rule=row.ref, version=row.version, why=invalid.what)


def seen_of(signal: Signal, reading: Reading) -> dict[str, Any]:
    """A signal as expressions see it (`andon.kit.expressions.FIELDS`)."""
    return {
        "title": signal.title,
        "description": signal.description,
        "labels": signal.labels,
        "severity": reading.severity or 0,
        "type": reading.type,
        "system": reading.system,
        "integration": signal.integration.slug,
        "kind": signal.integration.kind,
        "status": signal.status,
        "count": signal.count,
        "url": signal.url,
        "fingerprint": signal.fingerprint,
    }


def digest(text: str) -> str:
    """A key of any length as one of 32 characters."""
    return sha256(text.encode()).hexdigest()[:32]


def waits_for(rule: Rule, key: str = "") -> str:
    """What a held signal waits for: the rule, and what has to be equal or is counted together."""
    return f"{rule.number}:{key}"


def _unruled(signal: Signal, register: "_Register") -> Read:
    said, system = _said(signal, register.known)
    return Read(signal, system, IncidentType(said.type), Severity(said.severity) if said.severity else None, {})


def _said(signal: Signal, named: Mapping[str, System]) -> tuple[Reading, System | None]:
    """What a signal's sender says of it, with what its integration says of all."""
    integration: Integration = signal.integration
    system = heard.find_system(integration, signal.system_hint, named)
    type_ = signal.type_hint or integration.settings.get("type", "") or IncidentType.TECHNICAL_FAILURE.value
    return Reading(system.slug if system else "", type_, signal.severity_hint), system


def _differences(before: Reading, after: Reading) -> dict[str, Any]:
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in ("system", "type", "severity")}
    return {name: new for name, (old, new) in pairs.items() if new != old}


def _finding(one: Standing, seen: Mapping[str, Any], told: list[Told], register: "_Register") -> Reading:
    """What one mapping says of a signal."""
    settings: MappingSettings = one.settings
    slug = settings.set_system
    if one.other is not None:
        outcome = one.other.ask(seen)
        _tell_error(one, outcome, told)
        slug = outcome.value.strip() if isinstance(outcome.value, str) else ""
    system = register.get(slug) if slug else None
    if slug and system is None:
        told.append(one.told(Effect.NOT_READ, error=f"There is no system {slug[:60]!r} in the register."))
    return Reading(system.slug if system else "", settings.type, settings.severity)


def _tell_error(one: Standing, outcome: Outcome, told: list[Told]) -> None:
    """Keep what a rule could not say, but for a label that is not there, which is no mistake."""
    if outcome.error and not outcome.absent and len(told) < ERRORS_TOLD:
        told.append(one.told(Effect.NOT_READ, error=outcome.error))


def _holding(one: Standing, hold: Hold, key: str = "", **more: Any) -> Holding:
    told = one.told(Effect.HELD, reason=hold.reason.value, until=hold.again_at.isoformat(), **more)
    return Holding(hold, waits_for(one.rule, key), told)


def _silenced(one: Standing, read: Read, now: datetime, told: list[Told]) -> Holding | None:
    """By a silence or a window that is on."""
    ends = one.ends(now)
    if ends is None or ends <= now:
        return None
    if practice.goes_through(read.severity, covers_severe=one.settings.covers_severe):
        told.append(one.told(Effect.LET_THROUGH))
        return None
    reason = RouteReason.SILENCED if one.rule.what is RuleKind.SILENCE else RouteReason.MAINTENANCE
    return _holding(one, practice.until(reason, ends))


def key_of(one: Standing, read: Read) -> str:
    """What a signal must have in common with another under a rule, or is counted together with."""
    if one.rule.what is RuleKind.THRESHOLD:
        return digest(read.gathered)
    own = {"system": read.seen["system"], "integration": read.seen["integration"]}
    return digest(practice.equal_key(getattr(one.settings, "equal", ()), read.signal.labels, own))


def _inhibited(one: Standing, read: Read, now: datetime, explains: Explains) -> Holding | None:
    """By a signal that explains it. What explains others by the same rule is never held by it."""
    if one.other is None or one.other.ask(read.seen).holds:
        return None
    key = key_of(one, read)
    source = explains(one, key, read.signal)
    return _holding(one, practice.inhibited(now), key, source=str(source.pk)) if source else None


def _counted(one: Standing, read: Read, now: datetime, counts: Counts, lets_go: list[str]) -> Holding | None:
    """By a threshold that is not reached; once it is, what it held is let go."""
    settings, signal = one.settings, read.signal
    if settings.counting == practice.Counting.SIGNALS:
        key = key_of(one, read)
        seen = counts(one, key, now - settings.within)
        hold = practice.enough_signals(now, seen, settings.count, settings.within)
        if hold is None:
            lets_go.append(waits_for(one.rule, key))
            return None
        return _holding(one, hold, key, seen=seen, needed=settings.count)
    hold, tally = _events(one, signal, now)
    if hold is None:
        return None
    return _holding(one, hold, seen=signal.count - tally.before, needed=settings.count, tally=_kept(tally))


def _events(one: Standing, signal: Signal, now: datetime) -> tuple[Hold | None, practice.Tally]:
    """A threshold of events, asked about a signal."""
    settings = one.settings
    return practice.enough_events(now, _tally(one, signal), signal.count, settings.count, settings.within)


def _kept(tally: practice.Tally) -> dict[str, Any]:
    """A tally as it is kept on the signal."""
    return {"before": tally.before, "heard": [(at.isoformat(), total) for at, total in tally.heard]}


def _tally(one: Standing, signal: Signal) -> practice.Tally:
    """The tally that a signal goes on with, if this rule began one; it lies with the rule that keeps the signal."""
    for told in signal.rules or ():
        kept = told.get("tallies", {}).get(str(one.rule.number))
        if told["rule"] == one.rule.number:
            kept = told.get("tally")
        if kept is not None:  # one of an older version says nothing of times: what came since counts as heard now
            heard = ((datetime.fromisoformat(at), total) for at, total in kept.get("heard", ()))
            return practice.Tally(kept["before"], tuple(heard))
    return practice.Tally()
