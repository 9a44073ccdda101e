"""People: they acknowledge by link, by page and by text message, twice and all at once, contain, resolve, reopen, close,
declare, make rules and end them."""

import base64
import hashlib
import hmac
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import resolve

from andon.incidents import models as kept
from andon.kit.errors import Refused
from andon.people.models import ContactPoint, Person
from andon.people.policy import Actor
from andon.practice.rules import RuleKind
from andon.practice.words import ContainmentKind
from andon.registry.models import System
from andon.response import acknowledging, containing, duties, opening, resolving
from andon.rules import actions as rules
from andon.rules.models import Rule
from tests.simulation.provider import Attempt
from tests.simulation.rows import Incident
from tests.simulation.world import LENAS_NUMBER, PHONE_TOKEN, RULED, SYSTEMS, World, make_rule

TEXTS = "/phone/sms"


@dataclass(frozen=True)
class Deed:
    """What somebody is about to do at a desk."""

    what: str
    incident: str
    run: Callable[[], str]
    """Answers "done", or "refused" where Andon said, in words, that it cannot be."""
    by_link: Attempt | None = None


def choose(rng: random.Random, world: World, incidents: list[Incident], phones: list[Attempt]) -> Deed | None:
    """What the next person does, by what is on the screens and phones."""
    who = rng.choice(world.responders)
    if rng.random() < 0.03:
        system = rng.choice(SYSTEMS)
        return Deed("declare", "", lambda: _declare(who, system))
    if rng.random() < 0.06:
        return _about_rules(rng, world.lead)
    if incidents and rng.random() < 0.1:
        text = f"{rng.choice(('4', '4', '4', 'status', 'resolve seen to hold'))} {rng.choice(incidents).number}"
        token = PHONE_TOKEN if rng.random() < 0.9 else "another"
        return Deed(f"text {text}", "", lambda: _text(text, token))
    if phones and rng.random() < 0.35:
        attempt = rng.choice(phones[-6:])
        return Deed("link", "", lambda: use_link(attempt.link), attempt)
    if not incidents:
        return None
    one = rng.choice(incidents)
    what = rng.choice(_SENSIBLE[one.state]) if rng.random() < 0.9 else rng.choice(tuple(_DEEDS))
    return Deed(what, one.id, lambda: _act(_DEEDS[what], who, one.id))


def take_up(who: str, incident: str) -> Deed:
    """Somebody says that they have it."""
    return Deed("acknowledge", incident, lambda: _act(_DEEDS["acknowledge"], who, incident))


def reopen(who: str, incident: str) -> Deed:
    """Somebody finds that it goes on."""
    return Deed("reopen", incident, lambda: _act(_DEEDS["reopen"], who, incident))


def _act(deed: Callable[[kept.Incident, Actor], object], who: str, incident: str) -> str:
    try:
        deed(kept.Incident.objects.get(pk=incident), Actor.of(Person.objects.get(pk=who)))
    except Refused:
        return "refused"
    return "done"


def use_link(link: str) -> str:
    """Press the button behind the link in a message: the page itself, without what every page has around it."""
    path = urlsplit(link).path
    request = RequestFactory().post(path)
    request.user = AnonymousUser()
    view, arguments, named = resolve(path)
    status = view(request, *arguments, **named).status_code
    return "done" if status == 302 else f"refused {status}"


def _text(text: str, token: str) -> str:
    """Answer a page by text message, through the provider, which signs what it passes on."""
    given = {"From": LENAS_NUMBER, "Body": text}
    whole = settings.BASE_URL + TEXTS + "".join(f"{name}{given[name]}" for name in sorted(given))
    signature = base64.b64encode(hmac.new(token.encode(), whole.encode(), hashlib.sha1).digest()).decode()
    request = RequestFactory().post(TEXTS, given, headers={"X-Twilio-Signature": signature})
    request.user = AnonymousUser()
    view, arguments, named = resolve(TEXTS)
    status = view(request, *arguments, **named).status_code
    if (status == 200) != (token == PHONE_TOKEN):
        raise AssertionError(f"A text message was answered with {status}.")
    return f"answered {status}"


def _about_rules(rng: random.Random, who: str) -> Deed:
    if rng.random() < 0.5:
        system = rng.choice((*SYSTEMS, *RULED, *RULED))
        kind, said = rng.choice(
            ((RuleKind.SILENCE, {}), (RuleKind.THRESHOLD, {"count": 2, "minutes": 3}), RULED["system-54"])
        )
        return Deed(f"{kind} for {system}", "", lambda: _make_rule(who, kind, system, said))
    place = rng.random()
    return Deed("end a rule", "", lambda: _end_rule(who, place))


def _make_rule(who: str, kind: RuleKind, system: str, said: dict[str, Any]) -> str:
    make_rule(kind, system, said, by=Actor.of(Person.objects.get(pk=who)), hours=0.1)
    return "done"


def _end_rule(who: str, place: float) -> str:
    """End one of the rules that stand, whichever comes at that place among them."""
    standing = list(Rule.objects.filter(ended_at=None).exclude(kind=RuleKind.HEARTBEAT).order_by("number"))
    if not standing:
        return "there is none"
    try:
        rules.end_rule(standing[int(place * len(standing))], by=Actor.of(Person.objects.get(pk=who)))
    except Refused:
        return "refused"
    return "done"


def _declare(who: str, system: str) -> str:
    by = Actor.of(Person.objects.get(pk=who))
    opening.declare(title="Somebody pulled the cord", system=System.objects.get(slug=system), by=by)
    return "done"


def _contain(incident: kept.Incident, by: Actor) -> object:
    return containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="rolled back to v6", by=by)


def _close(incident: kept.Incident, by: Actor) -> object:
    """First what is still to be decided, each in a transaction of its own."""
    for row in duties.undecided(incident):
        duties.does_not_apply(incident, key=row.key, reason="nobody was harmed", by=by)
    return resolving.close(incident, by=by, reason="no review needed")


_DEEDS: dict[str, Callable[[kept.Incident, Actor], object]] = {
    "acknowledge": lambda incident, by: acknowledging.acknowledge(incident, by=by, via="page"),
    "contain": _contain,
    "waive": lambda incident, by: containing.waive_containment(incident, reason="nothing to contain", by=by),
    "resolve": lambda incident, by: resolving.resolve(incident, summary="seen to hold", by=by),
    "reopen": lambda incident, by: resolving.reopen(incident, reason="it goes on", by=by),
    "close": _close,
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
