"""A draft of a rule, tried on the newest signals: what it would have done, had it been in force all along.

Nothing is written. What is shown is as near as one can tell afterwards: the signals, their times and the incidents that
they opened are what was, the other rules are those of today.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.kit.spans import span
from andon.people.policy import Actor
from andon.practice import rules as practice
from andon.practice.quiet import Absences, Came, absences
from andon.practice.rules import Counting, RuleKind
from andon.practice.windows import current
from andon.practice.words import OrgRole
from andon.rules import queries
from andon.rules.book import Book, Effect, Read, Standing, key_of
from andon.rules.facts import RuleFacts, checked
from andon.rules.models import Rule
from andon.rules.trial import OPENED, SHOWN, Trial
from andon.rules.trying_mapping import let_through, try_mapping
from andon.rules.trying_quiet import try_auto_close

_FOREVER: Final = datetime.max.replace(tzinfo=UTC)
_RESTRICTED: Final = "Restricted incidents that you may not see, and their signals, are left out."
LetsGo = Callable[[Read], datetime | None]
"""Until when a draft would have kept a signal waiting from its first time on; None where it would not."""


def try_rule(facts: RuleFacts, now: datetime, *, by: Actor, instead_of: Rule | None = None) -> Trial:
    """Try a draft on the newest signals that the actor may see; `instead_of` is the rule that it would change.

    A draft needs no name and no reason yet.

    Raises:
        Invalid: The draft cannot be a rule.
    """
    by.must_be(OrgRole.RESPONDER, "try rules")
    signals = queries.recent_signals(by)
    trial = Trial(len(signals), signals[0].first_at if signals else None)
    worded = replace(facts, name=facts.name.strip() or "A draft", comment=facts.comment.strip() or "A draft")
    draft = Standing.of(_unsaved(checked(worded), instead_of))
    others = [one for one in Book.at(now).all if instead_of is None or one.rule.number != instead_of.number]
    without = Book(others)
    with_it = Book(sorted([*others, draft], key=lambda one: (one.rule.position, one.rule.number)))
    was = Book.at(now) if instead_of else without  # what it changes has had its say so far
    if draft.rule.what is RuleKind.MAPPING:
        met = [draft.ask(read.seen).holds for read in without.read(signals)]
        trial.about = sum(met)
        try_mapping(trial, was.read(signals), with_it.read(signals), draft, with_it, now, by=by)
    else:
        _try_condition(trial, draft, without.read(signals), (was, with_it), now, by)
    if signals and by.person is not None and not by.may(OrgRole.ADMIN):
        trial.notes.append(_RESTRICTED)
    trial.lines = trial.lines[::-1][:SHOWN]
    trial.unanswered.reverse()
    return trial


def _unsaved(facts: RuleFacts, instead_of: Rule | None) -> Rule:
    last = 1 << 30  # a new rule comes after all others
    return Rule(
        number=instead_of.number if instead_of else last,
        position=instead_of.position if instead_of else last,
        version=instead_of.version + 1 if instead_of else 1,
        kind=facts.kind,
        name=facts.name,
        expression=facts.expression,
        system=facts.system,
        settings=dict(facts.settings),
        starts_at=facts.starts_at,
        ends_at=facts.ends_at,
    )


def _try_condition(
    trial: Trial, draft: Standing, reads: Sequence[Read], books: tuple[Book, Book], now: datetime, by: Actor
) -> None:
    """The kinds that have a condition and do something to the signals that meet it."""
    if draft.rule.what is RuleKind.AUTO_CLOSE:  # which is asked about a signal only as long as that fires
        reads = [replace(read, seen={**read.seen, "status": Signal.Status.FIRING.value}) for read in reads]
    met: list[Read] = []
    for read in reads:
        outcome = draft.ask(read.seen)
        if outcome.error and not outcome.absent:
            trial.wrong(read.signal, outcome.error)
        elif outcome.holds:
            met.append(read)
    trial.about = len(met)
    match draft.rule.what:
        case RuleKind.HOLD_OPEN:
            _try_hold_open(trial, draft, met)
        case RuleKind.AUTO_CLOSE:
            try_auto_close(trial, draft, reads, books, now)
        case RuleKind.HEARTBEAT:
            _try_holds(trial, draft, reads, met, lambda _read: _FOREVER, now, by)
            _try_gaps(trial, draft, met, now)
        case _:
            _try_holds(trial, draft, reads, met, _lets_go(draft, reads, met), now, by)


def _try_holds(
    trial: Trial, draft: Standing, reads: Sequence[Read], met: Sequence[Read], lets_go: LetsGo, now: datetime, by: Actor
) -> None:
    """Signals that would have waited, and those that would not have.

    An incident opens with the first of its signals that does not wait, or fires on when it need not wait any more.
    """
    waiting = {read.signal.pk: until for read in met if (until := lets_go(read)) is not None}
    groups: dict[object, list[Read]] = defaultdict(list)
    released: dict[UUID, datetime] = {}
    for read in reads:
        if read.signal.incident_id is not None and read.signal.count:
            groups[read.signal.incident_id].append(read)
        elif (
            read.signal.incident_id is None
            and _held(read.signal) == {draft.rule.number}
            and (opens := _opens(read, waiting, now)) is not None
        ):
            released[read.signal.pk] = opens
    fates = let_through(trial, reads, released, by) if released else {}
    for read in reads:
        if (opens := released.get(read.signal.pk)) is not None:
            waits = "not have waited" if opens == read.signal.first_at else f"have waited for {_waited(read, opens)}"
            trial.add(read.signal, "; ".join([f"would {waits}", *fates.get(read.signal.pk, ())]))
    for group in groups.values():
        _try_incident(trial, draft, group, waiting, now)


def _opens(read: Read, waiting: Mapping[UUID, datetime], now: datetime) -> datetime | None:
    """When a signal would have opened an incident by itself; None if it had ended before, or would wait still."""
    until = waiting.get(read.signal.pk)
    if until is None:
        return read.signal.first_at
    return until if until < (read.signal.resolved_at or now) else None


def _waited(read: Read, opens: datetime) -> str:
    return span(opens - read.signal.first_at)


def _held(signal: Signal) -> set[int]:
    """The numbers of the rules that kept a signal waiting."""
    return {told["rule"] for told in signal.rules or () if told["effect"] == Effect.HELD}


def _try_incident(
    trial: Trial, draft: Standing, group: Sequence[Read], waiting: Mapping[UUID, datetime], now: datetime
) -> None:
    """The signals of one incident, oldest first. What another rule kept waiting until it was open opens none here."""
    incident = group[0].signal.incident
    opener = next((read for read in group if read.signal.reason_joined in OPENED), None)
    if incident is None or opener is None:
        return  # people opened it, or it is older than the signals looked at
    opens, by = min(
        (
            (at, read)
            for read in group
            if (read is opener or not _held(read.signal) - {draft.rule.number})
            and (at := _opens(read, waiting, now)) is not None
        ),
        key=lambda found: found[0],
        default=(_FOREVER, None),
    )
    waited = [read for read in group if read.signal.pk in waiting and read.signal.first_at <= opens]
    if waited and by is None:
        trial.not_opened.append(incident)
    for read in waited:
        if by is None:
            what = "would not have opened"
        elif by is read:
            what = f"would have opened {_waited(read, opens)} later"
        else:
            what = f"would have opened later, by “{by.signal.title}”"
        trial.add(read.signal, f"would have waited; {incident.ref} {what}")


def _lets_go(draft: Standing, reads: Sequence[Read], met: Sequence[Read]) -> LetsGo:
    """Until when the draft would have kept a signal that it is about waiting."""
    settings = draft.settings
    match draft.rule.what:
        case RuleKind.INHIBITION:
            return _explained(draft, reads)
        case RuleKind.THRESHOLD:
            below = _below(draft, met)
            return lambda read: _FOREVER if below(read) else None  # once there are enough, the last one opens
        case RuleKind.MAINTENANCE if settings.weekly is not None:
            week = settings.weekly.window

            def inside(read: Read) -> datetime | None:
                open_ = current(week, read.signal.first_at)
                if open_ is None or practice.goes_through(read.severity, covers_severe=settings.covers_severe):
                    return None
                return open_.ends or _FOREVER

            return inside
        case _:
            return lambda read: (
                None if practice.goes_through(read.severity, covers_severe=settings.covers_severe) else _FOREVER
            )


def _explained(draft: Standing, reads: Sequence[Read]) -> LetsGo:
    other = draft.other
    sources: dict[str, list[Signal]] = defaultdict(list)
    own: set[UUID] = set()
    for read in reads:
        if other is not None and other.ask(read.seen).holds:
            own.add(read.signal.pk)
            if read.signal.incident is not None:  # else nobody was told of it, and it explains nothing
                sources[key_of(draft, read)].append(read.signal)

    def explained(read: Read) -> datetime | None:
        """Until nothing explains it any more: one that ends may be followed by another."""
        if read.signal.pk in own:
            return None
        until = read.signal.first_at
        for source in sorted(sources[key_of(draft, read)], key=lambda one: one.first_at):
            if source.first_at <= until:
                until = max(until, _explained_until(source))
        return until if until > read.signal.first_at else None

    return explained


def _explained_until(source: Signal) -> datetime:
    ends = (source.resolved_at, source.incident.resolved_at if source.incident else None)
    return min((end for end in ends if end), default=_FOREVER)


def _below(draft: Standing, met: Sequence[Read]) -> Callable[[Read], bool]:
    settings = draft.settings
    if settings.counting == Counting.EVENTS:
        return lambda read: _about_heard(read.signal, settings.within) < settings.count
    heard: dict[str, list[Signal]] = defaultdict(list)
    for read in met:
        heard[key_of(draft, read)].append(read.signal)

    def below(read: Read) -> bool:
        at = read.signal.first_at
        near = [s for s in heard[key_of(draft, read)] if at - settings.within < s.first_at <= at]
        needed: int = settings.count
        return len({(s.integration_id, s.fingerprint) for s in near}) < needed

    return below


def _about_heard(signal: Signal, within: timedelta) -> int:
    """How often a signal was heard within such a time, taken as heard evenly: only the first and last time are kept."""
    lived = signal.last_at - signal.first_at
    return signal.count if lived < within else 1 + int((signal.count - 1) * (within / lived))


def _try_hold_open(trial: Trial, draft: Standing, met: Sequence[Read]) -> None:
    """Incidents that would have gone on in the one before."""
    ended = {read.signal.incident_id for read in met if read.signal.incident_id}
    known = {read.signal.incident_id: read.signal for read in reversed(met) if read.signal.incident_id}
    last: dict[str, Incident] = {}
    for signal in sorted(known.values(), key=lambda s: s.incident.number if s.incident else 0):
        incident = signal.incident
        if incident is None:
            continue
        before = last.get(incident.group_key)
        if before and before.pk in ended and _comes_again(before, incident, draft.settings.waits):
            trial.not_opened.append(incident)
            trial.add(signal, f"would have joined {before.ref}, held open; {incident.ref} would not have opened")
        last[incident.group_key] = incident


def _comes_again(before: Incident, incident: Incident, waits: timedelta) -> bool:
    if before.resolved_at is None or before.declared_by_id:
        return False
    return timedelta(0) <= incident.detected_at - before.resolved_at <= waits


def _try_gaps(trial: Trial, draft: Standing, met: Sequence[Read], now: datetime) -> None:
    """How often the heartbeat would have been missing, as far as what is kept of its signals tells it."""
    if not met:
        trial.notes.append("None of these signals is this heartbeat: it would be missing from the start.")
        return
    found = absences([_came(read.signal) for read in met], draft.settings.waits, now)
    trial.notes += [_missing(found)] if found.known or found.hidden or not found.untold else []
    trial.notes += [_untold(found.untold)] if found.untold else []


def _came(signal: Signal) -> Came:
    """How often it was heard: to fire, and to end if its sender said so."""
    said_end = signal.resolved_at is not None and signal.last_at >= signal.resolved_at
    return Came(signal.first_at, signal.last_at, signal.count + said_end)


def _missing(found: Absences) -> str:
    """How often it would have been missing for certain."""
    many = len(found.known) + found.hidden
    if not many:
        return "It came in time throughout."
    often = "once" if many == 1 else f"{many} times"
    longest = span(max(found.known)) if found.known else ""
    if not found.hidden and not found.untold:
        return f"It would have been missing {often}, for {longest} at most."
    says = f"It would have been missing {often} at least"
    if longest:
        says += f"; the longest time that is known is {longest}"
    if found.hidden:
        hidden = "once" if found.hidden == 1 else f"{found.hidden} times"
        says += f"; {hidden} between a signal's first time and its last: when, and for how long, cannot be told"
    return f"{says}."


def _untold(signals: Sequence[Came]) -> str:
    """Of which signals it cannot be told whether the heartbeat stayed away while they fired."""
    if len(signals) == 1:
        (one,) = signals
        mean = span((one.last_at - one.first_at) / (one.times - 1))
        return (
            "Of one of these signals it cannot be told whether it was silent for so long in between, for only its "
            f"first and last time are kept. It was heard {one.times} times, {mean} apart on average."
        )
    return (
        f"Of {len(signals)} of these signals it cannot be told whether they were silent for so long in between, for "
        "only their first and last time are kept."
    )
