"""What other rules would have said of the signals that a mapping changes: whether they would have opened an incident.

Thresholds of different signals are asked anew, for what they count is known of each signal. A rule that kept a signal
waiting and is about it with the draft as well, keeps it waiting all the same; one that is not about it with the draft
does not; and a silence or window that outlasts a signal keeps it waiting for good. What remains cannot be told
afterwards: what would have become of a signal after a silence, or by an inhibition or a threshold of events that it did
not meet, or by a rule that is no longer what it was. Of that nothing is said.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from andon.intake.models import Signal
from andon.practice import rules as practice
from andon.practice.regrouping import Count, Heard, Tally
from andon.practice.rules import Counting, RuleKind
from andon.rules import queries
from andon.rules.book import Book, Effect, Read, Standing
from andon.rules.facts import TIMED

_OLDER = "older signals than these may have counted as well"


@dataclass(frozen=True)
class _Asked:
    """What a threshold counts of the signals, as they counted and as they would have; by system or sender."""

    one: Standing
    since: datetime
    before: Mapping[UUID, str]
    after: Mapping[UUID, str]


class Holds:
    """What the rules that keep signals waiting would have said."""

    def __init__(self, book: Book, before: Sequence[Read], after: Sequence[Read], now: datetime) -> None:
        """Ask of each signal, with what it counted as (`before`) and would have (`after`); both oldest first."""
        self._now = now
        standing = [one for kind in practice.HOLDS for one in book.of(kind)]
        self._rules = {one.rule.number: one for one in standing}
        self._since = queries.stand_since([one.rule for one in standing])
        self._pairs = {new.signal.pk: (old, new) for old, new in zip(before, after, strict=True)}
        thresholds = [one for one in book.of(RuleKind.THRESHOLD) if one.settings.counting == Counting.SIGNALS]
        self._thresholds = [self._asked(one, before, after) for one in thresholds]
        self._other = [one for one in standing if one not in thresholds and one.rule.what is not RuleKind.HEARTBEAT]
        self._was = self._tallied(before, [(each.one, each.since, each.before) for each in self._thresholds])
        self.tallies = self._tallied(after, [(each.one, each.since, each.after) for each in self._thresholds])
        self._all_from = before[0].signal.first_at if len(before) >= queries.TRIED_ON else None

    def _asked(self, one: Standing, before: Sequence[Read], after: Sequence[Read]) -> _Asked:
        old = {read.signal.pk: read.gathered for read in before if one.ask(read.seen).holds}
        new = {read.signal.pk: read.gathered for read in after if one.ask(read.seen).holds}
        return _Asked(one, self._since[one.rule.number], old, new)

    @staticmethod
    def _tallied(
        reads: Sequence[Read], counted: Sequence[tuple[Standing, datetime, Mapping[UUID, str]]]
    ) -> dict[Hashable, Tally]:
        """What each threshold counts, by rule and what it counts together."""
        found: dict[Hashable, list[tuple[datetime, Hashable]]] = defaultdict(list)
        for one, since, about in counted:
            for read in reads:
                signal = read.signal
                if signal.pk in about and (signal.resolved_at is None or signal.resolved_at > since):
                    thing = (signal.integration_id, signal.fingerprint)
                    found[one.rule.number, about[signal.pk]].append((signal.first_at, thing))
        ordered = {key: sorted(heard, key=lambda each: each[0]) for key, heard in found.items()}
        return {key: Tally([at for at, _ in heard], [what for _, what in heard]) for key, heard in ordered.items()}

    def _counted(self, signal: Signal, *, with_draft: bool) -> tuple[Count, ...]:
        """The thresholds that are asked about a signal: those that stood as they do now when it was first heard."""
        return tuple(
            Count((each.one.rule.number, about[signal.pk]), each.one.settings.count, each.one.settings.within)
            for each in self._thresholds
            if signal.pk in (about := each.after if with_draft else each.before) and each.since <= signal.first_at
        )

    def asked(self, one: Heard) -> tuple[Heard, str]:
        """A signal with what rules would have said of it, and what that leaves open; empty if nothing."""
        old, new = self._pairs[one.key]  # type: ignore[index]
        was, would = self._counted(old.signal, with_draft=False), self._counted(new.signal, with_draft=True)
        changed = one.changed or was != would
        held = self._held(new.signal)
        counting = {each.one.rule.number for each in self._thresholds}
        anew = held is not None and held[0] in counting and any(self._differs(count) for count in would)
        if one.opened and not one.regrouped:
            anew = self._enough(one, was, self._was) and not self._enough(one, would, self.tallies)
        if not changed and not anew:
            return replace(one, counted=would, ended_at=new.signal.resolved_at), ""
        waits, unsure = self._undecided(old, new, held, opened=one.opened)
        if not waits and held is not None and not one.opened:
            one = replace(one, at=new.signal.first_at)
        if not unsure and self._all_from is not None and not self._enough(one, would, self.tallies):
            unsure = _OLDER if any(one.at - count.within < self._all_from for count in would) else ""
        if unsure and one.opened and not one.regrouped:
            return one, unsure  # it is taken to have opened the incident all the same
        asked = replace(one, changed=True, waits=waits or bool(unsure), counted=would, ended_at=new.signal.resolved_at)
        return asked, unsure

    def _differs(self, count: Count) -> bool:
        """Whether a threshold counts something else with the draft."""
        return self._was.get(count.key) != self.tallies.get(count.key)

    @staticmethod
    def _enough(one: Heard, counts: Sequence[Count], tallies: Mapping[Hashable, Tally]) -> bool:
        return all(tallies[count.key].seen(one.at, count.within) >= count.needed for count in counts)

    @staticmethod
    def _held(signal: Signal) -> tuple[int, int] | None:
        """The rule that kept a signal waiting last, and its version."""
        told = [each for each in signal.rules or () if each["effect"] == Effect.HELD]
        return (told[-1]["rule"], told[-1]["version"]) if told else None

    def _undecided(self, old: Read, new: Read, held: tuple[int, int] | None, *, opened: bool) -> tuple[bool, str]:
        """Whether a signal is taken to wait, and what cannot be told of that.

        The first rule that keeps a signal decides, so those after it were not asked about it.
        """
        keeper = self._rules.get(held[0]) if held and not opened else None
        if held is not None and not opened:
            if keeper is None or keeper.rule.version != held[1]:
                return True, f"RULE-{held[0]} kept it waiting, and is over or says something else by now"
            if keeper in self._other and _keeps(keeper, new):
                if new.signal.incident_id is None and keeper.rule.what is not RuleKind.INHIBITION:
                    return True, ""
                return True, f"it waited for {keeper.rule.ref}, and when it would have been let go cannot be told"
        return self._anew(old, new, keeper, opened=opened)

    def _anew(self, old: Read, new: Read, keeper: Standing | None, *, opened: bool) -> tuple[bool, str]:
        """The same by the rules that a signal meets only with the draft."""
        order = list(self._rules.values())
        asked = order if opened else order[: order.index(keeper)] if keeper is not None else []
        fresh = [
            other
            for other in self._other
            if other is not keeper
            and _keeps(other, new)
            and not (other in asked and _keeps(other, old))
            and self._on(other, new.signal.first_at)
        ]
        if any(self._outlasts(other, new.signal) for other in fresh):
            return True, ""
        other = next(iter(fresh), None)
        if other is not None and other.rule.what in TIMED:
            return True, f"it would have waited for {other.rule.ref}, and what came of it after that cannot be told"
        if other is not None:
            return True, f"whether {other.rule.ref} “{other.rule.name}” would have kept it waiting cannot be told"
        return False, ""

    def _on(self, one: Standing, at: datetime) -> bool:
        """Whether a rule did anything at that time, as it stands."""
        begins = max(self._since[one.rule.number], one.rule.starts_at or self._since[one.rule.number])
        if at < begins:
            return False
        ends = one.ends(at) if one.rule.what in TIMED else None
        return one.rule.what not in TIMED or (ends is not None and at < ends)

    def _outlasts(self, one: Standing, signal: Signal) -> bool:
        """Whether a silence or window that is on when a signal is first heard ends after it, or is on still."""
        ends = one.ends(signal.first_at) if one.rule.what in TIMED else None
        return ends is not None and ends > (signal.resolved_at or self._now)


def _keeps(one: Standing, read: Read) -> bool:
    """Whether a rule is about a signal, and does not let it through for its severity."""
    if not one.ask(read.seen).holds:
        return False
    severe = one.rule.what in TIMED and practice.goes_through(read.severity, covers_severe=one.settings.covers_severe)
    return not severe
