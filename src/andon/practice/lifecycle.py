"""The life of an incident: which step may be taken from which state, decided purely and with a reason.

Three facts are kept beside the state, because the state alone cannot tell them:

* *acknowledged*: a person has said "I have it". Only this ends paging; see `awaits_person`.
* *contained*: the harm has been stopped.
* *waived*: a person or a rule has said, with a reason, that there is nothing to contain.

The state says how far the incident has come: `OPEN`, `ACKNOWLEDGED`, `CONTAINED`, `RESOLVED`, `CLOSED`.
Containment may come before any acknowledgement: a lever pulled by a rule, or by a person straight from the
page. When a person does it, the step acknowledges as well (they are plainly attending). When a rule does it,
it does not: somebody still has to know, so the incident stands at `CONTAINED`, unacknowledged, and goes on
paging; the later acknowledgement is accepted and does not take the state back.

A waiver does not move the state to `CONTAINED`, for nothing was contained; it only opens the way to
resolution, and real containment may still follow it. Resolution needs one of the two, whoever resolves, a
rule as well: the rule that resolves an incident when its signals end waives first, with that as its reason.

What contains can be taken away again: a lever is undone, and none other holds. Then the incident is not contained now,
whatever it was: it goes back to where a person has it (or nobody yet), containment is asked for anew, and whoever has
mended it meanwhile says so. The times of before stay in the timeline.

Reopening starts over: what was contained or waived did not hold or is no longer known to hold, so the caller
clears the three facts and the resolution, and pages the chain from its first step. The timeline keeps it all.
"""

from __future__ import annotations

from dataclasses import dataclass

from andon.practice.words import Word


