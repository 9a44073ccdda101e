"""Walking an escalation chain: whom to page now, and when to page next. There is always a next time.

A chain is walked step by step. Everyone that a step reaches is paged at once, then the step's wait passes
before the next one. A chain that ends unacknowledged goes round again as often as it says, then the
organisation's fallback chain takes over and goes round for ever. Where there is no fallback, the chain itself
does. Where there is nobody at all to page, the decision says so, loudly, and comes back in a few minutes:
somebody may have been added by then, and no incident may end in silence (promise 3).

Rounds are counted through, over the change to the fallback as well, so that (round, step) only ever grows: a
page's idempotency key can be made of it, and never meets itself again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from andon.practice.words import Word

MINIMUM_WAIT = timedelta(minutes=1)
# A longer wait is silence by another name.
MAXIMUM_WAIT = timedelta(hours=24)
NOBODY_RETRY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ChainStep:
    """One step: who is paged together, and how long to wait for them before the next step.

    Attributes:
        position: Its number as people say it; the order of the steps in the chain is what counts.
        wait: How long after this step the next is due; held between one minute and 24 hours.
        targets: Whom it reaches, opaque here; a step without targets is passed over.
    """

    position: int
    wait: timedelta
    targets: tuple[object, ...]

    @property
    def held_wait(self) -> timedelta:
        """The wait, held between its limits."""
        return min(max(self.wait, MINIMUM_WAIT), MAXIMUM_WAIT)


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps in order, and how often to go round again after the first time. Less than 0 counts as 0."""

    steps: tuple[ChainStep, ...]
    repeats: int = 0

    @property
    def reaches_anybody(self) -> bool:
        """Whether any step has a target."""
        return any(step.targets for step in self.steps)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an incident is: the index of the step to page *next*, the round (from 0), and in which chain.

    A place is before another if its (round, step_index) is less.
    """

    step_index: int = 0
    round: int = 0
    on_fallback: bool = False


START = Progress()


class StepReason(Word):
    """Why these people are paged now."""

    FIRST = "first", "the incident opened"
    NEXT_STEP = "next_step", "the step before did not acknowledge in time"
    REPEAT = "repeat", "nobody in the chain acknowledged, so it begins again"
    FALLBACK = "fallback", "nobody in the chain acknowledged, so the organisation's fallback is paged"
    NO_FALLBACK = (
        "no_fallback",
        "nobody in the chain acknowledged and there is no fallback, so it begins again",
    )
    NOBODY = "nobody", "neither the chain nor a fallback reaches anybody: give the system a chain, now"


@dataclass(frozen=True, slots=True)
class StepDecision:
    """Whom to page now, and when the next decision is due.

    Attributes:
        targets: Whom to page now; empty only if ``nobody``.
        step: The step they come from; None only if ``nobody``.
        next_at: When to ask again; always later than now.
        paged_at: The place in the chain that this decision pages (what a page row is to be keyed by).
        progress: What to store, to be handed in next time.
        reason: Why these people.
    """

    targets: tuple[object, ...]
    step: ChainStep | None
    next_at: datetime
    paged_at: Progress
    progress: Progress
    reason: StepReason

    @property
    def nobody(self) -> bool:
        """Whether there is nobody at all to page: say so where people look, and repair it."""
        return self.step is None


def next_step(chain: Chain, fallback: Chain | None, progress: Progress, now: datetime) -> StepDecision:
    """Whom to page now that the time has come, and when to page next if nobody acknowledges.

    Args:
        chain: The chain as it was frozen onto the incident.
        fallback: The organisation's fallback chain, if it has one.
        progress: Where the incident is; out-of-range values are taken as the end of the chain.
        now: The present instant. Raises ValueError if it has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError(f"{now.isoformat()} has no time zone, so no next page can be computed from it.")
    backup = fallback if fallback is not None and fallback.reaches_anybody else None
    if backup is None and not chain.reaches_anybody:
        return StepDecision((), None, now + NOBODY_RETRY, progress, progress, StepReason.NOBODY)
    place, reason = _place(chain, backup, progress)
    step = (backup if backup is not None and place.on_fallback else chain).steps[place.step_index]
    after = Progress(place.step_index + 1, place.round, place.on_fallback)
    return StepDecision(step.targets, step, now + step.held_wait, place, after, reason)


def _place(chain: Chain, backup: Chain | None, at: Progress) -> tuple[Progress, StepReason]:
    """The step to page and why that one; at least one of the two chains reaches somebody."""
    if backup is not None and (at.on_fallback or not chain.reaches_anybody):
        return _go_on(backup, at, on_fallback=True), StepReason.FALLBACK
    place = _go_on(chain, at, on_fallback=False)
    if at.on_fallback:  # the fallback is gone since
        return place, StepReason.NO_FALLBACK
    if place.round == at.round:
        return place, StepReason.FIRST if at == START else StepReason.NEXT_STEP
    if place.round <= chain.repeats:
        return place, StepReason.REPEAT
    if backup is not None:
        return _go_on(backup, at, on_fallback=True), StepReason.FALLBACK
    return place, StepReason.NO_FALLBACK


def _go_on(chain: Chain, at: Progress, *, on_fallback: bool) -> Progress:
    """The next step of a chain that reaches anybody: in this round, or the first one of the next."""
    useful = [index for index, step in enumerate(chain.steps) if step.targets]
    in_this_round = [index for index in useful if index >= at.step_index and at.on_fallback == on_fallback]
    if in_this_round:
        return Progress(in_this_round[0], at.round, on_fallback)
    return Progress(useful[0], at.round + 1, on_fallback)
