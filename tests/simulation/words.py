"""What people say by a channel: a button in PagerDuty, a link that is pressed. It comes late, twice and out of order.

Who said what, and when, is known here from outside; what the timelines make of it is judged by that.
"""

import hashlib
import hmac
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import connections
from django.test import RequestFactory
from django.urls import resolve

from andon.people.models import ChannelKind, ContactPoint
from tests.simulation import people
from tests.simulation.chance import Time
from tests.simulation.provider import Attempt
from tests.simulation.rows import Incident
from tests.simulation.world import WEBHOOK_SECRET

IN_PAGERDUTY = ("Lena", "Tomas")
"""Who is paged there."""
EVENTS = "/pagerduty/events"
LINKS = 0.35
"""How often it is a link that is pressed."""
AGAIN = 0.5
"""How often what was taken comes once more all the same."""
NEWEST = 0.4
"""How often what was said last comes first."""
MOST_ON_THE_WAY = 12
CHANGES = {"reopened", "severity_raised"}
"""What somebody cannot have meant who spoke before it."""


@dataclass
class Word:
    """One thing that somebody said, until it was taken and no copy of it is left on the way.

    Attributes:
        about: The address of the incident that it is about.
        step, jumps: When it was said: the step of the run, and how often the clock had jumped.
    """

    number: int
    did: str
    about: str
    link: str
    name: str
    at: datetime
    step: int
    jumps: int

    @property
    def mark(self) -> str:
        return f"EVENT{self.number}"

    @property
    def incident(self) -> int:
        return number_of(self.about)

    def deliver(self) -> str:
        """Bring it to Andon. Runs in a worker."""
        return people.use_link(self.link) if self.link else _post(self)


