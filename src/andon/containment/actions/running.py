"""A pull goes on, one move at a time: claimed under a lease, done outside of transactions, settled by compare-and-set.

What a move begins from is on disk before it begins: in `acting` the act may have been done, and whoever finds a pull
there without being its claimant looks at the data plane and never acts (see `practice.containment`).
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import F, Q

from andon.containment import adapters, probes, told
from andon.containment.actions import rehearsing, turns
from andon.containment.actions.pulls import body_of, make
from andon.containment.evidence import before as evidence
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, own_fault, state_of
from andon.containment.models import Pull, PullStep, Rehearsal, Target
from andon.containment.recording import Record
from andon.incidents.models import Incident
from andon.incidents.timeline import hold, record
from andon.kit import clock, db, fence, ids, wake
from andon.kit.crypto import readable, unless_sealed
from andon.people.policy import Actor
from andon.practice import containment as rules
from andon.practice.containment import (
    EVIDENCE_WITHIN,
    OPEN,
    TROUBLED,
    ApprovalRule,
    Move,
    PullState,
    Sight,
    Turn,
    next_move,
)

PREPARE_RESTS: Final = (timedelta(seconds=1), timedelta(seconds=3))
"""Before what holds now is asked for again; after that the pull has failed, with nothing changed."""
FAULT_RESTS: Final = (timedelta(seconds=1), timedelta(seconds=3), timedelta(minutes=1))
"""After a fault of Andon's own, before the pull is looked at again; after the last it is given up, loudly."""
_WRITING: Final = timedelta(seconds=2)
"""For what Andon knows itself and for the list of it, where the time for evidence is over."""
_SLACK: Final = timedelta(seconds=10)
"""What a lease lasts beyond the longest that its move may take."""
_RELATED: Final = ("lever__system", "incident__system", "asked_by", "undoes", "rehearsal")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Claim:
    """A move of a pull that whoever holds this is about to make."""

    pull: Pull
    move: Move
    token: str
    at: datetime


@dataclass(frozen=True)
class Outcome:
    """What became of a move.

    Attributes:
        ok: Whether it went well; None where that could not be told.
        text: In words.
        facts: What the other side showed, for the record.
        sure: Of one that did not go well: certainly nothing was changed.
    """

    claim: Claim
    ok: bool | None
    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    sure: bool = False
    prior: dict[str, Any] | None = None
    plan: Plan | None = None
    seconds: float = 0.0


def claim(now: datetime, limit: int) -> list[Claim]:
    """Take on pulls that are due, at most so many; nobody else is at them until their leases end."""
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    due = Pull.objects.filter(free, next_at__lte=now).order_by("next_at").values_list("pk", "incident_id")[:limit]
    found = [_claimed(pk, incident, now) for pk, incident in list(due)]
    return [one for one in found if one is not None]


