"""People at levers: they pull, agree, refuse, withdraw, undo and rehearse, twice and all at once."""

import random
from collections.abc import Callable, Collection

from andon.containment import actions
from andon.containment.models import Lever, Pull
from andon.incidents.models import Incident
from andon.kit.errors import Refused
from andon.people.models import Person
from andon.people.policy import Actor
from tests.simulation import pulls, rows
from tests.simulation.people import Deed
from tests.simulation.world import World

NEWEST = 6
"""Pulls that are on the screens."""


def choose(
    rng: random.Random, world: World, incidents: list[rows.Incident], seen: Collection[pulls.Pull]
) -> Deed | None:
    """What somebody does with a lever next, by what is on the screens."""
    who = rng.choice(world.responders)
    if rng.random() < 0.12:
        place = rng.random()
        return Deed("rehearse", "", lambda: _rehearse(world.lead, place))
    newest = [pull for pull in seen if pull.incident][-NEWEST:]
    waiting = [pull for pull in newest if pull.state == "asked"]
    if waiting and rng.random() < 0.6:
        return _about(rng.choice(waiting), rng.choice(("approve", "approve", "approve", "decline", "withdraw")), who)
    if newest and rng.random() < 0.35:
        return _about(rng.choice(newest), rng.choice(("undo", "undo", "undo", "withdraw", "approve")), who)
    going_on = [one for one in incidents if one.unresolved or rng.random() < 0.05]
    if not going_on:
        return None
    one = rng.choice(going_on)
    return Deed("pull", one.id, lambda: _pull(who, one.id))


def _about(pull: pulls.Pull, what: str, who: str) -> Deed:
    return Deed(f"{what} {pull.ref}", pull.incident, lambda: _act(_DEEDS[what], who, pull.id))


def _act(deed: Callable[[Pull, Actor], object], who: str, pull: str) -> str:
    try:
        deed(Pull.objects.select_related("incident", "lever").get(pk=pull), _by(who))
    except Refused:
        return "refused"
    return "done"


def _pull(who: str, incident: str) -> str:
    found = Incident.objects.get(pk=incident)
    lever = Lever.objects.filter(system=found.system_id).first()
    if lever is None:
        return "there is none"
    try:
        actions.pull(lever, found, by=_by(who))
    except Refused:
        return "refused"
    return "done"


def _rehearse(who: str, place: float) -> str:
    """Rehearse one of the levers on its real target: of those that were pulled, if any, for there it can be in the way."""
    pulled = list(Lever.objects.filter(pulls__rehearsal=None, pulls__isnull=False).distinct().order_by("number"))
    levers = pulled or list(Lever.objects.order_by("number"))
    try:
        actions.rehearse(levers[int(place * len(levers))], by=_by(who), on_real=True)
    except Refused:
        return "refused"
    return "done"


def _by(who: str) -> Actor:
    return Actor.of(Person.objects.get(pk=who))


_DEEDS: dict[str, Callable[[Pull, Actor], object]] = {
    "approve": lambda pull, by: actions.approve(pull, by=by),
    "decline": lambda pull, by: actions.decline(pull, reason="not this one", by=by),
    "withdraw": lambda pull, by: actions.withdraw(pull, reason="not needed", by=by),
    "undo": lambda pull, by: actions.undo(pull, by=by),
}
