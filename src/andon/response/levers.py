"""What a pull means for its incident: whoever pulls has it, a verified one contains it, a doubtful one calls people.

And what a rehearsal means that left a system as no rehearsal may: it is an incident.
"""

import json

from andon.containment.models import Pull
from andon.containment.queries import contained_by_one, holds_for, taken_back
from andon.incidents.models import Incident
from andon.incidents.timeline import record
from andon.kit import clock
from andon.kit.crypto import readable
from andon.people.policy import Actor
from andon.practice.containment import OPEN, SEEN_TO, TROUBLED, PullState
from andon.practice.lifecycle import UNRESOLVED, State, Step
from andon.practice.words import IncidentType
from andon.response import naming
from andon.response.acknowledging import take_up
from andon.response.calling import call_next
from andon.response.containing import contained_by, let_go
from andon.response.opening import Opening, open_incident
from andon.response.steps import decided
from andon.switch.models import Revision


def follow(pull: Pull, incident: Incident) -> None:
    """Called in the transaction in which a pull was asked for, asks again, or ended; the incident is held."""
    if pull.phase in OPEN:
        _attend(pull, incident)
        _name(pull, incident)
    if pull.phase is PullState.ASKED:
        what = "undo" if pull.undoes_id else "pull"
        call_next(incident, f"agree to {what} “{pull.lever.name}” ({pull.ref})", clock.now())
    elif pull.phase is PullState.VERIFIED and pull.undoes_id is None:
        _contain(pull, incident)
    elif pull.phase in SEEN_TO and pull.undoes_id is not None:
        _let_go(pull, incident)
    if pull.phase in TROUBLED:
        word = "UNVERIFIED" if pull.phase is PullState.UNVERIFIED else "NOT DONE"
        what = "undo of " if pull.undoes_id else ""
        also = [pull.asked_by] if pull.asked_by else []
        call_next(incident, f"lever {word}: {what}“{pull.lever.name}” ({pull.ref})", clock.now(), also)


def _attend(pull: Pull, incident: Incident) -> None:
    """Whoever pulls is plainly attending: it acknowledges as well."""
    if pull.asked_by is None or incident.acknowledged_at is not None:
        return
    transition = decided(incident, Step.ACKNOWLEDGE, Actor.of(pull.asked_by))
    if transition.ok:
        take_up(incident, pull.asked_by, transition.to)
        record(incident, "acknowledged", {"via": "lever"}, by=Actor.of(pull.asked_by))


def _name(pull: Pull, incident: Incident) -> None:
    """Whoever pulls a lever for an incident that names no system has said by it which one it is about."""
    by = Actor.of(pull.asked_by) if pull.asked_by else Actor.engine()
    if naming.named_by(pull, incident, by) and pull.phase is not PullState.ASKED:  # else whoever must agree is called
        naming.call_whose_it_is(incident, pull.lever.system, by)


def _contain(pull: Pull, incident: Incident) -> None:
    """The data plane showed it: the harm is stopped since then. What is over, or contained already, stays as it is.

    Between what was seen and now, somebody may have set the switch back by hand, or named another system.
    """
    here = incident.system_id in {None, pull.lever.system_id}
    if here and State(incident.state) in UNRESOLVED and incident.contained_at is None and not taken_back(pull):
        by = Actor.of(pull.asked_by) if pull.asked_by else Actor.engine()
        contained_by(incident, pull.lever.what_kind, f"{pull.lever.name} ({pull.ref}). {pull.seen}", by)


def _let_go(undo: Pull, incident: Incident) -> None:
    """An undo acted, seen or not: what its lever contained is not contained any more, unless another lever holds."""
    _unless_held(incident, f"{undo.ref} undid “{undo.lever.name}”")


def take_back(revision: Revision, incident: Incident) -> None:
    """Called in the transaction in which a switch is set, for an incident that the system was held back for.

    Set to decide again, by hand or for another incident, it contains nothing more, whatever a lever was seen to do.
    """
    if not revision.what_mode.contains:
        _unless_held(incident, f"{revision.switch.system} is {revision.what_mode.words} (revision {revision.number})")


def _unless_held(incident: Incident, why: str) -> None:
    """What a lever contained is contained no more, unless another lever holds. A person's word stays theirs."""
    by_lever = State(incident.state) is State.CONTAINED and contained_by_one(incident.pulls.all(), incident)
    if by_lever and not holds_for(incident):
        let_go(incident, why)


def strand(pull: Pull) -> None:
    """Called in the transaction in which a rehearsal on the real target ended whose undo was not seen to hold.

    Or where its pull could not be undone at all, for nobody can read by which settings.

    Whoever rehearsed may have left their desk: an incident pages the system's chain until somebody has it.
    """
    word = "UNVERIFIED" if pull.undoes is not None and pull.phase is PullState.UNVERIFIED else "NOT DONE"
    prior = (pull.undoes or pull).prior
    before = json.dumps(prior, ensure_ascii=False) if readable(prior) else "which no key opens any more"
    who = f" by {pull.asked_by}" if pull.asked_by else ""
    open_incident(
        Opening(
            title=f"A rehearsal may have left “{pull.lever.name}” pulled: its undo is {word}",
            type_=IncidentType.TECHNICAL_FAILURE,
            system=pull.lever.system,
            key=f"rehearsal:{pull.pk}",
            detected_at=clock.now(),
            by=Actor.engine(),
            because="rehearsal",
            description=(
                f"{pull.lever.ref} was rehearsed on the real target{who}. {pull.ref} was to bring back what held "
                f"before, {before}, and that was not seen: {pull.seen or pull.outcome} Look at the system itself."
            ),
        )
    )
