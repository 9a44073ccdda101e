"""Whether a step of an incident's life may be taken: the practice decides, this says it to whoever asked."""

from andon.incidents.models import Incident
from andon.kit.errors import Conflict
from andon.people.policy import Actor
from andon.practice.lifecycle import Reason, State, Step, Transition, decide


def permitted(held: Incident, step: Step, by: Actor) -> Transition:
    """The transition, if the incident takes the step now; raises Conflict with the sentence that says why not."""
    transition = decided(held, step, by)
    if not transition.ok:
        has_it = transition.reason is Reason.ALREADY_ACKNOWLEDGED and held.acknowledged_by
        raise Conflict(f"{transition.text} {has_it} has it." if has_it else transition.text, code=transition.reason)
    return transition


def decided(held: Incident, step: Step, by: Actor) -> Transition:
    """What comes of asking for the step now, allowed or not."""
    return decide(
        State(held.state),
        step,
        contained_or_waived=held.held is not None,
        acknowledged=held.acknowledged_at is not None,
        by_person=not by.is_machine,
    )
