"""Which AI system an incident is about is said later, or said anew: what goes by its system follows at once.

1. Its chain is frozen onto the incident in place of the one before. Until somebody has it, that chain is paged from its
   first step; afterwards its first step is called once, unless whoever is on call there has it already.
2. Its criticality counts: the severity rises where harm that nobody has scored may be worse there. It never falls.
3. Signals of the system join from now on, unless another open incident of it takes them, or this one is restricted.
4. What a lever of another system contained does not contain it here.

Levers, runbooks, logs and changes are read from the incident's system wherever they are shown: they need no step.
"""

from typing import Final

from django.db import IntegrityError, transaction

from andon.containment.models import Pull
from andon.containment.queries import contained_by_one
from andon.incidents.models import Incident
from andon.incidents.policy import must_respond
from andon.incidents.timeline import hold, record
from andon.kit import clock
from andon.kit.errors import Conflict, Invalid
from andon.people.policy import Actor
from andon.practice.escalation import Progress
from andon.practice.grouping import group_key
from andon.practice.lifecycle import UNRESOLVED, State, awaits_person
from andon.practice.words import IncidentKind
from andon.registry.models import System
from andon.response.assessing import reassess
from andon.response.calling import call_next, next_that_reaches
from andon.response.containing import let_go
from andon.response.opening import frozen_chains

NONE: Final = ""
"""What stands for “no system is known” where systems are named by their slugs."""


@transaction.atomic
def set_system(
    incident: Incident, system: System | None, *, by: Actor, why: str = "", known: str | None = None
) -> Incident:
    """Say which system the incident is about, or with None that it is not known after all.

    Saying what is so already changes nothing. `known` is the slug of the system that whoever says it has seen there,
    empty for none: where somebody else has said another one since, nothing is changed.
    Raises `Conflict` on a closed incident, and where somebody was faster.
    """
    must_respond(by, incident, "say which system an incident is about")
    held = hold(incident.pk)
    if State(held.state) is State.CLOSED:
        raise Conflict(f"{held.ref} is closed. Reopen it first, if what it says must change.")
    if held.system_id == (system.pk if system else None):
        return held
    if known is not None and known != slug_of(held):
        now_about = held.system.name if held.system else "no known system"
        raise Conflict(
            f"Somebody else was faster: {held.ref} is about {now_about} now. Look again before you change it."
        )
    name(held, system, by=by, why=why.strip())
    if system is not None and State(held.state) in UNRESOLVED:
        call_whose_it_is(held, system, by)
    return held


def named_by(pull: Pull, held: Incident, by: Actor) -> bool:
    """Whether a pull says which system an incident is about that names none: then it does, and the chain is frozen.

    A restricted incident is left as it is: its chain and owner would get to see it, and that is for a person to say.
    The caller holds the incident, and calls whoever must come.
    """
    if held.system_id is not None or held.restricted or pull.undoes_id is not None:
        return False
    name(held, pull.lever.system, by=by, why=f"“{pull.lever.name}” was pulled for it ({pull.ref})")
    return True


def name(held: Incident, system: System | None, *, by: Actor, why: str) -> None:
    """Write which system the incident, which the caller holds, is about, with all that follows but the calling."""
    before = slug_of(held)
    held.system = system
    held.chain = frozen_chains([system])[system.pk if system else None]
    held.chain_step, held.chain_round, held.on_fallback = 0, 0, False
    if awaits_person(State(held.state), acknowledged=held.acknowledged_at is not None):
        held.next_page_at = clock.now()
    _regroup(held)
    after = slug_of(held)
    record(held, "system_changed", {"before": before, "after": after, "name": str(system or ""), "reason": why}, by=by)
    if system is not None and State(held.state) is State.CONTAINED and _by_another(held, system):
        let_go(held, f"the incident is about {system}, and a lever of another system had contained it")
    reassess(held, by)


def system_named(slug: str) -> System | None:
    """The system of this short name; None for an empty one. Raises `Invalid` where there is none."""
    system = System.objects.filter(slug=slug).first() if slug else None
    if slug and system is None:
        raise Invalid(f"There is no system {slug!r}. Leave it out if you do not know.", field="system")
    return system


def slug_of(incident: Incident) -> str:
    """The short name of the incident's system; empty where none is known."""
    return incident.system.slug if incident.system else NONE


def call_whose_it_is(held: Incident, system: System, by: Actor) -> None:
    """Call whoever is on call for the system, unless that is who has the incident or names the system."""
    if held.acknowledged_at is None:
        return  # it pages by itself
    _, reached = next_that_reaches(held, Progress(0, 0, on_fallback=False), clock.now())
    here = {person.pk for person in (held.acknowledged_by, by.person) if person is not None}
    if not here & {one.person.pk for one in reached}:
        call_next(held, f"it is about {system}", clock.now())


def _by_another(held: Incident, system: System) -> bool:
    """Whether it was a lever of another system that contained it."""
    return contained_by_one(held.pulls.exclude(lever__system=system), held)


def _regroup(held: Incident) -> None:
    """Let signals of its system join it, as if it had been opened with it; in a key of its own where that is taken."""
    own = f"named:{held.pk}"
    shared = own
    if held.system_id is not None and not held.restricted:
        shared = group_key(held.system_id, held.incident_type, "", kind=IncidentKind(held.kind))
    taken = Incident.objects.filter(group_key=shared, state__in=UNRESOLVED).exclude(pk=held.pk).exists()
    held.group_key = own if taken else shared
    fields = ["system", "chain", "chain_step", "chain_round", "on_fallback", "next_page_at", "group_key"]
    try:
        with transaction.atomic():
            held.save(update_fields=fields)
    except IntegrityError:
        # A signal opened an incident of the system between the look and the write.
        held.group_key = own
        held.save(update_fields=fields)
