"""A signal of an open incident says only now which system it is about: the engine names it, as a person would.

Some senders say first that something is wrong and a moment later what it belongs to. Its incident has opened without
a system by then, and the fallback was paged: without this the people of the system would never hear of it.

1. Where nobody has said which system the incident is about, the first signal that names one decides, with its type
   where nobody has said that either. All follows that follows a person's word (`andon.response.naming`).
2. An incident is about one system. Where another signal of it names another one, that is put on the timeline once a
   system, and the other system's people are called once: they would not hear of it otherwise. Nothing is split off.
3. What people said stands. A restricted incident opens itself to nobody by a sender's word; nor does a sender overrule
   whoever has taken a system's name away. Either is put on the timeline, and left to people.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from django.db.models import QuerySet

from andon.incidents.models import Incident, TimelineEntry
from andon.incidents.timeline import hold, record
from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.words import IncidentType
from andon.registry.models import System
from andon.response import naming
from andon.response.assessing import change_type
from andon.response.calling import call_beside
from andon.response.opening import frozen_chains
from andon.rules.book import Read

CHANGED: Final = "system_changed"
"""The entry of a timeline that says which system its incident is about from then on."""
HEARD: Final = "system_heard"
"""The entry that says that a signal names another one than that, and nothing more."""


def heed(incident: Incident, reads: Sequence[Read]) -> System | None:
    """Take over which system these signals, which are in the open incident already, name by now.

    Returns the system where the incident is named here, else None. Called in the transaction in which they are routed:
    done twice it changes nothing, for the second one finds the incident named.

    Args:
        incident: The incident, unresolved, which the caller holds.
        reads: What its signals count as, in the order in which they were first heard.
    """
    naming_one = [(read, read.system) for read in reads if read.system and read.system.pk != incident.system_id]
    if not naming_one:
        return None
    held, system = hold(incident.pk), None
    said = held.timeline.filter(kind=CHANGED)
    if held.system_id is None and not held.restricted and not said.exists():
        read, system = naming_one[0]
        held = _name(held, read, system)
    elif held.system_id is not None and not _by_engine_alone(said):
        return None
    _note(held, ((read, other) for read, other in naming_one if other.pk != held.system_id))
    return system


def _by_engine_alone(said: QuerySet[TimelineEntry]) -> bool:
    """Whether its system was named, and by no person: only then is what signals say of it news to anybody."""
    actors = set(said.values_list("actor", flat=True))
    return actors == {Actor.engine().name}


def _name(held: Incident, read: Read, system: System) -> Incident:
    """Name the system as a person does. The type goes first, for signals join by both from then on."""
    engine, signal = Actor.engine(), read.signal
    if _says_type(read, held) and not held.timeline.filter(kind="type_changed").exists():
        secondary = [IncidentType(other) for other in held.secondary_types]
        change_type(held, type_=read.type, secondary=secondary, by=engine)
    why = f"the signal “{signal.title}” of {signal.integration.name} names it now"
    return naming.set_system(held, system, by=engine, why=why, known=naming.NONE)


def _says_type(read: Read, held: Incident) -> bool:
    """Whether it says another type, and does not merely count as what everything counts as of which none is said."""
    return read.type is not held.incident_type and (
        bool(read.signal.type_hint) or read.type is not IncidentType.TECHNICAL_FAILURE
    )


def _note(held: Incident, others: Iterable[tuple[Read, System]]) -> None:
    """Put on the timeline, once a system, that signals name others; call the people of those who may see it."""
    told = {body["system"] for body in held.timeline.filter(kind=HEARD).values_list("body", flat=True) if body}
    for read, system in others:
        if system.slug in told:
            continue
        told.add(system.slug)
        about = held.system
        why = f"{held.ref} is about {about}; if this is another matter, declare it" if about else _LEFT
        body = {"system": system.slug, "name": system.name, "title": read.signal.title, "reason": why}
        record(held, HEARD, body | {"from": read.signal.integration.name}, by=Actor.engine())
        if about is not None and not held.restricted:
            chain = frozen_chains([system])[system.pk]
            call_beside(held, chain, f"a signal of it names {system}", clock.now())


_LEFT: Final = "name the system if that is so; nothing follows from a signal here"
