"""Rules are made, changed and ended by people; what they go by is remembered while signals are routed."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from andon.incidents.actions import next_number
from andon.intake import own
from andon.intake.models import Signal
from andon.kit import clock, db, wake
from andon.kit.errors import Conflict, Invalid
from andon.people.policy import Actor
from andon.practice.rules import Counting, RuleKind
from andon.rules import clockwork, queries
from andon.rules.book import Book, Read, Standing, Verdict, key_of, waits_for
from andon.rules.facts import RuleFacts, checked
from andon.rules.models import Heartbeat, Match, Rule, RuleVersion
from andon.rules.policy import must_change, must_save
from andon.rules.settings import shaped

_GO_BY_SIGNALS = {RuleKind.INHIBITION, RuleKind.HEARTBEAT}
_BOOK = "rules"


def hold_still() -> None:
    """Let nobody change rules until the running transaction ends, in which signals are routed by them.

    Else what is held by a rule that somebody ends at this moment would be missed by them, and wait for a time that
    nobody means any more. Called before any signal is taken up: whoever changes a rule looks after what it holds.
    """
    db.hold_name(_BOOK, alone=False)


def _open_book() -> None:
    """Wait until nobody routes by the rules as they were."""
    db.hold_name(_BOOK, alone=True)


@transaction.atomic
def create_rule(facts: RuleFacts, *, by: Actor) -> Rule:
    """A new rule, in force from now on, the last of its kind. Signals that were routed already stay where they are."""
    now = clock.now()
    must_save(by, facts, now)
    said = _ahead(checked(facts), now)
    _open_book()
    last = Rule.objects.filter(kind=said.kind).aggregate(Max("position"))["position__max"] or 0
    rule = Rule(number=next_number("rule"), kind=said.kind, position=last + 1, made_by=by.person)
    _say(rule, said)
    rule.save(force_insert=True)
    _keep(rule, said, by)
    _begin(rule, now)
    return rule


@transaction.atomic
def change_rule(rule: Rule, facts: RuleFacts, *, by: Actor, seen_version: int | None = None) -> Rule:
    """Let a rule say something else from now on, as its next version; what it held is looked at again.

    Raises:
        Conflict: It was changed since `seen_version`, or is over.
    """
    now = clock.now()
    must_change(by, rule, "change this rule")
    must_save(by, facts, now)
    _open_book()
    held = _hold(rule)
    if held.ended_at is not None:
        raise Conflict(f"{held.ref} was ended. Make a new one.")
    if seen_version is not None and seen_version != held.version:
        raise Conflict(f"{held.ref} was changed meanwhile, to version {held.version}. Look at it and decide again.")
    said = _ahead(checked(facts), now)
    if said.kind is not held.what:
        raise Conflict("A rule stays of its kind. End this one and make another.")
    held.version += 1
    _say(held, said)
    held.save()
    _keep(held, said, by)
    _begin(held, now)
    _look_again(held, now)
    return held


@transaction.atomic
def end_rule(rule: Rule, *, by: Actor) -> Rule:
    """From now on it does nothing; what it held and still fires is routed at once."""
    must_change(by, rule, "end this rule")
    now = clock.now()
    _open_book()
    if Rule.objects.filter(pk=rule.pk, ended_at=None).update(ended_at=now, ended_by=by.person) != 1:
        raise Conflict(f"{rule.ref} was ended already.")
    rule.refresh_from_db()
    Match.objects.filter(rule=rule).delete()
    clockwork.withdraw(rule, now)
    _look_again(rule, now)
    return rule


@transaction.atomic
def move_rule(rule: Rule, *, earlier: bool, by: Actor) -> Rule:
    """Ask it before the rule that comes before it, or after the one that comes after it, among those of its kind."""
    must_change(by, rule, "change the order of rules")
    standing = list(db.lock(Rule.objects.filter(kind=rule.kind, ended_at=None).order_by("position", "number")))
    place = next((n for n, one in enumerate(standing) if one.pk == rule.pk), None)
    if place is None:
        raise Conflict(f"{rule.ref} was ended.")
    other = place - 1 if earlier else place + 1
    if 0 <= other < len(standing):
        standing[place], standing[other] = standing[other], standing[place]
    for position, one in enumerate(standing, start=1):
        Rule.objects.filter(pk=one.pk).update(position=position)
    rule.refresh_from_db()
    return rule


def _ahead(said: RuleFacts, now: datetime) -> RuleFacts:
    if said.ends_at is not None and said.ends_at <= now:
        raise Invalid("That time has passed: it would be over already.", field="ends_at")
    return said


def _hold(rule: Rule) -> Rule:
    return db.lock(Rule.objects.filter(pk=rule.pk)).get()


def _say(rule: Rule, said: RuleFacts) -> None:
    rule.name, rule.expression, rule.system = said.name, said.expression, said.system
    rule.comment, rule.starts_at, rule.ends_at = said.comment, said.starts_at, said.ends_at
    rule.settings = dict(said.settings)


def _keep(rule: Rule, said: RuleFacts, by: Actor) -> None:
    RuleVersion.objects.create(rule=rule, version=rule.version, facts=said.as_kept(), by=by.person)


def _begin(rule: Rule, now: datetime) -> None:
    """Make it known to what fires already, if it goes by signals; a heartbeat is expected from now on."""
    if rule.what is RuleKind.HEARTBEAT:
        waits = shaped(rule.what, rule.settings).waits
        Heartbeat.objects.update_or_create(
            rule=rule,
            defaults={"expected_since": now, "next_due_at": now + waits, "looked_at": now, "spared_at": None},
            create_defaults={"expected_since": now, "next_due_at": now + waits, "looked_at": now},
        )
    if rule.what in _GO_BY_SIGNALS:
        Match.objects.filter(rule=rule).delete()
        one = Standing.of(rule)
        remember(Book([one]), Book.at(now).read(queries.firing_signals()), now)
    if rule.what is RuleKind.AUTO_CLOSE:
        own.ask_all(now)
    wake.after_commit()


def _look_again(rule: Rule, now: datetime) -> int:
    """What a rule holds is due for routing."""
    held = Signal.objects.filter(held_by__startswith=waits_for(rule), status=Signal.Status.FIRING)
    wake.after_commit()
    return held.update(route_at=now)


@transaction.atomic
def remember(book: Book, reads: Sequence[Read], now: datetime) -> None:
    """Note what rules go by: signals that explain others, heartbeats, what is counted. Twice changes nothing.

    What has ended explains nothing any more: what it held is looked at again at once. What is among `reads` is
    being looked at, and would seem to have brought news if its time were set anew. Who counts different signals takes
    turns with others who count by the same threshold, or each would see its own alone and nobody all of them.
    """
    matches = [
        Match(rule=one.rule, signal=read.signal, key=key_of(one, read))
        for kind in (RuleKind.INHIBITION, RuleKind.HEARTBEAT, RuleKind.THRESHOLD)
        for one in book.of(kind)
        for read in reads
        if _goes_by(one, read)
    ]
    for number in sorted({match.rule.number for match in matches if match.rule.what is RuleKind.THRESHOLD}):
        db.hold_name(f"{_BOOK}.{number}", alone=True)
    Match.objects.bulk_create(matches, ignore_conflicts=True)
    for one in book.of(RuleKind.HEARTBEAT):
        _hear(one, [read.signal.last_at for read in reads if one.ask(read.seen).holds], now)
    if book.of(RuleKind.INHIBITION) or book.of(RuleKind.HEARTBEAT):
        ended = [read.signal for read in reads if not read.fires]
        _forget_ended(ended, now, besides=[read.signal.pk for read in reads])
    for one in book.of(RuleKind.THRESHOLD):
        Match.objects.filter(rule=one.rule, created_at__lt=now - one.settings.within).delete()


def _goes_by(one: Standing, read: Read) -> bool:
    match one.rule.what:
        case RuleKind.INHIBITION:
            return read.fires and one.other is not None and one.other.ask(read.seen).holds
        case RuleKind.HEARTBEAT:
            return read.fires and one.ask(read.seen).holds
        case _:
            return one.settings.counting == Counting.SIGNALS and one.ask(read.seen).holds


def _hear(one: Standing, heard: Iterable[datetime], now: datetime) -> None:
    """A heartbeat came: note it; one that was missed is looked at again at once."""
    newest = max(heard, default=None)
    if newest is None:
        return
    row = Heartbeat.objects.filter(rule=one.rule)
    row.filter(Q(heard_at=None) | Q(heard_at__lt=newest)).update(heard_at=newest)
    row.filter(missing_since__isnull=False).update(next_due_at=now)


def hear_all_well(signals: Sequence[Signal], now: datetime) -> None:
    """Checks say that they find nothing wrong, which leaves no signal to route: note the heartbeats among them."""
    if not Heartbeat.objects.filter(rule__ended_at=None).exists():
        return
    book = Book.at(now)
    reads = book.read(signals)
    for one in book.of(RuleKind.HEARTBEAT):
        _hear(one, [now for read in reads if one.ask(read.seen).holds], now)


def _forget_ended(ended: Sequence[Signal], now: datetime, *, besides: Collection[UUID]) -> None:
    gone = Match.objects.filter(
        signal__in=[signal.pk for signal in ended], rule__kind__in=_GO_BY_SIGNALS
    ).select_related("rule")
    for match in gone:
        held = Signal.objects.filter(held_by=waits_for(match.rule, match.key)).exclude(pk__in=besides)
        _bring_up(held, now)
    Match.objects.filter(pk__in=[match.pk for match in gone]).delete()


def let_go(verdict: Verdict, now: datetime, *, besides: Collection[UUID] = ()) -> None:
    """What waited for a threshold that is reached is routed at once: it finds the incident open.

    Args:
        verdict: What the rules say of the signal that reached it.
        now: The present instant.
        besides: Signals that the caller has taken up itself.
    """
    if verdict.lets_go:
        _bring_up(Signal.objects.filter(held_by__in=verdict.lets_go).exclude(pk__in=besides), now)


def _bring_up(held: QuerySet[Signal], now: datetime) -> None:
    """Held signals are due for routing. Those that another engine routes just now are left to it: nobody waits here."""
    firing = db.lock_free(held.filter(status=Signal.Status.FIRING).order_by("pk"))
    keys = list(firing.values_list("pk", flat=True))
    if keys:
        Signal.objects.filter(pk__in=keys).update(route_at=now)


def facts_of(rule: Rule, **changes: Any) -> RuleFacts:
    """What a rule says now, with some of it otherwise."""
    said: dict[str, Any] = {
        "kind": rule.what,
        "name": rule.name,
        "expression": rule.expression,
        "system": rule.system,
        "comment": rule.comment,
        "starts_at": rule.starts_at,
        "ends_at": rule.ends_at,
        "settings": rule.settings,
    }
    return RuleFacts(**said | changes)