class Words:
    """All that was said, and everything of it that is still on its way."""

    def __init__(self, dice: random.Random, time: Time, step: Callable[[], int]) -> None:
        self._dice, self._time, self._step = dice, time, step
        self.break_: Callable[[int, str], None]
        self.on_the_way: list[Word] = []
        self.did: Counter[str] = Counter()
        self._said: list[Word] = []
        self._pressed: dict[int, set[str]] = defaultdict(set)
        self._taken: set[int] = set()
        self._used: set[str] = set()
        self._acknowledged: Counter[int] = Counter()
        """By incident: how often by a link."""
        self._counted: set[str] = set()
        """Marks by which an incident was acknowledged."""
        self._known: set[str] = set()
        """Marks that stand on a timeline."""
        self._changed: dict[int, tuple[int, int]] = {}
        self._born: dict[int, int] = {}

    def say(self, attempts: Sequence[Attempt]) -> Word | None:
        """Somebody who was paged lately presses a button."""
        there = [one for one in attempts if one.taken and one.channel == ChannelKind.PAGERDUTY]
        if not there or len(self.on_the_way) >= MOST_ON_THE_WAY:
            return None
        by_link = self._dice.random() < LINKS
        attempt = self._dice.choice(there[-6:])
        about = attempt.about[0] if by_link else self._dice.choice(attempt.about)
        did = "acknowledged" if by_link or self._dice.random() < 0.8 else "resolved"
        name = attempt.to if self._dice.random() < 0.9 else "Somebody"
        word = Word(
            len(self._said), did, about, attempt.link if by_link else "", name, self._time.now(), self._step(),
            self._time.jumps,
        )  # fmt: skip
        self._said.append(word)
        self.on_the_way.append(word)
        return word

    def take(self) -> Word:
        """Whatever comes next."""
        word = self.on_the_way[-1] if self._dice.random() < NEWEST else self._dice.choice(self.on_the_way)
        if word.link:
            self.pressed(word.link, word.incident)
        return word

    def too_late(self, incidents: Collection[Incident]) -> list[Incident]:
        """Incidents that are over while something that was said of them is still on the way."""
        spoken_of = {word.incident for word in self.on_the_way}
        return [one for one in incidents if one.number in spoken_of and not one.unresolved]

    def pressed(self, link: str, incident: int) -> None:
        """The link of a page of this incident is pressed."""
        self._pressed[incident].add(link)

    def answered(self, word: Word, outcome: str, began: int, incidents: Collection[Incident]) -> None:
        """A copy was answered, with nothing if the line broke: then it is sent again, and now and then in any case."""
        if not outcome.startswith(("done", "answered", "refused 4")):
            self.did["words sent again"] += 1
            return
        self.did["words taken"] += 1
        self.did["words doubled"] += word.number in self._taken
        one = next((one for one in incidents if one.number == word.incident), None)
        self.did["words late"] += one is not None and not one.unresolved
        self._taken.add(word.number)
        if word in self.on_the_way and self._dice.random() >= AGAIN:
            self.on_the_way.remove(word)
        if word.link:
            self._count_use(word, outcome)
            return
        changed, jumps = self._changed.get(word.incident, (-1, -1))[0], {word.jumps, self._time.jumps}
        fresh = max(changed, 0) < min(began, word.step) and jumps == {self._born.get(word.incident)}
        if fresh and one is not None and one.awaits and word.mark not in self._known:
            self.break_(3, f"INC-{word.incident} was taken up in PagerDuty, that was heard, and nothing here says so")

    def _count_use(self, word: Word, outcome: str) -> None:
        if outcome != "done":
            return
        if word.link in self._used:
            self.break_(3, f"INC-{word.incident} was acknowledged by a link that had been used before")
        self._used.add(word.link)

    # What the timelines make of it

    def heard(self, number: int, kind: str, body: dict[str, Any]) -> None:
        """An entry on the timeline of an incident, in the step in which it was written."""
        self._born.setdefault(number, self._time.jumps)
        if kind in CHANGES:
            self._changed[number] = self._step(), self._time.jumps
        if kind == "said_in_pagerduty":
            self._known.add(body["event"])
        if kind != "acknowledged":
            return
        if body["via"] == "link":
            self._acknowledged[number] += 1
            self.did["acknowledged by link"] += 1
            if self._acknowledged[number] > len(self._pressed[number]):
                self.break_(3, f"INC-{number} was acknowledged by a link that nobody had pressed")
        if body["via"] == "pagerduty":
            self.did["acknowledged in PagerDuty"] += 1
            self._judge(number, body["event"])

    def _judge(self, number: int, mark: str) -> None:
        """Whether somebody meant this incident, as it is now, and was not heard before."""
        word = next((one for one in self._said if one.mark == mark), None)
        changed, jumps = self._changed.get(number, (-1, -1))
        if word is None or word.incident != number:
            self.break_(3, f"INC-{number} was acknowledged by what was said in PagerDuty of another")
        elif mark in self._counted:
            self.break_(3, f"INC-{number} was acknowledged twice by one word from PagerDuty")
        elif word.step < changed and word.jumps == jumps:
            self.break_(3, f"INC-{number} was acknowledged by a word from before it was reopened or got worse")
        self._counted.add(mark)
        self._known.add(mark)


def number_of(url: str) -> int:
    """The number of the incident at an address."""
    return int(url.rpartition("/")[2])


def move_to_pagerduty() -> None:
    """Some people are paged in PagerDuty from now on, before anything runs."""
    points = ContactPoint.objects.filter(person__name__in=IN_PAGERDUTY, kind=ChannelKind.LOG)
    points.update(kind=ChannelKind.PAGERDUTY, address="R0123456789abcdef0123456789abcdE")
    connections.close_all()


def _post(word: Word) -> str:
    """PagerDuty's webhook, signed, at the page that hears it."""
    body = json.dumps(_as_pagerduty(word)).encode()
    signature = "v1=" + hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    request = RequestFactory().post(
        EVENTS, body, content_type="application/json", headers={"X-PagerDuty-Signature": signature}
    )
    request.user = AnonymousUser()
    view, arguments, named = resolve(EVENTS)
    status = view(request, *arguments, **named).status_code
    if status != 202:
        raise AssertionError(f"A webhook of PagerDuty's was answered with {status}.")
    return f"answered {status}"


def _as_pagerduty(word: Word) -> dict[str, Any]:
    return {
        "event": {
            "id": word.mark,
            "event_type": f"incident.{word.did}",
            "resource_type": "incident",
            "occurred_at": word.at.astimezone(UTC).isoformat(timespec="milliseconds"),
            "agent": {"id": f"P{word.name.upper()}", "type": "user_reference", "summary": word.name},
            "data": {"id": "PGR0VU2", "type": "incident", "incident_key": word.about, "status": word.did},
        }
    }