def _claimed(pk: Any, incident: Any, now: datetime) -> Claim | None:
    """As `_claim_one`. A pull that cannot even be taken up is in trouble, and holds up no other."""
    try:
        return _claim_one(pk, incident, now)
    except (fence.Closed, OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  whatever is wrong with one pull must not hold up the others
        _log.exception("a pull could not be taken up", pull=str(pk))
        trouble(pk, error, now)
        return None


@transaction.atomic
def _claim_one(pk: Any, incident: Any, now: datetime) -> Claim | None:
    fence.hold()
    held = hold(incident) if incident else None
    pull = db.lock(Pull.objects.filter(pk=pk).select_related(*_RELATED)).first()
    if pull is None or pull.next_at is None or pull.next_at > now or (pull.lease_until and pull.lease_until > now):
        return None
    if (reason := turns.moot(pull, held)) is not None:
        _withdraw(pull, held, now, reason.words)
        return None
    move = next_move(pull.phase)
    if move is Move.ASK:
        _ask_again(pull, held, now)
        return None
    if move is Move.ACT and not _is_its_turn(pull, now):
        return None
    pull.lease_by, pull.lease_until = str(ids.new()), now + _lease(pull, move, now)
    if move is Move.ACT:
        # On disk before the act: from here on it may have been done.
        pull.state, pull.acting_at, pull.tries = PullState.ACTING, now, 0
        _note(held, pull, "lever_acting", {"says": pull.says})
    pull.tries += 1
    pull.save(update_fields=["lease_by", "lease_until", "state", "acting_at", "tries"])
    return Claim(pull, move, pull.lease_by, now)


def _lease(pull: Pull, move: Move, now: datetime) -> timedelta:
    """How long a move may take, with room: so long after a crash nobody else takes it up.

    Of keeping evidence it is what is left of the time that containment waits for it, then enough to write the list.
    """
    if move is Move.PRESERVE:
        left = (pull.approved_at or pull.asked_at) + EVIDENCE_WITHIN - now
        return max(_WRITING, min(left, EVIDENCE_WITHIN))  # no more than that, where a clock was set back meanwhile
    limit = _adapter(pull).limit if _known(pull) else 0.0
    if move in {Move.LOOK, Move.LOOK_AFTER_CRASH}:
        limit += probes.longest(unless_sealed(pull.probe or pull.settings, {}))
    return timedelta(seconds=limit) + _SLACK


def _withdraw(pull: Pull, held: Incident | None, now: datetime, why: str) -> None:
    """It is not wanted any more, and nothing was done. Nobody is paged for what is over."""
    _end(pull, PullState.WITHDRAWN, now, why)
    pull.lease_by, pull.lease_until = "", None  # whoever was at it too long does not go on with it
    pull.save(update_fields=["state", "next_at", "ended_at", "outcome", "lease_by", "lease_until"])
    _note(held, pull, "lever_withdrawn", {"reason": why})


def _ask_again(pull: Pull, held: Incident | None, now: datetime) -> None:
    """Nobody has said a word yet: the next one is asked."""
    pull.next_at = now + rules.ASK_AGAIN
    pull.save(update_fields=["next_at"])
    if held is not None:
        told.moved.send(sender=Pull, pull=pull, incident=held)


def _is_its_turn(pull: Pull, now: datetime) -> bool:
    """Whether it acts now; where not, it waits a moment, or as a rehearsal leaves the lever to whoever pulled it."""
    turn = turns.turn(pull)
    if turn is Turn.WAITS:
        pull.next_at = now + turns.SHORTLY
        pull.save(update_fields=["next_at"])
    elif turn is Turn.YIELDS and pull.rehearsal is not None:
        _withdraw(pull, None, now, turn.words)
        rehearsing.left(pull.rehearsal, turn.words)
    return turn is Turn.ACTS


def work(one: Claim) -> Outcome:
    """Make the move. Called outside of any transaction, in any thread; whatever goes wrong in it is the outcome."""
    began = clock.monotonic()
    try:
        outcome = _work(one)
    except LeverFault as fault:
        outcome = Outcome(one, None if not fault.sure else False, fault.text, sure=fault.sure)
    except Exception as error:  # noqa: BLE001  whatever an adapter does wrong must not leave a pull without an outcome
        outcome = fault_of(one, error)
    return replace(_recorded(outcome), seconds=round(clock.monotonic() - began, 3))


def fault_of(one: Claim, error: Exception) -> Outcome:
    """The outcome of a move that ended in a fault of Andon's own."""
    _log.error("a move of a pull failed", pull=one.pull.ref, move=one.move, exc_info=error)
    # Before the act nothing can have been changed; from then on nobody knows.
    sure = one.move in {Move.PRESERVE, Move.PREPARE}
    return Outcome(one, None, own_fault(one.pull.lever.adapter, error), sure=sure)


def _recorded(outcome: Outcome) -> Outcome:
    """An outcome as it is kept and shown. What is acted by, the prior state and the expected one, stays as it is."""
    pull = outcome.claim.pull
    settings, probe = unless_sealed(pull.settings, {}), unless_sealed(pull.probe, {})  # what no key opens was not sent
    said = Record.of(_adapter(pull) if _known(pull) else None, settings, probe)
    plan = outcome.plan and replace(outcome.plan, says=said.text(outcome.plan.says))
    return replace(outcome, text=said.text(outcome.text), facts=said.facts(outcome.facts), plan=plan)


def _work(one: Claim) -> Outcome:
    pull, adapter = one.pull, _adapter(one.pull)
    if one.move is Move.PRESERVE:
        if pull.incident is None:
            return Outcome(one, ok=True, text="A rehearsal belongs to no incident; nothing is kept.")
        kept = evidence.before(pull, pull.incident)
        facts = {"manifest": kept.manifest, "kept": kept.kept, "missing": kept.missing}
        return Outcome(one, not kept.missing, kept.text, facts)
    if one.move is Move.PREPARE:
        return _prepare(one, adapter)
    if one.move is Move.ACT:
        _still_ours(one)
        done = _act(pull, adapter)
        return Outcome(one, ok=True, text=done.text, facts=dict(done.facts))
    seen = look(pull, adapter)
    return Outcome(one, seen.holds, seen.text, dict(seen.facts))


def _prepare(one: Claim, adapter: LeverAdapter) -> Outcome:
    pull = one.pull
    prior = state_of(adapter, pull.settings)
    if pull.undoes is None:
        plan = turns.plan_from(adapter, pull.settings, found=prior, before=turns.held_before(pull, prior))
    else:
        plan = Plan(pull.undoes.prior, f"What held before {pull.undoes.ref} comes back.")
    return Outcome(one, ok=True, text=plan.says, prior=prior, plan=plan)


def _still_ours(one: Claim) -> None:
    """Raise `LeverFault`, surely, where another engine has taken the pull up since: this process was held up too long.

    The other has found it acting and looks; whatever it says of it must not be overturned by an act that comes after.
    """
    try:
        ours = Pull.objects.filter(pk=one.pull.pk, lease_by=one.token).exists()
    except DatabaseError as error:
        raise LeverFault("The database could not be asked just before the act, so it was left.", sure=True) from error
    if not ours:
        raise LeverFault("Another engine took the pull up before this one acted, so this one left it.", sure=True)


def _act(pull: Pull, adapter: LeverAdapter) -> Done:
    if pull.undoes is not None:
        return adapter.undo(pull.settings, pull.undoes.prior, pull.key)
    return adapter.act(pull.settings, Plan(pull.expected, pull.says), pull.key)


def look(pull: Pull, adapter: LeverAdapter) -> Seen:
    """One look at the data plane: by the lever's own probe, which after an undo must hold no more, or the adapter's."""
    if not pull.probe:
        return adapter.probe(pull.settings, Plan(pull.expected, pull.says))
    seen = probes.look(probes.read(pull.probe))
    if pull.undoes_id is None or seen.holds is None:
        return seen
    return Seen.no(seen.text, seen.facts) if seen.holds else Seen.yes(seen.text, seen.facts)


@transaction.atomic
def settle(outcome: Outcome, now: datetime) -> bool:
    """Write what became of a move; whether it was still the claimant's to write.

    One that comes after its lease is kept on the trail, for it is true, but moves nothing.
    """
    fence.hold()
    one = outcome.claim
    held = hold(one.pull.incident_id) if one.pull.incident_id else None
    pull = db.lock(Pull.objects.filter(pk=one.pull.pk).select_related(*_RELATED)).get()
    _trail(pull, outcome, now)
    if pull.lease_by != one.token:
        return False
    pull.lease_by, pull.lease_until, pull.faults = "", None, 0
    if one.move is Move.PRESERVE:
        _go_on(pull, PullState.PRESERVED, now, preserved_at=now)
        if not outcome.facts:  # else its entry stands: it is written with the list that it seals
            _note(held, pull, "evidence_missed", {"says": outcome.text})
    elif one.move is Move.PREPARE:
        _prepared(pull, held, outcome, now)
    elif one.move is Move.ACT:
        _acted(pull, held, outcome, now)
    else:
        _looked(pull, held, outcome, now)
    pull.save()
    if not pull.is_open:
        _ended(pull, held)
    wake.after_commit()
    return True


def _go_on(pull: Pull, state: PullState, now: datetime, **times: datetime) -> None:
    pull.state, pull.next_at, pull.tries = state, now, 0
    for name, at in times.items():
        setattr(pull, name, at)


def _end(pull: Pull, state: PullState, now: datetime, why: str) -> None:
    pull.state, pull.next_at, pull.ended_at, pull.outcome = state, None, now, why


def _prepared(pull: Pull, held: Incident | None, outcome: Outcome, now: datetime) -> None:
    if outcome.plan is not None and outcome.prior is not None:
        prior = turns.held_before(pull, outcome.prior)
        pull.prior, pull.expected, pull.says = prior, dict(outcome.plan.expected), outcome.plan.says
        _go_on(pull, PullState.PREPARED, now, prepared_at=now)
        return
    if pull.tries <= len(PREPARE_RESTS):
        pull.next_at, pull.outcome = now + PREPARE_RESTS[pull.tries - 1], outcome.text
        return
    _end(pull, PullState.FAILED, now, f"Nothing was changed. {outcome.text}")
    _note(held, pull, "lever_failed", {"says": pull.outcome})


def _acted(pull: Pull, held: Incident | None, outcome: Outcome, now: datetime) -> None:
    if outcome.sure:
        _end(pull, PullState.FAILED, now, f"Nothing was changed. {outcome.text}")
        _note(held, pull, "lever_failed", {"says": pull.outcome})
        return
    _go_on(pull, PullState.ACTED, now, acted_at=now)
    pull.deadline_at = now + timedelta(seconds=pull.lever.verify_seconds)
    pull.outcome = outcome.text
    if outcome.ok:
        _note(held, pull, "lever_acted", {"says": outcome.text})
    else:
        pull.crashed = True
        _note(held, pull, "lever_in_doubt", {"says": outcome.text})


def _looked(pull: Pull, held: Incident | None, outcome: Outcome, now: datetime) -> None:
    pull.seen = outcome.text
    if outcome.claim.move is Move.LOOK_AFTER_CRASH:
        why = "Andon was stopped between acting and writing down what came of it. It does not act again; it looks."
        pull.crashed, pull.outcome = True, why
        pull.deadline_at = now + timedelta(seconds=pull.lever.verify_seconds)
        _note(held, pull, "lever_in_doubt", {"says": why})
    state = rules.after_look(Sight.of(outcome.ok), now, pull.deadline_at or now)
    if state is PullState.ACTED:
        tries = 0 if pull.phase is not PullState.ACTED else pull.tries
        _go_on(pull, PullState.ACTED, now + timedelta(seconds=pull.lever.every_seconds))
        pull.tries = tries
        return
    pull.state, pull.next_at, pull.ended_at = state, None, now
    kind = "lever_verified" if state is PullState.VERIFIED else "lever_unverified"
    _note(held, pull, kind, {"says": outcome.text, "in_doubt": pull.crashed})


def _ended(pull: Pull, held: Incident | None) -> None:
    """What follows from an end, in its transaction."""
    if held is not None:
        told.moved.send(sender=Pull, pull=pull, incident=held)
    if pull.rehearsal is not None:
        _rehearsed(pull, pull.rehearsal)


def _rehearsed(pull: Pull, rehearsal: Rehearsal) -> None:
    """How a rehearsal goes on: what was pulled is undone, seen or not; then it has passed, or not."""
    acted = pull.undoes is None and pull.phase is not PullState.FAILED
    if acted and not readable(pull.settings):
        words = f"The pull is {pull.phase.words}, and was not undone: no key opens the settings of the lever any more."
        rehearsing.failed(rehearsal, words)
        if pull.target == Target.REAL:
            told.stranded.send(sender=Pull, pull=pull)
        return
    if acted and _known(pull) and _adapter(pull).undoable(pull.settings):
        make(
            pull.lever,
            target=Target(pull.target),
            asked_by=pull.asked_by,
            rule=ApprovalRule.ALONE,
            approved=True,
            undoes=pull,
            rehearsal=rehearsal,
        )
        return
    troubled = [one for one in (pull.undoes, pull) if one is not None and one.phase in TROUBLED]
    if troubled:
        first = troubled[0]
        what = "The undo" if first.undoes_id else "The pull"
        rehearsing.failed(rehearsal, f"{what} is {first.phase.words}. {first.seen or first.outcome}")
        if pull.undoes_id is not None and pull.phase in TROUBLED and pull.target == Target.REAL:
            told.stranded.send(sender=Pull, pull=pull)
    else:
        rehearsing.passed(rehearsal)


def trouble(pk: Any, error: Exception, now: datetime, token: str = "") -> None:
    """A pull could not be taken up, or what came of its move (claimed by `token`) not be written; nobody knows why.

    It is looked at again after a rest: what was acting is looked at and not acted again. After the last rest it is
    given up, loudly. Where not even that can be written, it is tried again each minute, and the audit fails meanwhile.
    """
    try:
        if _another_fault(pk, now, token) >= len(FAULT_RESTS):
            _give_up(pk, error, now)
    except (fence.Closed, OperationalError, InterfaceError):
        raise
    except Exception:  # noqa: BLE001  as above
        _log.exception("a pull that is in trouble could not be given up", pull=str(pk))


@transaction.atomic
def _another_fault(pk: Any, now: datetime, token: str) -> int:
    """Count a fault and set when the pull is looked at again; how many there were in a row, 0 where another has it."""
    fence.hold()
    ours = Q(lease_by=token) if token else Q(lease_until=None) | Q(lease_until__lte=now)
    rows = Pull.objects.filter(ours, pk=pk, state__in=OPEN)
    before = db.lock(rows).values_list("faults", flat=True).first()
    if before is None:
        return 0
    rest = FAULT_RESTS[min(before, len(FAULT_RESTS) - 1)]
    rows.update(faults=F("faults") + 1, lease_by="", lease_until=None, next_at=now + rest)
    wake.after_commit()
    return before + 1


@transaction.atomic
def _give_up(pk: Any, error: Exception, now: datetime) -> None:
    """End a pull with what is certain of it, and say so to people: nothing was changed, or nobody can tell."""
    fence.hold()
    incident = Pull.objects.values_list("incident_id", flat=True).get(pk=pk)
    held = hold(incident) if incident else None
    rows = Pull.objects.filter(pk=pk, faults__gte=len(FAULT_RESTS), state__in=OPEN, lease_until=None)
    pull = db.lock(rows.select_related(*_RELATED)).first()
    if pull is None:
        return
    fault = f"Andon’s own fault, {len(FAULT_RESTS)} times in a row: {type(error).__name__}. The log has details."
    if rules.given_up(pull.phase) is PullState.FAILED:
        _end(pull, PullState.FAILED, now, f"Nothing was changed. {fault}")
        _note(held, pull, "lever_failed", {"says": pull.outcome})
    else:
        pull.seen = f"What was seen could not be written down. {fault} Look at the system itself."
        pull.state, pull.next_at, pull.ended_at = PullState.UNVERIFIED, None, now
        _note(held, pull, "lever_unverified", {"says": pull.seen, "in_doubt": pull.crashed})
    pull.save(update_fields=["state", "next_at", "ended_at", "outcome", "seen"])
    _ended(pull, held)
    wake.after_commit()


def _note(held: Incident | None, pull: Pull, kind: str, body: dict[str, Any]) -> None:
    if held is not None:
        record(held, kind, body_of(pull) | body, by=Actor.engine())


def _trail(pull: Pull, outcome: Outcome, now: datetime) -> None:
    """Keep what was done. Looks that show the same in a row are one step, counted."""
    move = outcome.claim.move
    last = pull.trail.last()
    if last is not None and last.move == move and (last.ok, last.text) == (outcome.ok, outcome.text):
        last.count, last.last_at, last.seconds = last.count + 1, now, outcome.seconds
        last.save(update_fields=["count", "last_at", "seconds"])
        return
    PullStep.objects.create(
        pull=pull,
        move=move,
        ok=outcome.ok,
        text=outcome.text,
        facts=outcome.facts,
        last_at=now,
        seconds=outcome.seconds,
    )


def _known(pull: Pull) -> bool:
    return pull.lever.adapter in adapters.kinds()


def _adapter(pull: Pull) -> LeverAdapter:
    return adapters.find(pull.lever.adapter)


def run_pull(pull: Pull, *, now: datetime | None = None, moves: int = 50) -> Pull:
    """Make the moves of a pull that are due, one after the other: for tests, commands and the demo."""
    for _ in range(moves):
        at = now or clock.now()
        one = _claim_one(pull.pk, pull.incident_id, at)
        if one is None:
            break
        settle(work(one), at)
    pull.refresh_from_db()
    return pull
