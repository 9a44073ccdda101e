"""Pulling a lever: who may, who must agree, what comes next, and what is true after a crash. Decided purely.

A pull goes through fixed states. Each is on disk before what comes after it begins, so that a process that dies at any
point leaves a state that says the truth:

    asked -> approved -> preserved -> prepared -> acting -> acted -> verified
                                                        -> unverified, failed

*Preserved*: the evidence is kept, or listed as missing. *Prepared*: what holds now and what shall hold are written
down. *Acting* is written before the act, and so also means "perhaps done". *Acted*: the other side has taken it.
*Verified*: the data plane shows the expected state. *Unverified*: it did not until the deadline, or nothing can tell;
nobody may read that as contained. *Failed*: certainly nothing was changed.

One approval acts once. A pull that is found in *acting* by another engine is never acted again, even where that would
do no harm: it is looked at, and where the data plane does not show the expected state in time, a person decides.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from andon.practice.severity import Severity
from andon.practice.words import ContainmentKind, Word

EVIDENCE_WITHIN = timedelta(seconds=10)
"""Containment is never held up longer than this for evidence; what is not there by then is listed as missing."""
REHEARSED_WITHIN = timedelta(days=90)
"""A lever that was rehearsed longer ago is not ready: what it acts on has changed since."""
ASK_AGAIN = timedelta(minutes=10)
"""How long a pull waits for somebody to agree before the next one in the chain is asked."""


class PullState(Word):
    """How far a pull has come."""

    ASKED = "asked", "waits for somebody to agree"
    APPROVED = "approved", "keeping evidence"
    PRESERVED = "preserved", "reading what holds now"
    PREPARED = "prepared", "about to act"
    ACTING = "acting"
    ACTED = "acted", "acted, looking for the effect"
    VERIFIED = "verified"
    UNVERIFIED = "unverified", "UNVERIFIED"
    FAILED = "failed", "not done"
    WITHDRAWN = "withdrawn"


MOVING = (PullState.APPROVED, PullState.PRESERVED, PullState.PREPARED, PullState.ACTING, PullState.ACTED)
"""The states in which the engine has something to do."""
OPEN = (PullState.ASKED, *MOVING)
"""The states that are not an end: while one of these stands, the same lever is not pulled again."""
BEFORE_THE_ACT = (PullState.ASKED, PullState.APPROVED, PullState.PRESERVED, PullState.PREPARED)
"""The states in which nothing was done: until here a pull can be withdrawn."""
SEEN_TO = (PullState.VERIFIED, PullState.UNVERIFIED)
"""The ends of a pull that acted, or may have: what an undo can bring back."""
MAY_HOLD = (PullState.ACTING, PullState.ACTED, *SEEN_TO)
"""The states in which a pull acted, or may have: what it was to hold back may be held back by it."""
TROUBLED = (PullState.UNVERIFIED, PullState.FAILED)
"""The ends that somebody must hear of."""


class ApprovalRule(Word):
    """Who must agree before a lever is pulled. At S1 nobody is waited for."""

    ALONE = "alone", "whoever is on the incident, alone"
    SECOND = "second", "one more person"
    LEAD = "lead", "a lead or administrator"


class Move(Word):
    """What is to be done about a pull now."""

    NOTHING = "nothing", "it is over"
    ASK = "ask", "ask the next person to agree"
    PRESERVE = "preserve", "keep the evidence"
    PREPARE = "prepare", "read what holds now"
    ACT = "act", "act, once"
    LOOK = "look", "look whether the data plane shows the expected state"
    LOOK_AFTER_CRASH = "look_after_crash", "look whether the act of a process that died took effect; never act again"


_MOVES = {
    PullState.ASKED: Move.ASK,
    PullState.APPROVED: Move.PRESERVE,
    PullState.PRESERVED: Move.PREPARE,
    PullState.PREPARED: Move.ACT,
    PullState.ACTING: Move.LOOK_AFTER_CRASH,
    PullState.ACTED: Move.LOOK,
}


def next_move(state: PullState) -> Move:
    """What an engine that takes a pull up in this state has to do; it holds the lease, so nobody else is at it."""
    return _MOVES.get(state, Move.NOTHING)


class Moot(Word):
    """Why a pull that has not acted comes to nothing by itself."""

    OVER = "over", "The incident was over before it acted."
    ENDED = "ended", "The lever was taken out of use before anybody agreed."
    ELSEWHERE = "elsewhere", "The incident is about another system than the lever acts on."


def moot(
    state: PullState, *, undo: bool, incident_over: bool, lever_ended: bool, elsewhere: bool = False
) -> Moot | None:
    """Why a pull is not to go on, or None.

    What is over needs no containment any more; an undo is wanted all the more then. A lever that was taken out of use,
    or that acts elsewhere than where the incident is known to be by now, is not agreed to; a pull that was agreed to
    before goes on.
    """
    if undo or state not in BEFORE_THE_ACT:
        return None
    if incident_over:
        return Moot.OVER
    if state is not PullState.ASKED:
        return None
    return Moot.ENDED if lever_ended else Moot.ELSEWHERE if elsewhere else None


class Turn(Word):
    """Whether a pull on a real target acts now, beside a rehearsal that has the same lever there."""

    ACTS = "acts", "Nobody else is at it."
    WAITS = "waits", "It waits for the other to act."
    YIELDS = "yields", "The lever was pulled for an incident meanwhile, so the rehearsal left it as it stands."


def turn(*, rehearsing: bool, others: Collection[PullState]) -> Turn:
    """Whose turn it is: a rehearsal never undoes what somebody pulled for an incident.

    Args:
        rehearsing: Whether it is the pull or the undo of a rehearsal that is about to act.
        others: The states of the pulls that it could meet: of a rehearsal, those of the lever that came for incidents
            since it began; of a pull for an incident, those of the rehearsal that is under way.
    """
    if not rehearsing:
        return Turn.WAITS if PullState.ACTING in others else Turn.ACTS
    if any(state in {PullState.ACTING, PullState.ACTED, *SEEN_TO} for state in others):
        return Turn.YIELDS
    return Turn.WAITS if any(state in MOVING for state in others) else Turn.ACTS


class Sight(Word):
    """What one look at the data plane showed."""

    HOLDS = "holds", "the expected state holds"
    NOT_YET = "not_yet", "the expected state does not hold"
    UNKNOWN = "unknown", "it could not be told"

    @classmethod
    def of(cls, holds: bool | None) -> Sight:  # noqa: FBT001  the one fact it is made of
        """From what a probe says."""
        return cls.UNKNOWN if holds is None else cls.HOLDS if holds else cls.NOT_YET


def after_look(sight: Sight, now: datetime, deadline: datetime) -> PullState:
    """The state of a pull after a look at the data plane: verified, or looked at again until the deadline."""
    if sight is Sight.HOLDS:
        return PullState.VERIFIED
    return PullState.ACTED if now < deadline else PullState.UNVERIFIED


def given_up(state: PullState) -> PullState:
    """How a pull ends that Andon cannot go on with, through a fault of its own: with what is certain, and no more."""
    return PullState.FAILED if state in BEFORE_THE_ACT else PullState.UNVERIFIED


def rule_at(
    severity: Severity | None, lever: ApprovalRule, protocol: ApprovalRule = ApprovalRule.ALONE
) -> ApprovalRule:
    """Who must agree at a severity: at S1 whoever is on the incident acts alone, else the stricter of two rules.

    Neither may loosen the other: a protocol that asks for a second person means every lever, and whoever prepared a
    lever knows what it breaks.

    Args:
        severity: How bad it is now.
        lever: What the lever asks for.
        protocol: What the protocol of the incident asks for at this severity; nobody, where it says nothing.
    """
    if severity is Severity.S1:
        return ApprovalRule.ALONE
    strictness = list(ApprovalRule)
    return max(lever, protocol, key=strictness.index)


class Consent(Word):
    """Whether a pull may go on."""

    GIVEN = "given", "Agreed."
    NEEDS_SECOND = "needs_second", "One more person must agree before this lever is pulled."
    NEEDS_LEAD = "needs_lead", "A lead or administrator must agree before this lever is pulled."


def consent(rule: ApprovalRule, *, asked_by_lead: bool, others: int, leads: int) -> Consent:
    """Whether those who agreed are enough.

    Args:
        rule: The rule that holds at the present severity.
        asked_by_lead: Whether whoever asks is a lead or administrator.
        others: How many people agreed besides whoever asked.
        leads: How many of them are leads or administrators.
    """
    if rule is ApprovalRule.SECOND and others < 1:
        return Consent.NEEDS_SECOND
    if rule is ApprovalRule.LEAD and not asked_by_lead and leads < 1:
        return Consent.NEEDS_LEAD
    return Consent.GIVEN


class Unfit(Word):
    """Why a lever is not fit to be counted on."""

    ENDED = "ended", "It was taken out of use."
    SETTINGS = "settings", "Its settings are not complete."
    NEVER_REHEARSED = "never_rehearsed", "It has never been rehearsed."
    REHEARSAL_FAILED = "rehearsal_failed", "Its last rehearsal did not pass."
    CHANGED_SINCE = "changed_since", "Its settings changed after its last rehearsal."
    REHEARSED_LONG_AGO = "rehearsed_long_ago", "Its last rehearsal is more than 90 days ago."


@dataclass(frozen=True, slots=True)
class LeverFacts:
    """What the fitness of a lever depends on.

    Attributes:
        problems: What is wrong with its settings, in words.
        revision: How often its settings have changed.
        rehearsed_at: When its last rehearsal passed, if ever.
        rehearsed_revision: Which revision of its settings that was.
        rehearsal_failed: Whether a later rehearsal did not pass.
        ended: Whether it was taken out of use.
    """

    problems: tuple[str, ...] = ()
    revision: int = 1
    rehearsed_at: datetime | None = None
    rehearsed_revision: int = 0
    rehearsal_failed: bool = False
    ended: bool = False


def unfit(lever: LeverFacts, now: datetime) -> Unfit | None:
    """The first thing that stands against counting on a lever, or None.

    It may be pulled all the same, unless its settings are not complete or it was taken out of use (`may_be_pulled`): at
    night a doubtful lever beats none.
    """
    if lever.ended:
        return Unfit.ENDED
    if lever.problems:
        return Unfit.SETTINGS
    if lever.rehearsal_failed:
        return Unfit.REHEARSAL_FAILED
    if lever.rehearsed_at is None:
        return Unfit.NEVER_REHEARSED
    if lever.rehearsed_revision != lever.revision:
        return Unfit.CHANGED_SINCE
    return Unfit.REHEARSED_LONG_AGO if now - lever.rehearsed_at > REHEARSED_WITHIN else None


def may_be_pulled(reason: Unfit | None) -> bool:
    """Whether a lever of this fitness can be pulled at all."""
    return reason not in {Unfit.ENDED, Unfit.SETTINGS}


def in_order(levers: Sequence[tuple[ContainmentKind, Unfit | None]], wanted: Sequence[ContainmentKind]) -> list[int]:
    """The places of the levers that can be pulled, the one to offer first in front.

    A fit lever beats one that nobody counts on, whatever its kind. Then come the kinds that the protocol wants, in its
    order; then rolling back before constraining before disabling: so much of the service is left.
    """
    kinds = list(dict.fromkeys([*wanted, *_LEAVES_MOST]))
    usable = [place for place, (_, reason) in enumerate(levers) if may_be_pulled(reason)]
    return sorted(usable, key=lambda place: (levers[place][1] is not None, kinds.index(levers[place][0]), place))


_LEAVES_MOST = (ContainmentKind.ROLL_BACK, ContainmentKind.CONSTRAIN, ContainmentKind.DISABLE)


def ready(reasons: Collection[Unfit | None]) -> bool:
    """Whether a system is ready as far as levers go: one of its levers is fit. `reasons` has one entry a lever."""
    return any(reason is None for reason in reasons)
