"""A lever is rehearsed: pulled, seen to take effect, undone, seen to be gone; and a dry run, which changes nothing."""

from dataclasses import dataclass

import structlog
from django.db import transaction

from andon.containment import adapters
from andon.containment.actions.pulls import make
from andon.containment.actions.turns import plan_from, set_by_earlier
from andon.containment.lever import LeverFault, Plan, State, own_fault, state_of
from andon.containment.models import Lever, Rehearsal, Target
from andon.containment.policy import may_rehearse_on_real, must_rehearse, must_try
from andon.containment.queries import problems, standing
from andon.containment.recording import Record
from andon.kit import clock, db
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.people.policy import Actor
from andon.practice.containment import OPEN, ApprovalRule

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Trial:
    """What a pull would change now: what holds, what would, as a sentence; or why that cannot be told."""

    prior: State | None
    plan: Plan | None
    says: str
    ok: bool


def dry_run(lever: Lever, *, by: Actor, target: Target = Target.REAL) -> Trial:
    """Ask the other side what holds, and say what a pull would set. Changes nothing; call it outside a transaction."""
    must_try(by, lever.system)
    drill = target is Target.DRILL
    if drill and not lever.drill_settings:
        return Trial(None, None, "It has no target for drills.", ok=False)
    if wrong := problems(lever, drill=drill):
        return Trial(None, None, wrong[0], ok=False)
    adapter = adapters.find(lever.adapter)
    settings = lever.drill_settings if drill else lever.settings
    said = Record.of(adapter, settings)
    try:
        prior = state_of(adapter, settings)
        earlier = set_by_earlier(lever, target, settings, prior)
        plan = plan_from(adapter, settings, found=prior, before=earlier.prior if earlier is not None else prior)
    except LeverFault as fault:
        return Trial(None, None, said.text(fault.text), ok=False)
    except Exception as error:  # noqa: BLE001  whatever an adapter does wrong, it is said in its place and not as a crash
        _log.exception("a dry run failed", lever=lever.ref)
        return Trial(None, None, own_fault(lever.adapter, error), ok=False)
    return Trial(prior, plan, said.text(plan.says), ok=True)


@transaction.atomic
def rehearse(lever: Lever, *, by: Actor, on_real: bool = False) -> Rehearsal:
    """Rehearse a lever on its target for drills; on the real one where `on_real` says so explicitly.

    The engine pulls it, looks, undoes it and looks again. Raises `Invalid` where there is nothing to rehearse on, or
    the real target would not be brought back; `Conflict` while it is pulled or rehearsed; `Forbidden` where somebody
    else must agree to a pull and no lead rehearses it for real: it would be a pull that nobody agreed to.
    """
    person = must_rehearse(by, lever.system)
    row = db.lock_for_writers(Lever.objects.filter(pk=lever.pk).select_related("system")).get()
    if row.ended_at is not None:
        raise Conflict(f"The lever “{row.name}” was taken out of use.")
    target = Target.REAL if on_real else Target.DRILL
    if target is Target.DRILL and not row.drill_settings:
        raise Invalid(
            f"“{row.name}” has no target for drills. Give it one, or say explicitly that the real one may be acted on.",
            field="on_real",
        )
    if on_real and not may_rehearse_on_real(by, row):
        raise Forbidden(
            f"“{row.name}” needs {ApprovalRule(row.approval).words} to agree before it is pulled, so on the real "
            "target a lead or administrator rehearses it."
        )
    if wrong := problems(row, drill=not on_real):
        raise Invalid(f"“{row.name}” cannot be rehearsed: {wrong[0]}", field="lever")
    if target is Target.REAL and not adapters.find(row.adapter).undoable(row.settings):
        raise Invalid(
            f"“{row.name}” cannot be undone by Andon, so the real target is not rehearsed on.", field="on_real"
        )
    if row.rehearsals.filter(state=Rehearsal.State.RUNNING).exists():
        raise Conflict(f"“{row.name}” is being rehearsed already.")
    if row.pulls.filter(state__in=OPEN, rehearsal=None).exists():
        raise Conflict(f"“{row.name}” is being pulled. Rehearse it afterwards.")
    if on_real and (stands := standing(row)) is not None:
        raise Conflict(
            f"“{row.name}” is pulled now ({stands.ref}, {stands.phase.words}), and a rehearsal would undo it. "
            "Rehearse it once that pull is undone or its incident is over."
        )
    made = Rehearsal.objects.create(lever=row, target=target, revision=row.revision, by=person)
    make(row, target=target, asked_by=person, rule=ApprovalRule.ALONE, approved=True, rehearsal=made)
    return made


def passed(one: Rehearsal) -> None:
    """It went as it should: the lever counts as rehearsed, in the settings that it was rehearsed with."""
    now = clock.now()
    ended = Rehearsal.objects.filter(pk=one.pk, state=Rehearsal.State.RUNNING)
    if ended.update(state=Rehearsal.State.PASSED, ended_at=now, says="It took effect, and was undone."):
        Lever.objects.filter(pk=one.lever_id).update(
            rehearsed_at=now, rehearsed_revision=one.revision, rehearsal_failed_at=None
        )


def failed(one: Rehearsal, why: str) -> None:
    """It did not go as it should: the lever is not to be counted on until a rehearsal passes."""
    if left(one, why):
        Lever.objects.filter(pk=one.lever_id).update(rehearsal_failed_at=clock.now())


def left(one: Rehearsal, why: str) -> bool:
    """It ended early, which says nothing of the lever: it counts as rehearsed no more and no less than before."""
    ended = Rehearsal.objects.filter(pk=one.pk, state=Rehearsal.State.RUNNING)
    return bool(ended.update(state=Rehearsal.State.FAILED, ended_at=clock.now(), says=why))
