"""People: they acknowledge by link and by page, twice and both at once, contain, resolve, reopen, close, declare."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import resolve

from andon.incidents.models import Incident
from andon.kit.errors import Refused
from andon.people.models import ContactPoint, Person
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind
from andon.registry.models import System
from andon.response import acknowledging, containing, opening, resolving
from tests.simulation import oracle
from tests.simulation.provider import Attempt
from tests.simulation.world import SYSTEMS


@dataclass(frozen=True)
class Deed:
    """What somebody is about to do at a desk."""

    what: str
    incident: str
    run: Callable[[], str]
    """Answers "done", or "refused" where Andon said, in words, that it cannot be."""


def choose(
    rng: random.Random, responders: tuple[str, ...], incidents: list[oracle.Incident], phones: list[Attempt]
) -> Deed | None:
    """What the next person does, by what is on the screens and phones."""
    who = rng.choice(responders)
    if rng.random() < 0.03:
        system = rng.choice(SYSTEMS)
        return Deed("declare", "", lambda: _declare(who, system))
    if phones and rng.random() < 0.35:
        attempt = rng.choice(phones[-6:])
        return Deed("link", "", lambda: _use_link(attempt.link))
    if not incidents:
        return None
    one = rng.choice(incidents)
    what = rng.choice(_SENSIBLE[one.state]) if rng.random() < 0.9 else rng.choice(tuple(_DEEDS))
    return Deed(what, one.id, lambda: _act(_DEEDS[what], who, one.id))


def take_up(who: str, incident: str) -> Deed:
    """Somebody says that they have it."""
    return Deed("acknowledge", incident, lambda: _act(_DEEDS["acknowledge"], who, incident))


def _act(deed: Callable[[Incident, Actor], object], who: str, incident: str) -> str:
    try:
        deed(Incident.objects.get(pk=incident), Actor.of(Person.objects.get(pk=who)))
    except Refused:
        return "refused"
    return "done"


def _use_link(link: str) -> str:
    """Press the button behind the link in a message: the page itself, without what every page has around it."""
    path = urlsplit(link).path
    request = RequestFactory().post(path)
    request.user = AnonymousUser()
    view, arguments, named = resolve(path)
    status = view(request, *arguments, **named).status_code
    return "done" if status == 302 else f"refused {status}"


def _declare(who: str, system: str) -> str:
    by = Actor.of(Person.objects.get(pk=who))
    opening.declare(title="Somebody pulled the cord", system=System.objects.get(slug=system), by=by)
    return "done"


def _contain(incident: Incident, by: Actor) -> object:
    return containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="rolled back to v6", by=by)


_DEEDS: dict[str, Callable[[Incident, Actor], object]] = {
    "acknowledge": lambda incident, by: acknowledging.acknowledge(incident, by=by, via="page"),
    "contain": _contain,
    "waive": lambda incident, by: containing.waive_containment(incident, reason="nothing to contain", by=by),
    "resolve": lambda incident, by: resolving.resolve(incident, summary="seen to hold", by=by),
    "reopen": lambda incident, by: resolving.reopen(incident, reason="it goes on", by=by),
    "close": lambda incident, by: resolving.close(incident, by=by, reason="no review needed"),
}
_SENSIBLE = {
    "open": ("acknowledge", "acknowledge", "contain", "waive"),
    "acknowledged": ("contain", "contain", "waive", "resolve", "acknowledge"),
    "contained": ("resolve",),
    "resolved": ("reopen", "close", "close"),
    "closed": ("reopen",),
}


def repair_contact_points() -> str:
    """An administrator has what was refused repaired; its owner confirms it."""
    repaired = ContactPoint.objects.filter(broken_at__isnull=False).update(broken_at=None, broken_reason="")
    return f"{repaired} repaired"