class State(Word):
    """How far an incident has come."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CONTAINED = "contained"
    RESOLVED = "resolved"
    CLOSED = "closed"


UNRESOLVED = (State.OPEN, State.ACKNOWLEDGED, State.CONTAINED)


class Step(Word):
    """What somebody asks to do to the state of an incident."""

    ACKNOWLEDGE = "acknowledge"
    CONTAIN = "contain"
    WAIVE_CONTAINMENT = "waive_containment"
    LET_GO = "let_go"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    CLOSE = "close"


class Reason(Word):
    """Why a step was taken or refused; ``words`` is the sentence to show."""

    TAKEN = "taken", "Done."
    ALREADY_ACKNOWLEDGED = (
        "already_acknowledged",
        "This incident is already acknowledged. Nothing more to do: it is not paging anybody.",
    )
    ALREADY_CONTAINED = "already_contained", "This incident is already contained. Nothing more to do."
    ALREADY_WAIVED = (
        "already_waived",
        "Containment of this incident is already waived. It can still be contained, if need be.",
    )
    NOT_CONTAINED = (
        "not_contained",
        "This incident is not contained, so it cannot be resolved. Contain it, or waive that with a reason.",
    )
    NOTHING_HOLDS = "nothing_holds", "This incident is not contained, so there is nothing to let go."
    ALREADY_RESOLVED = (
        "already_resolved",
        "This incident is already resolved. Reopen it first if it goes on.",
    )
    NOT_RESOLVED = (
        "not_resolved",
        "This incident is not resolved yet, so it cannot be closed. Resolve it first.",
    )
    NOT_OVER = "not_over", "This incident is still open. There is nothing to reopen."
    ALREADY_CLOSED = "already_closed", "This incident is closed. Reopen it first if it goes on."


@dataclass(frozen=True, slots=True)
class Transition:
    """What comes of asking for a step.

    Attributes:
        ok: Whether the step is taken. If not, nothing changes.
        to: The state afterwards; the present one when refused.
        reason: Why.
        acknowledges: The step also counts as acknowledgement: set that time and cancel the pages that wait.
        restarts: Life starts over: clear acknowledgement, containment, waiver, resolution and closing, and
            page the chain from its first step.
    """

    ok: bool
    to: State
    reason: Reason
    acknowledges: bool = False
    restarts: bool = False

    @property
    def text(self) -> str:
        """The reason as a sentence."""
        return self.reason.words


def awaits_person(state: State, *, acknowledged: bool) -> bool:
    """Whether the incident must have a next page: it goes on, and nobody has said that they have it.

    This, not ``state is OPEN``, decides whether an incident may be silent (promise 3).
    """
    return state in UNRESOLVED and not acknowledged


def decide(
    state: State,
    step: Step,
    *,
    contained_or_waived: bool,
    acknowledged: bool | None = None,
    by_person: bool = True,
) -> Transition:
    """Whether a step may be taken now, and what it does.

    Args:
        state: The present state.
        step: What is asked.
        contained_or_waived: Whether containment was done or waived since the incident (re)opened.
        acknowledged: Whether a person has acknowledged since then; None reads it off the state, which is
            right unless a rule may have contained the incident before anybody saw it.
        by_person: Whether a person takes the step, not a rule or a signal: then containing, waiving and
            resolving acknowledge as well. Acknowledging itself is always a person's.
    """
    if acknowledged is None:
        acknowledged = state is not State.OPEN
    held = contained_or_waived or state is State.CONTAINED
    if state in UNRESOLVED:
        refusal = _refuse_going_on(state, step, held=held, acknowledged=acknowledged)
    else:
        refusal = _refuse_over(state, step)
    if refusal is not None:
        return Transition(ok=False, to=state, reason=refusal)
    if step is Step.REOPEN:
        return Transition(ok=True, to=State.OPEN, reason=Reason.TAKEN, restarts=True)
    attends = step is Step.ACKNOWLEDGE or (by_person and step not in {Step.CLOSE, Step.LET_GO})
    acknowledges = attends and not acknowledged
    to = _next(state, step, acknowledges=acknowledges, acknowledged=acknowledged)
    return Transition(ok=True, to=to, reason=Reason.TAKEN, acknowledges=acknowledges)


def _refuse_going_on(state: State, step: Step, *, held: bool, acknowledged: bool) -> Reason | None:
    """Why an unresolved incident does not take the step, or None."""
    refusals = {
        Step.ACKNOWLEDGE: Reason.ALREADY_ACKNOWLEDGED if acknowledged else None,
        Step.CONTAIN: None,
        Step.WAIVE_CONTAINMENT: Reason.ALREADY_WAIVED if held else None,
        Step.LET_GO: None if state is State.CONTAINED else Reason.NOTHING_HOLDS,
        Step.RESOLVE: None if held else Reason.NOT_CONTAINED,
        Step.REOPEN: Reason.NOT_OVER,
        Step.CLOSE: Reason.NOT_RESOLVED,
    }
    if state is State.CONTAINED:
        refusals |= dict.fromkeys((Step.CONTAIN, Step.WAIVE_CONTAINMENT), Reason.ALREADY_CONTAINED)
    return refusals[step]


def _refuse_over(state: State, step: Step) -> Reason | None:
    """Why a resolved or closed incident does not take the step, or None."""
    if step is Step.REOPEN or (step is Step.CLOSE and state is State.RESOLVED):
        return None
    return Reason.ALREADY_CLOSED if state is State.CLOSED else Reason.ALREADY_RESOLVED


def _next(state: State, step: Step, *, acknowledges: bool, acknowledged: bool) -> State:
    """The state after a step that is allowed."""
    if step is Step.LET_GO:
        return State.ACKNOWLEDGED if acknowledged else State.OPEN
    fixed = {Step.CONTAIN: State.CONTAINED, Step.RESOLVE: State.RESOLVED, Step.CLOSE: State.CLOSED}
    if step in fixed:
        return fixed[step]
    # Acknowledging and waiving move an open incident only as far as "a person has it", and nothing back.
    return State.ACKNOWLEDGED if state is State.OPEN and acknowledges else state
